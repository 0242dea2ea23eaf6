//! Options made whole: defaults filled in, sizes padded as llama.cpp pads them, and what it would refuse refused.

use super::options::{Backend, Era, Options};
use crate::llama::graph::{Device, Devices, Layout};
use crate::model::{Hyper, TensorType};

/// Cells of a cache come in this many.
const CELL_PAD: u64 = 256;
/// What llama.cpp takes at most.
const SEQUENCES_MAX: u64 = 256;
/// Beyond these no model is known, and products of sizes could no longer be trusted.
const WIDTH_MAX: u64 = 1 << 24;
const VOCABULARY_MAX: u64 = 1 << 32;
const LAYERS_MAX: usize = 512;
const CONTEXT_MAX: u64 = 1 << 36;
const TOKENS_MAX: u64 = 1 << 24;
/// Rows from which on a weight in host memory is copied to a GPU for a product.
const OFFLOAD_ROWS: u64 = 32;
const GPUS_MAX: usize = 15;

/// Why nothing can be said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LlamaError {
    /// No layers, no width or no vocabulary.
    #[error("the model has no {0}: give its configuration or a GGUF header that states it")]
    Missing(&'static str),
    /// A number that no model has.
    #[error("the model's {what} of {value} is beyond {most}: check the file, no such model is known")]
    Beyond {
        /// What.
        what: &'static str,
        /// As it was given.
        value: u64,
        /// What is taken.
        most: u64,
    },
    /// Options that llama.cpp refuses.
    #[error("{0}")]
    Refused(&'static str),
}

/// Options and shape, checked, with what follows from both.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) options: Options,
    /// Cells of one sequence's cache (of all together, where it is unified).
    pub(crate) cells: u64,
    /// Caches side by side.
    pub(crate) streams: u64,
    /// Tokens computed at a time.
    pub(crate) tokens: u64,
    /// Rows of logits at a time.
    pub(crate) outputs: u64,
    /// Cells of layers with a window, by the largest window.
    pub(crate) window_cells: Option<u64>,
    /// Where each layer is: a GPU's number, or the host's.
    pub(crate) layer_device: Vec<u8>,
    /// Where the output is.
    pub(crate) output_device: u8,
    /// The host's number: behind the GPUs.
    pub(crate) host: u8,
}

impl Setup {
    pub(crate) fn new(hyper: &Hyper, options: &Options) -> Result<Self, LlamaError> {
        check_shape(hyper)?;
        check_options(options)?;
        let sequences = options.sequences.max(1);
        let asked = if options.context == 0 { hyper.context_trained } else { options.context };
        if asked == 0 {
            return Err(LlamaError::Missing("context length, and none was asked for"));
        }
        beyond("context", asked, CONTEXT_MAX)?;
        let batch = options.batch.min(asked).max(1);
        let micro_batch = if options.micro_batch == 0 { batch } else { options.micro_batch.min(batch) };
        let mut context = asked.next_multiple_of(CELL_PAD);
        let (cells, streams) =
            if options.unified { (context, 1) } else { per_sequence(&mut context, sequences) };
        let tokens = micro_batch.min(context);
        let outputs = options.outputs_max.filter(|most| *most > 0).unwrap_or(batch).min(tokens);
        let window = hyper.layers.iter().filter_map(|layer| layer.attention.as_ref()?.window).max();
        let window_cells = window.map(|window| {
            let seen = window.saturating_mul(if options.unified { sequences } else { 1 });
            let cells_some = cells.min(seen.saturating_add(micro_batch)).next_multiple_of(CELL_PAD);
            if options.full_window { cells } else { cells_some }
        });
        let (layer_device, output_device) = placement(hyper.layers.len(), options);
        Ok(Self {
            cells,
            streams,
            tokens: tokens.next_multiple_of(sequences),
            outputs,
            window_cells,
            layer_device,
            output_device,
            host: u8::try_from(options.shares.len()).unwrap_or(u8::MAX),
            options: Options { sequences, ..options.clone() },
        })
    }

    pub(crate) fn sequences(&self) -> u64 {
        self.options.sequences
    }

    /// Whether all layers and the output are on GPUs.
    pub(crate) fn all_offloaded(&self) -> bool {
        self.host > 0 && self.output_device != self.host && !self.layer_device.contains(&self.host)
    }

    /// Whether the program keeps several runs in flight, each with inputs of its own.
    pub(crate) fn pipelined(&self) -> bool {
        self.options.shares.iter().filter(|share| **share > 0).count() > 1
            && self.all_offloaded()
            && self.options.kv_offload
            && self.options.host_experts == 0
            && self.options.backend == Backend::Cuda
    }

    /// Where a layer's cache is.
    pub(crate) fn cache_device(&self, layer: usize) -> u8 {
        if self.options.kv_offload { self.device(layer) } else { self.host }
    }

    pub(crate) fn device(&self, layer: usize) -> u8 {
        self.layer_device.get(layer).copied().unwrap_or(self.host)
    }

