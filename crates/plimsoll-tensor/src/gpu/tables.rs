//! Numbers that go from one place to another.

use plimsoll_device::programs::Argument::{Long, Single, Word, Words};
use plimsoll_device::programs::Threads;

use super::launch::{EACH, blocks, long, warps, word};
use super::operand::{Line, address};
use super::place::Gpu;
use super::programs::Program::Tables;
use crate::compute::{Done, Rotation, Window};
use crate::{Dtype, Tensor, TensorError};

fn ids(what: &'static str, tensor: &Tensor) -> Result<u64, TensorError> {
    if tensor.dtype() == Dtype::U32 {
        return address(what, tensor);
    }
    Err(TensorError::Dtype { what, wanted: "u32", found: tensor.dtype() })
}

fn count_of(tensor: &Tensor) -> usize {
    usize::try_from(tensor.count()).unwrap_or(0)
}

impl Gpu {
    pub(super) fn take_rows(&self, table: &Tensor, which: &Tensor, out: &mut Tensor) -> Done {
        const WHAT: &str = "rows of a table";
        let (rows, width, count) = (table.dim(0), table.dim(1), count_of(which));
        let (table, which, out) = (Line::of(WHAT, table)?, ids(WHAT, which)?, Line::of_mut(WHAT, out)?);
        let arguments = [word(rows), word(width), table.argument(), Long(which), out.argument()];
        self.launches.launch(Tables, "rows", blocks(count), warps(width.div_ceil(8), EACH), &arguments)
    }

    pub(super) fn give_rows(&self, which: &Tensor, dy: &Tensor, dtable: &mut Tensor) -> Done {
        const WHAT: &str = "rows of a table";
        let (rows, width, count) = (dtable.dim(0), dtable.dim(1), count_of(which));
        let (which, dy, dtable) = (ids(WHAT, which)?, Line::of(WHAT, dy)?, Line::of_mut(WHAT, dtable)?);
        let arguments = [word(rows), word(width), word(count), Long(which), dy.argument(), dtable.argument()];
        self.launches.launch(Tables, "rows_back", blocks(count), EACH, &arguments)
    }

    pub(super) fn put_rows(
        &self,
        [outer, middle, inner]: [usize; 3],
        start: usize,
        add: bool,
        x: &Tensor,
        into: &mut Tensor,
    ) -> Done {
        const WHAT: &str = "putting together";
        let count = x.count();
        if count == 0 {
            return Ok(());
        }
        let (len, whole, start) = (count / outer as u64, (middle * inner) as u64, (start * inner) as u64);
        let even = [len, whole, start].iter().all(|size| size.is_multiple_of(8));
        let (x, into) = (Line::of(WHAT, x)?, Line::of_mut(WHAT, into)?);
        let arguments = [
            Long(count),
            Long(len),
            Long(whole),
            Long(start),
            Word(add.into()),
            Word(even.into()),
            x.argument(),
            into.argument(),
        ];
        self.launches.over(Tables, "put", count, &arguments)
    }

    pub(super) fn turn(
        &self,
        rotation: Rotation,
        back: bool,
        x: &Tensor,
        frequencies: &Tensor,
        out: &mut Tensor,
    ) -> Done {
        const WHAT: &str = "a rotation";
        let (rows, heads, width) = (x.dim(1), x.dim(2), x.dim(3));
        let pairs = count_of(frequencies);
        let [all, ..] = blocks(x.dim(0) * rows);
        let shared = u32::try_from(pairs * 8).unwrap_or(u32::MAX);
        let (x, frequencies) = (Line::of(WHAT, x)?, address(WHAT, frequencies)?);
        let out = Line::of_mut(WHAT, out)?;
        let arguments = [
            word(rotation.position),
            Word(rotation.neighbours.into()),
            Single(if back { -1.0 } else { 1.0 }),
            word(rows),
            word(heads),
            word(width),
            word(pairs),
            Long(frequencies),
            x.argument(),
            out.argument(),
        ];
        let threads = Threads { blocks: [all, 1, 1], each: EACH, shared };
        self.launches.launch_with(Tables, "rope", threads, &arguments)
    }

    pub(super) fn take_patches(&self, window: Window, first: usize, x: &Tensor, out: &mut Tensor) -> Done {
        const WHAT: &str = "patches";
        let (picture, count) = (picture(window, x), out.count());
        let (x, out) = (Line::of(WHAT, x)?, Line::of_mut(WHAT, out)?);
        let arguments = [Words(&picture), long(first), Long(count), x.argument(), out.argument()];
        self.launches.spread(Tables, "patches", count, &arguments)
    }

    pub(super) fn give_patches(&self, window: Window, first: usize, rows: &Tensor, dx: &mut Tensor) -> Done {
        const WHAT: &str = "patches";
        let (picture, count, many) = (picture(window, dx), dx.count(), rows.dim(0));
        let (rows, dx) = (Line::of(WHAT, rows)?, Line::of_mut(WHAT, dx)?);
        let arguments =
            [Words(&picture), long(first), long(many), Long(count), rows.argument(), dx.argument()];
        self.launches.spread(Tables, "patches_back", count, &arguments)
    }
}

/// `Picture` of `tables.cu`.
fn picture(window: Window, x: &Tensor) -> [u32; 11] {
    let places = window.places([x.dim(2), x.dim(3)]).unwrap_or([0, 0]);
    let [kernel, stride, padding] = [window.kernel, window.stride, window.padding];
    [
        x.dim(1),
        x.dim(2),
        x.dim(3),
        places[0],
        places[1],
        kernel[0],
        kernel[1],
        stride[0],
        stride[1],
        padding[0],
        padding[1],
    ]
    .map(|size| u32::try_from(size).unwrap_or(u32::MAX))
}
