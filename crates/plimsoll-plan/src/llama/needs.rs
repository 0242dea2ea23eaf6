//! What a model needs under llama.cpp with given options, part by part.

use plimsoll::Bytes;

use super::cache::{checkpoint_bytes, layer_cache, output_bytes, state_bytes};
use super::decoder::graph_of;
use super::graph::compute_bytes;
use super::options::Options;
use super::setup::{LlamaError, Setup};
use crate::model::Model;

/// The bytes of llama.cpp's buffers, by device: the GPUs in their order, the host last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buffers {
    /// Keys and values.
    pub cache: Vec<Bytes>,
    /// Recurrent state.
    pub state: Vec<Bytes>,
    /// What is there only while a batch is computed.
    pub compute: Vec<Bytes>,
    /// What the server keeps in host memory for one checkpoint of one sequence: what cannot be cut back token by token,
    /// recurrent state and the caches of layers with a window. It keeps up to 32 of them for each sequence.
    pub checkpoint: Bytes,
    /// Logits that are handed out, in host memory.
    pub output: Bytes,
    /// Whether the compute buffers follow the rules of an architecture that was checked against llama.cpp.
    pub checked: bool,
}

impl Buffers {
    /// What each buffer takes.
    pub fn of(model: &Model, options: &Options) -> Result<Self, LlamaError> {
        let setup = Setup::new(&model.hyper, options)?;
        let devices = usize::from(setup.host) + 1;
        let (mut cache, mut state) = (vec![Bytes::ZERO; devices], vec![Bytes::ZERO; devices]);
        for (index, layer) in model.hyper.layers.iter().enumerate() {
            let device = usize::from(setup.cache_device(index));
            let own = layer_cache(&model.hyper, layer, &setup).map_or(0, |cache| cache.bytes(&setup));
            add(&mut cache, device, own);
            add(&mut state, device, state_bytes(&model.hyper, layer, &setup));
        }
        let checkpoint = Bytes::new(checkpoint_bytes(&model.hyper, &setup));
        let (graph, style) = graph_of(model, &setup);
        let compute = compute_bytes(graph, &setup.devices()).into_iter().map(Bytes::new).collect();
        let output = Bytes::new(output_bytes(&model.hyper, &setup));
        Ok(Self { cache, state, compute, checkpoint, output, checked: style.known })
    }
}

fn add(sums: &mut [Bytes], device: usize, bytes: u64) {
    if let Some(sum) = sums.get_mut(device) {
        *sum = sum.saturating_add(Bytes::new(bytes));
    }
}
