//! What stands at the end of a part: where everything is.

use crate::bytes::{Cut, Take, put_slice, put_varint};
use crate::terms::Sparse;

/// Passages of one document that stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The first of them, as a place in the part.
    pub(crate) first: u32,
    /// Whose they are.
    pub(crate) document: u64,
    /// Which of the document's passages the first is.
    pub(crate) ordinal: u64,
}

impl Run {
    /// Whether the other is the rest of this.
    pub(crate) fn goes_on_as(&self, other: &Self) -> bool {
        self.document == other.document && self.ordinal + u64::from(other.first - self.first) == other.ordinal
    }
}

/// Where a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) at: u64,
    pub(crate) packed: u32,
    pub(crate) raw: u32,
    /// The first passage in it.
    pub(crate) first: u32,
    pub(crate) sum: u64,
}

/// Where everything is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) blocks: Vec<Place>,
    pub(crate) runs: Vec<Run>,
    /// How long each passage is; empty where words were not kept.
    pub(crate) lengths: Vec<u8>,
    pub(crate) passages: u32,
    pub(crate) total_terms: u64,
    pub(crate) lists: u64,
    pub(crate) dictionary: u64,
    pub(crate) sparse: Sparse,
    /// The checksums of the dictionary's blocks.
    pub(crate) dictionary_sums: Vec<u64>,
}

impl Footer {
    /// What it takes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.blocks.len() * size_of::<Place>()
            + self.runs.len() * size_of::<Run>()
            + self.lengths.len()
            + self.sparse.bytes()
            + self.dictionary_sums.len() * 8
    }

    /// What it is written as takes at most, where it takes so much of memory.
    pub(crate) const fn written(bytes: usize) -> usize {
        bytes + bytes / 8 + 64
    }

    pub(crate) fn put(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::written(self.bytes()));
        put_varint(&mut out, u64::from(self.passages));
        put_varint(&mut out, self.total_terms);
        put_varint(&mut out, self.lists);
        put_varint(&mut out, self.dictionary);
        put_varint(&mut out, self.blocks.len() as u64);
        for block in &self.blocks {
            for number in [block.at, block.packed.into(), block.raw.into(), block.first.into()] {
                put_varint(&mut out, number);
            }
            out.extend_from_slice(&block.sum.to_le_bytes());
        }
        put_varint(&mut out, self.runs.len() as u64);
        for run in &self.runs {
            for number in [run.first.into(), run.document, run.ordinal] {
                put_varint(&mut out, number);
            }
        }
        put_slice(&mut out, &self.lengths);
        self.sparse.put(&mut out);
        for sum in &self.dictionary_sums {
            out.extend_from_slice(&sum.to_le_bytes());
        }
        out
    }

    pub(crate) fn take(bytes: &[u8]) -> Result<Self, Cut> {
        let take = &mut Take::new(bytes);
        let small = |take: &mut Take<'_>| u32::try_from(take.varint()?).map_err(|_| Cut);
        let mut footer = Self {
            passages: small(take)?,
            total_terms: take.varint()?,
            lists: take.varint()?,
            dictionary: take.varint()?,
            ..Self::default()
        };
        for _ in 0..take.count()? {
            let (at, packed, raw, first) = (take.varint()?, small(take)?, small(take)?, small(take)?);
            footer.blocks.push(Place { at, packed, raw, first, sum: take.long()? });
        }
        for _ in 0..take.count()? {
            let (first, document, ordinal) = (small(take)?, take.varint()?, take.varint()?);
            footer.runs.push(Run { first, document, ordinal });
        }
        footer.lengths = take.slice()?.to_vec();
        footer.sparse = Sparse::take(take)?;
        while !take.is_empty() {
            footer.dictionary_sums.push(take.long()?);
        }
        Ok(footer)
    }

    /// Whether its parts fit together, so that they may be used as indexes.
    pub(crate) fn adds_up(&self) -> bool {
        let rises = |firsts: Vec<u32>| {
            firsts.first().is_none_or(|&first| first == 0)
                && firsts.windows(2).all(|two| two[0] < two[1])
                && firsts.last().is_none_or(|&last| last < self.passages)
        };
        let some = self.passages > 0;
        rises(self.blocks.iter().map(|block| block.first).collect())
            && rises(self.runs.iter().map(|run| run.first).collect())
            && some != self.blocks.is_empty()
            && some != self.runs.is_empty()
            && (self.lengths.is_empty() || self.lengths.len() == self.passages as usize)
    }
}
