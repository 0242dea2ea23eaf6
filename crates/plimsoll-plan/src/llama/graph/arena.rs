//! The graph: tensors in the order in which they are computed, and the few operations that decoders are made of.
//!
//! Operations are named for what they do to memory. Each takes what the real one takes and makes a tensor of the
//! same shape, layout and sources; the order of evaluation is that of a walk from each expanded tensor to its
//! sources, first source first.

use super::tensor::{Home, Id, Op, SOURCES_MAX, Tensor, row_bytes};
use crate::model::TensorType;

/// A graph of tensors.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    pub(super) tensors: Vec<Tensor>,
    /// What is computed, in order.
    pub(super) nodes: Vec<Id>,
    /// What is there from the start, in the order in which it is met.
    pub(super) leaves: Vec<Id>,
    seen: Vec<bool>,
}

impl Graph {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn get(&self, id: Id) -> &Tensor {
        &self.tensors[id.index()]
    }

    pub(super) fn push(&mut self, tensor: Tensor) -> Id {
        let id = Id(u32::try_from(self.tensors.len()).unwrap_or(u32::MAX));
        self.tensors.push(tensor);
        self.seen.push(false);
        id
    }

    fn make(&mut self, kind: TensorType, sides: [u64; 4], op: Op, sources: &[Option<Id>]) -> Id {
        let mut tensor = Tensor::fresh(kind, sides, op);
        for (slot, source) in tensor.sources.iter_mut().zip(sources.iter().take(SOURCES_MAX)) {
            *slot = *source;
        }
        self.push(tensor)
    }

    fn look(&mut self, of: Id, kind: TensorType, sides: [u64; 4], op: Op) -> Tensor {
        let mut tensor = Tensor::fresh(kind, sides, op);
        tensor.root = Some(self.get(of).root.unwrap_or(of));
        tensor.sources[0] = Some(of);
        tensor
    }

    /// A weight.
    pub(crate) fn weight(&mut self, kind: TensorType, sides: [u64; 4], home: Home) -> Id {
        let mut tensor = Tensor::fresh(kind, sides, Op::Leaf);
        tensor.home = Some(home);
        self.push(tensor)
    }

    /// What is written before each run.
    pub(crate) fn input(&mut self, kind: TensorType, sides: [u64; 4]) -> Id {
        let mut tensor = Tensor::fresh(kind, sides, Op::Leaf);
        tensor.input = true;
        self.push(tensor)
    }

    /// Marks what is read after each run.
    pub(crate) fn output(&mut self, id: Id) {
        self.tensors[id.index()].output = true;
    }

    /// Chooses a device for a tensor.
    pub(crate) fn pin(&mut self, id: Id, device: u8) {
        self.tensors[id.index()].pinned = Some(device);
    }

    /// Adds a tensor and all that it is made of to what is computed.
    pub(crate) fn expand(&mut self, id: Id) {
        if std::mem::replace(&mut self.seen[id.index()], true) {
            return;
        }
        for index in 0..SOURCES_MAX {
            if let Some(source) = self.tensors[id.index()].sources[index] {
                self.expand(source);
            }
        }
        if self.get(id).op == Op::Leaf { self.leaves.push(id) } else { self.nodes.push(id) }
    }
}

/// Operations.
impl Graph {
    /// `weight × vector`, for each of many vectors.
    pub(crate) fn matmul(&mut self, matrix: Id, vectors: Id) -> Id {
        let (m, v) = (self.get(matrix).sides, self.get(vectors).sides);
        self.make(TensorType::F32, [m[1], v[1], v[2], v[3]], Op::MatMul, &[Some(matrix), Some(vectors)])
    }

    /// The same with a matrix of several, chosen for each vector.
    pub(crate) fn matmul_id(&mut self, matrices: Id, vectors: Id, chosen: Id) -> Id {
        let sides = [self.get(matrices).sides[1], self.get(chosen).sides[0], self.get(vectors).sides[2], 1];
        self.make(TensorType::F32, sides, Op::MatMulId, &[Some(matrices), Some(vectors), Some(chosen)])
    }

    /// Something new of a shape of its own.
    pub(crate) fn fresh(&mut self, kind: TensorType, sides: [u64; 4], sources: &[Id]) -> Id {
        let sources: Vec<_> = sources.iter().copied().map(Some).collect();
        self.make(kind, sides, Op::Fresh, &sources)
    }

    /// Element by element, of the shape of its first source.
    pub(crate) fn each(&mut self, sources: &[Id]) -> Id {
        let (kind, sides) = (self.get(sources[0]).kind, self.get(sources[0]).sides);
        let sources: Vec<_> = sources.iter().copied().map(Some).collect();
        self.make(kind, sides, Op::Elementwise, &sources)
    }

    /// Something new of the shape of its first source.
    pub(crate) fn like(&mut self, sources: &[Id]) -> Id {
        let (kind, sides) = (self.get(sources[0]).kind, self.get(sources[0]).sides);
        self.fresh(kind, sides, sources)
    }

    /// A rotation by position.
    pub(crate) fn rope(&mut self, of: Id, positions: Id, factors: Option<Id>) -> Id {
        let (kind, sides) = (self.get(of).kind, self.get(of).sides);
        self.make(kind, sides, Op::Rope, &[Some(of), Some(positions), factors])
    }

