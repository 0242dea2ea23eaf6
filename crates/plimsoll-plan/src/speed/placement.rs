//! Which part of a model runs where, and what a token asks of each place.

use plimsoll::{Bytes, Place};

use crate::model::{Attention, Ffn, Layer, Mla, Model, Recurrent, Seat, Tensor, TensorType};

/// Where each layer runs, and where its experts lie.
///
/// What it does not cover: how many bytes that takes (the memory models say so), and matrices that are parted over
/// several cards; a layer is in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The place of each layer, from the first.
    pub layers: Vec<Place>,
    /// The place of each layer's experts, where it has any.
    pub experts: Vec<Place>,
    /// The place of what is behind the last layer.
    pub output: Place,
}

impl Placement {
    /// All in one place.
    pub fn all(model: &Model, place: Place) -> Self {
        let layers = vec![place; model.hyper.layers.len()];
        Self { experts: layers.clone(), layers, output: place }
    }

    /// The last `offloaded` layers on these GPUs in equal shares, in their order, the others on the host; experts of
    /// the first `host_experts` layers stay on the host in any case. More layers than there are bring the output too.
    pub fn offloaded(model: &Model, gpus: &[Place], offloaded: u32, host_experts: u32) -> Self {
        let count = model.hyper.layers.len();
        let taken = usize::try_from(offloaded).unwrap_or(usize::MAX).min(count);
        let first = count - taken;
        let of = |index: usize| match index.checked_sub(first) {
            Some(at) if !gpus.is_empty() => {
                gpus.get(at * gpus.len() / taken.max(1)).copied().unwrap_or(Place::Host)
            }
            _ => Place::Host,
        };
        let layers: Vec<Place> = (0..count).map(of).collect();
        let stay = usize::try_from(host_experts).unwrap_or(usize::MAX);
        let experts =
            layers.iter().enumerate().map(|(at, &place)| if at < stay { Place::Host } else { place });
        let whole = usize::try_from(offloaded).unwrap_or(usize::MAX) > count;
        let output = if whole { gpus.last().copied().unwrap_or(Place::Host) } else { Place::Host };
        Self { experts: experts.collect(), layers, output }
    }
}

/// What one place has to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// The place.
    pub place: Place,
    /// Layers that run there.
    pub layers: u32,
    /// Bytes of weights that a step of decoding reads: of the experts those that its tokens take.
    pub step_weights: Bytes,
    /// Bytes of weights that a large batch reads: all.
    pub batch_weights: Bytes,
    /// Bytes of keys, values and states that one sequence reads for a token.
    pub cache: Bytes,
    /// Operations of a token in the weights.
    pub operations: f64,
    /// Those of them that are in experts.
    pub expert_operations: f64,
    /// Operations of a token in attention, at the depth asked for.
    pub attention: f64,
}

impl Load {
    /// Nothing yet, in a place.
    pub fn new(place: Place) -> Self {
        Self {
            place,
            layers: 0,
            step_weights: Bytes::ZERO,
            batch_weights: Bytes::ZERO,
            cache: Bytes::ZERO,
            operations: 0.0,
            expert_operations: 0.0,
            attention: 0.0,
        }
    }
}

/// What a token asks of each place: `depth` tokens before it in its sequence, `tokens` in a step of decoding, and the
/// types of keys and values.
pub fn loads(
    model: &Model,
    placement: &Placement,
    depth: u64,
    tokens: u32,
    types: (TensorType, TensorType),
) -> Vec<Load> {
    let mut loads: Vec<Load> = Vec::new();
    for tensor in &model.tensors {
        let place = place_of(model, placement, tensor);
        let load = at(&mut loads, place);
        let (part, used) = shares(model, tensor, tokens);
        load.batch_weights = load.batch_weights.saturating_add(tensor.bytes.fraction(used.ceil()));
        load.step_weights = load.step_weights.saturating_add(tensor.bytes.fraction(part));
        if tensor.shape.len() > 1 {
            let operations = 2.0 * float(tensor.elements()) * used;
            load.operations += operations;
            load.expert_operations += if tensor.is_expert() { operations } else { 0.0 };
        }
    }
    for (index, layer) in model.hyper.layers.iter().enumerate() {
        let place = placement.layers.get(index).copied().unwrap_or(Place::Host);
        let load = at(&mut loads, place);
        load.layers = load.layers.saturating_add(1);
        let (bytes, operations) = mixing(layer, depth, types);
        load.cache = load.cache.saturating_add(bytes);
        load.attention += operations;
    }
    loads
}

