//! An index with a device beside it.

use std::time::{Duration, Instant};

use plimsoll::holding::Streaming;
use plimsoll::pool::{Lease, Pool};
use plimsoll::{Bytes, Place};
use plimsoll_device::kernels::nearest::NearestShape;
use plimsoll_device::{Facts, Stream};

use super::super::answer::Answer;
use super::super::forecast::Question;
use super::super::search::{Run, Search};
use super::super::view::View;
use super::super::{Forecast, Index, Shape, VecError};
use super::among::{Among, Known};
use super::forecast::{AmongBytes, DeviceStock, HOST_SLOTS, Outlook, PIECE_BYTES};
use super::middles;
use super::pass::Pass;
use super::store::Store;
use crate::gpu::desk::{kernels, mask_bytes, ready};
use crate::gpu::{FlatShape, GpuError};
use crate::top::Tops;

/// How long the ring waits for page-locked memory that others have.
const PATIENCE: Duration = Duration::from_secs(10);

/// An index that a device searches.
///
/// # What it is not
/// It is no other index: segments, deletes, filters and ids are those of the [`Index`] that it was made of, and so are
/// answers, but for the last places of scores. Where the device has no search among runs of rows
/// ([`searches_runs`](plimsoll_device::Kernels::searches_runs)), lists are not looked into: it looks at every row, and its forecast says so.
///
/// # Who owns what
/// Codes that stay on the device are leases of the account that the index was opened with, at the device's place, and so
/// is all that a search works in there. What does not stay streams in: from the disk into a ring of page-locked memory
/// where the account has a share of that ([`Place::Pinned`]) and of the host's memory where not, and from there to the
/// device, while what came before is searched.
///
/// # Formula
/// On the device: what is kept, with 4 bytes a row for squares where searches want those; of a search two chunks (of codes
/// with sides four), `q · (4 · dimension + 8 k)`, a bit a row where some may not be found, and the kernels'
/// [desk](plimsoll_device::Kernels::nearest_desk). Where lists are looked into, also the middles, `4 · dimension` bytes a list, what they are
/// compared with queries in, and 8 bytes for each row of a query's lists, as many as its longest lists may have.
///
/// ```no_run
/// # use plimsoll::{EngineAccount, Place};
/// # use plimsoll_vec::index::{Index, Search};
/// # fn find(account: &EngineAccount, queries: &[f32]) -> Result<(), plimsoll_vec::index::VecError> {
/// let index = Index::open("index".as_ref(), account)?;
/// let mut device = index.on_device(Place::Cuda(0))?;
/// let answer = device.search(queries, &Search::nearest(10))?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct OnDevice<'i> {
    index: &'i Index,
    pool: Pool,
    store: Store,
    /// The middles of lists, once a search has looked for some.
    middles: Option<Lease>,
    known: Known,
    /// What searches are put on: a device has so many streams and no more.
    searches: Stream,
    streaming: Streaming,
    /// The ring is of the host's ordinary memory.
    host_ring: bool,
}

impl Index {
    /// The same index, searched by the device of a place that its account has a share of.
    pub fn on_device(&self, place: Place) -> Result<OnDevice<'_>, VecError> {
        let shape = self.shape();
        let flat = flat(&shape);
        flat.form()?;
        flat.measure()?;
        let account = self.budget().account();
        let pool = account.scratch(place)?;
        kernels(&pool)?;
        // Page-locked memory belongs to CUDA.
        let pinned = matches!(place, Place::Cuda(_)).then(|| account.scratch(Place::Pinned).ok()).flatten();
        let streaming = match &pinned {
            Some(pinned) => Streaming::pooled(pinned, "vectors", PATIENCE),
            None => self.budget().streaming("vectors"),
        };
        let searches = pool.device().stream().map_err(GpuError::from)?;
        let store = Store::new(&pool, shape.layout(), flat)?;
        Ok(OnDevice {
            index: self,
            pool,
            store,
            middles: None,
            known: Known::default(),
            searches,
            streaming: streaming.slots(HOST_SLOTS).readers(2),
            host_ring: pinned.is_none(),
        })
    }
}

