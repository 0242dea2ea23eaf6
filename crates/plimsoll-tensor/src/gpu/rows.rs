//! Rows: what becomes of them together.

use plimsoll_device::programs::Argument::{Long, Single, Words};

use super::launch::{blocks, long, warps, word};
use super::operand::{Line, address, address_mut};
use super::place::Gpu;
use super::programs::Program::Rows;
use crate::compute::{Done, Norm, Reduce};
use crate::{Dtype, Tensor, TensorError};

/// The most threads that a norm's rows are divided among: more would not have the registers.
const NORM_THREADS: u32 = 512;

fn words_of(norm: Norm, weights: usize) -> [u32; 5] {
    let small = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
    let weights = small(weights.max(1));
    [norm.centred.into(), small(norm.row), small(norm.run), weights, norm.epsilon.to_bits()]
}

fn count_of(tensor: Option<&Tensor>) -> usize {
    tensor.map_or(0, |tensor| usize::try_from(tensor.count()).unwrap_or(0))
}

/// How many rows of `row` numbers a tensor has.
fn rows_of(tensor: &Tensor, row: usize) -> usize {
    usize::try_from(tensor.count()).unwrap_or(0).checked_div(row).unwrap_or(0)
}

impl Gpu {
    pub(super) fn softmax_rows(&self, row: usize, x: &Tensor, out: &mut Tensor) -> Done {
        let rows = rows_of(out, row);
        let (x, out) = (Line::of("softmax", x)?, Line::of_mut("softmax", out)?);
        let arguments = [word(row), x.argument(), out.argument()];
        self.launches.launch(Rows, "softmax", blocks(rows), warps(row / 4, 1024), &arguments)
    }

    pub(super) fn softmax_rows_back(&self, row: usize, y: &Tensor, dy: &Tensor, out: &mut Tensor) -> Done {
        let rows = rows_of(out, row);
        let (y, dy) = (Line::of("softmax", y)?, Line::of("softmax", dy)?);
        let out = Line::of_mut("softmax", out)?;
        let arguments = [word(row), y.argument(), dy.argument(), out.argument()];
        self.launches.launch(Rows, "softmax_back", blocks(rows), warps(row / 4, 1024), &arguments)
    }

    pub(super) fn norm_there(
        &self,
        norm: Norm,
        x: &Tensor,
        [weight, bias]: [Option<&Tensor>; 2],
        out: &mut Tensor,
        stats: &mut Tensor,
    ) -> Done {
        const WHAT: &str = "a norm";
        let words = words_of(norm, count_of(weight).max(count_of(bias)));
        let rows = rows_of(x, norm.row);
        let (x, weight, bias) = (Line::of(WHAT, x)?, Line::of_any(WHAT, weight)?, Line::of_any(WHAT, bias)?);
        let (out, stats) = (Line::of_mut(WHAT, out)?, address_mut(WHAT, stats)?);
        let arguments =
            [Words(&words), x.argument(), weight.argument(), bias.argument(), out.argument(), Long(stats)];
        let threads = warps(norm.row.div_ceil(8), NORM_THREADS);
        self.launches.launch(Rows, "norm_rows", blocks(rows), threads, &arguments)
    }

    pub(super) fn norm_rows_back(
        &self,
        norm: Norm,
        x: &Tensor,
        weight: Option<&Tensor>,
        [stats, dy]: [&Tensor; 2],
        dx: &mut Tensor,
    ) -> Done {
        const WHAT: &str = "a norm";
        let words = words_of(norm, count_of(weight));
        let rows = rows_of(x, norm.row);
        let (x, weight, dy) = (Line::of(WHAT, x)?, Line::of_any(WHAT, weight)?, Line::of(WHAT, dy)?);
        let (stats, dx) = (address(WHAT, stats)?, Line::of_mut(WHAT, dx)?);
        let arguments =
            [Words(&words), x.argument(), weight.argument(), Long(stats), dy.argument(), dx.argument()];
        let threads = warps(norm.row.div_ceil(8), NORM_THREADS);
        self.launches.launch(Rows, "norm_rows_back", blocks(rows), threads, &arguments)
    }

