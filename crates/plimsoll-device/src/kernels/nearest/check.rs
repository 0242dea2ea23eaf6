//! What fits together.

use super::Form;
use super::ask::{DIMENSION_MAX, K_MAX, Measure, Nearest, NearestShape, Squares};
use super::runs::{NearestRuns, RunsShape};
use crate::kernels::check::{apart, bad, operand, writable};
use crate::{Bytes, DeviceError, Span};

const WHAT: &str = "a search for the nearest rows";

/// The arguments of [`Kernels::nearest`](crate::Kernels::nearest). `desk` is what the back end needs.
pub fn nearest(ask: &Nearest<'_>, desk: Bytes) -> Result<NearestShape, DeviceError> {
    let shape = ask.shape;
    let mask = shape.mask_bytes();
    operands(ask, mask, desk, "nearest_desk")?;
    if u64::from(ask.first) + u64::from(shape.rows) >= u64::from(u32::MAX) {
        let (rows, first) = (shape.rows, ask.first);
        return Err(bad(
            WHAT,
            format!("{rows} rows from number {first} on; rows are numbered below 2^32 − 1, cut the index"),
        ));
    }
    Ok(shape)
}

/// The arguments of [`Kernels::nearest_runs`](crate::Kernels::nearest_runs), likewise.
pub fn runs(asked: &NearestRuns<'_>, desk: Bytes) -> Result<RunsShape, DeviceError> {
    let (ask, shape) = (&asked.ask, RunsShape::of(asked.ask.shape, asked.runs));
    let mask = ask.mask.map_or(0, |mask| mask.bytes().get());
    operands(ask, mask, desk, "nearest_runs_desk")?;
    if !mask.is_multiple_of(8) {
        return Err(bad(WHAT, format!("a mask of {mask} bytes; it has whole words of 64 bits")));
    }
    let mut end = 0;
    for (at, run) in asked.runs.iter().enumerate() {
        let numbers = u64::from(run.first)..u64::from(run.first) + u64::from(run.rows());
        let wants = asked.wants.get(run.from as usize..run.to as usize);
        let ordered = |wants: &[u32]| wants.windows(2).all(|two| two[0] < two[1]);
        let why = if run.begin < end || run.end < run.begin || run.end > ask.shape.rows {
            "is not behind the one before it, within the rows"
        } else if numbers.end >= u64::from(u32::MAX) {
            "has rows that are not numbered below 2^32 − 1"
        } else if !wants
            .is_some_and(|wants| ordered(wants) && wants.last().is_none_or(|last| *last < ask.shape.queries))
        {
            "is wanted by no queries of this search, or not by each once and in order"
        } else if ask.mask.is_some()
            && (run.first < ask.first || numbers.end - u64::from(ask.first) > mask * 8)
        {
            "has rows that the mask has no bits for"
        } else {
            end = run.end;
            continue;
        };
        return Err(bad(WHAT, format!("run {at}, {run:?}, {why}")));
    }
    if shape.looks > u64::from(u32::MAX) {
        let looks = shape.looks;
        return Err(bad(WHAT, format!("rows are looked at {looks} times; ask for fewer queries at a time")));
    }
    Ok(shape)
}

