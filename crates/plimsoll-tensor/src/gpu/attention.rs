//! Attention: by matrix units where numbers and heads are such that they can, plainly otherwise.

use plimsoll_device::programs::Argument::{Long, Words};

use super::launch::{EACH, blocks, word};
use super::operand::{Line, address, address_mut};
use super::place::Gpu;
use super::programs::Program;
use crate::compute::{Attention, Done};
use crate::{Dtype, Tensor, TensorError};

const WHAT: &str = "attention";

/// Rows of a tile on the way there, and on the way back.
const ROWS: usize = 128;
const ROWS_BACK: usize = 64;
/// Queries of a thread block on the way back on Hopper.
const ROWS_BACK_HOPPER: usize = 128;
/// The one GPU that has Hopper's products: no later one does.
const HOPPER: (u32, u32) = (9, 0);
/// Threads of a block.
const THREADS: u32 = 128;
/// The widest head that a warp takes.
const PLAIN_WIDTH: usize = 256;

fn small(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

/// `Sizes` of `attention.cuh`.
fn words_of(sizes: Attention) -> [u32; 7] {
    [
        small(sizes.queries),
        small(sizes.keys),
        small(sizes.heads),
        small(sizes.kv_heads),
        small(sizes.width),
        sizes.causal.into(),
        sizes.scale.to_bits(),
    ]
}

impl Gpu {
    /// The program that has tiles for these numbers and heads.
    fn tiles(&self, width: usize, tensors: &[&Tensor]) -> Result<Option<Program>, TensorError> {
        let dtype = tensors.first().map(|tensor| tensor.dtype());
        let program = match (dtype, width) {
            (Some(Dtype::Bf16), ..=64) => Program::Tiles64Bf16,
            (Some(Dtype::F16), ..=64) => Program::Tiles64F16,
            (Some(Dtype::Bf16), ..=128) => Program::Tiles128Bf16,
            (Some(Dtype::F16), ..=128) => Program::Tiles128F16,
            _ => return Ok(None),
        };
        let mut fits = width.is_multiple_of(8) && self.launches.programs()?.capability() >= (8, 0);
        for tensor in tensors {
            fits &= Some(tensor.dtype()) == dtype && address(WHAT, tensor)?.is_multiple_of(16);
        }
        Ok(fits.then_some(program))
    }

    fn check_width(&self, width: usize) -> Done {
        if width <= PLAIN_WIDTH {
            return Ok(());
        }
        Err(TensorError::Unsupported {
            what: "attention of heads wider than 256",
            place: self.place,
            instead: "use attention_unfused",
        })
    }

    pub(super) fn attend(
        &self,
        sizes: Attention,
        [q, k, v]: [&Tensor; 3],
        out: &mut Tensor,
        sums: &mut Tensor,
    ) -> Done {
        let words = words_of(sizes);
        let sums = address_mut(WHAT, sums)?;
        if let Some(program) = self.tiles(sizes.width, &[q, k, v, out])? {
            let [q, k, v] = [address(WHAT, q)?, address(WHAT, k)?, address(WHAT, v)?];
            let out = address_mut(WHAT, out)?;
            let arguments = [Words(&words), Long(q), Long(k), Long(v), Long(out), Long(sums)];
            let grid = [small(sizes.heads), small(sizes.queries.div_ceil(ROWS)), small(sizes.batch)];
            return self.launches.launch(program, "attend", grid, THREADS, &arguments);
        }
        self.check_width(sizes.width)?;
        let [q, k, v] = [Line::of(WHAT, q)?, Line::of(WHAT, k)?, Line::of(WHAT, v)?];
        let out = Line::of_mut(WHAT, out)?;
        let arguments = [
            Words(&words),
            word(sizes.batch),
            q.argument(),
            k.argument(),
            v.argument(),
            out.argument(),
            Long(sums),
        ];
        let warps = sizes.batch * sizes.queries * sizes.heads;
        self.launches.launch(Program::Attention, "attend_plain", warp_blocks(warps), EACH, &arguments)
    }

    pub(super) fn attend_back(
        &self,
        sizes: Attention,
        qkv: [&Tensor; 3],
        [out, sums, dout]: [&Tensor; 3],
        dqkv: [&mut Tensor; 3],
    ) -> Done {
        let rows = sizes.batch * sizes.queries * sizes.heads;
        let (levels, _) = self.desk.take(rows as u64 * 4)?;
        let sums = address(WHAT, sums)?;
        let [q, k, v] = qkv;
        let [dq, dk, dv] = dqkv;
        let tiles = self.tiles(sizes.width, &[q, k, v, out, dout, dq, dk, dv])?;
        let back = Back { sizes, qkv, out, dout, sums, levels };
        match tiles {
            Some(program) if self.launches.programs()?.capability() == HOPPER => {
                let way = (on_hopper(program), ROWS_BACK_HOPPER, 2 * THREADS);
                self.attend_back_by_tiles(way, &back, [dq, dk, dv])
            }
            Some(program) => self.attend_back_by_tiles((program, ROWS_BACK, THREADS), &back, [dq, dk, dv]),
            None => self.attend_back_plainly(&back, [dq, dk, dv]),
        }
    }

    /// By a program whose blocks have so many queries and threads.
    fn attend_back_by_tiles(
        &self,
        (program, rows, threads): (Program, usize, u32),
        back: &Back<'_>,
        [dq, dk, dv]: [&mut Tensor; 3],
    ) -> Done {
        let Back { sizes, qkv: [q, k, v], out, dout, sums, levels } = *back;
        let words = words_of(sizes);
        let [q, k, v] = [address(WHAT, q)?, address(WHAT, k)?, address(WHAT, v)?];
        let [out, dout] = [address(WHAT, out)?, address(WHAT, dout)?];
        let [dq, dk, dv] = [address_mut(WHAT, dq)?, address_mut(WHAT, dk)?, address_mut(WHAT, dv)?];
        let arguments = [
            Words(&words),
            Long(q),
            Long(k),
            Long(v),
            Long(out),
            Long(dout),
            Long(sums),
            Long(levels),
            Long(dq),
        ];
        let grid = [small(sizes.heads), small(sizes.queries.div_ceil(rows)), small(sizes.batch)];
        self.launches.launch(program, "attend_queries", grid, threads, &arguments)?;
        let tiles = small(sizes.keys.div_ceil(ROWS_BACK) * sizes.kv_heads * sizes.batch);
        let arguments = [
            Words(&words),
            word(sizes.batch),
            Long(q),
            Long(k),
            Long(v),
            Long(dout),
            Long(sums),
            Long(levels),
            Long(dk),
            Long(dv),
        ];
        self.launches.launch(program, "attend_keys", [tiles, 1, 1], 2 * THREADS, &arguments)
    }

    fn attend_back_plainly(&self, back: &Back<'_>, [dq, dk, dv]: [&mut Tensor; 3]) -> Done {
        let Back { sizes, qkv: [q, k, v], out, dout, sums, levels } = *back;
        self.check_width(sizes.width)?;
        let words = words_of(sizes);
        let [q, k, v] = [Line::of(WHAT, q)?, Line::of(WHAT, k)?, Line::of(WHAT, v)?];
        let [out, dout] = [Line::of(WHAT, out)?, Line::of(WHAT, dout)?];
        let [dq, dk, dv] = [Line::of_mut(WHAT, dq)?, Line::of_mut(WHAT, dk)?, Line::of_mut(WHAT, dv)?];
        let arguments = [
            Words(&words),
            word(sizes.batch),
            q.argument(),
            k.argument(),
            v.argument(),
            out.argument(),
            dout.argument(),
            Long(sums),
            Long(levels),
            dq.argument(),
        ];
        let warps = sizes.batch * sizes.queries * sizes.heads;
        let program = Program::Attention;
        self.launches.launch(program, "attend_plain_queries", warp_blocks(warps), EACH, &arguments)?;
        let arguments = [
            Words(&words),
            word(sizes.batch),
            q.argument(),
            k.argument(),
            v.argument(),
            dout.argument(),
            Long(sums),
            Long(levels),
            dk.argument(),
            dv.argument(),
        ];
        let warps = sizes.batch * sizes.keys * sizes.kv_heads;
        self.launches.launch(program, "attend_plain_keys", warp_blocks(warps), EACH, &arguments)
    }
}

/// What the way back is of. `levels`: room on the desk for what each row's weights are to be lessened by.
struct Back<'t> {
    sizes: Attention,
    qkv: [&'t Tensor; 3],
    out: &'t Tensor,
    dout: &'t Tensor,
    sums: u64,
    levels: u64,
}

/// The program of the way back there for what these tiles are for.
const fn on_hopper(tiles: Program) -> Program {
    match tiles {
        Program::Tiles64Bf16 => Program::Hopper64Bf16,
        Program::Tiles64F16 => Program::Hopper64F16,
        Program::Tiles128Bf16 => Program::Hopper128Bf16,
        Program::Tiles128F16 => Program::Hopper128F16,
        other => other,
    }
}

fn warp_blocks(warps: usize) -> [u32; 3] {
    blocks(warps.div_ceil(EACH as usize / 32))
}
