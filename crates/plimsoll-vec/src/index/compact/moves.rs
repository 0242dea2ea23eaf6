//! Where rows go. Pure.

use std::ops::Range;

use crate::BLOCK_ROWS;
use crate::index::dead::{Dead, blocks};

/// Where the rows of one segment go that live.
#[derive(Debug)]
pub(super) struct Moves {
    dead: Dead,
    /// Living rows before each block.
    before: Vec<u32>,
    /// For each list, what turns the number of living rows before a row into its new row.
    shifts: Vec<u32>,
}

impl Moves {
    /// Of a segment of so many rows; lists have no place yet.
    pub(super) fn new(rows: u64, dead: &Dead, lists: usize) -> Self {
        let mut living = 0_u32;
        let before = (0..blocks(rows) as u64).map(|block| {
            let this = living;
            let rows = (rows - block * BLOCK_ROWS as u64).min(BLOCK_ROWS as u64);
            living += u32::try_from(rows).unwrap_or_default() - dead.word(block).count_ones();
            this
        });
        Self { before: before.collect(), dead: dead.clone(), shifts: Vec::with_capacity(lists) }
    }

    /// Puts the next list, which are these rows, at a row of the new segment. Says where the one after it goes.
    pub(super) fn place(&mut self, rows: &Range<u64>, at: u32) -> u32 {
        let (from, to) = (self.living_before(rows.start), self.living_before(rows.end));
        self.shifts.push(at.wrapping_sub(from));
        at + (to - from)
    }

    /// Whether a row lives.
    pub(super) fn lives(&self, row: u64) -> bool {
        !self.dead.has(row)
    }

    /// The new row of a row that lives, of the list it is in.
    pub(super) fn to(&self, row: u64, list: usize) -> u32 {
        self.living_before(row).wrapping_add(self.shifts.get(list).copied().unwrap_or_default())
    }

    fn living_before(&self, row: u64) -> u32 {
        let (block, bit) = (row / BLOCK_ROWS as u64, row % BLOCK_ROWS as u64);
        if bit == 0 && block > 0 && usize::try_from(block).is_ok_and(|block| block == self.before.len()) {
            // Behind the last block, which is full.
            let last = block * BLOCK_ROWS as u64 - 1;
            return self.living_before(last) + u32::from(self.lives(last));
        }
        let before = usize::try_from(block).ok().and_then(|block| self.before.get(block)).copied();
        let dead = (self.dead.word(block) & ((1 << bit) - 1)).count_ones();
        before.unwrap_or_default() + u32::try_from(bit).unwrap_or_default() - dead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_living_close_ranks_list_by_list() {
        for rows in [1_u64, 63, 64, 65, 128, 200] {
            let gone = |row: u64| row % 3 == 1 || (10..20).contains(&row);
            let dead = Dead::default().with((0..rows).filter(|row| gone(*row)), rows);
            let cut = rows / 2;
            let mut moves = Moves::new(rows, &dead, 2);
            // The second list first, as if another segment's rows stood between.
            let living = |rows: Range<u64>| rows.filter(|row| !gone(*row)).collect::<Vec<u64>>();
            let (first, second) = (living(0..cut), living(cut..rows));
            let next = moves.place(&(0..cut), 1000);
            assert_eq!(next as usize, 1000 + first.len());
            let end = moves.place(&(cut..rows), 5000);
            assert_eq!(end as usize, 5000 + second.len());
            for (list, (rows, from)) in [(first, 1000), (second, 5000)].into_iter().enumerate() {
                for (expected, row) in (from..).zip(rows) {
                    assert!(moves.lives(row));
                    assert_eq!(moves.to(row, list), expected, "row {row}");
                }
            }
        }
    }
}
