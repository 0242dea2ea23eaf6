//! A GPU as a place that computes.

use std::sync::Arc;

use plimsoll::pool::Pool;
use plimsoll::{Bytes, Place};
use plimsoll_device::programs::{Gather, Member};
use plimsoll_device::{Fence, Stream};

use super::desk::Desk;
use super::launch::Launches;
use super::operand::{address, address_mut};
use crate::compute::{
    AdamStep, Attention, Binary, Compute, Done, Norm, Product, Reduce, Rotation, Unary, Window,
};
use crate::train::StatesPart;
use crate::{Dtype, PackedTensor, Tensor, TensorError};

/// Computes on a GPU, on one stream.
pub(crate) struct Gpu {
    pub(super) launches: Launches,
    pub(super) desk: Desk,
    pub(super) place: Place,
}

impl Gpu {
    /// Over a pool of a device that runs programs. Takes the desk, which stays.
    pub(crate) fn new(pool: &Pool, stream: Stream) -> Result<Self, TensorError> {
        let launches = Launches::new(Arc::clone(pool.device()), stream);
        launches.programs()?.ready_to_multiply(stream)?;
        Ok(Self { launches, desk: Desk::new(pool.clone(), stream)?, place: pool.place() })
    }
}

impl Compute for Gpu {
    fn desk(&self) -> Bytes {
        self.desk.bytes()
    }

    fn follow(&self, stream: Stream, fence: Fence) -> Done {
        Ok(self.launches.programs()?.follow(stream, fence)?)
    }

    fn carry(&self, stream: Stream, from: u64, to: u64, bytes: u64) -> Done {
        self.launches.carry(stream, from, to, bytes)
    }

    fn fetch(&self, x: &Tensor, into: &mut [u8]) -> Done {
        self.launches.fetch(address("a read", x)?, into)
    }

    fn write(&self, out: &mut Tensor, from: u64, bytes: &[u8]) -> Done {
        self.write_bytes(out, from, bytes)
    }

    fn unpack(&self, packed: &PackedTensor, out: &mut Tensor) -> Done {
        self.unpack_blocks(packed, out)
    }

    fn read(&self, x: &Tensor, into: &mut [f32]) -> Done {
        self.read_singles(x, into)
    }

    fn fill(&self, out: &mut Tensor, value: f32) -> Done {
        self.fill_all(out, value)
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
        self.give_to_largest(sizes, x, dy, out)
    }

    fn matmul(&self, product: Product, x: &Tensor, y: &Tensor, out: &mut Tensor) -> Done {
        self.multiply(product, x, y, out)
    }

    fn multiplies(&self, dtype: Dtype) -> bool {
        dtype.is_float()
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
        self.norm_there(norm, x, [weight, bias], out, stats)
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
        self.norm_rows_back(norm, x, weight, [stats, dy], dx)?;
        if dweight.is_some() || dbias.is_some() {
            self.norm_weights_back(norm, [x, stats, dy], dweight, dbias)?;
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
        self.gate_back([x, y, dout], dx, dy)
    }

    fn rows(&self, table: &Tensor, ids: &Tensor, out: &mut Tensor) -> Done {
        self.take_rows(table, ids, out)
    }

    fn rows_back(&self, ids: &Tensor, dy: &Tensor, dtable: &mut Tensor) -> Done {
        self.give_rows(ids, dy, dtable)
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
        self.give_patches(window, first, rows, dx)
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

    fn sum_over(&self, member: &dyn Member, tensors: &mut [&mut Tensor]) -> Done {
        const WHAT: &str = "adding up together";
        let all = tensors.iter_mut().map(|tensor| Ok((address_mut(WHAT, tensor)?, tensor.count())));
        self.launches.sum_over(member, &all.collect::<Result<Vec<_>, TensorError>>()?)
    }

    fn gather_over(&self, member: &dyn Member, stream: Stream, all: &[Gather]) -> Done {
        Launches::gather_over(member, stream, all)
    }

    fn squares(&self, x: &Tensor, into: &mut Tensor) -> Done {
        self.sum_squares(x, into)
    }
}
