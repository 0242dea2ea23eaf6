//! What was found becomes an answer: rows become ids.

use std::sync::Mutex;

use plimsoll::holding::cached;

use super::VecError;
use super::answer::{Answer, NO_ID};
use super::encode::on_threads;
use super::pages::OfRows;
use super::search::{Run, Search};
use super::view::{Part, View};
use crate::held::{lock, unlocked};
use crate::segment::Ids;
use crate::top::Hit;

/// Queries that a thread answers at once.
const AT_ONCE: usize = 16;

impl Run<'_> {
    /// Adds the answers of queries, of which these are the candidates: the best of them by their codes, or by what they
    /// are when looked at again. Where vectors are reduced, each query has a constant that belongs to its distances.
    pub(super) fn tell(
        &self,
        (vectors, constants): (&[f32], &[f64]),
        search: &Search,
        candidates: impl Fn(usize) -> Vec<Hit> + Sync,
        answer: &mut Answer,
    ) -> Result<(), VecError> {
        if search.again <= 1 {
            let count = vectors.len() / self.view.shape.dimension;
            return self.ids((search.k, count), candidates, constants, answer);
        }
        let (hits, read) = self.again(vectors, candidates)?;
        answer.measured.again += read;
        // What was looked at as it came is compared as it is.
        self.ids((search.k, hits.len()), |query| &hits[query], &[], answer)
    }

    /// Adds the ids and distances of the first `k` of each query, whose constant belongs to its distances if there is one.
    fn ids<H: AsRef<[Hit]>>(
        &self,
        (k, count): (usize, usize),
        hits: impl Fn(usize) -> H + Sync,
        constants: &[f64],
        answer: &mut Answer,
    ) -> Result<(), VecError> {
        let before = answer.ids.len();
        answer.ids.resize(before + count * k, NO_ID);
        answer.distances.resize(before + count * k, f32::NAN);
        let ids = answer.ids[before..].chunks_mut(k);
        let places = ids.zip(answer.distances[before..].chunks_mut(k)).enumerate();
        // What memory has is named at once: threads that ask one cache wait for each other longer than for what they ask. What
        // comes from the disk is left to all of them.
        let mut names = Names::new(self, false);
        let mut left = Vec::new();
        for (query, (ids, distances)) in places {
            let constant = constants.get(query).copied();
            if !names.of(hits(query).as_ref(), constant, (&mut *ids, &mut *distances))? {
                left.push((query, ids, distances));
            }
        }
        drop(names);
        let threads = self.threads.min(left.len().div_ceil(AT_ONCE));
        let work = Mutex::new(left.chunks_mut(AT_ONCE));
        let failed = Mutex::new(None);
        on_threads(threads, &|| {
            let mut names = Names::new(self, true);
            loop {
                let next = lock(&work).next();
                let Some(these) = next else { return };
                for (query, ids, distances) in these {
                    let constant = constants.get(*query).copied();
                    if let Err(error) = names.of(hits(*query).as_ref(), constant, (ids, distances)) {
                        lock(&failed).get_or_insert(error);
                        return;
                    }
                }
            }
        });
        unlocked(failed).map_or(Ok(()), Err)
    }
}

/// What a thread finds ids with.
struct Names<'r> {
    run: &'r Run<'r>,
    /// What is not in memory is read.
    reads: bool,
    /// The group of ids in hand.
    group: Option<Held>,
    /// The cache of groups had no room: it is not asked again.
    alone: bool,
    order: Vec<u32>,
}

/// A group of ids: of which segment, and which of its groups.
type Held = (u64, u64, cached::Hit<Box<[u8]>>);

impl<'r> Names<'r> {
    fn new(run: &'r Run<'r>, reads: bool) -> Self {
        Self { run, reads, group: None, alone: false, order: Vec::new() }
    }

    /// The ids and distances of one query's, as many as there are places for. Says whether all were to be had.
    fn of(
        &mut self,
        hits: &[Hit],
        constant: Option<f64>,
        (ids, distances): (&mut [u64], &mut [f32]),
    ) -> Result<bool, VecError> {
        let shape = self.run.view.shape;
        let hits = &hits[..hits.len().min(ids.len())];
        // In the order of rows: those of a list are named together.
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        order.extend((0..).take(hits.len()));
        order.sort_unstable_by_key(|at| hits[*at as usize].row);
        let mut all = true;
        for at in order.iter().map(|at| *at as usize) {
            let Some(id) = self.id(hits[at].row)? else {
                all = false;
                break;
            };
            ids[at] = id;
            let score = hits[at].score;
            distances[at] =
                constant.map_or_else(|| shape.metric.distance(score), |more| shape.told(score, more));
        }
        self.order = order;
        Ok(all)
    }

    /// The id of a row; none where it would have to be read and is not.
    fn id(&mut self, row: u64) -> Result<Option<u64>, VecError> {
        let (place, row) = View::place(&self.run.bases, row);
        let Some(part) = self.run.parts.get(place) else { return Ok(Some(NO_ID)) };
        match part {
            Part::Segment(segment) if segment.ids().are_stored() && !self.alone => {
                let (number, group) = (segment.number(), row / Ids::GROUP_ROWS);
                if self.group.as_ref().is_none_or(|held| (held.0, held.1) != (number, group)) {
                    self.group = None;
                    let bytes = segment.ids().group_bytes(group);
                    let key = (number, group, OfRows::Ids);
                    let (pages, fresh) = (self.run.index.pages(), || segment.ids().group(group));
                    let found = if self.reads {
                        pages.group(key, bytes, fresh, &mut 0)
                    } else {
                        match pages.group_there(&key) {
                            None => return Ok(None),
                            there => Ok(there),
                        }
                    };
                    match found {
                        Ok(Some(units)) => self.group = Some((number, group, units)),
                        Ok(None) => self.alone = true,
                        // Another of the group may be damaged: this one is asked for alone.
                        Err(_) => {}
                    }
                }
                let at = usize::try_from(row % Ids::GROUP_ROWS).unwrap_or(usize::MAX);
                match self.group.as_ref().and_then(|held| Ids::in_group(&held.2, at)) {
                    Some(id) => Ok(Some(id)),
                    None => part.id(row).map(Some),
                }
            }
            _ => part.id(row).map(Some),
        }
    }
}
