//! Runs of rows, each for some of the queries: one launch for all of them, or two, where some have so many queries that
//! products of the matrix units bound them first.

use plimsoll_device::Bytes;
use plimsoll_device::kernels::nearest::{Form, NearestRuns, Run, RunsShape};

use super::super::launch::{KernelError, KernelSet, Shape, THREADS, narrow, parameters};
use super::super::program::Program;
use super::launch::entry_of;
use super::plan::{Plan, QUERY_BYTES, ROWS, TILE, Tiles, coded_bytes, prepared, tile_bytes, whole, word};
use super::search::{NearestAt, Search};
use crate::driver::RawStream;

/// Queries that look at a run together.
const GROUP: usize = 8;
/// Likewise where products come first, and from how many on they do: with fewer, most of a tile would be empty.
const WIDE_GROUP: usize = 128;
const WIDE_MIN: usize = 17;
/// Rows of an item that a thread block takes at a time, at most, and tiles likewise; how many blocks a multiprocessor should
/// have where rows are few; how many there are of one item.
const CHUNK: u64 = 256;
const WIDE_TILES: u64 = 4;
const BLOCKS: u64 = 8;
const HIGHEST: u64 = 65_535;
/// An item and a want as the kernels take them.
const ITEM_BYTES: u64 = 20;
const WANT_BYTES: u64 = 8;

/// How such a search is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunsPlan {
    pub shape: RunsShape,
    /// That of a search of few, whose kernels make queries ready and whose desk begins likewise.
    plan: Plan,
    tables: u64,
    end: u64,
    /// Products of such rows bound scores.
    bounds: bool,
}

/// What the host tells the kernels, as it lies on the desk.
#[derive(Clone, Debug)]
pub(crate) struct RunsTables {
    pub bytes: Vec<u8>,
    /// Those that are scored as they go by; behind them those that are bounded first.
    items: Items,
    wide: Items,
    /// Where some are: how much the number of every row is above where it lies.
    shift: Option<u32>,
    wants: u64,
    starts: u64,
}

/// Items of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Items {
    count: u32,
    /// Rows of all of them, and of the longest.
    rows: u64,
    longest: u32,
}

/// What the kernels take besides; the same struct is in `nearest.cuh`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Runs {
    items: u64,
    wants: u64,
    starts: u64,
    chunk: u32,
}

impl RunsPlan {
    /// Queries as singles, what is known of each, candidates, tables.
    pub(crate) fn of(shape: RunsShape, capability: (u32, u32)) -> Self {
        let queries = u64::from(shape.nearest.queries);
        let mut plan = Plan::of(shape.nearest, capability);
        let mut end = 0;
        let mut take = |bytes: u64| {
            let start = end;
            end += bytes.next_multiple_of(256);
            start
        };
        take(queries * u64::from(plan.padded) * 4);
        // With squares or without: one desk does for all parts of an index.
        let bounds = whole(&shape.nearest) && wide(shape.nearest.form).is_some() && capability >= (8, 0);
        let coded = bounds && shape.nearest.form != Form::F32;
        plan.desk.coded = take(if coded { queries * coded_bytes(&shape.nearest) } else { 0 });
        plan.desk.each = take(queries * QUERY_BYTES);
        plan.desk.candidates = take(shape.looks * 8);
        // A run of so many queries is one item and one more for each eight.
        let items = shape.runs + shape.wants / GROUP as u64;
        let tables = take(items * ITEM_BYTES + shape.wants * WANT_BYTES + (queries + 1) * 4 + 16);
        (plan.bounded, plan.stride) = (false, 0);
        Self { shape, plan, tables, end, bounds }
    }

    /// How much the numbers of rows are above where they lie, where that makes it possible to bound those that many look at: it is
    /// the same for all, and the mask has a word that begins with the first row.
    pub(crate) fn shift(&self, asked: &NearestRuns<'_>) -> Option<u32> {
        self.shift_of(asked.runs, asked.ask.mask.map(|_| asked.ask.first))
    }

