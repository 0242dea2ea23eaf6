//! Where an optimizer's states are: slices that go between places one at a time.

use super::code::{self, BLOCK, MEAN, SQUARE};
use super::share::Share;
use crate::cast::bytes_of;
use crate::compute::Done;
use crate::grad::{LeafId, Leaves};
use crate::stage::Stage;
use crate::{Dtype, Tensor, TensorError};

/// How an optimizer's two states of each number are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatesAs {
    /// Singles: 8 bytes a number.
    #[default]
    Singles,
    /// A byte each, with a scale for each 256: 2.03 bytes a number.
    Bytes,
}

/// The most numbers whose states are in one slice: what is here at once of states that are elsewhere is two slices.
const SLICE: usize = 1 << 21;

/// A part of a slice: the states of some numbers of one leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StatesPart {
    /// Which of the leaf's numbers is the first, and how many there are.
    pub(crate) from: usize,
    pub(crate) len: usize,
    /// Where its states begin in the slice, whole blocks on.
    pub(crate) at: usize,
    /// How many numbers the slice has states of, whole blocks.
    pub(crate) numbers: usize,
    pub(crate) kept: StatesAs,
    /// The place of its first number among those of all leaves.
    pub(crate) place: u64,
}

/// States of a run of leaves, in one tensor: all means, then all means of squares; of bytes then the scales of both.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) parts: Vec<(LeafId, StatesPart)>,
    pub(super) states: Tensor,
}

/// How many numbers each leaf has, and whether its states are kept here, cut into slices of at most so many, whole blocks
/// for each. What a part is of and its place do not depend on which others are kept here.
fn cut(leaves: &[(usize, bool)], most: usize, kept: StatesAs) -> Vec<Vec<(usize, StatesPart)>> {
    let mut slices: Vec<Vec<(usize, StatesPart)>> = Vec::new();
    let (mut room, mut place) = (0, 0_u64);
    for (leaf, (count, own)) in leaves.iter().enumerate() {
        if !own {
            place += *count as u64;
            continue;
        }
        let mut from = 0;
        while from < *count {
            if room == 0 {
                slices.push(Vec::new());
                room = most;
            }
            let len = (count - from).min(room);
            let part = StatesPart { from, len, at: most - room, numbers: 0, kept, place };
            if let Some(slice) = slices.last_mut() {
                slice.push((leaf, part));
            }
            room -= len.next_multiple_of(BLOCK).min(room);
            (from, place) = (from + len, place + len as u64);
        }
    }
    for slice in &mut slices {
        let numbers = slice.last().map_or(0, |(_, part)| (part.at + part.len).next_multiple_of(BLOCK));
        for (_, part) in slice {
            part.numbers = numbers;
        }
    }
    slices
}

/// Zeros for a share of the leaves, on a stage.
pub(super) fn zeros(
    stage: &Stage,
    leaves: &Leaves,
    kept: StatesAs,
    share: Share,
) -> Result<Vec<Slice>, TensorError> {
    let ids: Vec<LeafId> = leaves.all().map(|(id, ..)| id).collect();
    let counts: Vec<usize> =
        leaves.all().map(|(.., value)| usize::try_from(value.count()).unwrap_or(usize::MAX)).collect();
    let own: Vec<(usize, bool)> = counts.iter().copied().zip(share.of(&counts)).collect();
    let slices = cut(&own, SLICE, kept).into_iter().map(|parts| {
        let numbers = parts.first().map_or(0, |(_, part)| part.numbers);
        let states = match kept {
            StatesAs::Singles => stage.zeros(&[2 * numbers], Dtype::F32)?,
            StatesAs::Bytes => stage.zeros(&[2 * numbers + 8 * (numbers / BLOCK)], Dtype::U8)?,
        };
        Ok(Slice { parts: parts.into_iter().map(|(leaf, part)| (ids[leaf], part)).collect(), states })
    });
    slices.collect()
}

impl StatesPart {
    /// Where its means are, its means of squares, and the scales of each, in bytes of the slice.
    pub(crate) fn bytes_at(&self) -> [usize; 4] {
        match self.kept {
            StatesAs::Singles => [self.at * 4, (self.numbers + self.at) * 4, 0, 0],
            StatesAs::Bytes => {
                let scales = 2 * self.numbers + self.at / BLOCK * 4;
                [self.at, self.numbers + self.at, scales, scales + self.numbers / BLOCK * 4]
            }
        }
    }
}

