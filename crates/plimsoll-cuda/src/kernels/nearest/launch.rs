//! The passes of a search, put on a stream.

use std::ffi::CStr;

use plimsoll_device::kernels::nearest::{Form, NearestShape};

use super::super::launch::{KernelError, KernelSet, Shape, THREADS, narrow, parameters};
use super::super::program::Program;
use super::map::map;
use super::plan::{
    NARROW_QUERIES, Plan, ROWS, TILE, Tiles, WIDE_QUERIES, WIDE_THREADS, prepared, tile_bytes, word,
};
use super::search::{NearestAt, Search};
use crate::driver::RawStream;

/// Thread blocks in the second dimension of a launch.
const HIGHEST_GRID: u32 = 32_768;

impl KernelSet {
    /// Puts a search on a stream.
    ///
    /// # Safety
    /// As of every launch of the set; the desk has [`Plan::desk_bytes`].
    pub(crate) unsafe fn nearest(
        &self,
        stream: RawStream,
        plan: &Plan,
        at: &NearestAt,
    ) -> Result<(), KernelError> {
        let search = Search::new(plan, at);
        let kind = word(&plan.shape);
        let [lists, scan] = plan.programs();
        let queries =
            |shared: u32| Shape { grid: (plan.shape.queries, 1), block: (narrow(THREADS), 1), shared };
        let keys = queries(2 * 8 * plan.places());
        // SAFETY: the caller's promise; the parameter is the kernels' only one.
        unsafe {
            self.start(
                lists,
                &format!("prepare_{}", prepared(kind, plan.bounded)),
                queries(0),
                stream,
                &search,
            )?;
            if plan.bounded && !plan.shape.squares {
                let shape = self.rows_shape(u64::from(plan.shape.rows));
                self.start(lists, &format!("squares_{kind}"), shape, stream, &search)?;
            }
            if plan.stride > 0 {
                let sample = Search { stride: plan.stride, direct: 1, ..search };
                self.pass(stream, scan, plan, sample, kind)?;
                self.start(lists, "tighten", keys, stream, &sample)?;
            }
            for (begin, end) in plan.parts() {
                let part = Search { begin, end, ..search };
                self.pass(stream, scan, plan, part, kind)?;
                self.start(lists, &format!("merge_{kind}"), keys, stream, &part)?;
            }
            Ok(())
        }
    }

    /// Puts on a stream: the squares of rows are written to `target`.
    ///
    /// # Safety
    /// As of every launch of the set; `target` has a single for each row.
    pub(crate) unsafe fn squares(
        &self,
        stream: RawStream,
        shape: &NearestShape,
        at: &NearestAt,
    ) -> Result<(), KernelError> {
        let shape = NearestShape { queries: 0, squares: true, ..*shape };
        let search = Search::new(&Plan::of(shape, self.capability), at);
        let (entry, grid) = (format!("squares_{}", word(&shape)), self.rows_shape(shape.rows.into()));
        // SAFETY: the caller's promise.
        unsafe { self.start(Program::NearestLists, &entry, grid, stream, &search) }
    }