    /// The same of runs, and of the number of the mask's first bit, if there is one.
    fn shift_of(&self, runs: &[Run], mask: Option<u32>) -> Option<u32> {
        let runs = || runs.iter().filter(|run| run.rows() > 0);
        let shift = runs().next().and_then(|run| run.first.checked_sub(run.begin))?;
        let same = runs().all(|run| run.first.checked_sub(run.begin) == Some(shift));
        let begins = |first: u32| shift.checked_sub(first).is_some_and(|bits| bits.is_multiple_of(32));
        (self.bounds && self.shape.nearest.squares && same && mask.is_none_or(begins)).then_some(shift)
    }

    /// What the desk has to hold.
    pub(crate) fn desk_bytes(&self) -> Bytes {
        Bytes::new(self.end)
    }

    /// Where on the desk the tables go.
    pub(crate) fn tables(&self) -> u64 {
        self.tables
    }

    /// What is launched.
    pub(crate) fn programs(&self) -> [Program; 2] {
        let scan = match self.shape.nearest.form {
            Form::F16 => Program::NearestRunsF16,
            Form::Bf16 => Program::NearestRunsBf16,
            Form::Int8 => Program::NearestRunsInt8,
            Form::F32 => Program::NearestRunsF32,
            Form::Level8 | Form::Level4 | Form::Sign => Program::NearestRunsPacked,
        };
        [Program::NearestLists, scan]
    }

    /// What is launched besides, where some are bounded first.
    pub(crate) fn wide(&self, tables: &RunsTables) -> Option<Program> {
        tables.shift.and_then(|_| wide(self.shape.nearest.form))
    }
}

/// What bounds rows of runs, where matrix units do.
const fn wide(form: Form) -> Option<Program> {
    match form {
        Form::F16 => Some(Program::NearestRunsManyF16),
        Form::Bf16 => Some(Program::NearestRunsManyBf16),
        Form::Int8 => Some(Program::NearestRunsManyInt8),
        Form::F32 => Some(Program::NearestRunsManyF32),
        Form::Level8 | Form::Level4 | Form::Sign => None,
    }
}

impl RunsTables {
    /// Items in the order of rows, so that those that look at the same rows are under way together; each query's candidates lie
    /// together.
    pub(crate) fn of(queries: u32, runs: &[Run], wants: &[u32], shift: Option<u32>) -> Self {
        let mut starts = vec![0_u32; queries as usize + 1];
        let wanted = |run: &Run| wants.get(run.from as usize..run.to as usize).unwrap_or_default();
        for run in runs {
            for query in wanted(run) {
                starts[*query as usize + 1] += run.rows();
            }
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let (mut items, mut wide) = (Vec::new(), Vec::new());
        let mut places = Vec::with_capacity(wants.len());
        let mut counts = [Items::default(); 2];
        for run in runs.iter().filter(|run| run.rows() > 0) {
            let these = wanted(run);
            let (into, group, counted) = match shift {
                Some(_) if these.len() >= WIDE_MIN => (&mut wide, WIDE_GROUP, &mut counts[1]),
                _ => (&mut items, GROUP, &mut counts[0]),
            };
            for these in these.chunks(group) {
                counted.take(run.rows());
                into.push([
                    run.begin,
                    run.end,
                    run.first,
                    narrow(places.len() as u64),
                    narrow(these.len() as u64),
                ]);
                for query in these {
                    let place = &mut next[*query as usize];
                    places.push([*query, *place]);
                    *place += run.rows();
                }
            }
        }
        let shift = shift.filter(|_| !wide.is_empty());
        items.append(&mut wide);
        if shift.is_some() {
            // Candidates then say where rows lie.
            for [begin, _, first, ..] in &mut items {
                *first = *begin;
            }
        }
        let mut bytes = Vec::with_capacity((items.len() * 5 + places.len() * 2 + starts.len() + 2) * 4);
        let put = |bytes: &mut Vec<u8>, words: &[u32]| {
            let start = bytes.len();
            // Pairs are read at once.
            bytes.resize((start + words.len() * 4).next_multiple_of(8), 0);
            let (places, _) = bytes[start..].as_chunks_mut::<4>();
            for (place, word) in places.iter_mut().zip(words) {
                *place = word.to_le_bytes();
            }
            bytes.len() as u64
        };
        let wants = put(&mut bytes, items.as_flattened());
        let starts_at = put(&mut bytes, places.as_flattened());
        put(&mut bytes, &starts);
        let [items, wide] = counts;
        Self { bytes, items, wide, shift, wants, starts: starts_at }
    }
}

impl Items {
    fn take(&mut self, rows: u32) {
        self.count += 1;
        self.rows += u64::from(rows);
        self.longest = self.longest.max(rows);
    }

