//! Work divided among a crew, each thread with what it alone may write.

use std::sync::{Mutex, PoisonError};

use crate::Crew;

/// Below so many numbers it is not worth waking anybody.
pub(super) const FEW: usize = 1 << 14;

/// Calls `work` once with each part, on all threads.
pub(super) fn each<T: Send>(crew: &Crew, parts: Vec<T>, work: impl Fn(usize, T) + Sync) {
    if crew.threads() == 1 || parts.len() < 2 {
        for (index, part) in parts.into_iter().enumerate() {
            work(index, part);
        }
        return;
    }
    let parts: Vec<Mutex<Option<T>>> = parts.into_iter().map(|part| Mutex::new(Some(part))).collect();
    crew.each(parts.len(), &|index| {
        let part = parts[index].lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(part) = part {
            work(index, part);
        }
    });
}

/// How long parts should be, so that each thread gets a few and none is tiny. A multiple of `unit`.
pub(super) fn part(crew: &Crew, len: usize, unit: usize) -> usize {
    let units = len.div_ceil(unit.max(1));
    let wanted = len.div_ceil(FEW).clamp(1, crew.threads() * 4);
    units.div_ceil(wanted).max(1) * unit.max(1)
}
