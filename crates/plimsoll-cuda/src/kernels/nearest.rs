//! How a search for the nearest rows is done: which passes, and what the desk holds.
//!
//! Rows are passed over once and compared with a bound of each query; what is within it becomes a candidate, and the
//! candidates become lists. Where there is no room for every row, a first pass over a part of the rows, spread evenly,
//! brings the bounds down. Few queries are scored as rows go by. Many are first bounded by products of the matrix
//! units, and the candidates are scored by the same function: so an answer does not depend on how it was found.

use std::ffi::CStr;

use cudarc::driver::sys;
use plimsoll_device::Bytes;
use plimsoll_device::kernels::nearest::{Form, Measure, NearestShape};

use super::launch::{KernelError, KernelSet, Shape, THREADS, narrow, parameters, told};
use super::program::Program;
use crate::driver::RawStream;

/// From so many queries on, products of the matrix units come first: sooner where rows are short.
const MANY: u32 = 17;
const MANY_HALVES: u32 = 9;
const MANY_LEVELS: u32 = 5;
/// Of so few rows as this the last one would be a bound that changes much from sample to sample.
const SAMPLE_MIN: u64 = 16;
/// The fewest candidates that a query has room for.
const ROOM_MIN: u64 = 4096;
/// Rows that a warp scores at once, and thread blocks in the second dimension of a launch.
const ROWS: u64 = 4;
const HIGHEST_GRID: u32 = 32_768;
/// Rows of a tile, bytes of each at a time.
const TILE: u64 = 128;
const DEEP: u64 = 128;
/// Hopper's own way: from more queries on than this, so many at a time, with one more warp that brings them.
const NARROW_QUERIES: u32 = 128;
const WIDE_QUERIES: u64 = 256;
const WIDE_STAGES: u64 = 4;
const WIDE_THREADS: u64 = THREADS + 32;
/// Of so many times as many rows as a query has room for candidates, the first part of a search by many has.
const FIRST_PART: u64 = 8;
/// And the sample before it so much less than there is room for.
const SAMPLE_PART: u64 = 2;
/// The fewest places of a list in a thread block's memory, so that each thread has two.
const PLACES_MIN: u32 = 512;

/// How a shape is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub shape: NearestShape,
    /// By products of the matrix units first.
    bounded: bool,
    /// Numbers of a query as singles, filled up.
    padded: u32,
    /// Candidates of a query.
    room: u32,
    /// In the first pass, so many rows: of every so many one; 0 where there is none.
    sample: u32,
    stride: u32,
    desk: Desk,
}

/// Where on the desk a thing starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Desk {
    coded: u64,
    each: u64,
    candidates: u64,
    squares: u64,
    end: u64,
}

/// What the kernels know of a query.
const QUERY_BYTES: u64 = 32;

impl Plan {
    /// For a GPU of this compute capability.
    pub(crate) fn of(shape: NearestShape, capability: (u32, u32)) -> Self {
        let whole = shape.row_bytes().is_multiple_of(16);
        let many = match shape.form {
            Form::F32 => MANY,
            Form::F16 | Form::Bf16 => MANY_HALVES,
            Form::Int8 => MANY_LEVELS,
            // Matrix units do not take these.
            Form::Level8 | Form::Level4 | Form::Sign => u32::MAX,
        };
        let bounded = shape.queries >= many && whole && capability >= (8, 0);
        let padded = shape.dimension.next_multiple_of(16);
        let rows = u64::from(shape.rows);
        // As many are looked at first as there is room for: then so many candidates are expected that four times
        // as many have room.
        let wanted = (2 * (u64::from(shape.k).max(SAMPLE_MIN) * rows).isqrt()).max(ROOM_MIN);
        let room = if rows <= 2 * wanted { rows } else { wanted.next_multiple_of(1024) };
        // Where a first part follows that bounds better, a smaller one will do: sixteen times the list is expected there.
        let sample = if bounded && cut(room, rows) > 0 { room / SAMPLE_PART } else { room };
        let stride = if room == rows { 0 } else { rows / sample };
        let queries = u64::from(shape.queries);
        let mut end = 0;
        let mut take = |bytes: u64| {
            let start = end;
            end += bytes.next_multiple_of(256);
            start
        };
        take(queries.next_multiple_of(8) * u64::from(padded) * 4);
        // Singles are taken by the matrix units as they came.
        let coded = bounded && shape.form != Form::F32;
        let coded = take(if coded { queries * shape.row_bytes() } else { 0 });
        let each = take(queries * QUERY_BYTES);
        let candidates = take(queries * Self::held(room, &shape) * 8);
        let squares = take(if bounded && !shape.squares { rows * 4 } else { 0 });
        let desk = Desk { coded, each, candidates, squares, end };
        let [room, sample, stride] = [room, sample, stride].map(narrow);
        Self { shape, bounded, padded, room, sample, stride, desk }
    }