    /// Rows of an item that a thread block takes at a time, in whole steps: no more than so many steps, because what is long would
    /// be late, and fewer where there would be too few blocks; and how many blocks the longest has.
    fn cut(&self, step: u64, steps: u64, blocks: u64) -> (u32, u32) {
        let even = self.rows.div_ceil(blocks.max(1)).div_ceil(step);
        let least = u64::from(self.longest).div_ceil(HIGHEST).div_ceil(step);
        let chunk = even.clamp(1, steps).max(least) * step;
        (narrow(chunk), narrow(u64::from(self.longest).div_ceil(chunk).max(1)))
    }
}

impl KernelSet {
    /// Puts such a search on a stream, whose tables are on the desk.
    ///
    /// # Safety
    /// As of every launch of the set; the desk has [`RunsPlan::desk_bytes`], and the tables are those of its runs.
    pub(crate) unsafe fn nearest_runs(
        &self,
        stream: RawStream,
        plan: &RunsPlan,
        at: &NearestAt,
        tables: &RunsTables,
    ) -> Result<(), KernelError> {
        let mut search = Search::new(&plan.plan, at);
        let kind = word(&plan.shape.nearest);
        let [lists, scan] = plan.programs();
        let first = at.desk + plan.tables;
        let runs =
            Runs { items: first, wants: first + tables.wants, starts: first + tables.starts, chunk: 0 };
        if let Some(shift) = tables.shift {
            // Rows are known by where they lie, and so are their marks, until lists are made.
            let marks = u64::from(shift.saturating_sub(at.first)) / 8;
            search = Search {
                bounded: 1,
                first: 0,
                mask: search.mask + if at.mask > 0 { marks } else { 0 },
                ..search
            };
        }
        let queries = |shared: u32| Shape {
            grid: (plan.shape.nearest.queries, 1),
            block: (narrow(THREADS), 1),
            shared,
        };
        let blocks = u64::from(self.multiprocessors.max(1)) * BLOCKS;
        let looking = |items: &Items, step: u64, steps: u64, shared: u32| {
            let (chunk, high) = items.cut(step, steps, blocks);
            (chunk, Shape { grid: (items.count, high), block: (narrow(THREADS), 1), shared })
        };
        let ready = format!("prepare_{}", prepared(kind, false));
        // SAFETY: the caller's promise; the parameters are the kernels', in order.
        unsafe {
            self.start(lists, &ready, queries(0), stream, &search)?;
            if tables.items.count > 0 {
                let step = if plan.shape.nearest.form == Form::Sign { THREADS } else { THREADS / 32 * ROWS };
                let (chunk, shape) = looking(&tables.items, step, CHUNK / step, 0);
                let (entry, these) = (format!("runs_{kind}"), Runs { chunk, ..runs });
                self.launch(scan, entry_of(scan, &entry), shape, stream, parameters![search, these])?;
            }
            let keys = queries(2 * 8 * plan.plan.places());
            let Some((wide, shift)) = plan.wide(tables).zip(tables.shift) else {
                return self.launch(lists, c"merge_runs", keys, stream, parameters![search, runs]);
            };
            let entry = format!("runs_many_{kind}");
            let shared = narrow(tile_bytes(&Tiles::of(&entry)));
            let (chunk, shape) = looking(&tables.wide, TILE, WIDE_TILES, shared);
            let items = runs.items + u64::from(tables.items.count) * ITEM_BYTES;
            let these = Runs { items, chunk, ..runs };
            self.launch(wide, entry_of(wide, &entry), shape, stream, parameters![search, these])?;
            let (merge, numbered) = (format!("merge_runs_{kind}"), Search { first: shift, ..search });
            self.launch(lists, entry_of(lists, &merge), keys, stream, parameters![numbered, runs])
        }
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_device::kernels::nearest::{Measure, NearestShape};

    use super::*;

    fn shape(queries: u32, form: Form) -> NearestShape {
        NearestShape {
            rows: 100_000,
            queries,
            dimension: 64,
            form,
            measure: Measure::Distance,
            k: 10,
            squares: false,
        }
    }

    #[test]
    fn tables_have_every_want_once_and_fit_where_the_desk_has_room() {
        let run = |begin, rows, from, to| Run { begin, end: begin + rows, first: begin + 7, from, to };
        let wants: Vec<u32> = (0..20).chain([3, 19]).collect();
        let runs = [run(0, 5, 0, 20), run(5, 0, 20, 22), run(9, 30, 20, 22), run(50, 2, 22, 22)];
        let tables = RunsTables::of(20, &runs, &wants, None);
        let word = |at: u64| {
            let at = Bytes::new(at).as_usize();
            u32::from_le_bytes(tables.bytes[at..at + 4].try_into().unwrap())
        };
        let of = |count, rows, longest| Items { count, rows, longest };
        assert_eq!(tables.items, of(4, 45, 30), "three of the first run, one of the third");
        assert_eq!([0, 4, 8, 12, 16].map(word), [0, 5, 7, 0, 8]);
        assert_eq!([60, 64, 68, 72, 76].map(word), [9, 39, 16, 20, 2]);
        let want = |n: u64| [word(tables.wants + n * 8), word(tables.wants + n * 8 + 4)];
        assert_eq!((want(3), want(20), want(21)), ([3, 15], [3, 20], [19, 130]));
        let start = |n: u64| word(tables.starts + n * 4);
        assert_eq!((start(0), start(3), start(4), start(19), start(20)), (0, 15, 50, 125, 160));
        // Where bounds come first the twenty of the first run look together, and rows are told by where they lie.
        let bounded = RunsTables::of(20, &runs, &wants, Some(7));
        assert_eq!((bounded.items, bounded.wide, bounded.shift), (of(1, 30, 30), of(1, 5, 5), Some(7)));
        let word = |at: usize| u32::from_le_bytes(bounded.bytes[at..at + 4].try_into().unwrap());
        assert_eq!([0, 4, 8, 12, 16].map(word), [9, 39, 9, 20, 2], "few first");
        assert_eq!([20, 24, 28, 32, 36].map(word), [0, 5, 0, 0, 20]);
        assert_eq!(RunsTables::of(20, &runs[1..], &wants, Some(7)).shift, None, "there is nothing to bound");
        // Runs that share their wants have places of their own for each.
        let sharing: Vec<Run> = (0..40).map(|number| run(number * 10, 9, 0, 20)).collect();
        for (queries, runs) in [(20, &runs[..]), (1000, &runs), (20, &sharing)] {
            let shape = RunsShape::of(shape(queries, Form::F16), runs);
            let plan = RunsPlan::of(shape, (9, 0));
            let tables = RunsTables::of(queries, runs, &wants, Some(7));
            assert!(plan.tables() + tables.bytes.len() as u64 <= plan.desk_bytes().get());
        }
    }

    #[test]
    fn a_desk_does_for_fewer_of_everything_and_every_kind_can_be_launched() {
        for form in Form::ALL {
            let all = RunsShape { nearest: shape(100, form), runs: 50, wants: 900, looks: 80_000 };
            let desk = |shape| RunsPlan::of(shape, (9, 0)).desk_bytes();
            for less in [
                RunsShape { nearest: shape(99, form), ..all },
                RunsShape { runs: 49, ..all },
                RunsShape { wants: 893, ..all },
                RunsShape { looks: 79_000, ..all },
            ] {
                assert!(desk(less) <= desk(all), "{less:?}");
            }
            let [lists, scan] = RunsPlan::of(all, (9, 0)).programs();
            let names = |program: Program, name: String| {
                program.entries().iter().any(|known| known.to_str() == Ok(name.as_str()))
            };
            let many = wide(form).map(|program| (program, word(&all.nearest)));
            let bounded = |(program, kind): (Program, &str)| {
                names(program, format!("runs_many_{kind}")) && names(lists, format!("merge_runs_{kind}"))
            };
            assert!(many.is_none_or(bounded));
            for measure in [Measure::Distance, Measure::Hamming] {
                let kind = word(&NearestShape { measure, ..all.nearest });
                assert!(names(scan, format!("runs_{kind}")) && names(lists, "merge_runs".to_owned()));
            }
        }
        assert_eq!(size_of::<Runs>(), 32, "as the compiler of the kernels lays it out");
    }

    #[test]
    fn bounds_come_first_where_rows_have_squares_and_one_shift() {
        let kept = NearestShape { squares: true, ..shape(100, Form::F16) };
        let run = |begin: u32, first: u32| Run { begin, end: begin + 5, first, from: 0, to: 100 };
        let of = |nearest: NearestShape, runs: &[Run], capability| {
            RunsPlan::of(RunsShape::of(nearest, runs), capability).shift_of(runs, None)
        };
        let same = [run(0, 640), run(64, 704), Run { end: 70, ..run(70, 0) }];
        assert_eq!(of(kept, &same, (9, 0)), Some(640), "one without rows has no say");
        assert_eq!(of(kept, &same, (7, 5)), None);
        assert_eq!(of(NearestShape { squares: false, ..kept }, &same, (9, 0)), None);
        assert_eq!(of(NearestShape { dimension: 63, ..kept }, &same, (9, 0)), None);
        assert_eq!(of(NearestShape { form: Form::Level4, ..kept }, &same, (9, 0)), None);
        assert_eq!(of(kept, &[run(0, 640), run(64, 705)], (9, 0)), None);
        assert_eq!(of(kept, &[run(10, 9)], (9, 0)), None);
        let plan = RunsPlan::of(RunsShape::of(kept, &same), (9, 0));
        assert_eq!(plan.shift_of(&same, Some(640)), Some(640));
        assert_eq!(plan.shift_of(&same, Some(64)), Some(640));
        assert_eq!(plan.shift_of(&same, Some(63)), None, "no word of the mask begins there");
    }

    #[test]
    fn long_items_are_cut_and_short_ones_are_enough_for_all_of_the_gpu() {
        let items =
            |count: u32, rows: u32| Items { count, rows: u64::from(count) * u64::from(rows), longest: rows };
        assert_eq!(items(1, 1000).cut(32, 8, 1056), (32, 32), "one list is many blocks'");
        assert_eq!(items(1000, 1000).cut(32, 8, 1056), (256, 4), "and of many lists each is cut");
        assert_eq!(Items { longest: 30_000, ..items(1000, 1000) }.cut(128, 4, 1056), (512, 59));
        assert_eq!(items(1, 7).cut(256, 1, 1056), (256, 1));
        let (chunk, high) = items(1, u32::MAX).cut(128, 4, 1056);
        assert!(u64::from(high) <= HIGHEST && u64::from(chunk) * u64::from(high) >= u64::from(u32::MAX));
        assert_eq!(Items::default().cut(32, 8, 1056), (32, 1));
    }
}