/// The largest piece that stays.
fn piece_most(streams: bool, facts: &Facts) -> u64 {
    let most = facts.max_allocation.get();
    if streams { most.min(PIECE_BYTES) } else { most }
}

/// What the kernels are told of vectors, as they are coded.
fn flat(shape: &Shape) -> FlatShape {
    let Shape { codec, metric, dimension, .. } = shape.coded();
    FlatShape { codec, metric, dimension, rows: u32::MAX }
}

impl OnDevice<'_> {
    /// Where it searches.
    pub fn place(&self) -> Place {
        self.pool.place()
    }

    /// What a search of so many queries would take.
    pub fn forecast(&self, queries: usize, search: &Search) -> Result<Forecast, VecError> {
        let view = self.index.view();
        let question = Index::question(&view, queries, search)?;
        let among = self.among(&view, search)?;
        self.forecast_of(&view, (question, among), search.allow.is_some())
    }

    /// Where only some lists are looked into: which, by the host's measure. None where the device looks at every row.
    fn among(&self, view: &View, search: &Search) -> Result<Option<Among>, VecError> {
        let probed = view.probed(search)?;
        let runs = kernels(&self.pool)?.searches_runs();
        let both = probed.zip(view.division.as_ref()).filter(|_| runs);
        Ok(both.map(|(probed, division)| self.known.of(view, division, probed)))
    }

    fn forecast_of(
        &self,
        view: &View,
        (question, among): (Question, Option<Among>),
        filtered: bool,
    ) -> Result<Forecast, VecError> {
        let rows = view.bases().last().copied().unwrap_or_default();
        if rows >= u64::from(u32::MAX) {
            return Err(GpuError::Rows { rows }.into());
        }
        // What the pool has in reserve is used as it lies where that will do: giving it back and having it again takes longer
        // than most searches. Else it is free to this search. A device that does not take it back keeps it charged.
        let _ = self.pool.trim(Bytes::MAX);
        let stock = self.stock(view, filtered);
        let ready = self.outlook(&stock, view, (question, among));
        let enough = |forecast: &Forecast| {
            let peak = forecast.device.map_or(Bytes::MAX, |share| share.peak).get();
            forecast.streamed == Bytes::ZERO && peak <= stock.charged()
        };
        if ready.as_ref().is_ok_and(enough) {
            return ready;
        }
        let _ = self.pool.trim(Bytes::ZERO);
        self.outlook(&self.stock(view, filtered), view, (question, among))
    }

    /// What a search takes of what there is.
    fn outlook(
        &self,
        stock: &DeviceStock,
        view: &View,
        (question, among): (Question, Option<Among>),
    ) -> Result<Forecast, VecError> {
        let shape = view.shape;
        let (flat, kernels) = (flat(&shape), kernels(&self.pool)?);
        let desk = |rows: u64, queries: usize, squares: bool| {
            let shape = flat.search(rows, queries, question.listed);
            shape.map_or(0, |shape| kernels.nearest_desk(&NearestShape { squares, ..shape }).get())
        };
        let beside = |among: &Among, queries: usize| {
            let shape = flat.search(u64::from(u32::MAX), queries, question.listed);
            let runs = shape.map_or(0, |shape| among.runs_desk(kernels, shape, queries).get());
            let [asked, lists, compared] = among.middles_desk(kernels, queries).unwrap_or_default();
            [asked, lists, compared, runs]
        };
        let among = among.map(|among| (among, &beside as AmongBytes<'_>));
        let room = Bytes::new(stock.pool_room);
        let backed = |gone: u64, leases: &[Bytes]| self.pool.backed_in_turn(Bytes::new(gone), leases, room);
        Outlook { question, shape, stock, desk: &desk, among, backed: &backed }.forecast()
    }

    fn stock(&self, view: &View, filtered: bool) -> DeviceStock {
        let (budget, place) = (self.index.budget(), self.place());
        let facts = self.pool.device().facts();
        let kept_bytes = self.store.bytes();
        let there = budget.standing_at(place);
        let masks = view.parts().filter(|(_, dead)| filtered || dead.count() > 0);
        let host = budget.standing();
        let backed = self.pool.stats().backed.get();
        DeviceStock {
            place,
            segments: view.segments.iter().map(|(segment, _)| segment.codes().header().units).collect(),
            kept_bytes,
            middles: self.middles.is_some(),
            squares_bytes: self.store.squares_bytes(),
            pages_bytes: self.index.pages().blocks_bytes(),
            masks: masks.map(|(part, _)| mask_bytes(part.rows())).collect(),
            room: there.room.saturating_add(backed),
            pool_room: there.room,
            limit: there.limit,
            fixed: there.used().saturating_sub(backed),
            most: facts.max_allocation.get(),
            granule: facts.granule,
            host_fixed: host.used(),
            host_room: host.room,
            host_limit: host.limit,
            host_ring: self.host_ring,
        }
    }

    /// The nearest of each query, as [`Index::search`] tells them.
    pub fn search(&mut self, queries: &[f32], search: &Search) -> Result<Answer, VecError> {
        let view = self.index.view();
        let dimension = view.shape.dimension;
        let question = Index::question(&view, view.shape.count(queries)?, search)?;
        let among = self.among(&view, search)?;
        let forecast = self.forecast_of(&view, (question, among), search.allow.is_some())?;
        let began = Instant::now();
        let (masks, _charge) = self.index.masks(&view, search.allow.as_deref())?;
        let run = Run::new(self.index, &view, &question, masks);
        let mut answer = Answer::begun(search.k, forecast);
        let streams = forecast.streamed > Bytes::ZERO;
        let divided = among.zip(view.division.as_deref());
        match divided {
            Some((_, division)) if self.middles.is_none() => {
                self.middles = Some(middles::bring(&self.pool, division, self.searches)?);
            }
            Some(_) => {}
            // They are wanted again soon or not at all: a search of all rows has its room.
            None => self.middles = None,
        }
        self.store.plan(&view, forecast.kept.get(), piece_most(streams, self.pool.device().facts()))?;
        let at_once = forecast.queries_a_pass.max(1);
        let beside = among.map_or(0, |among| among.host_bytes(at_once));
        let _charge = self.index.budget().charge(question.device_bytes(&view.shape, at_once) + beside)?;
        for (number, part) in queries.chunks(at_once * dimension).enumerate() {
            let after = |error: VecError| error.after(number * at_once);
            let asked = view.as_asked(part, question.threads).map_err(|error| after(error.into()))?;
            let flat = flat(&view.shape);
            let ready = ready(flat.codec, flat.metric, flat.dimension, &asked.vectors);
            let ready = ready.map_err(|error| after(error.into()))?;
            let lists = divided.zip(self.middles.as_mut());
            let lists = lists.map(|((among, division), rows)| (among, division, rows));
            let at = (&self.pool, self.searches);
            let mut pass = Pass::new(&run, at, &mut self.store, &self.streaming, flat, lists)?;
            let asked_for = (&ready[..], &asked.vectors[..]);
            let found = pass.find(asked_for, forecast.chunk_blocks, &mut answer.measured).map_err(after)?;
            drop(pass);
            let told = (part, &asked.constants[..]);
            if view.shape.layout().lower_bytes() == 0 {
                run.tell(told, search, |query| found[query].clone(), &mut answer)?;
                continue;
            }
            // Of planes, what is best by all four bits of what the signs left: the host looks.
            let prepared = view.queries(&asked.vectors)?;
            let mut left = Tops::without_desk(&prepared, question.listed)?;
            for (query, hits) in found.into_iter().enumerate() {
                for hit in hits {
                    left.push(query, hit);
                }
            }
            let (best, read) = run.lower(&prepared, left)?;
            answer.measured.lower += Bytes::new(read);
            run.tell(told, search, |query| best.hits(query), &mut answer)?;
        }
        answer.measured.took = began.elapsed();
        answer.measured.peak = self.index.budget().standing().peak;
        answer.measured.device_peak = self.index.budget().standing_at(self.place()).peak;
        Ok(answer)
    }

    /// Lets go of what it keeps on the device.
    pub fn forget(&mut self) {
        self.store.pieces.clear();
        self.middles = None;
        // As above.
        let _ = self.pool.trim(Bytes::ZERO);
    }
}
