//! ggml's memory, simulated: a graph of tensors, its cut into pieces by device, and the room that each buffer needs.
//!
//! llama.cpp reserves its compute buffers by building the graph of the largest batch and letting ggml find room for
//! every tensor of it. What comes out follows from shapes, the order of evaluation and the allocator's rules alone, so
//! the same rules on the same shapes give the same bytes. Nothing here knows any model.

mod arena;
mod reserve;
mod room;
mod split;
mod tensor;

pub(crate) use arena::Graph;
pub(crate) use reserve::{Layout, reserve};
pub(crate) use split::{Device, Devices, split};
pub(crate) use tensor::{Home, Id, row_bytes};

/// The bytes of each device's compute buffer for a graph.
pub(crate) fn compute_bytes(mut graph: Graph, devices: &Devices) -> Vec<u64> {
    let order = split(&mut graph, devices);
    reserve(&graph, &order, &devices.layouts())
}
