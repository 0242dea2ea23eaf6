//! Which way a shape is searched, and what the desk holds. Pure.

use plimsoll_device::Bytes;
use plimsoll_device::kernels::nearest::{Form, Measure, NearestShape};

use super::super::launch::{THREADS, narrow};
use super::super::program::Program;

/// From so many queries on, products of the matrix units come first: sooner where rows are short.
const MANY: u32 = 17;
const MANY_HALVES: u32 = 9;
const MANY_LEVELS: u32 = 5;
const MANY_PACKED: u32 = 2;
/// Of so few rows as this the last one would be a bound that changes much from sample to sample.
const SAMPLE_MIN: u64 = 16;
/// The fewest candidates that a query has room for.
const ROOM_MIN: u64 = 4096;
/// Rows that a warp scores at once.
pub(super) const ROWS: u64 = 4;
/// Rows of a tile, bytes of each at a time.
pub(super) const TILE: u64 = 128;
pub(super) const DEEP: u64 = 128;
/// Hopper's own way: from more queries on than this, so many at a time, with one more warp that brings them.
pub(super) const NARROW_QUERIES: u32 = 128;
pub(super) const WIDE_QUERIES: u64 = 256;
pub(super) const WIDE_STAGES: u64 = 4;
pub(super) const WIDE_THREADS: u64 = THREADS + 32;
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
    pub(super) bounded: bool,
    /// Numbers of a query as singles, filled up.
    pub(super) padded: u32,
    /// Candidates of a query.
    pub(super) room: u32,
    /// In the first pass, so many rows: of every so many one; 0 where there is none.
    pub(super) sample: u32,
    pub(super) stride: u32,
    pub(super) desk: Desk,
}

/// Where on the desk a thing starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Desk {
    pub(super) coded: u64,
    pub(super) each: u64,
    pub(super) candidates: u64,
    pub(super) squares: u64,
    pub(super) end: u64,
}

/// What the kernels know of a query.
pub(super) const QUERY_BYTES: u64 = 32;

impl Plan {
    /// For a GPU of this compute capability.
    pub(crate) fn of(shape: NearestShape, capability: (u32, u32)) -> Self {
        let many = match shape.form {
            Form::F32 => MANY,
            Form::F16 | Form::Bf16 => MANY_HALVES,
            // Signs that differ are counted.
            Form::Sign if shape.measure == Measure::Hamming => u32::MAX,
            Form::Int8 | Form::Sign => MANY_LEVELS,
            Form::Level8 | Form::Level4 => MANY_PACKED,
        };
        let bounded = shape.queries >= many && whole(&shape) && capability >= (8, 0);
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
        let coded = take(if coded { queries * coded_bytes(&shape) } else { 0 });
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
            (Form::Level8, true) => Program::NearestManyLevel8,
            (Form::Level4, true) => Program::NearestManyLevel4,
            (Form::Sign, true) => Program::NearestManySign,
            (Form::Level8 | Form::Level4 | Form::Sign, false) => Program::NearestPacked,
        };
        [Program::NearestLists, scan]
    }

    /// How far products of the matrix units may be off, as a part of both lengths: for every eight numbers an addition
    /// that is cut off, and numbers of which the units take eleven bits. What queries lose that are coded as rows are comes
    /// on top, and is different for each: it is told where they are coded.
    #[expect(clippy::cast_precision_loss, reason = "at most 65,536")]
    pub(super) fn slack(&self) -> f32 {
        let sums = (self.shape.dimension as f32 / 2.0 + 80.0) / 16_777_216.0;
        match self.shape.form {
            Form::F32 => 2.02 / 1024.0 + sums,
            // What stands for the lowest level and what stands for the rest may both be √D times as long as their sum.
            Form::Level8 | Form::Level4 | Form::Sign => 2.0 * sums,
            Form::F16 | Form::Bf16 | Form::Int8 => sums,
        }
    }

    /// Rows pass by in two parts where many queries make many candidates: the lists of the first, smaller one bound the
    /// rows of the second better than a sample does.
    pub(super) fn parts(&self) -> impl Iterator<Item = (u32, u32)> {
        let rows = self.shape.rows;
        let cut = if self.bounded && self.stride > 0 { cut(self.room.into(), rows.into()) } else { 0 };
        let cut = narrow(cut);
        [(0, cut), (cut, rows)].into_iter().filter(|(begin, end)| begin < end)
    }

    /// Places of a list while it is made.
    pub(super) fn places(&self) -> u32 {
        self.shape.k.next_power_of_two().max(PLACES_MIN)
    }
}

