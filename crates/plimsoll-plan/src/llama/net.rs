//! The graph of a model under construction, and the few pieces that all decoders share.

use std::collections::HashMap;

use super::cache::{layer_cache, widest_value};
use super::graph::{Graph, Home, Id, row_bytes};
use super::options::Era;
use super::setup::Setup;
use super::style::{Norm, Style};
use crate::model::{Hyper, Model, TensorType};

/// What attention reads besides its own tensors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CacheInput {
    pub(crate) key_rows: Id,
    pub(crate) value_rows: Id,
    pub(crate) mask: Id,
    pub(crate) key_rotation: Option<Id>,
    pub(crate) value_rotation: Option<Id>,
    pub(crate) cells: u64,
}

/// A graph under construction.
pub(crate) struct Net<'a> {
    pub(crate) graph: Graph,
    pub(crate) hyper: &'a Hyper,
    pub(crate) setup: &'a Setup,
    pub(crate) style: Style,
    kinds: HashMap<&'a str, TensorType>,
    fallback: TensorType,
    positions: Option<Id>,
    output_rows: Option<Id>,
    full: Option<CacheInput>,
    window: Option<CacheInput>,
    state_numbers: Option<(Id, Id)>,
    factors: HashMap<u8, Id>,
    /// Embeddings of each layer's own, where there are such.
    pub(crate) layer_embeddings: Option<Id>,
}

/// A tensor's four sides, the last of them one.
pub(crate) fn flat(width: u64, rows: u64) -> [u64; 4] {
    [width, rows, 1, 1]
}

