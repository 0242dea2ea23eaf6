//! A search for the nearest rows: scores of a block of rows go to the desk, and from there into lists.
//!
//! What is bound at once is limited, and so is what a group has for itself: lists are made on the desk, queries are
//! taken in slices that it has room for, and rows in blocks. Lists of any length are made in the same way.

use plimsoll_device::kernels::nearest::{self, Form, Measure, Nearest, NearestShape};
use plimsoll_device::{Bytes, DeviceError, Stream};

use super::operations::code;
use super::programs::{Program, Window, word};
use crate::adapters::GROUP;
use crate::device::GpuDevice;

/// Scores on the desk, and lists that are made there.
const SCORES_BYTES: u64 = 8 << 20;
const LISTS_BYTES: u64 = 16 << 20;
/// A block has whole tiles of rows; a list in the making at least two keys of each thread.
const TILE: u64 = 16;
const PLACES_MIN: u32 = 2 * GROUP;

/// What is done at a time, and where on the desk a thing starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plan {
    /// Places of a list in the making, a power of two.
    places: u32,
    /// Queries of a slice, rows of a block.
    queries: u64,
    rows: u64,
    /// All queries as singles come first; then lists in the making, and what waits for them; then scores.
    best: u64,
    scores: u64,
    end: u64,
}

impl Plan {
    fn of(shape: &NearestShape) -> Self {
        let places = shape.k.next_power_of_two().max(PLACES_MIN);
        let list = u64::from(places) * 16;
        let queries = (LISTS_BYTES / list).clamp(1, u64::from(shape.queries).max(1));
        let rows = (SCORES_BYTES / 4 / queries / TILE * TILE).max(TILE).min(u64::from(shape.rows).max(1));
        let best = (u64::from(shape.queries) * u64::from(shape.dimension) * 4).next_multiple_of(256);
        let scores = best + queries * list;
        // Of fewer queries more rows are taken at a time, which may come to more scores: there is room for these.
        let most = (queries * u64::from(shape.rows) * 4).min(SCORES_BYTES);
        Self { places, queries, rows, best, scores, end: scores + most }
    }
}

impl GpuDevice {
    pub(super) fn search(&self, stream: Stream, ask: &Nearest<'_>) -> Result<(), DeviceError> {
        let (rows, queries) = (self.part(&ask.rows)?, self.part(&ask.queries)?);
        let scales = ask.scales.map(|span| self.part(&span)).transpose()?;
        let mask = ask.mask.map(|span| self.part(&span)).transpose()?;
        let _squares = ask.squares.map(|span| self.part(&span)).transpose()?;
        let (lists, desk) = (self.part(&ask.lists)?, self.part(&ask.desk)?);
        let shape = nearest::check(ask, desk_bytes(&ask.shape))?;
        let mut turn = self.turn(stream)?;
        if shape.is_empty() {
            return Ok(());
        }
        let plan = Plan::of(&shape);
        let on_desk = Window::over(&desk);
        let at = |start: u64| on_desk.lead(4) + word(start / 4);
        let asked = Window::over(&queries);
        let numbers = u64::from(shape.queries) * u64::from(shape.dimension);
        let singles = code(plimsoll_device::kernels::Number::F32);
        let arguments = [asked.lead(4), at(0), 0, word(numbers), singles, singles, 1];
        let buffers = [on_desk, asked, asked];
        self.programs.run(&mut turn, Program::Convert, &buffers, &arguments, numbers.div_ceil(8))?;
        turn.recorded(&desk, numbers * 4)?;

        let from = Window::over(&rows);
        let with = scales.as_ref().map(Window::over);
        let count = u64::from(shape.queries);
        for query in (0..count).step_by(Bytes::new(plan.queries).as_usize()) {
            let some = plan.queries.min(count - query);
            let list = u64::from(shape.k) * 8;
            let lists = lists.within(query * list, some * list);
            let into = Window::over(&lists);
            let masked = mask.as_ref().map(Window::over);
            for first in (0..u64::from(shape.rows)).step_by(Bytes::new(plan.rows).as_usize()) {
                let block = plan.rows.min(u64::from(shape.rows) - first);
                let arguments = [
                    from.lead(1),
                    with.as_ref().map_or(0, |scales| scales.lead(4)),
                    at(query * u64::from(shape.dimension) * 4),
                    at(plan.scores),
                    shape.dimension,
                    word(first),
                    word(block),
                    word(some),
                    form_code(shape.form),
                    measure_code(shape.measure),
                    word(shape.row_bytes()),
                ];
                let buffers = [on_desk, from, with.unwrap_or(from)];
                let tiles = block.div_ceil(TILE) * some.div_ceil(4);
                let threads = tiles * u64::from(GROUP);
                self.programs.run(&mut turn, Program::NearestScores, &buffers, &arguments, threads)?;
                let arguments = [
                    into.lead(4),
                    masked.as_ref().map_or(0, |mask| mask.lead(4)),
                    at(plan.scores),
                    at(plan.best),
                    word(first),
                    ask.first + word(first),
                    word(block),
                    word(some),
                    shape.k,
                    plan.places,
                    u32::from(masked.is_some()),
                ];
                let buffers = [on_desk, into, masked.unwrap_or(into)];
                let threads = some * u64::from(GROUP);
                self.programs.run(&mut turn, Program::NearestSelect, &buffers, &arguments, threads)?;
                // What is read counts: a block is as much work as that.
                turn.recorded(&lists, block * shape.row_bytes())?;
            }
        }
        Ok(())
    }
}

/// What the kernel of scores calls a measure.
const fn measure_code(measure: Measure) -> u32 {
    match measure {
        Measure::Product => 0,
        Measure::Distance => 1,
        Measure::Hamming => 2,
    }
}

/// What the kernel of scores calls a form.
const fn form_code(form: Form) -> u32 {
    match form {
        Form::F32 => 0,
        Form::F16 => 1,
        Form::Bf16 => 2,
        Form::Int8 => 3,
        Form::Level8 => 5,
        Form::Level4 => 6,
        Form::Sign => 7,
    }
}

/// What the desk has to hold.
pub(super) fn desk_bytes(shape: &NearestShape) -> Bytes {
    nearest::desk_of(shape, || Plan::of(shape).end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_desk_does_for_fewer_rows_and_fewer_queries() {
        let shape = |rows, queries| NearestShape {
            rows,
            queries,
            dimension: 2,
            form: Form::F32,
            measure: Measure::Distance,
            k: 10,
            squares: false,
        };
        let end = |rows, queries| Plan::of(&shape(rows, queries)).end;
        for queries in 1..2100 {
            assert!(end(1_000_000, queries) <= end(1_000_000, queries + 1), "{queries}");
            assert!(end(100, queries) <= end(100, queries + 1) && end(100, queries) <= end(5000, queries));
        }
    }

    #[test]
    fn the_desk_is_bound_at_once_for_many_queries_and_long_lists() {
        for (queries, k) in [(1, 1), (1000, 10), (1000, 4096), (8000, 4096)] {
            for rows in [1, 100, 1_000_000] {
                let shape = NearestShape {
                    rows,
                    queries,
                    dimension: 768,
                    form: Form::F16,
                    measure: Measure::Distance,
                    k,
                    squares: false,
                };
                let plan = Plan::of(&shape);
                assert!(plan.end <= 128 << 20 && plan.end >= plan.scores + 4, "{plan:?}");
                assert!(plan.queries >= 1 && plan.rows >= 1 && plan.places >= k.max(512), "{plan:?}");
                assert!(plan.best.is_multiple_of(256) && plan.scores.is_multiple_of(16), "{plan:?}");
            }
        }
    }
}
