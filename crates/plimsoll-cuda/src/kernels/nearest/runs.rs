//! Runs of rows, each for some of the queries: one launch for all of them.

use plimsoll_device::Bytes;
use plimsoll_device::kernels::nearest::{Form, Run, RunsShape};

use super::super::launch::{KernelError, KernelSet, Shape, THREADS, narrow, parameters};
use super::super::program::Program;
use super::launch::entry_of;
use super::plan::{Plan, QUERY_BYTES, ROWS, prepared, word};
use super::search::{NearestAt, Search};
use crate::driver::RawStream;

/// Queries that look at a run together.
const GROUP: u64 = 8;
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
}

/// What the host tells the kernels, as it lies on the desk.
#[derive(Clone, Debug)]
pub(crate) struct RunsTables {
    pub bytes: Vec<u8>,
    items: u32,
    wants: u64,
    starts: u64,
    longest: u32,
}

/// What the kernels take besides; the same struct is in `nearest.cuh`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Runs {
    items: u64,
    wants: u64,
    starts: u64,
    count: u32,
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
        plan.desk.each = take(queries * QUERY_BYTES);
        plan.desk.candidates = take(shape.looks * 8);
        // A run of so many queries is one item and one more for each eight.
        let items = shape.runs + shape.wants / GROUP;
        let tables = take(items * ITEM_BYTES + shape.wants * WANT_BYTES + (queries + 1) * 4 + 16);
        (plan.bounded, plan.stride) = (false, 0);
        Self { shape, plan, tables, end }
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
}

impl RunsTables {
    /// Items in the order of rows, so that those that look at the same rows are under way together; each query's candidates lie
    /// together.
    pub(crate) fn of(queries: u32, runs: &[Run], wants: &[u32]) -> Self {
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
        let (mut items, mut places) = (Vec::new(), Vec::with_capacity(wants.len()));
        let mut longest = 0;
        for run in runs.iter().filter(|run| run.rows() > 0) {
            longest = longest.max(run.rows());
            for these in wanted(run).chunks(8) {
                items.push([
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
        let mut bytes = Vec::with_capacity((items.len() * 5 + places.len() * 2 + starts.len() + 2) * 4);
        let put = |bytes: &mut Vec<u8>, words: &[u32]| {
            bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
            // Pairs are read at once.
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            bytes.len() as u64
        };
        let wants = put(&mut bytes, items.as_flattened());
        let starts_at = put(&mut bytes, places.as_flattened());
        put(&mut bytes, &starts);
        Self { bytes, items: narrow(items.len() as u64), wants, starts: starts_at, longest }
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
        let search = Search::new(&plan.plan, at);
        let kind = word(&plan.shape.nearest);
        let [lists, scan] = plan.programs();
        let first = at.desk + plan.tables;
        let runs = Runs {
            items: first,
            wants: first + tables.wants,
            starts: first + tables.starts,
            count: tables.items,
        };
        let queries = |shared: u32| Shape {
            grid: (plan.shape.nearest.queries, 1),
            block: (narrow(THREADS), 1),
            shared,
        };
        // Few runs are cut, so that all of the GPU looks at them.
        let rows_at_once = if plan.shape.nearest.form == Form::Sign { THREADS } else { THREADS / 32 * ROWS };
        let parts = (u64::from(self.multiprocessors.max(1)) * 8).div_ceil(u64::from(tables.items.max(1)));
        let parts = parts.min(u64::from(tables.longest).div_ceil(rows_at_once)).max(1);
        let looking = Shape { grid: (tables.items, narrow(parts)), block: (narrow(THREADS), 1), shared: 0 };
        let ready = format!("prepare_{}", prepared(kind, false));
        let parameters = parameters![search, runs];
        // SAFETY: the caller's promise; the parameters are the kernels', in order.
        unsafe {
            self.start(lists, &ready, queries(0), stream, &search)?;
            self.launch(scan, entry_of(scan, &format!("runs_{kind}")), looking, stream, parameters)?;
            let keys = queries(2 * 8 * plan.plan.places());
            self.launch(lists, c"merge_runs", keys, stream, parameters)
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
        let tables = RunsTables::of(20, &runs, &wants);
        let word = |at: u64| {
            let at = Bytes::new(at).as_usize();
            u32::from_le_bytes(tables.bytes[at..at + 4].try_into().unwrap())
        };
        assert_eq!((tables.items, tables.longest), (4, 30), "three of the first run, one of the third");
        assert_eq!([0, 4, 8, 12, 16].map(word), [0, 5, 7, 0, 8]);
        assert_eq!([60, 64, 68, 72, 76].map(word), [9, 39, 16, 20, 2]);
        let want = |n: u64| [word(tables.wants + n * 8), word(tables.wants + n * 8 + 4)];
        assert_eq!((want(3), want(20), want(21)), ([3, 15], [3, 20], [19, 130]));
        let start = |n: u64| word(tables.starts + n * 4);
        assert_eq!((start(0), start(3), start(4), start(19), start(20)), (0, 15, 50, 125, 160));
        // Runs that share their wants have places of their own for each.
        let sharing: Vec<Run> = (0..40).map(|number| run(number * 10, 9, 0, 20)).collect();
        for (queries, runs) in [(20, &runs[..]), (1000, &runs), (20, &sharing)] {
            let shape = RunsShape::of(shape(queries, Form::F16), runs);
            let plan = RunsPlan::of(shape, (9, 0));
            let tables = RunsTables::of(queries, runs, &wants);
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
            for measure in [Measure::Distance, Measure::Hamming] {
                let kind = word(&NearestShape { measure, ..all.nearest });
                assert!(names(scan, format!("runs_{kind}")) && names(lists, "merge_runs".to_owned()));
            }
        }
        assert_eq!(size_of::<Runs>(), 32, "as the compiler of the kernels lays it out");
    }
}