fn at(loads: &mut Vec<Load>, place: Place) -> &mut Load {
    let index = loads.iter().position(|load| load.place == place).unwrap_or_else(|| {
        loads.push(Load::new(place));
        loads.len() - 1
    });
    &mut loads[index]
}

/// Where a tensor is read.
fn place_of(model: &Model, placement: &Placement, tensor: &Tensor) -> Place {
    match tensor.seat() {
        Seat::Layer(layer) => {
            let index = usize::try_from(layer).unwrap_or(usize::MAX);
            let list = if tensor.is_expert() { &placement.experts } else { &placement.layers };
            list.get(index).copied().unwrap_or(placement.output)
        }
        // One row a token is looked up on the host, unless the same matrix is the output.
        Seat::Input if model.hyper.tied_embedding => placement.output,
        Seat::Input => Place::Host,
        Seat::Output => placement.output,
    }
}

/// What share of a tensor a step with so many tokens reads, and what share one token computes with.
fn shares(model: &Model, tensor: &Tensor, tokens: u32) -> (f64, f64) {
    let seat = tensor.seat();
    if seat == Seat::Input && !model.hyper.tied_embedding {
        return (0.0, 0.0);
    }
    let (Seat::Layer(layer), true) = (seat, tensor.is_expert()) else { return (1.0, 1.0) };
    let index = usize::try_from(layer).unwrap_or(usize::MAX);
    match model.hyper.layers.get(index).map(|layer| &layer.ffn) {
        Some(Ffn::Experts(experts)) if experts.count > 0 => {
            let used = (float(experts.used) / float(experts.count)).min(1.0);
            // Each token takes its own experts; so many differ on average.
            (1.0 - (1.0 - used).powi(i32::try_from(tokens).unwrap_or(i32::MAX)), used)
        }
        _ => (1.0, 1.0),
    }
}

/// What mixing tokens reads and computes for one token, with so many before it.
fn mixing(layer: &Layer, depth: u64, (keys, values): (TensorType, TensorType)) -> (Bytes, f64) {
    let mut bytes = 0.0;
    let mut operations = 0.0;
    if let Some(attention) = &layer.attention {
        let cells = float(attention.window.map_or(depth, |window| depth.min(window)));
        let (row, width) = row(attention, keys, values);
        bytes += cells * row;
        operations += cells * 2.0 * float(attention.heads) * width;
    }
    if let Some(Recurrent { inner_width, state_width, .. }) = layer.recurrent {
        // Read and written, in 32 bits.
        let numbers = float(inner_width) * float(state_width);
        bytes += numbers * 8.0;
        operations += numbers * 6.0;
    }
    (bytes_of(bytes), operations)
}

/// Bytes of one cell, and the numbers that each query meets in it.
fn row(attention: &Attention, keys: TensorType, values: TensorType) -> (f64, f64) {
    if let Some(Mla { kv_rank, rope_width, .. }) = attention.mla {
        let key = float(kv_rank) + float(rope_width);
        return (key * keys.bits() / 8.0, key + float(kv_rank));
    }
    let (key, value) = (float(attention.key_width), float(attention.value_width));
    let bits = key * keys.bits() + value * values.bits();
    (float(attention.kv_heads) * bits / 8.0, key + value)
}

#[expect(clippy::cast_precision_loss, reason = "speeds are estimates")]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and the number is not negative"
)]
fn bytes_of(number: f64) -> Bytes {
    Bytes::new(number as u64)
}
