//! What precision a budget has room for: of an index that is to be built, and of a search that may be looked at less closely.

use plimsoll::Bytes;

use super::build::sums_bytes;
use super::forecast::{Question, Stock};
use super::lists::{Division, Lists};
use super::lower::left_of_signs;
use super::search::Search;
use super::{Forecast, Index, Shape, VecError};
use crate::code::Codebooks;
use crate::segment::Starts;
use crate::{BLOCK_ROWS, Codec};

/// What was left out of a search so that it reads less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lowered {
    /// Nothing: it is as it was asked for.
    Nothing,
    /// The second look: candidates are told by their codes.
    Again,
    /// The second look, and of planes rows that their signs leave: as few as make sense.
    Signs,
}

impl Shape {
    /// What a search of all rows by so many queries would take of an account of so much memory, of an index of this shape with so
    /// many vectors, before there is one. Weights that vectors are reduced by are not reckoned with.
    pub fn outlook(
        &self,
        vectors: u64,
        memory: Bytes,
        queries: usize,
        search: &Search,
    ) -> Result<Forecast, VecError> {
        let candidates = search.k.saturating_mul(search.again.max(1));
        let signs = self.layout().lower_bytes() > 0;
        let listed = if signs { left_of_signs(search.signs, search.k, candidates) } else { candidates };
        let threads = if search.threads == 0 { super::encode::threads() } else { search.threads };
        let question = Question { queries, listed, candidates, threads, again: search.again > 1 };
        let blocks = vectors.div_ceil(BLOCK_ROWS as u64);
        let (codec, numbers) = self.kind();
        let lists = self.lists.map_or(Ok(0), |lists: Lists| lists.of(vectors))?;
        let divided = if lists > 0 {
            Division::heap_bytes(lists, numbers).saturating_add(Starts::heap_bytes(lists))
        } else {
            0
        };
        let books = codec.group().map_or(0, |_| Codebooks::bytes_for(numbers));
        let fixed = [sums_bytes(self, vectors), vectors / 8, divided, books];
        let fixed = fixed.into_iter().fold(0, u64::saturating_add);
        let stock = Stock {
            codes_bytes: blocks.saturating_mul(self.upper_bytes() as u64),
            blocks,
            kept_bytes: 0,
            pages_bytes: 0,
            room: memory.get().saturating_sub(fixed),
            limit: memory,
            fixed,
        };
        question.forecast(self, &stock)
    }

    /// The first of these codecs whose codes all stay in so much memory while a hundred queries are asked for their ten nearest, with a
    /// second look where vectors are kept as they came. None where no one does.
    pub fn most_precise(
        &self,
        codecs: &[Codec],
        vectors: u64,
        memory: Bytes,
    ) -> Result<Option<Codec>, VecError> {
        for codec in codecs {
            let shape = Self { codec: *codec, ..*self };
            let again = if self.originals && *codec != Codec::F32 { 4 } else { 1 };
            let search = Search { again, ..Search::nearest(10) };
            match shape.outlook(vectors, memory, 100, &search) {
                Ok(forecast) if forecast.passes == 0 => return Ok(Some(*codec)),
                Ok(_) | Err(VecError::Budget { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

impl Index {
    /// The same search, or one that looks less closely, where that takes fewer passes or is possible at all: of these ways the
    /// first that takes the fewest. Nothing is coded again; what is left out is told.
    pub fn lowered(&self, queries: usize, search: &Search) -> Result<(Search, Lowered), VecError> {
        let planes = self.shape().codec == Codec::Planes;
        let plain = Search { again: 1, ..search.clone() };
        let fewest = Search { signs: search.k.saturating_mul(4), ..plain.clone() };
        let ways = [
            (search.clone(), Lowered::Nothing, true),
            (plain, Lowered::Again, search.again > 1),
            (fewest, Lowered::Signs, planes && search.signs == 0),
        ];
        let mut best: Option<(u64, Search, Lowered)> = None;
        let mut refused = None;
        for (way, lowered, possible) in ways {
            if !possible {
                continue;
            }
            match self.forecast(queries, &way) {
                Ok(forecast) => {
                    if best.as_ref().is_none_or(|(passes, ..)| forecast.passes < *passes) {
                        best = Some((forecast.passes, way, lowered));
                    }
                }
                Err(error @ VecError::Budget { .. }) => refused = refused.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        match (best, refused) {
            (Some((_, way, lowered)), _) => Ok((way, lowered)),
            (None, Some(error)) => Err(error),
            (None, None) => Ok((search.clone(), Lowered::Nothing)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Metric;

    #[test]
    fn less_memory_has_room_for_less_precision_and_what_is_chosen_stays() {
        let shape = Shape {
            dimension: 768,
            metric: Metric::L2,
            codec: Codec::F32,
            originals: true,
            lists: None,
            reduced: None,
        };
        let codecs = [Codec::F32, Codec::F16, Codec::Int8, Codec::Int4, Codec::Pq2, Codec::Pq8];
        let (mut last, mut chosen) = (0, Vec::new());
        for mib in [4000, 2000, 1000, 500, 250, 150, 60, 20].map(Bytes::mib) {
            let found = shape.most_precise(&codecs, 1_000_000, mib).unwrap();
            let at = found.map_or(codecs.len(), |codec| codecs.iter().position(|one| *one == codec).unwrap());
            assert!(at >= last, "{mib}");
            last = at;
            if let Some(codec) = found {
                assert!((codec.row_bytes(768) as u64) * 1_000_000 < mib.get(), "{codec} in {mib}");
            }
            chosen.push(found);
        }
        assert_eq!(chosen.first(), Some(&Some(Codec::F32)));
        assert!(chosen.contains(&Some(Codec::Int4)) && chosen.ends_with(&[None]), "{chosen:?}");
    }
}
