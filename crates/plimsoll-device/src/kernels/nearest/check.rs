//! What fits together.

use super::ask::{DIMENSION_MAX, K_MAX, Nearest, NearestShape};
use crate::kernels::Number;
use crate::kernels::check::{apart, bad, operand, writable};
use crate::{Bytes, DeviceError, Span};

const WHAT: &str = "a search for the nearest rows";

/// The arguments of [`Kernels::nearest`](crate::Kernels::nearest). `desk` is what the back end needs.
pub fn nearest(ask: &Nearest<'_>, desk: Bytes) -> Result<NearestShape, DeviceError> {
    let shape = ask.shape;
    writable(&ask.lists)?;
    writable(&ask.desk)?;
    sizes(&shape)?;
    if u64::from(ask.first) + u64::from(shape.rows) >= u64::from(u32::MAX) {
        let (rows, first) = (shape.rows, ask.first);
        return Err(bad(
            WHAT,
            format!("{rows} rows from number {first} on; rows are numbered below 2^32 − 1, cut the index"),
        ));
    }
    match ask.scales {
        None if shape.number.scaled() => {
            return Err(bad(WHAT, format!("{:?} rows need a scale each and none are given", shape.number)));
        }
        Some(_) if !shape.number.scaled() => {
            return Err(bad(WHAT, format!("{:?} rows have no scales and some are given", shape.number)));
        }
        _ => {}
    }
    let exact = [
        ("rows", Some(ask.rows), shape.rows_bytes()),
        ("scales", ask.scales, shape.scales_bytes()),
        ("queries", Some(ask.queries), shape.queries_bytes()),
        ("mask", ask.mask, shape.mask_bytes()),
        ("lists", Some(ask.lists), shape.lists_bytes()),
    ];
    for (name, span, wanted) in exact {
        let found = span.map_or(wanted, |span| span.bytes().get());
        if found != wanted {
            return Err(bad(WHAT, format!("{name} of {found} bytes; {shape:?} has {wanted}")));
        }
    }
    if ask.desk.bytes() < desk {
        let found = ask.desk.bytes();
        return Err(bad(WHAT, format!("a desk of {found}; ask nearest_desk, which says {desk}")));
    }
    let read: [Option<Span<'_>>; 4] = [Some(ask.rows), ask.scales, Some(ask.queries), ask.mask];
    for span in read.iter().flatten() {
        operand(WHAT, span)?;
        apart(span, &ask.lists)?;
        apart(span, &ask.desk)?;
    }
    operand(WHAT, &ask.lists)?;
    operand(WHAT, &ask.desk)?;
    apart(&ask.lists, &ask.desk)?;
    Ok(shape)
}

/// The desk of a shape that can be searched; nothing for one that cannot, which the check refuses.
pub fn desk_of(shape: &NearestShape, bytes: impl FnOnce() -> u64) -> Bytes {
    if shape.is_empty() || sizes(shape).is_err() { Bytes::ZERO } else { Bytes::new(bytes()) }
}

fn sizes(shape: &NearestShape) -> Result<(), DeviceError> {
    let NearestShape { dimension, k, .. } = *shape;
    if k == 0 || k > K_MAX {
        return Err(bad(WHAT, format!("the {k} nearest cannot be searched: ask for 1 to {K_MAX}")));
    }
    if dimension == 0 || dimension > DIMENSION_MAX {
        return Err(bad(WHAT, format!("vectors of {dimension} numbers; they have 1 to {DIMENSION_MAX}")));
    }
    if shape.number == Number::Int4 {
        return Err(bad(WHAT, "rows of Int4; convert them to Int8 or F16 first"));
    }
    Ok(())
}
