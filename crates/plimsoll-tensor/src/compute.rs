//! What every place computes for tensors.
//!
//! Operations (`ops/`) look at shapes, make the outcome and ask for it here; what comes here fits. Arithmetic is in
//! singles whatever numbers are kept as. Unless it is said otherwise, operands lie one number behind the other, and an
//! outcome is new: nobody else has a handle to it.

use plimsoll_device::programs::{Gather, Member};
use plimsoll_device::{Fence, Stream};

use crate::train::StatesPart;
use crate::{PackedTensor, Tensor, TensorError};

/// What became of it.
pub(crate) type Done = Result<(), TensorError>;

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unary {
    /// −x
    Neg,
    /// eˣ
    Exp,
    /// ln x
    Log,
    /// √x
    Sqrt,
    /// x²
    Square,
    /// |x|, with slope 0 at 0.
    Abs,
    /// The hyperbolic tangent.
    Tanh,
    /// 1 / (1 + e⁻ˣ)
    Sigmoid,
    /// x / (1 + e⁻ˣ)
    Silu,
    /// x Φ(x), Φ by the error function.
    Gelu,
    /// The approximation of it by a hyperbolic tangent.
    GeluTanh,
    /// The larger of x and 0, with slope 0 at 0.
    Relu,
}

/// A function of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Binary {
    /// x + y
    Add,
    /// x − y
    Sub,
    /// x · y
    Mul,
    /// x / y
    Div,
}

/// What becomes of the numbers along one dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reduce {
    /// Their sum.
    Sum,
    /// The largest.
    Max,
}

/// How rows are brought to one size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Norm {
    /// Whether the mean is taken away first.
    pub(crate) centred: bool,
    /// Numbers that are brought to one size together.
    pub(crate) row: usize,
    /// How many neighbouring numbers of a row share a weight, and how many weights there are. Weights begin anew when
    /// they are used up.
    pub(crate) run: usize,
    pub(crate) epsilon: f32,
}

/// Sizes of an attention: `batch` times `queries` rows of `heads` heads, over `keys` rows of `kv_heads`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Attention {
    pub(crate) batch: usize,
    pub(crate) queries: usize,
    pub(crate) keys: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) width: usize,
    pub(crate) scale: f32,
    /// Whether a query sees only keys up to its own place, the last query the last key.
    pub(crate) causal: bool,
}

/// How positions turn heads: of each pair `i` by position · `frequencies[i]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The position of the first row.
    pub position: usize,
    /// Whether a pair is a number and its neighbour, or a number and the one as many places on as there are pairs.
    pub neighbours: bool,
}

/// A step of AdamW.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// How far a step goes.
    pub rate: f32,
    /// How much of the mean is kept.
    pub beta1: f32,
    /// How much of the mean of squares is kept.
    pub beta2: f32,
    /// What is added to the root.
    pub epsilon: f32,
    /// What is taken of the weights themselves.
    pub decay: f32,
    /// What gradients are multiplied by first: a loss scale's inverse, a clipping.
    pub factor: f32,
    /// How many steps this is, from 1 on.
    pub step: u32,
}

/// A product of matrices, batch by batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Product {
    pub(crate) factor: f32,
    /// What the outcome has already is kept that many times.
    pub(crate) keep: f32,
}

/// The window of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width.
    pub kernel: [usize; 2],
    /// How far it moves.
    pub stride: [usize; 2],
    /// Zeros around the picture.
    pub padding: [usize; 2],
}

/// What a place computes.
pub(crate) trait Compute: Send + Sync {
    /// Memory that it works in and keeps, beside that of tensors.
    fn desk(&self) -> plimsoll::Bytes {
        plimsoll::Bytes::ZERO
    }

    /// A stream goes on behind a fence of another one, where there are streams.
    fn follow(&self, _stream: Stream, _fence: Fence) -> Done {
        Ok(())
    }

    /// Bytes from one address to another, on a stream, where there are streams.
    fn carry(&self, _stream: Stream, _from: u64, _to: u64, _bytes: u64) -> Done {
        Err(crate::TensorError::Mode("memory of the host is copied by the host"))
    }

    /// A tensor's bytes on the host, once they are computed.
    fn fetch(&self, x: &Tensor, into: &mut [u8]) -> Done;

    /// Bytes of the host become the outcome's, from its `from`-th byte on.
    fn write(&self, out: &mut Tensor, from: u64, bytes: &[u8]) -> Done;

    /// Numbers as singles on the host, once they are computed.
    fn read(&self, x: &Tensor, into: &mut [f32]) -> Done;

    /// One number everywhere.
    fn fill(&self, out: &mut Tensor, value: f32) -> Done;

    /// Packed weights as floats, row after row.
    fn unpack(&self, packed: &PackedTensor, out: &mut Tensor) -> Done;

    /// From any layout, between any kinds of floats, or between equal kinds.
    fn copy(&self, x: &Tensor, out: &mut Tensor) -> Done;

    /// `out = op(x)`
    fn unary(&self, op: Unary, x: &Tensor, out: &mut Tensor) -> Done;

    /// `out = dy · op′(x)`
    fn unary_back(&self, op: Unary, x: &Tensor, dy: &Tensor, out: &mut Tensor) -> Done;

    /// `out = scale · x + shift`
    fn affine(&self, x: &Tensor, scale: f32, shift: f32, out: &mut Tensor) -> Done;

    /// `out = op(x, y)`; both have the outcome's sizes and any layout.
    fn binary(&self, op: Binary, x: &Tensor, y: &Tensor, out: &mut Tensor) -> Done;