    /// A few thousand rows all have a place, and more have fewer places: there is room for what fewer rows would have,
    /// so that a desk does for these, too.
    fn held(room: u64, shape: &NearestShape) -> u64 {
        let direct = (16 * u64::from(shape.k).max(SAMPLE_MIN)).max(2 * ROOM_MIN);
        room.max(direct.min(shape.rows.into()))
    }

    /// Whether many queries are bounded by products of such rows, and so by their squares.
    pub(crate) fn wants_squares(shape: &NearestShape, capability: (u32, u32)) -> bool {
        Self::of(NearestShape { queries: MANY, ..*shape }, capability).bounded
    }

    /// What the desk has to hold.
    pub(crate) fn desk_bytes(&self) -> Bytes {
        Bytes::new(self.desk.end)
    }

    /// What is launched, in order: all of it is compiled before the stream is taken.
    pub(crate) fn programs(&self) -> [Program; 2] {
        let scan = match (self.shape.form, self.bounded) {
            (Form::F16, false) => Program::NearestFewF16,
            (Form::F16, true) => Program::NearestManyF16,
            (Form::Bf16, false) => Program::NearestFewBf16,
            (Form::Bf16, true) => Program::NearestManyBf16,
            (Form::Int8, false) => Program::NearestFewInt8,
            (Form::Int8, true) => Program::NearestManyInt8,
            (Form::F32, false) => Program::NearestFewF32,
            (Form::F32, true) => Program::NearestManyF32,
            (Form::Level8 | Form::Level4 | Form::Sign, _) => Program::NearestPacked,
        };
        [Program::NearestLists, scan]
    }

    /// How far products of the matrix units may be off, as a part of both lengths: for every eight numbers an addition
    /// that is cut off, and numbers of which the units take eleven bits. What queries lose that are coded as rows are comes
    /// on top, and is different for each: it is told where they are coded.
    #[expect(clippy::cast_precision_loss, reason = "at most 65,536")]
    fn slack(&self) -> f32 {
        let sums = (self.shape.dimension as f32 / 2.0 + 80.0) / 16_777_216.0;
        if self.shape.form == Form::F32 { 2.02 / 1024.0 + sums } else { sums }
    }

    /// Rows pass by in two parts where many queries make many candidates: the lists of the first, smaller one bound the
    /// rows of the second better than a sample does.
    fn parts(&self) -> impl Iterator<Item = (u32, u32)> {
        let rows = self.shape.rows;
        let cut = if self.bounded && self.stride > 0 { cut(self.room.into(), rows.into()) } else { 0 };
        let cut = narrow(cut);
        [(0, cut), (cut, rows)].into_iter().filter(|(begin, end)| begin < end)
    }

    /// Places of a list while it is made.
    fn places(&self) -> u32 {
        self.shape.k.next_power_of_two().max(PLACES_MIN)
    }
}

/// Where the first part of rows ends; 0 where all are one part.
fn cut(room: u64, rows: u64) -> u64 {
    let first = room * FIRST_PART;
    if first < rows / 4 { first } else { 0 }
}

/// The bytes of its own that a thread block may have, where it is more than what all have.
pub(super) fn shared_bytes(entry: &str) -> u32 {
    let most = match entry {
        _ if entry.starts_with("merge") || entry == "tighten" => 2 * 8 * 4096,
        _ if entry.starts_with("many") => tile_bytes(false),
        _ if entry.starts_with("wide") => tile_bytes(true),
        _ => 0,
    };
    narrow(most)
}

