//! Sets of small numbers as words of bits.

/// Adds a member.
pub(super) fn insert(set: &mut [u64], member: u32) {
    set[member as usize / 64] |= 1 << (member % 64);
}

/// Takes a member away.
pub(super) fn remove(set: &mut [u64], member: u32) {
    set[member as usize / 64] &= !(1 << (member % 64));
}

/// Adds all members of another.
pub(super) fn unite(set: &mut [u64], other: &[u64]) {
    for (word, other) in set.iter_mut().zip(other) {
        *word |= other;
    }
}

/// Whether two have a member in common.
pub(super) fn meet(set: &[u64], other: &[u64]) -> bool {
    set.iter().zip(other).any(|(word, other)| word & other != 0)
}

/// Whether all members of one are in the other.
pub(super) fn within(set: &[u64], other: &[u64]) -> bool {
    set.iter().zip(other).all(|(word, other)| word & !other == 0)
}

/// The members, ascending.
pub(super) fn members(set: &[u64]) -> impl Iterator<Item = usize> {
    set.iter().enumerate().flat_map(|(at, &word)| {
        let next = |bits: &u64| Some(bits & (bits - 1)).filter(|rest| *rest != 0);
        let first = Some(word).filter(|word| *word != 0);
        std::iter::successors(first, next).map(move |bits| at * 64 + bits.trailing_zeros() as usize)
    })
}
