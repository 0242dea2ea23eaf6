//! The search: every code is looked at once a pass, by all queries of that pass together.

use std::time::Instant;

use plimsoll::Bytes;

use super::answer::Answer;
use super::forecast::{Forecast, Question, Stock, touched};
use super::keep::Cut;
use super::lists::Probe;
use super::lower::left_of_signs;
use super::view::{Part, View};
use super::{Index, VecError};
use crate::BLOCK_ROWS;
use crate::scan;
use crate::top::{TOP_MAX, TopsError};

/// How to search.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// How many of the nearest.
    pub k: usize,
    /// So many times as many candidates are looked at again with the vectors as they came; 1 looks at none.
    pub again: usize,
    /// For `planes`, so many rows are left to each query by their signs and then looked at with all four bits; 0 takes
    /// twenty times `k`, and at least 200.
    pub signs: usize,
    /// The only ids that may be found, if not all.
    pub allow: Option<Vec<u64>>,
    /// Threads; 0 takes what the machine has.
    pub threads: usize,
    /// How many lists are looked into, where the index has lists.
    pub probe: Probe,
}

impl Search {
    /// The nearest `k`, by their codes alone; where the index has lists, in those that are expected to hold 95% of them.
    pub fn nearest(k: usize) -> Self {
        Self { k, again: 1, signs: 0, allow: None, threads: 0, probe: Probe::Recall(0.95) }
    }
}

/// What is said of a search: how many of the nearest, or all of it.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'s> {
    /// So many, as [`Search::nearest`] has it.
    Nearest(usize),
    /// As this says.
    As(&'s Search),
}

impl From<usize> for Asked<'_> {
    fn from(k: usize) -> Self {
        Self::Nearest(k)
    }
}

impl<'s> From<&'s Search> for Asked<'s> {
    fn from(search: &'s Search) -> Self {
        Self::As(search)
    }
}

/// A search as it runs.
pub(super) struct Run<'r> {
    pub(super) index: &'r Index,
    pub(super) view: &'r View,
    pub(super) parts: Vec<Part<'r>>,
    pub(super) bases: Vec<u64>,
    pub(super) masks: Vec<Option<Vec<u64>>>,
    pub(super) threads: usize,
    /// What a pass leaves to each query.
    pub(super) listed: usize,
    /// What is left of that by all that the codes say.
    pub(super) candidates: usize,
}