/// What bounds the queries of a tile: four singles each, and one of each warp.
const fn limits_bytes(queries: u64) -> u64 {
    queries * 16 + THREADS / 32 * 4
}

/// Tiles of 256 queries, four of them under way, or of 128, and three.
const fn tile_bytes(wide: bool) -> u64 {
    // Behind the stages: what bounds the queries of a tile, for each group that goes through it, and two gates a stage.
    if wide {
        WIDE_STAGES * (TILE + WIDE_QUERIES) * DEEP + 2 * limits_bytes(WIDE_QUERIES) + WIDE_STAGES * 16
    } else {
        3 * (TILE + 128) * DEEP + limits_bytes(128)
    }
}

/// Where the operands are on the device, and the number of the first row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NearestAt {
    pub rows: u64,
    /// 0 where there are none, and so of squares and the mask.
    pub scales: u64,
    pub squares: u64,
    pub queries: u64,
    pub mask: u64,
    pub first: u32,
    pub lists: u64,
    pub desk: u64,
}

/// What the kernels take; the same struct is in `nearest.cuh`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Search {
    rows: u64,
    scales: u64,
    queries: u64,
    mask: u64,
    lists: u64,
    singles: u64,
    coded: u64,
    each: u64,
    candidates: u64,
    squares: u64,
    row_bytes: u64,
    count: u32,
    queries_count: u32,
    dimension: u32,
    padded: u32,
    first: u32,
    k: u32,
    room: u32,
    stride: u32,
    direct: u32,
    distance: u32,
    whole: u32,
    bounded: u32,
    places: u32,
    from: u32,
    slack: f32,
    begin: u32,
    end: u32,
    sample: u32,
}

impl Search {
    fn new(plan: &Plan, at: &NearestAt) -> Self {
        let shape = &plan.shape;
        Self {
            rows: at.rows,
            scales: at.scales,
            queries: at.queries,
            mask: at.mask,
            lists: at.lists,
            singles: at.desk,
            coded: if shape.form == Form::F32 { at.queries } else { at.desk + plan.desk.coded },
            each: at.desk + plan.desk.each,
            candidates: at.desk + plan.desk.candidates,
            squares: if shape.squares { at.squares } else { at.desk + plan.desk.squares },
            row_bytes: shape.row_bytes(),
            count: shape.rows,
            queries_count: shape.queries,
            dimension: shape.dimension,
            padded: plan.padded,
            first: at.first,
            k: shape.k,
            room: plan.room,
            stride: 0,
            direct: u32::from(plan.stride == 0),
            distance: u32::from(shape.measure == Measure::Distance),
            whole: u32::from(shape.row_bytes().is_multiple_of(16)),
            bounded: u32::from(plan.bounded),
            places: plan.places(),
            from: 0,
            slack: plan.slack(),
            begin: 0,
            end: shape.rows,
            sample: plan.sample,
        }
    }

    fn looked_at(&self) -> u64 {
        u64::from(if self.stride == 0 { self.end - self.begin } else { self.sample })
    }
}

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
            self.start(lists, &format!("prepare_{}", prepared(kind)), queries(0), stream, &search)?;
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
                && i32::try_from(search.count).is_ok();
            if wide {
                // SAFETY: the caller's promise.
                return unsafe { self.wide(stream, scan, &search, kind) };
            }
            let tiles = search.looked_at().div_ceil(TILE) * u64::from(queries.div_ceil(128));
            let grid = (narrow(tiles.min(u64::from(self.multiprocessors.max(1)) * 2)), 1);
            let shape = Shape { grid, block: (narrow(THREADS), 1), shared: narrow(tile_bytes(false)) };
            // SAFETY: the caller's promise.
            return unsafe { self.start(scan, &format!("many_{kind}_128"), shape, stream, &search) };
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
        let (bytes, queries) = (search.row_bytes, u64::from(search.queries_count));
        let rows = map(search.rows, bytes, search.count, TILE)?;
        let asked = map(search.coded, bytes, search.queries_count, WIDE_QUERIES)?;
        let tiles = search.looked_at().div_ceil(TILE) * queries.div_ceil(WIDE_QUERIES);
        let grid = (narrow(tiles.min(u64::from(self.multiprocessors.max(1)))), 1);
        let shape = Shape { grid, block: (narrow(WIDE_THREADS), 1), shared: narrow(tile_bytes(true)) };
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
    unsafe fn start(
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
fn entry_of(program: Program, name: &str) -> &'static CStr {
    let known = program.entries().iter().find(|known| known.to_bytes() == name.as_bytes());
    known.copied().unwrap_or(c"")
}