    pub(crate) fn devices(&self) -> Devices {
        let gpu = match self.options.backend {
            Backend::Cuda => Layout { align: 128, row_elements: 512, halves: self.options.era == Era::Now },
            Backend::Metal => Layout { align: 32, row_elements: 1, halves: false },
            Backend::Vulkan => Layout { align: 64, row_elements: 1, halves: false },
        };
        let offload_rows = self.options.op_offload.then_some(OFFLOAD_ROWS);
        let mut devices = vec![Device { layout: gpu, offload_rows }; usize::from(self.host)];
        // The host's own buffer is taken from the first GPU's driver where there is one, which aligns as the host does.
        devices.push(Device {
            layout: Layout { align: 32, row_elements: 1, halves: false },
            offload_rows: None,
        });
        Devices { devices, copies: if self.pipelined() { 4 } else { 1 } }
    }

    pub(crate) fn is_early(&self) -> bool {
        self.options.era == Era::Early
    }
}

fn per_sequence(context: &mut u64, sequences: u64) -> (u64, u64) {
    let cells = (*context / sequences).next_multiple_of(CELL_PAD).max(CELL_PAD);
    *context = cells.saturating_mul(sequences);
    (cells, sequences)
}

fn beyond(what: &'static str, value: u64, most: u64) -> Result<(), LlamaError> {
    if value > most { Err(LlamaError::Beyond { what, value, most }) } else { Ok(()) }
}

fn check_shape(hyper: &Hyper) -> Result<(), LlamaError> {
    for (what, value) in
        [("layers", hyper.layers.len() as u64), ("width", hyper.width), ("vocabulary", hyper.vocabulary)]
    {
        if value == 0 {
            return Err(LlamaError::Missing(what));
        }
    }
    beyond("layers", hyper.layers.len() as u64, LAYERS_MAX as u64)?;
    beyond("width", hyper.width, WIDTH_MAX)?;
    beyond("vocabulary", hyper.vocabulary, VOCABULARY_MAX)?;
    for layer in &hyper.layers {
        if let Some(attention) = &layer.attention {
            for (what, value) in [
                ("number of heads", attention.heads),
                ("number of KV heads", attention.kv_heads),
                ("width of a key", attention.key_width),
                ("width of a value", attention.value_width),
            ] {
                beyond(what, value, WIDTH_MAX)?;
            }
        }
        if let Some(state) = &layer.recurrent {
            for (what, value) in [
                ("inner width", state.inner_width),
                ("state", state.state_width),
                ("groups", state.groups),
                ("recurrent heads", state.heads),
                ("taps", state.taps),
            ] {
                beyond(what, value, WIDTH_MAX)?;
            }
        }
    }
    Ok(())
}

fn check_options(options: &Options) -> Result<(), LlamaError> {
    beyond("batch", options.batch, TOKENS_MAX)?;
    beyond("micro-batch", options.micro_batch, TOKENS_MAX)?;
    beyond("number of sequences", options.sequences, SEQUENCES_MAX)?;
    beyond("number of GPUs", options.shares.len() as u64, GPUS_MAX as u64)?;
    beyond("rollback", options.rollback, 1024)?;
    if !options.flash_attention && options.value_kind.is_quantized() {
        return Err(LlamaError::Refused(
            "values cannot be cached in a quantized type without flash attention: turn it on (-fa on) or take f16",
        ));
    }
    let cached = [options.key_kind, options.value_kind];
    if cached
        .iter()
        .any(|kind| matches!(kind, TensorType::I8 | TensorType::I16 | TensorType::I32 | TensorType::I64))
    {
        return Err(LlamaError::Refused(
            "a cache holds f32, f16, bf16 or a quantized type: take one of those",
        ));
    }
    Ok(())
}

/// The devices of the layers and of the output: the last layers are the first to go to GPUs, in order of the GPUs.
fn placement(layers: usize, options: &Options) -> (Vec<u8>, u8) {
    let host = u8::try_from(options.shares.len()).unwrap_or(u8::MAX);
    let all = layers as u64 + 1;
    let asked = options.gpu_layers.unwrap_or(u64::MAX).min(all);
    let total = options.shares.iter().fold(0u64, |sum, share| sum.saturating_add(*share));
    if host == 0 || asked == 0 || total == 0 {
        return (vec![host; layers], host);
    }
    let first = all - asked;
    let device = |layer: u64| -> u8 {
        let Some(rank) = layer.checked_sub(first) else { return host };
        let mut sum = 0u64;
        for (index, share) in options.shares.iter().enumerate() {
            sum = sum.saturating_add(*share);
            // The first GPU whose shares reach beyond the layer's own part of all.
            if u128::from(sum) * u128::from(asked) > u128::from(rank) * u128::from(total) {
                return u8::try_from(index).unwrap_or(host);
            }
        }
        host.saturating_sub(1)
    };
    ((0..layers as u64).map(device).collect(), device(layers as u64))
}
