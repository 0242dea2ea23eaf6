//! What there is to search at one moment. Writers put another in its place; who searches keeps the one it began with.

use std::sync::Arc;

use super::dead::{Dead, blocks};
use super::lists::Division;
use super::reduced::Reduced;
use super::young::Batch;
use super::{Shape, VecError};
use crate::BLOCK_ROWS;
use crate::code::Codebooks;
use crate::segment::Segment;

/// Segments and young rows, with who of them is dead.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) shape: Shape,
    /// How vectors are divided into lists, once that was learned.
    pub(super) division: Option<Arc<Division>>,
    /// What the codec has learnt: once, and the same ever after.
    pub(super) books: Option<Arc<Codebooks>>,
    /// What vectors are reduced by before they are coded.
    pub(super) reduced: Option<Arc<Reduced>>,
    pub(super) segments: Vec<(Arc<Segment>, Dead)>,
    pub(super) young: Vec<(Arc<Batch>, Dead)>,
}

/// A part of a view.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part<'s> {
    Segment(&'s Segment),
    Young(&'s Batch),
}

impl View {
    /// Vectors that live.
    pub(super) fn vectors(&self) -> u64 {
        self.parts().map(|(part, dead)| part.rows() - dead.count()).sum()
    }

    /// Segments first, then what is young; rows are numbered in this order, each part from a whole block on.
    pub(super) fn parts(&self) -> impl Iterator<Item = (Part<'_>, &Dead)> {
        let segments = self.segments.iter().map(|(segment, dead)| (Part::Segment(segment), dead));
        segments.chain(self.young.iter().map(|(batch, dead)| (Part::Young(batch), dead)))
    }

    /// The number that the first row of each part has, and of none behind the last.
    pub(super) fn bases(&self) -> Vec<u64> {
        let mut base = 0;
        let next = |rows: u64| {
            let this = base;
            base += (blocks(rows) * BLOCK_ROWS) as u64;
            this
        };
        self.parts().map(|(part, _)| part.rows()).chain([0]).map(next).collect()
    }

    /// The part and row of a number.
    pub(super) fn place(bases: &[u64], row: u64) -> (usize, u64) {
        let part = bases.partition_point(|base| *base <= row).saturating_sub(1);
        (part, row - bases.get(part).copied().unwrap_or_default())
    }

    /// Where ids are that live: by part, the rows of those it has. `sorted` is in order.
    pub(super) fn find(&self, sorted: &[u64]) -> Result<Vec<Vec<(u64, u64)>>, VecError> {
        let mut found = Vec::new();
        for (part, dead) in self.parts() {
            let rows = part.rows_of(sorted)?;
            let living = sorted.iter().zip(rows).filter_map(|(id, row)| Some((*id, row?)));
            found.push(living.filter(|(_, row)| !dead.has(*row)).collect());
        }
        Ok(found)
    }

    /// What all blocks of segments take that are looked through; of planes the upper parts.
    pub(super) fn codes_bytes(&self) -> u64 {
        let units = self.segments.iter().map(|(segment, _)| segment.codes().header().units);
        units.sum::<u64>().saturating_mul(self.shape.upper_bytes() as u64)
    }
}

impl Part<'_> {
    pub(super) fn rows(&self) -> u64 {
        match self {
            Self::Segment(segment) => segment.rows(),
            Self::Young(batch) => batch.rows(),
        }
    }

    /// The id of a row.
    pub(super) fn id(&self, row: u64) -> Result<u64, VecError> {
        match self {
            Self::Segment(segment) => Ok(segment.ids().id(row)?),
            Self::Young(batch) => {
                let id = usize::try_from(row).ok().and_then(|row| batch.ids.get(row));
                Ok(id.copied().unwrap_or(super::NO_ID))
            }
        }
    }

    fn rows_of(&self, sorted: &[u64]) -> Result<Vec<Option<u64>>, VecError> {
        match self {
            Self::Segment(segment) => Ok(segment.ids().rows(sorted)?),
            Self::Young(batch) => {
                let mut rows = vec![None; sorted.len()];
                for (row, id) in (0..).zip(&batch.ids) {
                    if let Ok(at) = sorted.binary_search(id) {
                        rows[at] = Some(row);
                    }
                }
                Ok(rows)
            }
        }
    }
}