/// What Hopper's copy engine is told of rows one after the other: boxes of so many rows, 128 bytes of each, swizzled.
fn map(address: u64, row_bytes: u64, rows: u32, box_rows: u64) -> Result<sys::CUtensorMap, KernelError> {
    use sys::{CUtensorMapDataType_enum as Data, CUtensorMapFloatOOBfill_enum as Fill};
    use sys::{CUtensorMapInterleave_enum as Interleave, CUtensorMapL2promotion_enum as Promotion};
    let mut map = sys::CUtensorMap { opaque: [0; 16] };
    let (sizes, strides) = ([row_bytes, u64::from(rows)], [row_bytes]);
    let (boxes, steps) = ([narrow(DEEP), narrow(box_rows)], [1, 1]);
    // SAFETY: all that is pointed to outlives the call, which reads two numbers of each, and one of the strides. The
    // address is not followed.
    let status = unsafe {
        sys::cuTensorMapEncodeTiled(
            &raw mut map,
            Data::CU_TENSOR_MAP_DATA_TYPE_UINT8,
            2,
            std::ptr::with_exposed_provenance_mut(Bytes::new(address).as_usize()),
            sizes.as_ptr(),
            strides.as_ptr(),
            boxes.as_ptr(),
            steps.as_ptr(),
            Interleave::CU_TENSOR_MAP_INTERLEAVE_NONE,
            sys::CUtensorMapSwizzle_enum::CU_TENSOR_MAP_SWIZZLE_128B,
            Promotion::CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
            Fill::CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE,
        )
    };
    told("describing rows to the copy engine", status)?;
    Ok(map)
}

/// What kernels call rows that are stored and compared so.
const fn word(shape: &NearestShape) -> &'static str {
    match shape.form {
        Form::F32 => "f32",
        Form::F16 => "f16",
        Form::Bf16 => "bf16",
        Form::Int8 => "int8",
        Form::Level8 => "level8",
        Form::Level4 => "level4",
        Form::Sign if matches!(shape.measure, Measure::Hamming) => "count",
        Form::Sign => "sign",
    }
}

