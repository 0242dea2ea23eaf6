//! Number by number: functions of one and two, copies between layouts, sums onto what is there.

use super::math::{both, slope, value};
use super::numbers::{PIECE, bytes_mut, floats, floats_mut};
use super::place::Host;
use super::split::{each, part};
use crate::compute::{Binary, Done, Unary};
use crate::layout::{Layout, MAX_RANK};
use crate::{Tensor, TensorError};

/// Runs a loop that is compiled for each function, so that the choice is made once and not for each number.
macro_rules! for_each_unary {
    ($op:expr, $of:ident, $loop:expr) => {
        match $op {
            Unary::Neg => $loop(|x| $of(Unary::Neg, x)),
            Unary::Exp => $loop(|x| $of(Unary::Exp, x)),
            Unary::Log => $loop(|x| $of(Unary::Log, x)),
            Unary::Sqrt => $loop(|x| $of(Unary::Sqrt, x)),
            Unary::Square => $loop(|x| $of(Unary::Square, x)),
            Unary::Abs => $loop(|x| $of(Unary::Abs, x)),
            Unary::Tanh => $loop(|x| $of(Unary::Tanh, x)),
            Unary::Sigmoid => $loop(|x| $of(Unary::Sigmoid, x)),
            Unary::Silu => $loop(|x| $of(Unary::Silu, x)),
            Unary::Gelu => $loop(|x| $of(Unary::Gelu, x)),
            Unary::GeluTanh => $loop(|x| $of(Unary::GeluTanh, x)),
            Unary::Relu => $loop(|x| $of(Unary::Relu, x)),
        }
    };
}

fn map(from: &[f32], into: &mut [f32], f: impl Fn(f32) -> f32) {
    for (into, from) in into.iter_mut().zip(from) {
        *into = f(*from);
    }
}

fn map_times(from: &[f32], times: &[f32], into: &mut [f32], f: impl Fn(f32) -> f32) {
    for ((into, from), times) in into.iter_mut().zip(from).zip(times) {
        *into = *times * f(*from);
    }
}

fn zip(op: Binary, x: &[f32], y: &[f32], into: &mut [f32]) {
    let run = |into: &mut [f32], f: fn(f32, f32) -> f32| {
        for ((into, x), y) in into.iter_mut().zip(x).zip(y) {
            *into = f(*x, *y);
        }
    };
    match op {
        Binary::Add => run(into, |x, y| both(Binary::Add, x, y)),
        Binary::Sub => run(into, |x, y| both(Binary::Sub, x, y)),
        Binary::Mul => run(into, |x, y| both(Binary::Mul, x, y)),
        Binary::Div => run(into, |x, y| both(Binary::Div, x, y)),
    }
}

impl Host {
    /// Writes the outcome piece by piece: `work` gets where a piece starts and where it goes.
    pub(super) fn by_pieces(
        &self,
        what: &'static str,
        out: &mut Tensor,
        work: impl Fn(usize, &mut [f32]) + Sync,
    ) -> Done {
        let target = floats_mut(what, out)?;
        let len = part(&self.crew, target.len(), PIECE);
        each(&self.crew, target.chunks(len), |index, mut target| {
            let mut room = [0.0; PIECE];
            let count = target.len();
            for from in (0..count).step_by(PIECE) {
                let piece = PIECE.min(count - from);
                target.fill_with(from, piece, &mut room, |into| work(index * len + from, into));
            }
        });
        Ok(())
    }

    pub(super) fn map_unary(&self, op: Unary, x: &Tensor, out: &mut Tensor) -> Done {
        let from = floats("a function of numbers", x)?;
        self.by_pieces("a function of numbers", out, |at, into| {
            let mut room = [0.0; PIECE];
            let from = from.piece(at, into.len(), &mut room);
            for_each_unary!(op, value, |f| map(from, into, f));
        })
    }

    pub(super) fn map_slope(&self, op: Unary, x: &Tensor, dy: &Tensor, out: &mut Tensor) -> Done {
        let (from, times) = (floats("a slope", x)?, floats("a slope", dy)?);
        self.by_pieces("a slope", out, |at, into| {
            let (mut room, mut other) = ([0.0; PIECE], [0.0; PIECE]);
            let from = from.piece(at, into.len(), &mut room);
            let times = times.piece(at, into.len(), &mut other);
            for_each_unary!(op, slope, |f| map_times(from, times, into, f));
        })
    }

    pub(super) fn map_affine(&self, x: &Tensor, scale: f32, shift: f32, out: &mut Tensor) -> Done {
        let from = floats("scaling", x)?;
        self.by_pieces("scaling", out, |at, into| {
            let mut room = [0.0; PIECE];
            map(from.piece(at, into.len(), &mut room), into, |x| x * scale + shift);
        })
    }

    pub(super) fn zip_binary(&self, op: Binary, x: &Tensor, y: &Tensor, out: &mut Tensor) -> Done {
        let (one, other) = (Walk::new("a function of two", x)?, Walk::new("a function of two", y)?);
        self.by_pieces("a function of two", out, |at, into| {
            let (mut room, mut second) = ([0.0; PIECE], [0.0; PIECE]);
            let one = one.piece(at, into.len(), &mut room);
            let other = other.piece(at, into.len(), &mut second);
            zip(op, one, other, into);
        })
    }