    /// Rows of a table by number.
    pub(crate) fn get_rows(&mut self, table: Id, numbers: Id) -> Id {
        let (t, n) = (self.get(table), self.get(numbers).sides);
        let kind = if t.kind == TensorType::I32 { TensorType::I32 } else { TensorType::F32 };
        let sides = [t.sides[0], n[0], n[1], n[2]];
        self.make(kind, sides, Op::GetRows, &[Some(table), Some(numbers)])
    }

    /// A copy without gaps.
    pub(crate) fn packed(&mut self, of: Id) -> Id {
        self.like(&[of])
    }

    /// The same with another shape.
    pub(crate) fn packed_as(&mut self, of: Id, sides: [u64; 4]) -> Id {
        let kind = self.get(of).kind;
        self.fresh(kind, sides, &[of])
    }

    /// A copy in another type.
    pub(crate) fn cast(&mut self, of: Id, kind: TensorType) -> Id {
        let sides = self.get(of).sides;
        self.fresh(kind, sides, &[of])
    }

    /// The second behind the first, along a dimension.
    pub(crate) fn concat(&mut self, first: Id, second: Id, dimension: usize) -> Id {
        let mut sides = self.get(first).sides;
        sides[dimension] = sides[dimension].saturating_add(self.get(second).sides[dimension]);
        let kind = self.get(first).kind;
        self.fresh(kind, sides, &[first, second])
    }

    /// One number for each row.
    pub(crate) fn sum_rows(&mut self, of: Id) -> Id {
        let (kind, mut sides) = (self.get(of).kind, self.get(of).sides);
        sides[0] = 1;
        self.fresh(kind, sides, &[of])
    }

    /// A gated activation of two tensors.
    pub(crate) fn gate(&mut self, gate: Id, up: Id) -> Id {
        self.like(&[gate, up])
    }

    /// A gated activation of the two halves of one.
    pub(crate) fn gate_halves(&mut self, of: Id) -> Id {
        let (kind, mut sides) = (self.get(of).kind, self.get(of).sides);
        sides[0] /= 2;
        self.fresh(kind, sides, &[of])
    }

    /// Fused attention.
    pub(crate) fn flash(&mut self, q: Id, k: Id, v: Id, mask: Id, sinks: Option<Id>) -> Id {
        let (query, value) = (self.get(q).sides, self.get(v).sides);
        let sides = [value[0], query[2], query[1], query[3]];
        self.make(TensorType::F32, sides, Op::FlashAttention, &[Some(q), Some(k), Some(v), Some(mask), sinks])
    }

    /// Shares of attention: a row's numbers, masked, made to sum to one.
    pub(crate) fn softmax(&mut self, of: Id, mask: Option<Id>, sinks: Option<Id>) -> Id {
        let sides = self.get(of).sides;
        self.make(TensorType::F32, sides, Op::Elementwise, &[Some(of), mask, sinks])
    }

    /// Writes rows into a table that is there already.
    pub(crate) fn set_rows(&mut self, table: Id, rows: Id, numbers: Id) -> Id {
        let mut tensor = self.whole(table, Op::Store);
        tensor.sources[..3].copy_from_slice(&[Some(rows), Some(numbers), Some(table)]);
        self.push(tensor)
    }

    /// Writes a tensor into another.
    pub(crate) fn copy_into(&mut self, what: Id, into: Id) -> Id {
        let mut tensor = self.whole(into, Op::Store);
        tensor.sources[..2].copy_from_slice(&[Some(what), Some(into)]);
        self.push(tensor)
    }

    /// Changes a tensor where it is.
    pub(crate) fn in_place(&mut self, what: Id) -> Id {
        let tensor = self.whole(what, Op::Store);
        self.push(tensor)
    }

    fn whole(&mut self, of: Id, op: Op) -> Tensor {
        let (kind, sides, strides) = (self.get(of).kind, self.get(of).sides, self.get(of).strides);
        let mut tensor = self.look(of, kind, sides, op);
        tensor.strides = strides;
        tensor
    }

    /// Another shape of the same elements.
    pub(crate) fn reshape(&mut self, of: Id, sides: [u64; 4]) -> Id {
        let kind = self.get(of).kind;
        let tensor = self.look(of, kind, sides, Op::View);
        self.push(tensor)
    }

    /// Some of the elements, by strides of the second dimension and on.
    pub(crate) fn view(&mut self, of: Id, sides: [u64; 4], strides: [u64; 3]) -> Id {
        let kind = self.get(of).kind;
        let mut tensor = self.look(of, kind, sides, Op::View);
        tensor.strides[1..].copy_from_slice(&strides);
        self.push(tensor)
    }

    /// The first elements of a tensor in a row.
    pub(crate) fn view_row(&mut self, of: Id, elements: u64) -> Id {
        let kind = self.get(of).kind;
        let row = row_bytes(kind, elements);
        self.view(of, [elements, 1, 1, 1], [row, row, row])
    }

    /// Dimensions in another order: each goes to the place that the list gives for it.
    pub(crate) fn permute(&mut self, of: Id, to: [usize; 4]) -> Id {
        let mut tensor = self.whole(of, Op::View);
        let (sides, strides) = (tensor.sides, tensor.strides);
        for (from, to) in to.into_iter().enumerate() {
            tensor.sides[to] = sides[from];
            tensor.strides[to] = strides[from];
        }
        self.push(tensor)
    }

    /// Rows and columns exchanged.
    pub(crate) fn transpose(&mut self, of: Id) -> Id {
        self.permute(of, [1, 0, 2, 3])
    }
}
