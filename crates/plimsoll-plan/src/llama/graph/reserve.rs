//! What buffers a graph needs: each tensor gets room when it is computed and gives it back after its last reader.
//!
//! This follows ggml's graph allocator step by step: leaves first, then nodes in order; an element-wise operation takes
//! over a source's room where nobody else needs it and the layouts agree; a view keeps what it looks at.

use super::arena::Graph;
use super::room::Room;
use super::tensor::{Id, Op, Tensor};
use crate::model::TensorType;

/// How a device's buffers are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Bytes that every tensor starts at a multiple of.
    pub(crate) align: u64,
    /// Elements that rows of quantized tensors are padded to.
    pub(crate) row_elements: u64,
    /// Whether fused attention first makes half-precision copies of keys and values that are something else.
    pub(crate) halves: bool,
}

impl Layout {
    /// What a tensor takes.
    fn bytes(self, graph: &Graph, tensor: &Tensor) -> u64 {
        let bytes = tensor.bytes();
        if self.halves && tensor.op == Op::FlashAttention {
            return bytes.saturating_add(self.copies(graph, tensor, bytes));
        }
        let over = tensor.sides[0] % self.row_elements.max(1);
        if !tensor.kind.is_quantized() || over == 0 {
            return bytes;
        }
        bytes.saturating_add(super::tensor::row_bytes(tensor.kind, self.row_elements - over))
    }
}

impl Layout {
    /// What copies of keys and values take behind the result.
    fn copies(self, graph: &Graph, tensor: &Tensor, bytes: u64) -> u64 {
        let (Some(key), Some(value)) = (tensor.sources[1], tensor.sources[2]) else { return 0 };
        let shared = graph.get(key).root.is_some() && graph.get(key).root == graph.get(value).root;
        let half = |id: Id| {
            let other = graph.get(id).kind != TensorType::F16;
            if other { graph.get(id).elements().saturating_mul(2) } else { 0 }
        };
        let mut end = bytes;
        for copied in [half(key), if shared { 0 } else { half(value) }] {
            if copied > 0 {
                end = end.checked_next_multiple_of(self.align.max(1)).unwrap_or(end).saturating_add(copied);
            }
        }
        end - bytes
    }
}

/// A graph's tensors in the order of allocation, each with the buffer that it goes to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order {
    pub(super) leaves: Vec<(Id, u8)>,
    pub(super) nodes: Vec<(Id, u8)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    children: u32,
    views: u32,
    buffer: u8,
    offset: u64,
    owns: bool,
}

struct Allocator<'a> {
    graph: &'a Graph,
    layouts: &'a [Layout],
    rooms: Vec<Room>,
    states: Vec<State>,
}

/// The bytes that each buffer must have.
pub(crate) fn reserve(graph: &Graph, order: &Order, layouts: &[Layout]) -> Vec<u64> {
    let mut allocator = Allocator {
        graph,
        layouts,
        rooms: layouts.iter().map(|layout| Room::new(layout.align)).collect(),
        states: vec![State::default(); graph.tensors.len()],
    };
    for (leaf, buffer) in &order.leaves {
        allocator.place(*leaf, *buffer);
    }
    allocator.count(order);
    for (node, buffer) in &order.nodes {
        allocator.run(*node, *buffer);
    }
    allocator.rooms.iter().map(Room::peak).collect()
}

impl Allocator<'_> {
    /// How often each tensor is read and looked at.
    fn count(&mut self, order: &Order) {
        for (node, _) in &order.nodes {
            let tensor = self.graph.get(*node);
            if let Some(root) = tensor.root
                && tensor.op != Op::Hold
            {
                self.states[root.index()].views += 1;
            }
            for source in tensor.sources() {
                self.states[source.index()].children += 1;
            }
        }
    }

    fn run(&mut self, node: Id, buffer: u8) {
        let graph = self.graph;
        for source in graph.get(node).sources() {
            self.place(source, buffer);
        }
        self.place(node, buffer);
        for source in graph.get(node).sources() {
            let state = &mut self.states[source.index()];
            state.children = state.children.saturating_sub(1);
            if state.children > 0 || state.views > 0 {
                continue;
            }
            let Some(root) = graph.get(source).root else {
                self.free(source);
                continue;
            };
            let state = &mut self.states[root.index()];
            state.views = state.views.saturating_sub(1);
            if state.views == 0 && state.children == 0 {
                self.free(root);
            }
        }
    }

    fn place(&mut self, id: Id, buffer: u8) {
        let tensor = self.graph.get(id);
        if tensor.home.is_some() || tensor.root.is_some() || self.states[id.index()].owns {
            return;
        }
        self.states[id.index()].owns = true;
        if tensor.op.may_reuse() && self.take_over(id) {
            return;
        }
        let Some(layout) = self.layouts.get(usize::from(buffer)) else { return };
        let offset = self.rooms[usize::from(buffer)].take(layout.bytes(self.graph, tensor));
        let state = &mut self.states[id.index()];
        (state.buffer, state.offset) = (buffer, offset);
    }

    /// Takes the room of a source that nobody else needs.
    fn take_over(&mut self, id: Id) -> bool {
        let graph = self.graph;
        let tensor = graph.get(id);
        for source in tensor.sources() {
            let (from, state) = (graph.get(source), self.states[source.index()]);
            let free = state.owns && !from.output && state.children == 1 && state.views == 0;
            if !free || from.root.is_some() || !tensor.same_layout(from) {
                continue;
            }
            self.states[source.index()].owns = false;
            let taken = &mut self.states[id.index()];
            (taken.buffer, taken.offset) = (state.buffer, state.offset);
            return true;
        }
        false
    }

    fn free(&mut self, id: Id) {
        let (tensor, state) = (self.graph.get(id), self.states[id.index()]);
        if tensor.output || !state.owns {
            return;
        }
        let buffer = usize::from(state.buffer);
        let Some(layout) = self.layouts.get(buffer) else { return };
        self.rooms[buffer].give(state.offset, layout.bytes(self.graph, tensor));
        self.states[id.index()].owns = false;
    }
}