/// What both take: rows, queries, lists, a mask of so many bytes, and a desk.
fn operands(ask: &Nearest<'_>, mask: u64, desk: Bytes, desk_of: &str) -> Result<(), DeviceError> {
    let shape = ask.shape;
    writable(&ask.lists)?;
    writable(&ask.desk)?;
    sizes(&shape)?;
    scales(WHAT, &shape, ask.scales.as_ref())?;
    if shape.squares != ask.squares.is_some() {
        return Err(bad(WHAT, format!("squares of rows are given or not; {shape:?} says otherwise")));
    }
    let exact = [
        ("rows", Some(ask.rows), shape.rows_bytes()),
        ("scales", ask.scales, shape.scales_bytes()),
        ("squares", ask.squares, shape.squares_bytes()),
        ("queries", Some(ask.queries), shape.queries_bytes()),
        ("mask", ask.mask, mask),
        ("lists", Some(ask.lists), shape.lists_bytes()),
    ];
    sized(WHAT, &shape, &exact)?;
    if ask.desk.bytes() < desk {
        let found = ask.desk.bytes();
        return Err(bad(WHAT, format!("a desk of {found}; ask {desk_of}, which says {desk}")));
    }
    let read: [Option<Span<'_>>; 5] = [Some(ask.rows), ask.scales, ask.squares, Some(ask.queries), ask.mask];
    for span in read.iter().flatten() {
        operand(WHAT, span)?;
        apart(span, &ask.lists)?;
        apart(span, &ask.desk)?;
    }
    operand(WHAT, &ask.lists)?;
    operand(WHAT, &ask.desk)?;
    apart(&ask.lists, &ask.desk)
}

/// The arguments of [`Kernels::squares`](crate::Kernels::squares).
pub fn squares(ask: &Squares<'_>) -> Result<NearestShape, DeviceError> {
    const WHAT: &str = "squares of rows";
    let shape = ask.shape;
    writable(&ask.target)?;
    sizes(&shape)?;
    scales(WHAT, &shape, ask.scales.as_ref())?;
    let exact = [
        ("rows", Some(ask.rows), shape.rows_bytes()),
        ("scales", ask.scales, shape.scales_bytes()),
        ("the target", Some(ask.target), shape.squares_bytes()),
    ];
    sized(WHAT, &shape, &exact)?;
    for span in [Some(&ask.rows), ask.scales.as_ref()].into_iter().flatten() {
        operand(WHAT, span)?;
        apart(span, &ask.target)?;
    }
    operand(WHAT, &ask.target)?;
    Ok(shape)
}

/// Each of these, where it is given, has just so many bytes.
fn sized(
    what: &'static str,
    shape: &NearestShape,
    exact: &[(&str, Option<Span<'_>>, u64)],
) -> Result<(), DeviceError> {
    for (name, span, wanted) in exact {
        let found = span.map_or(*wanted, |span| span.bytes().get());
        if found != *wanted {
            return Err(bad(what, format!("{name} of {found} bytes; {shape:?} has {wanted}")));
        }
    }
    Ok(())
}

/// Scales or sides are there exactly where rows have some.
fn scales(what: &'static str, shape: &NearestShape, given: Option<&Span<'_>>) -> Result<(), DeviceError> {
    let wanted = shape.scales_bytes() > 0 || shape.rows == 0 && shape.form.side_bytes() > 0;
    match given {
        None if shape.scales_bytes() > 0 => {
            Err(bad(what, format!("{:?} rows need a scale or side each and none are given", shape.form)))
        }
        Some(_) if !wanted => {
            Err(bad(what, format!("{:?} rows have no scales here and some are given", shape.form)))
        }
        _ => Ok(()),
    }
}

/// The desk of a shape that can be searched; nothing for one that cannot, which the check refuses.
pub fn desk_of(shape: &NearestShape, bytes: impl FnOnce() -> u64) -> Bytes {
    if shape.is_empty() || sizes(shape).is_err() { Bytes::ZERO } else { Bytes::new(bytes()) }
}

fn sizes(shape: &NearestShape) -> Result<(), DeviceError> {
    let NearestShape { dimension, k, form, measure, .. } = *shape;
    if k == 0 || k > K_MAX {
        return Err(bad(WHAT, format!("the {k} nearest cannot be searched: ask for 1 to {K_MAX}")));
    }
    if dimension == 0 || dimension > DIMENSION_MAX {
        return Err(bad(WHAT, format!("vectors of {dimension} numbers; they have 1 to {DIMENSION_MAX}")));
    }
    if measure == Measure::Hamming && form != Form::Sign {
        return Err(bad(WHAT, format!("signs that differ among rows of {form:?}; rows of Sign have them")));
    }
    Ok(())
}
