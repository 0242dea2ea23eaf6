//! The host as a place that computes.

use super::numbers::{floats, singles_mut};
use crate::compute::{
    AdamStep, Attention, Binary, Compute, Done, Norm, Product, Reduce, Rotation, Unary, Window,
};
use crate::train::StatesPart;
use crate::{Crew, Dtype, PackedTensor, Tensor};

/// Computes on the host, with a crew of threads.
#[derive(Debug)]
pub(crate) struct Host {
    pub(super) crew: Crew,
}

impl Host {
    pub(crate) fn new(crew: Crew) -> Self {
        Self { crew }
    }
}

impl Compute for Host {
    fn fetch(&self, x: &Tensor, into: &mut [u8]) -> Done {
        Self::read_bytes(x, into)
    }

    fn write(&self, out: &mut Tensor, from: u64, bytes: &[u8]) -> Done {
        Self::write_bytes(out, from, bytes)
    }

    fn read(&self, x: &Tensor, into: &mut [f32]) -> Done {
        Self::read_singles(x, into)
    }

    fn fill(&self, out: &mut Tensor, value: f32) -> Done {
        if out.dtype().is_float() {
            return self.by_pieces("filling", out, |_, into| into.fill(value));
        }
        Self::fill_bytes(out, value)
    }

    fn unpack(&self, packed: &PackedTensor, out: &mut Tensor) -> Done {
        self.unpack_rows(packed, out)
    }

    fn copy(&self, x: &Tensor, out: &mut Tensor) -> Done {
        self.copy_any(x, out)
    }

    fn unary(&self, op: Unary, x: &Tensor, out: &mut Tensor) -> Done {
        self.map_unary(op, x, out)
    }

    fn unary_back(&self, op: Unary, x: &Tensor, dy: &Tensor, out: &mut Tensor) -> Done {
        self.map_slope(op, x, dy, out)
    }

    fn affine(&self, x: &Tensor, scale: f32, shift: f32, out: &mut Tensor) -> Done {
        self.map_affine(x, scale, shift, out)
    }

    fn binary(&self, op: Binary, x: &Tensor, y: &Tensor, out: &mut Tensor) -> Done {
        self.zip_binary(op, x, y, out)
    }

    fn add_into(&self, into: &mut Tensor, x: &Tensor, factor: f32) -> Done {
        self.add_scaled(into, x, factor)
    }

    fn put(&self, sizes: [usize; 3], start: usize, add: bool, x: &Tensor, into: &mut Tensor) -> Done {
        self.put_rows(sizes, start, add, x, into)
    }

    fn reduce(&self, op: Reduce, sizes: [usize; 3], x: &Tensor, out: &mut Tensor) -> Done {
        self.reduce_middle(op, sizes, x, out)
    }

    fn max_back(&self, sizes: [usize; 3], x: &Tensor, dy: &Tensor, out: &mut Tensor) -> Done {
        Self::give_to_largest(sizes, x, dy, out)
    }

    fn matmul(&self, product: Product, x: &Tensor, y: &Tensor, out: &mut Tensor) -> Done {
        self.multiply(product, x, y, out)
    }

    fn multiplies(&self, dtype: Dtype) -> bool {
        dtype == Dtype::F32
    }

    fn softmax(&self, row: usize, x: &Tensor, out: &mut Tensor) -> Done {
        self.softmax_rows(row, x, out)
    }

    fn softmax_back(&self, row: usize, y: &Tensor, dy: &Tensor, out: &mut Tensor) -> Done {
        self.softmax_rows_back(row, y, dy, out)
    }

    fn norm(
        &self,
        norm: Norm,
        x: &Tensor,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        out: &mut Tensor,
        stats: &mut Tensor,
    ) -> Done {
        self.norm_rows(norm, x, weight, bias, out, stats)
    }

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
    ) -> Done {
        self.norm_rows_back(norm, x, weight, stats, dy, dx)?;
        if dweight.is_some() || dbias.is_some() {
            Self::norm_weights_back(norm, x, stats, dy, dweight, dbias)?;
        }
        Ok(())
    }

    fn rope(
        &self,
        rotation: Rotation,
        back: bool,
        x: &Tensor,
        frequencies: &Tensor,
        out: &mut Tensor,
    ) -> Done {
        self.turn(rotation, back, x, frequencies, out)
    }

    fn attention(&self, sizes: Attention, qkv: [&Tensor; 3], out: &mut Tensor, sums: &mut Tensor) -> Done {
        self.attend(sizes, qkv, out, sums)
    }

    fn attention_back(
        &self,
        sizes: Attention,
        qkv: [&Tensor; 3],
        out_sums_dout: [&Tensor; 3],
        dqkv: [&mut Tensor; 3],
    ) -> Done {
        self.attend_back(sizes, qkv, out_sums_dout, dqkv)
    }

    fn gated(&self, x: &Tensor, y: &Tensor, out: &mut Tensor) -> Done {
        self.gate(x, y, out)
    }

    fn gated_back(&self, x: &Tensor, y: &Tensor, dout: &Tensor, dx: &mut Tensor, dy: &mut Tensor) -> Done {
        self.gate_back(x, y, dout, dx, dy)
    }

    fn rows(&self, table: &Tensor, ids: &Tensor, out: &mut Tensor) -> Done {
        self.take_rows(table, ids, out)
    }

    fn rows_back(&self, ids: &Tensor, dy: &Tensor, dtable: &mut Tensor) -> Done {
        Self::give_rows(ids, dy, dtable)
    }

    fn cross_entropy(&self, factor: f32, targets: &Tensor, logits: &mut Tensor, loss: &mut Tensor) -> Done {
        self.losses(factor, targets, logits, loss)
    }

    fn dropout(&self, seed: u64, p: f32, x: &Tensor, out: &mut Tensor) -> Done {
        self.drop_some(seed, p, x, out)
    }

    fn patches(&self, window: Window, first: usize, x: &Tensor, out: &mut Tensor) -> Done {
        self.take_patches(window, first, x, out)
    }

    fn patches_back(&self, window: Window, first: usize, rows: &Tensor, dx: &mut Tensor) -> Done {
        Self::give_patches(window, first, rows, dx)
    }

    fn adam(
        &self,
        step: AdamStep,
        part: StatesPart,
        value: &mut Tensor,
        grad: &Tensor,
        states: &mut Tensor,
    ) -> Done {
        self.adam_step(step, part, value, grad, states)
    }

    fn squares(&self, x: &Tensor, into: &mut Tensor) -> Done {
        let from = floats("a sum of squares", x)?;
        let sum = self.sum_pieces(usize::try_from(x.count()).unwrap_or(0), |at, len| {
            let mut room = [0.0; super::numbers::PIECE];
            from.piece(at, len, &mut room).iter().map(|x| f64::from(*x) * f64::from(*x)).sum()
        });
        #[expect(clippy::cast_possible_truncation, reason = "a single is what there is room for")]
        let sum = sum as f32;
        singles_mut("a sum of squares", into)?[0] += sum;
        Ok(())
    }
}