    /// Rows against all queries. # Safety: as of `nearest`.
    unsafe fn pass(
        &self,
        stream: RawStream,
        scan: Program,
        plan: &Plan,
        search: Search,
        kind: &str,
    ) -> Result<(), KernelError> {
        let queries = plan.shape.queries;
        if plan.bounded {
            // Hopper has a way of its own for wide tiles of rows one after the other, whose numbers have a sign; elsewhere two
            // thread blocks with narrow ones do better.
            let wide = queries > NARROW_QUERIES
                && self.capability == (9, 0)
                && search.stride == 0
                && !matches!(plan.shape.form, Form::Level4 | Form::Sign)
                && i32::try_from(search.count).is_ok();
            if wide {
                // SAFETY: the caller's promise.
                return unsafe { self.wide(stream, scan, &search, kind) };
            }
            let tiles = search.looked_at().div_ceil(TILE) * u64::from(queries.div_ceil(128));
            let grid = (narrow(tiles.min(u64::from(self.multiprocessors.max(1)) * 2)), 1);
            let entry = format!("many_{kind}_128");
            let shared = narrow(tile_bytes(&Tiles::of(&entry)));
            let shape = Shape { grid, block: (narrow(THREADS), 1), shared };
            // SAFETY: the caller's promise.
            return unsafe { self.start(scan, &entry, shape, stream, &search) };
        }
        let packed = scan == Program::NearestPacked;
        let (name, group) = match queries {
            _ if search.whole == 0 && !packed => ("odd", 1),
            1 => ("1", 1),
            2..=4 if !packed => ("4", 4),
            _ => ("8", 8),
        };
        let entry = if packed { format!("packed_{kind}_{name}") } else { format!("few_{kind}_{name}") };
        let wide = match plan.shape.form {
            Form::Sign => self.threads_shape(search.looked_at()),
            _ => self.rows_shape(search.looked_at()),
        };
        for from in (0..queries.div_ceil(group)).step_by(HIGHEST_GRID as usize) {
            let high = (queries.div_ceil(group) - from).min(HIGHEST_GRID);
            let part = Search { from: from * group, ..search };
            let shape = Shape { grid: (wide.grid.0, high), ..wide };
            // SAFETY: the caller's promise.
            unsafe { self.start(scan, &entry, shape, stream, &part) }?;
        }
        Ok(())
    }

    /// The same in wide tiles, which the copy engine brings. # Safety: as of `nearest`.
    unsafe fn wide(
        &self,
        stream: RawStream,
        scan: Program,
        search: &Search,
        kind: &str,
    ) -> Result<(), KernelError> {
        let queries = u64::from(search.queries_count);
        let rows = map(search.rows, search.row_bytes, search.count, TILE)?;
        let asked = map(search.coded, search.coded_bytes, search.queries_count, WIDE_QUERIES)?;
        let tiles = search.looked_at().div_ceil(TILE) * queries.div_ceil(WIDE_QUERIES);
        let grid = (narrow(tiles.min(u64::from(self.multiprocessors.max(1)))), 1);
        let shape =
            Shape { grid, block: (narrow(WIDE_THREADS), 1), shared: narrow(tile_bytes(&Tiles::WIDE)) };
        let parameters = parameters![*search, rows, asked];
        // SAFETY: the caller's promise; the parameters are the kernels', in order.
        unsafe { self.launch(scan, entry_of(scan, &format!("wide_{kind}")), shape, stream, parameters) }
    }

    /// Enough thread blocks for so many rows, each warp some of them in turn: short blocks, so that none is late.
    fn rows_shape(&self, rows: u64) -> Shape {
        let at_once = THREADS / 32 * ROWS;
        let full = u64::from(self.multiprocessors.max(1)) * 16;
        let blocks = rows.div_ceil(at_once).min(full.max(rows.div_ceil(8 * at_once))).max(1);
        Shape { grid: (narrow(blocks), 1), block: (narrow(THREADS), 1), shared: 0 }
    }

    /// The same for rows of a thread each.
    fn threads_shape(&self, rows: u64) -> Shape {
        let blocks = rows.div_ceil(THREADS).clamp(1, u64::from(self.multiprocessors.max(1)) * 16);
        Shape { grid: (narrow(blocks), 1), block: (narrow(THREADS), 1), shared: 0 }
    }

    /// # Safety: as of `nearest`.
    pub(super) unsafe fn start(
        &self,
        program: Program,
        entry: &str,
        shape: Shape,
        stream: RawStream,
        search: &Search,
    ) -> Result<(), KernelError> {
        // SAFETY: the caller's promise.
        unsafe { self.launch(program, entry_of(program, entry), shape, stream, parameters![*search]) }
    }
}

/// What is launched by a name; one that is none is an error of the launch.
pub(super) fn entry_of(program: Program, name: &str) -> &'static CStr {
    let known = program.entries().iter().find(|known| known.to_bytes() == name.as_bytes());
    known.copied().unwrap_or(c"")
}