    pub(super) fn norm_weights_back(
        &self,
        norm: Norm,
        [x, stats, dy]: [&Tensor; 3],
        dweight: Option<&mut Tensor>,
        dbias: Option<&mut Tensor>,
    ) -> Done {
        const WHAT: &str = "a norm";
        let weights = count_of(dweight.as_deref()).max(count_of(dbias.as_deref()));
        let words = words_of(norm, weights);
        let rows = rows_of(x, norm.row);
        let (x, stats, dy) = (Line::of(WHAT, x)?, address(WHAT, stats)?, Line::of(WHAT, dy)?);
        let line =
            |tensor: Option<&mut Tensor>| tensor.map_or(Ok(Line::NONE), |tensor| Line::of_mut(WHAT, tensor));
        let (dweight, dbias) = (line(dweight)?, line(dbias)?);
        let arguments = [
            Words(&words),
            long(rows),
            x.argument(),
            Long(stats),
            dy.argument(),
            dweight.argument(),
            dbias.argument(),
        ];
        if norm.run == 1 && weights == norm.row {
            let columns = blocks(norm.row.div_ceil(32));
            return self.launches.launch(Rows, "norm_weights_back", columns, 1024, &arguments);
        }
        self.launches.launch(Rows, "norm_runs_back", blocks(weights), 256, &arguments)
    }

    pub(super) fn losses(
        &self,
        factor: f32,
        targets: &Tensor,
        logits: &mut Tensor,
        loss: &mut Tensor,
    ) -> Done {
        const WHAT: &str = "cross-entropy";
        if targets.dtype() != Dtype::U32 {
            return Err(TensorError::Dtype { what: WHAT, wanted: "u32", found: targets.dtype() });
        }
        let row = logits.dim(1);
        let rows = rows_of(logits, row);
        let (desk, _) = self.desk.take(rows as u64 * 4)?;
        let (targets, logits) = (address(WHAT, targets)?, Line::of_mut(WHAT, logits)?);
        let arguments = [Single(factor), word(row), Long(targets), logits.argument(), Long(desk)];
        let threads = warps(row.div_ceil(8), 1024);
        self.launches.launch(Rows, "cross_entropy", blocks(rows), threads, &arguments)?;
        self.add_shares(desk, blocks(rows)[0], address_mut(WHAT, loss)?)
    }

    pub(super) fn reduce_middle(
        &self,
        op: Reduce,
        [outer, middle, inner]: [usize; 3],
        x: &Tensor,
        out: &mut Tensor,
    ) -> Done {
        const WHAT: &str = "a reduction";
        /// Numbers that one thread block takes of a row, where rows are few.
        const PART: usize = 1 << 14;
        let (x, out) = (Line::of(WHAT, x)?, Line::of_mut(WHAT, out)?);
        let [along, across] = match op {
            Reduce::Sum => ["sum_row", "sum_middle"],
            Reduce::Max => ["max_row", "max_middle"],
        };
        if inner != 1 {
            let arguments = [long(outer), long(middle), long(inner), x.argument(), out.argument()];
            return self.launches.spread(Rows, across, (outer * inner) as u64, &arguments);
        }
        let few = outer < usize::try_from(self.launches.programs()?.processors()).unwrap_or(1);
        let parts = if few { middle.div_ceil(PART).clamp(1, 1024) } else { 1 };
        let part = middle.div_ceil(parts);
        // What is found at once goes where it is wanted.
        let desk = if parts > 1 { self.desk.take((outer * parts * 4) as u64)?.0 } else { 0 };
        let arguments = [long(middle), long(part), x.argument(), Long(desk), out.argument()];
        let [rows, ..] = blocks(outer);
        let [high, ..] = blocks(parts);
        self.launches.launch(Rows, along, [rows, high, 1], warps(part.div_ceil(4), 256), &arguments)?;
        if parts == 1 {
            return Ok(());
        }
        let found = Line::at(desk, Dtype::F32);
        let arguments = [long(parts), long(parts), found.argument(), Long(desk), out.argument()];
        self.launches.launch(Rows, along, blocks(outer), warps(parts, 256), &arguments)
    }

    pub(super) fn give_to_largest(
        &self,
        [outer, middle, inner]: [usize; 3],
        x: &Tensor,
        dy: &Tensor,
        out: &mut Tensor,
    ) -> Done {
        const WHAT: &str = "a largest number";
        let (x, dy, out) = (Line::of(WHAT, x)?, Line::of(WHAT, dy)?, Line::of_mut(WHAT, out)?);
        let arguments = [long(outer), long(middle), long(inner), x.argument(), dy.argument(), out.argument()];
        self.launches.spread(Rows, "max_back", (outer * inner) as u64, &arguments)
    }
}