    /// `into += factor · x`; `x` in any layout.
    fn add_into(&self, into: &mut Tensor, x: &Tensor, factor: f32) -> Done;

    /// Rows `start..` of the middle of `[outer, n, inner]` become `x`, or grow by it.
    fn put(&self, sizes: [usize; 3], start: usize, add: bool, x: &Tensor, into: &mut Tensor) -> Done;

    /// Over the middle of `[outer, n, inner]`.
    fn reduce(&self, op: Reduce, sizes: [usize; 3], x: &Tensor, out: &mut Tensor) -> Done;

    /// What the largest gets back of it: the first, where several are.
    fn max_back(&self, sizes: [usize; 3], x: &Tensor, dy: &Tensor, out: &mut Tensor) -> Done;

    /// `out[b] = factor · x[b] y[b] + keep · out[b]`, for `[b, m, k]`, `[b, k, n]` in any layout.
    fn matmul(&self, product: Product, x: &Tensor, y: &Tensor, out: &mut Tensor) -> Done;

    /// Whether it multiplies numbers of this kind as they are; otherwise they are made singles first.
    fn multiplies(&self, dtype: crate::Dtype) -> bool;

    /// `out = softmax(x)` along rows of this many.
    fn softmax(&self, row: usize, x: &Tensor, out: &mut Tensor) -> Done;

    /// `out = y ∘ (dy − Σ y ∘ dy)` along rows.
    fn softmax_back(&self, row: usize, y: &Tensor, dy: &Tensor, out: &mut Tensor) -> Done;

    /// Rows of one size; `stats` gets the mean and the inverse root of each.
    fn norm(
        &self,
        norm: Norm,
        x: &Tensor,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        out: &mut Tensor,
        stats: &mut Tensor,
    ) -> Done;

    /// Gradients of it: of `x` as an outcome, of weight and bias added to what is there.
    #[expect(clippy::too_many_arguments, reason = "the operands of one formula")]
    fn norm_back(
        &self,
        norm: Norm,
        x: &Tensor,
        weight: Option<&Tensor>,
        stats: &Tensor,
        dy: &Tensor,
        dx: &mut Tensor,
        dweight: Option<&mut Tensor>,
        dbias: Option<&mut Tensor>,
    ) -> Done;

    /// Turns the first numbers of each head in `[batch, rows, heads, width]`; `back` turns the other way.
    fn rope(
        &self,
        rotation: Rotation,
        back: bool,
        x: &Tensor,
        frequencies: &Tensor,
        out: &mut Tensor,
    ) -> Done;

    /// Attention without a matrix of queries by keys; `sums` gets the logarithm of each row's sum, for the way back.
    fn attention(&self, sizes: Attention, qkv: [&Tensor; 3], out: &mut Tensor, sums: &mut Tensor) -> Done;

    /// Gradients of it.
    fn attention_back(
        &self,
        sizes: Attention,
        qkv: [&Tensor; 3],
        out_sums_dout: [&Tensor; 3],
        dqkv: [&mut Tensor; 3],
    ) -> Done;

    /// `out = silu(x) · y`
    fn gated(&self, x: &Tensor, y: &Tensor, out: &mut Tensor) -> Done;

    /// Gradients of it.
    fn gated_back(&self, x: &Tensor, y: &Tensor, dout: &Tensor, dx: &mut Tensor, dy: &mut Tensor) -> Done;

    /// Rows of a table; an id that it has no row for is an error.
    fn rows(&self, table: &Tensor, ids: &Tensor, out: &mut Tensor) -> Done;

    /// Adds rows to those of a table.
    fn rows_back(&self, ids: &Tensor, dy: &Tensor, dtable: &mut Tensor) -> Done;

    /// Of rows of logits: adds the losses of those whose target is not [`IGNORED`] to `loss[0]`, and makes their gradient,
    /// times `factor`, of them.
    fn cross_entropy(&self, factor: f32, targets: &Tensor, logits: &mut Tensor, loss: &mut Tensor) -> Done;

    /// `out = x / (1 − p)`, or 0 with probability `p`: which, is settled by the seed and the number's place alone.
    fn dropout(&self, seed: u64, p: f32, x: &Tensor, out: &mut Tensor) -> Done;

    /// Patches of `[n, c, h, w]` from row `first` on as rows of `[rows, c · kh · kw]`: a row for each place of the window.
    fn patches(&self, window: Window, first: usize, x: &Tensor, out: &mut Tensor) -> Done;

    /// Adds such rows to where they came from.
    fn patches_back(&self, window: Window, first: usize, rows: &Tensor, dx: &mut Tensor) -> Done;

    /// A step of AdamW for some numbers of a leaf, whose states are a part of a slice.
    fn adam(
        &self,
        step: AdamStep,
        part: StatesPart,
        value: &mut Tensor,
        grad: &Tensor,
        states: &mut Tensor,
    ) -> Done;

    /// Singles become the sums of what all members of a group have, where there are groups.
    fn sum_over(&self, _member: &dyn Member, _tensors: &mut [&mut Tensor]) -> Done {
        Err(TensorError::Mode("memory of the host is added up by the host"))
    }

    /// Puts on a stream of this place: wholes are made of the parts that all members of a group have, where there are groups.
    fn gather_over(&self, _member: &dyn Member, _stream: Stream, _all: &[Gather]) -> Done {
        Err(TensorError::Mode("memory of the host is gathered by the host"))
    }

    /// The sum of squares, added to `into[0]`.
    fn squares(&self, x: &Tensor, into: &mut Tensor) -> Done;
}

/// A target that no loss is taken for.
pub const IGNORED: u32 = u32::MAX;
