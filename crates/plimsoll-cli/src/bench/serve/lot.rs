//! Numbers by lot, the same for the same place.

/// What falls to a place.
pub(super) fn lot(place: u64) -> u64 {
    let mut state = place;
    for _ in 0..2 {
        state = (state ^ state >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    }
    state
}