impl<'a> Net<'a> {
    pub(crate) fn new(model: &'a Model, setup: &'a Setup) -> Self {
        let kinds: HashMap<_, _> =
            model.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.kind)).collect();
        Self {
            graph: Graph::new(),
            hyper: &model.hyper,
            setup,
            style: Style::of(model),
            fallback: common_kind(model),
            kinds,
            positions: None,
            output_rows: None,
            full: None,
            window: None,
            state_numbers: None,
            factors: HashMap::new(),
            layer_embeddings: None,
        }
    }

    pub(crate) fn tokens(&self) -> u64 {
        self.setup.tokens
    }

    pub(crate) fn last(&self) -> usize {
        self.hyper.layers.len().saturating_sub(1)
    }

    /// A weight matrix of a layer; its name is that of GGUF, without the layer's number.
    pub(crate) fn weight(&mut self, layer: usize, name: &str, sides: [u64; 4]) -> Id {
        let full = format!("blk.{layer}.{name}.weight");
        let kind = self.kind(&full);
        let expert = name.contains("_exps");
        let on_host = expert && (layer as u64) < self.setup.options.host_experts;
        let device = if on_host { self.setup.host } else { self.setup.device(layer) };
        self.graph.weight(kind, sides, Home::Weight(device))
    }

    /// A vector of a layer: a norm's weights or a bias.
    pub(crate) fn vector(&mut self, layer: Option<usize>, width: u64) -> Id {
        let device = layer.map_or(self.setup.output_device, |layer| self.setup.device(layer));
        self.graph.weight(TensorType::F32, flat(width, 1), Home::Weight(device))
    }

    /// A vector of a layer's experts, one for each.
    pub(crate) fn expert_vector(&mut self, layer: usize, width: u64, count: u64) -> Id {
        let on_host = (layer as u64) < self.setup.options.host_experts;
        let device = if on_host { self.setup.host } else { self.setup.device(layer) };
        self.graph.weight(TensorType::F32, flat(width, count), Home::Weight(device))
    }

    /// A weight matrix applied.
    pub(crate) fn project(&mut self, layer: usize, name: &str, of: Id, width: u64) -> Id {
        let sides = flat(self.graph.get(of).sides[0], width);
        let weight = self.weight(layer, name, sides);
        self.graph.matmul(weight, of)
    }

    /// A bias added.
    pub(crate) fn bias(&mut self, layer: usize, of: Id) -> Id {
        let bias = self.vector(Some(layer), self.graph.get(of).sides[0]);
        self.graph.each(&[of, bias])
    }

    /// A norm of the model's sort, with its weights; `None` for the one behind all layers.
    pub(crate) fn norm(&mut self, layer: Option<usize>, of: Id) -> Id {
        self.norm_at(layer, of, true)
    }

    /// A norm of a layer that is free to be computed where its neighbours are.
    pub(crate) fn norm_loose(&mut self, layer: usize, of: Id) -> Id {
        self.norm_at(Some(layer), of, false)
    }

    fn norm_at(&mut self, layer: Option<usize>, of: Id, pinned: bool) -> Id {
        let sort = self.style.norm;
        let bare = match sort {
            Norm::Rms => self.graph.each(&[of]),
            Norm::Mean | Norm::MeanBias => self.graph.like(&[of]),
        };
        if pinned {
            self.pin_norm(layer, bare);
        }
        let width = self.graph.get(of).sides[0];
        let weight = self.vector(layer, width);
        let scaled = self.graph.each(&[bare, weight]);
        if sort != Norm::MeanBias {
            return scaled;
        }
        let bias = self.vector(layer, width);
        self.graph.each(&[scaled, bias])
    }

    /// A root-mean-square norm, whatever the model's sort.
    pub(crate) fn norm_rms(&mut self, layer: Option<usize>, of: Id) -> Id {
        let sort = std::mem::replace(&mut self.style.norm, Norm::Rms);
        let normed = self.norm(layer, of);
        self.style.norm = sort;
        normed
    }

    /// Norms stay on their layer's device where all layers are on GPUs, or few tokens are computed.
    fn pin_norm(&mut self, layer: Option<usize>, bare: Id) {
        if let Some(layer) = layer
            && (self.setup.all_offloaded() || self.setup.tokens < 32)
        {
            self.graph.pin(bare, self.setup.device(layer));
        }
    }

    /// Token embeddings: rows of a table in host memory.
    pub(crate) fn embedding(&mut self) -> Id {
        let (width, tokens) = (self.hyper.width, self.tokens());
        let kind = self.kind("token_embd.weight");
        let table =
            self.graph.weight(kind, flat(width, self.hyper.vocabulary), Home::Weight(self.setup.host));
        let numbers = self.graph.input(TensorType::I32, flat(tokens, 1));
        let rows = self.graph.get_rows(table, numbers);
        self.graph.expand(rows);
        if self.setup.options.era >= Era::Early2026 {
            // Embeddings can also be handed over ready; their room is kept whether they are or not.
            let ready = self.graph.input(TensorType::F32, flat(width, tokens));
            self.graph.expand(ready);
        }
        let scaled = if self.style.scaled_embedding { self.graph.each(&[rows]) } else { rows };
        if self.style.scaled_embedding_at_once {
            self.graph.expand(scaled);
        }
        scaled
    }

    pub(crate) fn positions(&mut self) -> Id {
        let count = self.tokens().saturating_mul(self.style.positions_per_token);
        *self.positions.get_or_insert_with(|| self.graph.input(TensorType::I32, flat(count, 1)))
    }

    /// A rotation by position.
    pub(crate) fn rope(&mut self, layer: usize, of: Id) -> Id {
        let positions = self.positions();
        let windowed =
            || self.hyper.layers.get(layer).and_then(|own| own.attention.as_ref()?.window).is_some();
        let factors =
            (self.style.rope_factors && !(self.style.rope_factors_full_only && windowed())).then(|| {
                let device = self.setup.device(layer);
                let sides = flat(self.hyper.rope_width / 2, 1);
                let graph = &mut self.graph;
                *self
                    .factors
                    .entry(device)
                    .or_insert_with(|| graph.weight(TensorType::F32, sides, Home::Weight(device)))
            });
        self.graph.rope(of, positions, factors)
    }

    /// Only the rows whose logits are wanted.
    pub(crate) fn wanted(&mut self, of: Id) -> Id {
        let outputs = self.setup.outputs;
        let rows =
            *self.output_rows.get_or_insert_with(|| self.graph.input(TensorType::I32, flat(outputs, 1)));
        self.graph.get_rows(of, rows)
    }

    /// What attention of layers with or without a window reads.
    pub(crate) fn cache_input(&mut self, layer: usize) -> CacheInput {
        let windowed =
            self.hyper.layers.get(layer).and_then(|layer| layer.attention.as_ref()?.window).is_some();
        if let Some(made) = if windowed { self.window } else { self.full } {
            return made;
        }
        let made = self.make_cache_input(windowed);
        *(if windowed { &mut self.window } else { &mut self.full }) = Some(made);
        made
    }

    fn make_cache_input(&mut self, windowed: bool) -> CacheInput {
        let (setup, tokens) = (self.setup, self.tokens());
        let cells = setup.window_cells.filter(|_| windowed).unwrap_or(setup.cells);
        let flash = setup.options.flash_attention;
        let value_rows = if flash { tokens } else { tokens.saturating_mul(widest_value(self.hyper)) };
        let mask_rows = if setup.is_early() { tokens.next_multiple_of(64) } else { tokens / setup.streams };
        let streams = if setup.is_early() { 1 } else { setup.streams };
        let half = setup.options.era == Era::Now;
        let mask_kind = if flash && half { TensorType::F16 } else { TensorType::F32 };
        let mut mask = self.graph.input(mask_kind, [cells, mask_rows, 1, streams]);
        if flash && !half {
            mask = self.graph.cast(mask, TensorType::F16);
        }
        let key_rotation = self.rotation(windowed, true);
        let value_rotation = self.rotation(windowed, false);
        CacheInput {
            key_rows: self.graph.input(TensorType::I64, flat(tokens, 1)),
            value_rows: self.graph.input(TensorType::I64, flat(value_rows, 1)),
            mask,
            key_rotation,
            value_rotation,
            cells,
        }
    }

    /// The matrix by which cached keys or values are rotated: only for quantized caches whose heads are all as wide.
    fn rotation(&mut self, windowed: bool, keys: bool) -> Option<Id> {
        let options = &self.setup.options;
        let kind = if keys { options.key_kind } else { options.value_kind };
        if !options.rotation || options.era != Era::Now || !kind.is_quantized() {
            return None;
        }
        let mut widths = self.hyper.layers.iter().filter_map(|layer| {
            let attention = layer.attention.as_ref()?;
            (attention.window.is_some() == windowed && !attention.borrows_kv && attention.mla.is_none())
                .then_some(if keys { attention.key_width } else { attention.value_width })
        });
        let width = widths.next()?;
        if width % 64 != 0 || width == 0 || widths.any(|other| other != width) {
            return None;
        }
        let side = if keys { 1 << width.trailing_zeros().min(62) } else { 64 };
        Some(self.graph.input(TensorType::F32, flat(side, side)))
    }

    /// The cached keys of a layer and of its values, as tensors that are there already.
    pub(crate) fn cache_tensors(&mut self, layer: usize) -> Option<(Id, Id)> {
        let setup = self.setup;
        let cache = layer_cache(self.hyper, self.hyper.layers.get(layer)?, setup)?;
        let home = Home::State(setup.cache_device(layer));
        let keys = [cache.key_width, cache.cells, setup.streams, 1];
        let values = [cache.value_width, cache.cells, setup.streams, 1];
        let keys = self.graph.weight(setup.options.key_kind, keys, home);
        Some((keys, self.graph.weight(setup.options.value_kind, values, home)))
    }

    /// Which recurrent states the sequences of a batch read, and which others are moved: none, in the largest batch.
    pub(crate) fn state_numbers(&mut self) -> (Id, Id) {
        if let Some(made) = self.state_numbers {
            return made;
        }
        let sequences = self.setup.sequences();
        let all = self.graph.input(TensorType::I32, flat(sequences, 1));
        let made = (self.graph.view_row(all, sequences), self.graph.view_row(all, 0));
        self.state_numbers = Some(made);
        made
    }

    /// The type of a tensor by its name.
    pub(crate) fn kind(&self, name: &str) -> TensorType {
        self.kinds.get(name).copied().unwrap_or(self.fallback)
    }

    /// The norm and the product that make logits of what the last layer left; the graph's end.
    pub(crate) fn logits(&mut self, of: Id) -> Id {
        let (width, vocabulary) = (self.hyper.width, self.hyper.vocabulary);
        let name = if self.hyper.tied_embedding { "token_embd.weight" } else { "output.weight" };
        let kind = self.kind(name);
        let table = self.graph.weight(kind, flat(width, vocabulary), Home::Weight(self.setup.output_device));
        let mut logits = self.graph.matmul(table, of);
        if self.style.output_bias {
            let bias = self.vector(None, vocabulary);
            logits = self.graph.each(&[logits, bias]);
        }
        for _ in 0..self.style.logits_steps {
            logits = self.graph.each(&[logits]);
        }
        self.graph.output(logits);
        self.graph.expand(logits);
        logits
    }

    /// Some of a tensor's heads: so many elements of each row from somewhere on, `heads` of them.
    pub(crate) fn heads_of(&mut self, of: Id, width: u64, heads: u64) -> Id {
        let (tensor, tokens) = (self.graph.get(of), self.tokens());
        let (row, kind) = (tensor.strides[1], tensor.kind);
        let head = row_bytes(kind, width);
        self.graph.view(of, [width, heads, tokens, 1], [head, row, row.saturating_mul(tokens)])
    }
}

/// The type that most of a model's weights have, by bytes.
fn common_kind(model: &Model) -> TensorType {
    let mut sums: HashMap<TensorType, u64> = HashMap::new();
    for tensor in &model.tensors {
        let sum = sums.entry(tensor.kind).or_default();
        *sum = sum.saturating_add(tensor.bytes.get());
    }
    sums.into_iter().max_by_key(|(kind, sum)| (*sum, *kind)).map_or(TensorType::F16, |(kind, _)| kind)
}