impl Slice {
    /// The states of a part, as singles.
    pub(super) fn read(&self, part: &StatesPart) -> Result<[Vec<f32>; 2], TensorError> {
        let [means, squares, mean_scales, square_scales] = part.bytes_at();
        match part.kept {
            StatesAs::Singles => {
                let numbers = |at: usize| self.states.narrow(0, at / 4, part.len)?.to_vec();
                Ok([numbers(means)?, numbers(squares)?])
            }
            StatesAs::Bytes => {
                let both = [(MEAN, means, mean_scales), (SQUARE, squares, square_scales)];
                let mut found = [Vec::new(), Vec::new()];
                for (found, (code, at, scales)) in found.iter_mut().zip(both) {
                    let codes = self.fetch(at, part.len)?;
                    let scales = self.fetch(scales, part.len.div_ceil(BLOCK) * 4)?;
                    *found = vec![0.0; part.len];
                    let blocks = found.chunks_mut(BLOCK).zip(codes.chunks(BLOCK));
                    for ((numbers, codes), scale) in blocks.zip(scales.as_chunks::<4>().0) {
                        code::read(code, codes, f32::from_le_bytes(*scale), numbers);
                    }
                }
                Ok(found)
            }
        }
    }

    /// The states of a part become these.
    pub(super) fn write(&mut self, part: &StatesPart, states: [&[f32]; 2]) -> Done {
        let [means, squares, mean_scales, square_scales] = part.bytes_at();
        if part.kept == StatesAs::Singles {
            self.put(means, bytes_of(states[0]))?;
            return self.put(squares, bytes_of(states[1]));
        }
        let both = [(MEAN, means, mean_scales), (SQUARE, squares, square_scales)];
        for (numbers, (code, at, scales_at)) in states.into_iter().zip(both) {
            let mut codes = vec![0; numbers.len()];
            let blocks = numbers.chunks(BLOCK).zip(codes.chunks_mut(BLOCK));
            let scales: Vec<f32> =
                blocks.map(|(numbers, codes)| code::tell(code, numbers, codes, |_| 0.5)).collect();
            self.put(at, &codes)?;
            self.put(scales_at, bytes_of(&scales))?;
        }
        Ok(())
    }

    fn fetch(&self, at: usize, len: usize) -> Result<Vec<u8>, TensorError> {
        let mut bytes = vec![0; len];
        let part = self.states.narrow(0, at, len)?;
        self.states.stage().run(|compute| compute.fetch(&part, &mut bytes))?;
        Ok(bytes)
    }

    fn put(&mut self, at: usize, bytes: &[u8]) -> Done {
        let stage = self.states.stage();
        stage.run(|compute| compute.write(&mut self.states, at as u64, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_states_and_blocks_are_of_one_leaf() {
        let counts = [1, 0, 700, 256, 2100, 3];
        let own = counts.map(|count| (count, true));
        let slices = cut(&own, 1024, StatesAs::Bytes);
        let (mut place, mut seen) = (0, vec![0; counts.len()]);
        for slice in &slices {
            let mut end = 0;
            for (leaf, part) in slice {
                assert_eq!((part.at % BLOCK, part.from, part.place), (0, seen[*leaf], place));
                assert!(part.at >= end && part.at + part.len <= part.numbers && part.numbers <= 1024);
                end = (part.at + part.len).next_multiple_of(BLOCK);
                seen[*leaf] += part.len;
                place += part.len as u64;
            }
        }
        assert_eq!(seen, counts);
        assert!(slices.len() >= 4);
        // Of fewer leaves, parts are of the same numbers in whole blocks, at the same places.
        let some = own.map(|(count, _)| (count, count > 256));
        for (leaf, part) in cut(&some, 1024, StatesAs::Bytes).iter().flatten() {
            assert!(counts[*leaf] > 256 && part.from % BLOCK == 0);
            assert_eq!(part.place, (counts[..*leaf].iter().sum::<usize>() + part.from) as u64);
        }
    }
}
