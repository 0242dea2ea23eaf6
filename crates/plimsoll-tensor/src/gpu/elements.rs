//! Number by number.

use plimsoll_device::programs::Argument::{Long, Single, Word};

use super::operand::{Line, View, address, address_mut};
use super::place::Gpu;
use super::programs::Program::Elements;
use crate::compute::{AdamStep, Binary, Done, Unary};
use crate::train::{BLOCK, StatesAs, StatesPart};
use crate::{Dtype, Tensor, TensorError};

impl Gpu {
    pub(super) fn write_bytes(&self, out: &mut Tensor, from: u64, bytes: &[u8]) -> Done {
        self.launches.bring(bytes, address_mut("a write", out)? + from)
    }

    pub(super) fn read_singles(&self, x: &Tensor, into: &mut [f32]) -> Done {
        const WHAT: &str = "a read";
        let width = usize::try_from(x.dtype().bytes()).unwrap_or(1);
        if x.dtype() == Dtype::F32 {
            return self.launches.fetch(address(WHAT, x)?, crate::cast::bytes_of_mut(into));
        }
        let mut bytes = vec![0; into.len() * width];
        self.launches.fetch(address(WHAT, x)?, &mut bytes)?;
        for (into, bytes) in into.iter_mut().zip(bytes.chunks_exact(width)) {
            let mut whole = [0; 4];
            whole[..width].copy_from_slice(bytes);
            let [low, high, ..] = whole;
            #[expect(
                clippy::cast_precision_loss,
                reason = "what a single can say of it is what is asked for"
            )]
            let whole = u32::from_le_bytes(whole) as f32;
            *into = match x.dtype() {
                Dtype::F16 => half::f16::from_le_bytes([low, high]).to_f32(),
                Dtype::Bf16 => half::bf16::from_le_bytes([low, high]).to_f32(),
                _ => whole,
            };
        }
        Ok(())
    }

    pub(super) fn fill_all(&self, out: &mut Tensor, value: f32) -> Done {
        const WHAT: &str = "filling";
        let count = out.count();
        if !out.dtype().is_float() {
            if value != 0.0 {
                let found = out.dtype();
                return Err(TensorError::Dtype { what: "filling with a number", wanted: "floats", found });
            }
            let bytes = count * out.dtype().bytes();
            let arguments = [Long(address_mut(WHAT, out)?), Long(bytes)];
            return self.launches.spread(Elements, "clear_bytes", bytes, &arguments);
        }
        let line = Line::of_mut(WHAT, out)?;
        self.launches.over(Elements, "fill", count, &[line.argument(), Long(count), Single(value)])
    }

    pub(super) fn copy_any(&self, x: &Tensor, out: &mut Tensor) -> Done {
        const WHAT: &str = "a copy";
        let count = out.count();
        let bytes = out.dtype().bytes();
        if x.dtype() == out.dtype() && x.is_contiguous() {
            return self.launches.move_bytes(address(WHAT, x)?, address_mut(WHAT, out)?, count * bytes);
        }
        let from = View::of(WHAT, x)?;
        if x.dtype().is_float() && out.dtype().is_float() {
            let to = Line::of_mut(WHAT, out)?;
            return self.launches.over(
                Elements,
                "copy",
                count,
                &[from.argument(), to.argument(), Long(count)],
            );
        }
        if x.dtype() != out.dtype() {
            return Err(TensorError::Dtype {
                what: "a copy into floats",
                wanted: "floats",
                found: x.dtype(),
            });
        }
        let name = if bytes == 4 { "copy_words" } else { "copy_bytes" };
        let to = address_mut(WHAT, out)?;
        self.launches.spread(Elements, name, count, &[from.argument(), Long(to), Long(count)])
    }

    pub(super) fn map_unary(&self, op: Unary, x: &Tensor, out: &mut Tensor) -> Done {
        const WHAT: &str = "a function of numbers";
        let (x, count) = (Line::of(WHAT, x)?, out.count());
        let out = Line::of_mut(WHAT, out)?;
        let arguments = [Word(op as u32), x.argument(), out.argument(), Long(count)];
        self.launches.over(Elements, "unary", count, &arguments)
    }

    pub(super) fn map_slope(&self, op: Unary, x: &Tensor, dy: &Tensor, out: &mut Tensor) -> Done {
        const WHAT: &str = "a slope";
        let (x, dy, count) = (Line::of(WHAT, x)?, Line::of(WHAT, dy)?, out.count());
        let out = Line::of_mut(WHAT, out)?;
        let arguments = [Word(op as u32), x.argument(), dy.argument(), out.argument(), Long(count)];
        self.launches.over(Elements, "unary_back", count, &arguments)
    }

    pub(super) fn map_affine(&self, x: &Tensor, scale: f32, shift: f32, out: &mut Tensor) -> Done {
        let (x, count) = (Line::of("scaling", x)?, out.count());
        let out = Line::of_mut("scaling", out)?;
        let arguments = [x.argument(), Single(scale), Single(shift), out.argument(), Long(count)];
        self.launches.over(Elements, "affine", count, &arguments)
    }

    pub(super) fn zip_binary(&self, op: Binary, x: &Tensor, y: &Tensor, out: &mut Tensor) -> Done {
        const WHAT: &str = "a function of two";
        let (x, y, count) = (View::of(WHAT, x)?, View::of(WHAT, y)?, out.count());
        let out = Line::of_mut(WHAT, out)?;
        let arguments = [Word(op as u32), x.argument(), y.argument(), out.argument(), Long(count)];
        self.launches.over(Elements, "binary", count, &arguments)
    }

    pub(super) fn add_scaled(&self, into: &mut Tensor, x: &Tensor, factor: f32) -> Done {
        const WHAT: &str = "a sum onto what is there";
        let (x, count) = (View::of(WHAT, x)?, into.count());
        let into = Line::of_mut(WHAT, into)?;
        let arguments = [into.argument(), x.argument(), Single(factor), Long(count)];
        self.launches.over(Elements, "add_into", count, &arguments)
    }

    pub(super) fn gate(&self, x: &Tensor, y: &Tensor, out: &mut Tensor) -> Done {
        const WHAT: &str = "a gate";
        let (x, y, count) = (Line::of(WHAT, x)?, Line::of(WHAT, y)?, out.count());
        let out = Line::of_mut(WHAT, out)?;
        let arguments = [x.argument(), y.argument(), out.argument(), Long(count)];
        self.launches.over(Elements, "gated", count, &arguments)
    }

    pub(super) fn gate_back(&self, [x, y, dout]: [&Tensor; 3], dx: &mut Tensor, dy: &mut Tensor) -> Done {
        const WHAT: &str = "a gate";
        let (x, y, dout, count) = (Line::of(WHAT, x)?, Line::of(WHAT, y)?, Line::of(WHAT, dout)?, dx.count());
        let (dx, dy) = (Line::of_mut(WHAT, dx)?, Line::of_mut(WHAT, dy)?);
        let lines = [x.argument(), y.argument(), dout.argument(), dx.argument(), dy.argument(), Long(count)];
        self.launches.over(Elements, "gated_back", count, &lines)
    }

    pub(super) fn drop_some(&self, seed: u64, p: f32, x: &Tensor, out: &mut Tensor) -> Done {
        let (x, count) = (Line::of("dropout", x)?, out.count());
        let out = Line::of_mut("dropout", out)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 2^24")]
        let limit = (f64::from(p) * f64::from(1 << 24)) as u32;
        let keep = 1.0 / (1.0 - p);
        let arguments = [Long(seed), Word(limit), Single(keep), x.argument(), out.argument(), Long(count)];
        self.launches.over(Elements, "dropout", count, &arguments)
    }

    pub(super) fn adam_step(
        &self,
        step: AdamStep,
        part: StatesPart,
        value: &mut Tensor,
        grad: &Tensor,
        states: &mut Tensor,
    ) -> Done {
        const WHAT: &str = "AdamW";
        let times = i32::try_from(step.step).unwrap_or(i32::MAX);
        let fix = |beta: f32| Single(1.0 / (1.0 - beta.powi(times)));
        let from = part.from as u64;
        let grad = Line::at(address(WHAT, grad)? + from * grad.dtype().bytes(), grad.dtype());
        let (kind, count) = (value.dtype(), part.len as u64);
        let value = Line::at(address_mut(WHAT, value)? + from * kind.bytes(), kind);
        let begin = address_mut(WHAT, states)?;
        let [mean, square, mean_scales, square_scales] = part.bytes_at().map(|at| begin + at as u64);
        let [means, squares] = [mean, square].map(|at| Line::at(at, Dtype::F32));
        let of_states = match part.kept {
            StatesAs::Singles => vec![means.argument(), squares.argument(), Long(count)],
            StatesAs::Bytes => vec![
                Long(mean),
                Long(square),
                Long(mean_scales),
                Long(square_scales),
                Long(count),
                Long(part.place),
                Long(u64::from(step.step) * 2),
            ],
        };
        let numbers = [
            Single(step.rate),
            Single(step.beta1),
            Single(step.beta2),
            Single(step.epsilon),
            Single(step.decay),
            Single(step.factor),
            fix(step.beta1),
            fix(step.beta2),
        ];
        let name = if part.kept == StatesAs::Bytes { "adam_bytes" } else { "adam" };
        let values = [value.argument(), grad.argument()];
        let arguments: Vec<_> = values.into_iter().chain(of_states).chain(numbers).collect();
        // Whole blocks, a warp each, eight numbers a thread.
        self.launches.over(Elements, name, count.next_multiple_of(BLOCK as u64), &arguments)
    }

    pub(super) fn sum_squares(&self, x: &Tensor, into: &mut Tensor) -> Done {
        const WHAT: &str = "a sum of squares";
        /// Shares that are added up in the second step.
        const SHARES: u64 = 1024;
        let (count, line) = (x.count(), Line::of(WHAT, x)?);
        let shares = count.div_ceil(8 * 256).clamp(1, SHARES);
        let (desk, _) = self.desk.take(SHARES * 4)?;
        let blocks = [u32::try_from(shares).unwrap_or(1), 1, 1];
        let arguments = [line.argument(), Long(count), Long(desk)];
        self.launches.launch(Elements, "squares", blocks, 256, &arguments)?;
        self.add_shares(desk, blocks[0], address_mut(WHAT, into)?)
    }

    /// Adds singles on the desk to one in a tensor.
    pub(super) fn add_shares(&self, desk: u64, count: u32, into: u64) -> Done {
        let arguments = [Long(desk), Word(count), Long(into)];
        self.launches.launch(Elements, "add_shares", [1; 3], 256, &arguments)
    }
}
