//! How close a back end must come.
//!
//! Scores are sums in single precision, in any order. So near ties may change places, and that is all that may.

use std::collections::BTreeSet;

use super::ask::{Measure, NearestShape};
use super::key::Key;
use super::reference::score;
use super::stored::{NearestStored, Row};

/// How far a score may be from the reference: (D / 4 + 32) · 2⁻²⁴ of |q| |x| for a product, and of (|q| + |x|)² for a
/// distance. None where that is so large that single precision may not hold the sums on the way: such a row may be
/// left out.
pub fn room(shape: &NearestShape, query: f64, row: f64) -> Option<f64> {
    let size = match shape.measure {
        Measure::Distance => (query + row) * (query + row),
        Measure::Product => query * row,
        // Counts are exact.
        Measure::Hamming => return Some(0.0),
    };
    let part = (f64::from(shape.dimension) / 4.0 + 32.0) / f64::from(1 << 24);
    // Subnormal products may be taken for zero.
    let small = f64::from(f32::MIN_POSITIVE) * f64::from(shape.dimension);
    let largest = size.max(query * query).max(row * row);
    (largest < f64::from(f32::MAX) / 4.0).then_some(size * part + small)
}

/// A row as the reference sees it for one query.
struct Candidate {
    key: u32,
    score: f64,
    /// None where it may be left out.
    room: Option<f64>,
}

/// Whether `found` are lists that searching may make of the lists `before`; if not, where not and why.
pub fn found(
    shape: &NearestShape,
    stored: &NearestStored<'_>,
    before: &[u8],
    found: &[u8],
) -> Result<(), String> {
    let live = stored.live(shape);
    let list_bytes = shape.k as usize * 8;
    for (at, (before, found)) in before.chunks(list_bytes).zip(found.chunks(list_bytes)).enumerate() {
        let query = stored.query(shape, at);
        let candidate = |(number, row): &(u32, Row)| {
            let score = score(shape.measure, &query, row);
            let long = length(&row.numbers).max(row.square.unwrap_or_default().sqrt());
            let room = room(shape, length(&query), long).filter(|_| score.is_finite());
            Candidate { key: *number, score, room }
        };
        let candidates: Vec<_> = live.iter().map(candidate).collect();
        list(shape, &candidates, before, found).map_err(|why| format!("query {at}: {why}"))?;
    }
    Ok(())
}

fn list(shape: &NearestShape, candidates: &[Candidate], before: &[u8], found: &[u8]) -> Result<(), String> {
    let before: BTreeSet<Key> = Key::read(before).filter(|key| *key != Key::NONE).collect();
    let found: Vec<Key> = Key::read(found).collect();
    let full = found.iter().position(|key| *key == Key::NONE).unwrap_or(found.len());
    let (taken, rest) = found.split_at(full);
    if let Some(at) = rest.iter().position(|key| *key != Key::NONE) {
        return Err(format!("place {} is taken behind an empty one", full + at));
    }
    if let Some(at) = taken.windows(2).position(|pair| pair[0] >= pair[1]) {
        return Err(format!(
            "place {} is not behind place {at}: {:?} {:?}",
            at + 1,
            taken[at],
            taken[at + 1]
        ));
    }
    let mut rows = BTreeSet::new();
    for key in taken {
        let Some((score, row)) = key.found() else { continue };
        if !rows.insert(row) {
            return Err(format!("row {row} is there twice"));
        }
        let candidate = candidates.binary_search_by_key(&row, |candidate| candidate.key);
        match candidate.map(|at| &candidates[at]) {
            _ if before.contains(key) => {}
            Ok(Candidate { score: should, room: Some(room), .. })
                if (f64::from(score) - should).abs() > *room =>
            {
                return Err(format!("row {row} has {score:e} instead of {should:e}, {room:e} of room"));
            }
            Ok(_) => {}
            Err(_) => return Err(format!("row {row} may not be found")),
        }
    }
    let sure = before.len() + candidates.iter().filter(|candidate| candidate.room.is_some()).count();
    if full < sure.min(shape.k as usize) {
        return Err(format!("{full} rows are found where there are {sure}"));
    }
    let Some((last, _)) = taken.last().and_then(|key| key.found()).filter(|_| full == shape.k as usize)
    else {
        return Ok(());
    };
    let out = candidates.iter().filter(|candidate| !rows.contains(&candidate.key));
    for Candidate { key, score, room } in out {
        if room.is_some_and(|room| *score + room < f64::from(last)) {
            return Err(format!("row {key} with {score:e} is left out, and the last one has {last:e}"));
        }
    }
    match before.iter().find(|key| key.found().is_some_and(|(_, row)| !rows.contains(&row))) {
        Some(key) if Some(key) < taken.last() => Err(format!("{key:?} of the list before is lost")),
        _ => Ok(()),
    }
}

fn length(vector: &[f64]) -> f64 {
    vector.iter().map(|number| number * number).sum::<f64>().sqrt()
}

/// Whether `found` are squares that a back end may make of rows; if not, of which not and why.
pub fn squares_found(shape: &NearestShape, stored: &NearestStored<'_>, found: &[u8]) -> Result<(), String> {
    let (places, _) = found.as_chunks::<4>();
    for (row, place) in places.iter().enumerate() {
        let (should, found) = (length(&stored.row(shape, row).numbers).powi(2), f32::from_le_bytes(*place));
        let part = (f64::from(shape.dimension) / 4.0 + 32.0) / f64::from(1 << 24);
        let near = (f64::from(found) - should).abs() <= should * part + f64::from(f32::MIN_POSITIVE);
        if should.is_finite() && should < f64::from(f32::MAX) / 4.0 && !near {
            return Err(format!("row {row} has the square {found:e} instead of {should:e}"));
        }
    }
    Ok(())
}