    pub(super) fn add_scaled(&self, into: &mut Tensor, x: &Tensor, factor: f32) -> Done {
        let from = Walk::new("a sum onto what is there", x)?;
        let target = floats_mut("a sum onto what is there", into)?;
        let len = part(&self.crew, target.len(), PIECE);
        each(&self.crew, target.chunks(len), |index, mut target| {
            let (mut room, mut second) = ([0.0; PIECE], [0.0; PIECE]);
            let count = target.len();
            for at in (0..count).step_by(PIECE) {
                let piece = PIECE.min(count - at);
                let from = from.piece(index * len + at, piece, &mut room);
                target.change(at, piece, &mut second, |into| {
                    for (into, from) in into.iter_mut().zip(from) {
                        *into += factor * *from;
                    }
                });
            }
        });
        Ok(())
    }

    pub(super) fn copy_any(&self, x: &Tensor, out: &mut Tensor) -> Done {
        if x.dtype().is_float() && out.dtype().is_float() {
            let from = Walk::new("a copy", x)?;
            return self.by_pieces("a copy", out, |at, into| {
                let mut room = [0.0; PIECE];
                into.copy_from_slice(from.piece(at, into.len(), &mut room));
            });
        }
        if x.dtype() != out.dtype() {
            return Err(TensorError::Dtype {
                what: "a copy into floats",
                wanted: "floats",
                found: x.dtype(),
            });
        }
        let width = usize::try_from(x.dtype().bytes()).unwrap_or(1);
        let from = x.storage.bytes("a copy")?;
        let layout = x.layout;
        let start = usize::try_from(x.offset).unwrap_or(0);
        let target = bytes_mut("a copy", out)?;
        for (index, into) in target.chunks_exact_mut(width).take(count_of(&layout)).enumerate() {
            let at = (start + place(&layout, index)) * width;
            into.copy_from_slice(&from[at..at + width]);
        }
        Ok(())
    }

    pub(super) fn write_bytes(out: &mut Tensor, from: u64, bytes: &[u8]) -> Done {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        bytes_mut("a write", out)?[from..from + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    pub(super) fn read_bytes(x: &Tensor, into: &mut [u8]) -> Done {
        let start = usize::try_from(x.offset * x.dtype().bytes()).unwrap_or(usize::MAX);
        into.copy_from_slice(&x.storage.bytes("a read")?[start..][..into.len()]);
        Ok(())
    }

    pub(super) fn read_singles(x: &Tensor, into: &mut [f32]) -> Done {
        if x.dtype().is_float() {
            floats("a read", x)?.load(0, into);
            return Ok(());
        }
        let bytes = x.storage.bytes("a read")?;
        let width = usize::try_from(x.dtype().bytes()).unwrap_or(1);
        let start = usize::try_from(x.offset).unwrap_or(0);
        for (into, bytes) in into.iter_mut().zip(bytes.chunks_exact(width).skip(start)) {
            let mut whole = [0; 4];
            whole[..width].copy_from_slice(bytes);
            #[expect(
                clippy::cast_precision_loss,
                reason = "what a single can say of it is what is asked for"
            )]
            let number = u32::from_le_bytes(whole) as f32;
            *into = number;
        }
        Ok(())
    }
}

fn count_of(layout: &Layout) -> usize {
    usize::try_from(layout.count()).unwrap_or(usize::MAX)
}

/// Where the number of this index lies.
fn place(layout: &Layout, mut index: usize) -> usize {
    let mut at = 0;
    for (dim, stride) in layout.dims().iter().zip(layout.strides()).rev() {
        let dim = *dim as usize;
        at += index % dim * *stride as usize;
        index /= dim;
    }
    at
}

/// Reads numbers of any layout in order.
pub(super) struct Walk<'t> {
    numbers: super::numbers::Numbers<'t>,
    layout: Layout,
    contiguous: bool,
}

impl<'t> Walk<'t> {
    pub(super) fn new(what: &'static str, tensor: &'t Tensor) -> Result<Self, TensorError> {
        let contiguous = tensor.is_contiguous();
        Ok(Self { numbers: floats(what, tensor)?, layout: tensor.layout, contiguous })
    }

    /// Some numbers as singles, in order.
    pub(super) fn piece<'p>(&'p self, from: usize, len: usize, room: &'p mut [f32]) -> &'p [f32] {
        if self.contiguous {
            return self.numbers.piece(from, len, room);
        }
        self.gather(from, &mut room[..len]);
        &room[..len]
    }

    /// Runs along the last dimension, and carries over to the others at its end.
    fn gather(&self, from: usize, into: &mut [f32]) {
        let rank = self.layout.rank();
        let (dims, strides) = (self.layout.dims(), self.layout.strides());
        let Some(last) = rank.checked_sub(1) else {
            into.fill(self.numbers.at(0));
            return;
        };
        let mut index = [0_usize; MAX_RANK];
        let mut rest = from;
        for dim in (0..rank).rev() {
            index[dim] = rest % dims[dim] as usize;
            rest /= dims[dim] as usize;
        }
        let mut done = 0;
        while done < into.len() {
            let outer: usize = (0..last).map(|dim| index[dim] * strides[dim] as usize).sum();
            let run = (dims[last] as usize - index[last]).min(into.len() - done);
            let stride = strides[last] as usize;
            let start = outer + index[last] * stride;
            match stride {
                1 => self.numbers.load(start, &mut into[done..done + run]),
                0 => into[done..done + run].fill(self.numbers.at(start)),
                _ => {
                    for (step, into) in into[done..done + run].iter_mut().enumerate() {
                        *into = self.numbers.at(start + step * stride);
                    }
                }
            }
            done += run;
            index[last] = 0;
            for dim in (0..last).rev() {
                index[dim] += 1;
                if index[dim] < dims[dim] as usize {
                    break;
                }
                index[dim] = 0;
            }
        }
    }
}