/// What makes queries ready for a kind: those of levels and signs stay as they came.
fn prepared(kind: &str) -> &str {
    match kind {
        "level8" | "level4" | "sign" => "f32",
        kind => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(rows: u32, queries: u32, dimension: u32, form: Form, k: u32) -> NearestShape {
        NearestShape { rows, queries, dimension, form, measure: Measure::Distance, k, squares: false }
    }

    #[test]
    fn the_sources_have_the_same_numbers() {
        let header = Program::NearestLists.source();
        assert!(header.contains(&format!("constexpr u32 ROWS = {ROWS};")));
        let many = Program::NearestManyF16.source();
        assert!(many.contains(&format!("constexpr u32 TILE = {TILE};")));
        assert!(many.contains(&format!("constexpr u32 DEEP = {DEEP};")));
        assert!(many.contains(&format!("constexpr u32 WIDE_QUERIES = {WIDE_QUERIES};")));
        assert!(many.contains(&format!("constexpr u32 WIDE_STAGES = {WIDE_STAGES};")));
        assert_eq!(WIDE_THREADS, 288, "THREADS + 32 there");
        assert_eq!(
            (size_of::<Search>(), QUERY_BYTES),
            (160, 32),
            "as the compiler of the kernels lays them out"
        );
    }

    #[test]
    fn every_shape_names_what_can_be_launched() {
        for form in Form::ALL {
            for queries in [1, 3, 8, 16, 17, 128, 129, 1000] {
                for dimension in [1, 7, 768] {
                    for capability in [(7, 5), (8, 0), (9, 0), (12, 0)] {
                        let plan = Plan::of(shape(1_000_000, queries, dimension, form, 10), capability);
                        let [lists, scan] = plan.programs();
                        let kind = word(&plan.shape);
                        let names = |program: Program| {
                            program.entries().iter().map(|name| name.to_str().unwrap()).collect::<Vec<_>>()
                        };
                        assert!(names(lists).contains(&format!("merge_{kind}").as_str()));
                        let first = match (plan.bounded, scan) {
                            (true, _) => format!("many_{kind}_128"),
                            (false, Program::NearestPacked) => format!("packed_{kind}_8"),
                            (false, _) => format!("few_{kind}_1"),
                        };
                        let ready = format!("prepare_{}", prepared(kind));
                        assert!(names(lists).contains(&ready.as_str()), "{ready}");
                        assert!(names(scan).contains(&first.as_str()), "{first}");
                        assert!(!plan.bounded || capability.0 >= 8 && queries > 7 && dimension == 768);
                    }
                }
            }
        }
    }

    #[test]
    fn there_is_room_for_what_a_pass_may_find() {
        for rows in [1, 100, 8192, 8193, 100_000, 1_000_000, 50_000_000] {
            for k in [1, 10, 100, 4096] {
                let plan = Plan::of(shape(rows, 5, 768, Form::F32, k), (9, 0));
                if plan.stride == 0 {
                    assert_eq!(plan.room, rows, "every row has its place");
                    continue;
                }
                assert!(u64::from(plan.stride) * u64::from(plan.sample) <= u64::from(rows));
                let many = Plan::of(shape(rows, 500, 768, Form::F16, k), (9, 0));
                let first = many.parts().next().map_or(0, |(begin, end)| u64::from(end - begin));
                let found = u64::from(k.max(16)) * first / u64::from(many.sample);
                assert!(found * 4 <= u64::from(many.room) + 4, "{rows} {k}: {found} in {}", many.room);
                assert!(plan.room >= k.max(16), "the sample has a k-th row");
                let expected = u64::from(k.max(16)) * u64::from(rows) / u64::from(plan.room);
                assert!(expected * 4 <= u64::from(plan.room) + 4, "{rows} {k}: {expected} in {}", plan.room);
            }
        }
    }

    #[test]
    fn a_desk_does_for_fewer_rows_and_fewer_queries() {
        let desk = |shape: NearestShape| Plan::of(shape, (9, 0)).desk_bytes();
        let sizes = [1, 4097, 5120, 8000, 8193, 10_880, 65_536, 65_537, 400_000, 5_000_000];
        for (k, form) in [1, 600, 4096].into_iter().flat_map(|k| Form::ALL.map(|form| (k, form))) {
            for two in sizes.windows(2) {
                let [less, more] = [two[0], two[1]].map(|rows| shape(rows, 200, 768, form, k));
                assert!(desk(less) <= desk(more), "{less:?} {more:?}");
                assert!((1..200).all(|queries| desk(NearestShape { queries, ..less }) <= desk(less)));
                assert!(desk(NearestShape { squares: true, ..less }) <= desk(less), "{less:?}");
            }
        }
    }

    #[test]
    fn the_desk_is_what_the_page_says() {
        let plan = Plan::of(shape(1_000_000, 1000, 768, Form::F16, 10), (9, 0));
        assert_eq!(plan.room, 8192);
        let bytes = 1000 * 768 * (4 + 2) + 1000 * 32 + 1000 * 8192 * 8 + 4_000_000;
        let desk = plan.desk_bytes().get();
        assert!(desk >= bytes && desk < bytes + 5 * 256, "{desk} {bytes}");
        let kept = NearestShape { squares: true, ..plan.shape };
        assert_eq!(desk - Plan::of(kept, (9, 0)).desk_bytes().get(), 4_000_000_u64.next_multiple_of(256));
        let plan = Plan::of(shape(1_000_000, 1, 768, Form::F32, 10), (9, 0));
        assert!(plan.desk_bytes() < Bytes::kib(128));
    }
}
