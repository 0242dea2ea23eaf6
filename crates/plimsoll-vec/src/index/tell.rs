//! What was found becomes an answer: candidates are looked at again, and rows become ids.

use std::sync::{Mutex, PoisonError};

use plimsoll::Bytes;

use super::VecError;
use super::answer::{Answer, NO_ID};
use super::encode::on_threads;
use super::rerank::Again;
use super::search::{Run, Search};
use super::view::View;
use crate::top::Hit;

/// Queries that a thread answers at once.
const AT_ONCE: usize = 4;

impl Run<'_> {
    /// Adds the answers of queries, of which these are the candidates. Originals are read by all threads.
    pub(super) fn tell(
        &self,
        vectors: &[f32],
        search: &Search,
        candidates: impl Fn(usize) -> Vec<Hit> + Sync,
        answer: &mut Answer,
    ) -> Result<(), VecError> {
        let dimension = self.view.shape.dimension;
        let count = vectors.len() / dimension;
        let before = answer.ids.len();
        answer.ids.resize(before + count * search.k, NO_ID);
        answer.distances.resize(before + count * search.k, f32::NAN);
        let ids = answer.ids[before..].chunks_mut(AT_ONCE * search.k);
        let distances = answer.distances[before..].chunks_mut(AT_ONCE * search.k);
        let work = Mutex::new((0..).step_by(AT_ONCE).zip(ids.zip(distances)));
        let done = Mutex::new((Bytes::ZERO, None));
        let threads = self.threads.min(count.div_ceil(AT_ONCE));
        on_threads(threads, &|| {
            let mut again = Again::new(self.view.shape, &self.parts, &self.bases, search);
            let mut read = Bytes::ZERO;
            let mut all = || {
                loop {
                    let next = work.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((first, (ids, distances))) = next else { return Ok(()) };
                    let places = ids.chunks_mut(search.k).zip(distances.chunks_mut(search.k));
                    for (query, places) in (first..).zip(places) {
                        let mut hits = candidates(query);
                        if search.again > 1 {
                            let vector = &vectors[query * dimension..][..dimension];
                            read += again.look(vector, &mut hits)?;
                        }
                        self.one(&hits, places)?;
                    }
                }
            };
            let failed = all().err();
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.0 += read;
            done.1 = done.1.take().or(failed);
        });
        let (read, failed) = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        answer.measured.again += read;
        failed.map_or(Ok(()), Err)
    }

    /// The ids and distances of one query.
    fn one(&self, hits: &[Hit], (ids, distances): (&mut [u64], &mut [f32])) -> Result<(), VecError> {
        for (hit, (id, distance)) in hits.iter().zip(ids.iter_mut().zip(distances)) {
            let (part, row) = View::place(&self.bases, hit.row);
            *id = self.parts.get(part).map_or(Ok(NO_ID), |part| part.id(row))?;
            *distance = self.view.shape.metric.distance(hit.score);
        }
        Ok(())
    }
}