impl Index {
    /// The nearest of each query. `queries` are whole vectors, one after the other; how is said by a [`Search`], or by a
    /// number alone: that many, as [`Search::nearest`] has it.
    ///
    /// Everything it needs is charged to the account of the index, and what does not fit is done in passes; what cannot be
    /// done is refused before anything is read. Where codes come from the disk, calls that come while a pass is under way
    /// share the next one; forecast and measurement are then those of all of them.
    pub fn search<'s>(&self, queries: &[f32], search: impl Into<Asked<'s>>) -> Result<Answer, VecError> {
        match search.into() {
            Asked::Nearest(k) => self.search_as(queries, &Search::nearest(k)),
            Asked::As(search) => self.search_as(queries, search),
        }
    }

    fn search_as(&self, queries: &[f32], search: &Search) -> Result<Answer, VecError> {
        let view = self.view();
        let (question, forecast) = self.look_ahead(&view, queries, search)?;
        if forecast.passes == 0 {
            return self.answer(&view, queries, search, (question, forecast));
        }
        drop(view);
        self.queue().ask(queries, search, |queries, search| {
            let view = self.view();
            let ahead = self.look_ahead(&view, queries, search)?;
            self.answer(&view, queries, search, ahead)
        })
    }

    /// What is asked, and what it will take.
    pub(super) fn look_ahead(
        &self,
        view: &View,
        queries: &[f32],
        search: &Search,
    ) -> Result<(Question, Forecast), VecError> {
        let question = Self::question(view, view.shape.count(queries)?, search)?;
        Ok((question, self.forecast_of(view, &question, search)?))
    }

    fn answer(
        &self,
        view: &View,
        queries: &[f32],
        search: &Search,
        (question, forecast): (Question, Forecast),
    ) -> Result<Answer, VecError> {
        let began = Instant::now();
        self.make_room(&forecast);
        let (masks, _charge) = self.masks(view, search.allow.as_deref())?;
        let run = Run::new(self, view, &question, masks);
        let mut answer = Answer::begun(search.k, forecast);
        let dimension = view.shape.dimension;
        let at_once = forecast.queries_a_pass.max(1);
        for (part, queries) in queries.chunks(at_once * dimension).enumerate() {
            let done = run.answer(queries, search, (&question, &forecast), &mut answer);
            done.map_err(|error| error.after(part * at_once))?;
        }
        answer.measured.took = began.elapsed();
        answer.measured.peak = self.budget().standing().peak;
        Ok(answer)
    }

    /// What is kept of earlier searches gives way to what was forecast of this one.
    fn make_room(&self, forecast: &Forecast) {
        let kept = forecast.kept.get();
        let (whole, by_lists) = if forecast.lists.is_some() { (0, kept) } else { (kept, 0) };
        self.keep().shrink(whole, self.budget());
        self.shelf().shrink(by_lists, self.budget());
        let standing = self.budget().standing();
        let needed = (forecast.peak.get() + self.pages().bytes()).saturating_sub(standing.used());
        self.pages().give(needed.saturating_sub(standing.room));
    }

    /// What a search of so many queries would take.
    pub fn forecast(&self, queries: usize, search: &Search) -> Result<Forecast, VecError> {
        let view = self.view();
        let question = Self::question(&view, queries, search)?;
        self.forecast_of(&view, &question, search)
    }

    fn forecast_of(&self, view: &View, question: &Question, search: &Search) -> Result<Forecast, VecError> {
        let stock = self.stock(view);
        let mut forecast = match view.probed(search)? {
            Some(probed) => self.forecast_lists(view, question, &stock, probed),
            None => question.forecast(&view.shape, &stock),
        }?;
        let left = stock.limit.get().saturating_sub(forecast.peak.get());
        forecast.spare = Bytes::new(self.spare(view, question, &forecast, left));
        Ok(forecast)
    }

    /// What a search will have beside what it needs, of so much that is left.
    fn spare(&self, view: &View, question: &Question, forecast: &Forecast, left: u64) -> u64 {
        let leases = forecast.leases(view.shape.upper_bytes() as u64);
        let [backed, least] = self.budget().backed_for(leases).map(|backed| backed.saturating_sub(leases));
        let told = question.queries.saturating_mul(question.candidates) as u64;
        let groups: u64 = view
            .segments
            .iter()
            .map(|(segment, _)| segment.groups_bytes(question.again, |groups| touched(groups, told)))
            .sum();
        let caches =
            self.pages().blocks_bytes() + forecast.lower.get() + groups.max(self.pages().rows_bytes());
        // A pool grows by all that or by what leases need; caches take what they get.
        let backed = if backed > left { least.min(left) } else { backed };
        backed + caches.min(left - backed)
    }

    pub(super) fn question(view: &View, queries: usize, search: &Search) -> Result<Question, VecError> {
        let vectors = view.vectors();
        if vectors == 0 {
            return Err(VecError::Empty);
        }
        let candidates = search.k.saturating_mul(search.again.max(1));
        if search.k == 0 || candidates > TOP_MAX {
            return Err(TopsError::Count { k: candidates }.into());
        }
        if search.k as u64 > vectors {
            return Err(VecError::TooFew { k: search.k, vectors });
        }
        if search.again > 1 && !view.shape.is_exact() {
            return Err(VecError::NoOriginals);
        }
        let threads = match search.threads {
            0 => super::encode::threads(),
            threads => threads,
        };
        let signs = view.shape.layout().lower_bytes() > 0;
        let listed = if signs { left_of_signs(search.signs, search.k, candidates) } else { candidates };
        Ok(Question { queries, listed, candidates, threads, again: search.again > 1 })
    }

    fn stock(&self, view: &View) -> Stock {
        let budget = self.budget();
        budget.trim();
        let kept_bytes = self.keep().bytes();
        let (pages_bytes, blocks_bytes) = (self.pages().bytes(), self.pages().blocks_bytes());
        let standing = budget.standing();
        // One way of searching makes room for the other.
        let shelf_bytes = self.shelf().bytes();
        let all_kept = kept_bytes.saturating_add(pages_bytes).saturating_add(shelf_bytes);
        let room = standing.room.saturating_add(all_kept);
        let fixed = standing.used().saturating_sub(all_kept);
        let blocks = view.segments.iter().map(|(segment, _)| segment.codes().header().units).sum();
        Stock {
            codes_bytes: view.codes_bytes(),
            blocks,
            kept_bytes,
            pages_bytes: blocks_bytes,
            room,
            limit: standing.limit,
            fixed,
        }
    }

    /// Which rows of each part may be found.
    #[expect(clippy::type_complexity, reason = "masks and what pays for them")]
    pub(super) fn masks(
        &self,
        view: &View,
        allow: Option<&[u64]>,
    ) -> Result<(Vec<Option<Vec<u64>>>, plimsoll::governor::Charge), VecError> {
        let words: u64 = view
            .parts()
            .filter(|(_, dead)| dead.count() > 0 || allow.is_some())
            .map(|(part, _)| part.rows().div_ceil(BLOCK_ROWS as u64) * 8)
            .sum();
        let ids = allow.map_or(0, <[u64]>::len) as u64 * 32;
        let charge = self.budget().charge(words + ids)?;
        let Some(allow) = allow else {
            return Ok((view.parts().map(|(_, dead)| dead.mask(None)).collect(), charge));
        };
        let mut sorted = allow.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let found = view.find(&sorted)?;
        let mask = |((part, dead), found): ((Part<'_>, &super::dead::Dead), &Vec<(u64, u64)>)| {
            let mut words = vec![0; super::dead::blocks(part.rows())];
            for (_, row) in found {
                if let Some(word) = usize::try_from(row / 64).ok().and_then(|at| words.get_mut(at)) {
                    *word |= 1 << (row % 64);
                }
            }
            dead.mask(Some(&words))
        };
        Ok((view.parts().zip(&found).map(mask).collect(), charge))
    }
}