/// Whether rows are whole units of 16 bytes, and halves of them too where those are apart.
pub(super) fn whole(shape: &NearestShape) -> bool {
    let even = shape.form != Form::Level4 || shape.dimension.is_multiple_of(2);
    even && shape.row_bytes().is_multiple_of(16)
}

/// A query as the matrix units take it: as rows are, or, where those have fewer bits, a byte a number.
pub(super) const fn coded_bytes(shape: &NearestShape) -> u64 {
    match shape.form {
        Form::F32 | Form::F16 | Form::Bf16 | Form::Int8 | Form::Level8 => shape.row_bytes(),
        Form::Level4 => shape.row_bytes() * 2,
        Form::Sign => shape.row_bytes() * 8,
    }
}

/// Where the first part of rows ends; 0 where all are one part.
fn cut(room: u64, rows: u64) -> u64 {
    let first = room * FIRST_PART;
    if first < rows / 4 { first } else { 0 }
}

/// The bytes of its own that a thread block may have, where it is more than what all have.
pub(in super::super) fn shared_bytes(entry: &str) -> u32 {
    let most = match entry {
        _ if entry.starts_with("merge") || entry == "tighten" => 2 * 8 * 4096,
        _ if entry.starts_with("many") || entry.starts_with("runs_many") => tile_bytes(&Tiles::of(entry)),
        _ if entry.starts_with("wide") => tile_bytes(&Tiles::WIDE),
        _ => 0,
    };
    narrow(most)
}

/// What bounds the queries of a tile: five singles each, and one of each warp.
const fn limits_bytes(queries: u64) -> u64 {
    queries * 20 + THREADS / 32 * 4
}

/// Tiles of rows and queries under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tiles {
    queries: u64,
    stages: u64,
    /// Bytes of a row in a stage, and of a query.
    row: u64,
    query: u64,
    /// Groups of warps that go through a tile, each on its own.
    groups: u64,
}

impl Tiles {
    pub(super) const WIDE: Self =
        Self { queries: WIDE_QUERIES, stages: WIDE_STAGES, row: DEEP, query: DEEP, groups: 2 };

    /// Those of an entry for narrow ones.
    pub(super) fn of(entry: &str) -> Self {
        let narrow = Self { queries: 128, stages: 3, row: DEEP, query: DEEP, groups: 1 };
        match entry {
            "many_level4_128" => Self { stages: 2, query: 2 * DEEP, ..narrow },
            "many_sign_128" => Self { stages: 4, row: DEEP / 8, ..narrow },
            _ => narrow,
        }
    }
}

pub(super) const fn tile_bytes(tiles: &Tiles) -> u64 {
    // Behind the stages: what bounds the queries of a tile, for each group that goes through it, and of wide ones two gates a stage.
    let gates = if tiles.groups > 1 { tiles.stages * 16 } else { 0 };
    let stage = TILE * tiles.row + tiles.queries * tiles.query;
    tiles.stages * stage + tiles.groups * limits_bytes(tiles.queries) + gates
}

/// What kernels call rows that are stored and compared so.
pub(super) const fn word(shape: &NearestShape) -> &'static str {
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

/// What makes queries ready for a kind: those of levels and signs stay as they came, or become levels of a byte where
/// the matrix units take them.
pub(super) fn prepared(kind: &'static str, bounded: bool) -> &'static str {
    match (kind, bounded) {
        ("level8" | "level4" | "sign", true) => "int8",
        ("level8" | "level4" | "sign", false) => "f32",
        (kind, _) => kind,
    }
}