impl<'r> Run<'r> {
    pub(super) fn new(
        index: &'r Index,
        view: &'r View,
        question: &Question,
        masks: Vec<Option<Vec<u64>>>,
    ) -> Self {
        Self {
            index,
            view,
            parts: view.parts().map(|(part, _)| part).collect(),
            bases: view.bases(),
            masks,
            threads: question.threads,
            listed: question.listed,
            candidates: question.candidates,
        }
    }
}

impl Run<'_> {
    /// One pass, for these queries.
    fn answer(
        &self,
        vectors: &[f32],
        search: &Search,
        (question, forecast): (&Question, &Forecast),
        answer: &mut Answer,
    ) -> Result<(), VecError> {
        let shape = self.view.shape;
        let count = vectors.len() / shape.dimension;
        let budget = self.index.budget();
        let bytes = match forecast.lists {
            Some(probed) => question.lists_bytes(&shape, probed, count),
            None => question.heap_bytes(&shape, count),
        };
        let _charge = budget.charge(bytes)?;
        let asked = self.view.as_asked(vectors, self.threads)?;
        let queries = self.view.queries(&asked.vectors)?;
        let found = if let Some(probed) = forecast.lists {
            self.lists((&asked.vectors, &queries), probed, forecast, &mut answer.measured)?
        } else {
            let cut = Cut {
                blocks: forecast.chunk_blocks,
                bytes: forecast.kept.get(),
                block_bytes: shape.upper_bytes() as u64,
            };
            let plan = self.index.keep().plan(self.view, cut, budget);
            self.pass(&queries, plan, forecast, &mut answer.measured)?
        };
        if shape.layout().lower_bytes() == 0 {
            return self.tell((vectors, &asked.constants), search, |query| found.hits(query), answer);
        }
        // Of planes, what is best by all four bits of what the signs left.
        let (best, read) = self.lower(&queries, found)?;
        answer.measured.lower += Bytes::new(read);
        self.tell((vectors, &asked.constants), search, |query| best.hits(query), answer)
    }

    /// How the blocks of a part lie that a pass looks at: what is young lies in whole ones.
    pub(super) fn half(&self, place: usize) -> scan::Column {
        match self.parts.get(place) {
            Some(Part::Segment(_)) => scan::Column::Upper,
            _ => scan::Column::Whole,
        }
    }
}
