//! Where tensors are made.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use plimsoll::pool::{Lease, LeaseRequest, Pool};
use plimsoll::{Bytes, Place};
use plimsoll_device::{Fence, Stream};

use super::arena::{Arena, Users};
use super::book::{Book, Rehearsal};
use super::meter::Meter;
use super::storage::{Backing, Storage};
use super::transit::Transits;
use crate::compute::Compute;
use crate::gpu::Gpu;
use crate::host::Host;
use crate::layout::Layout;
use crate::{Crew, Dtype, Tensor, TensorError};

/// Where tensors are made: the memory of one pool, and what computes in it.
///
/// # What it does not do
/// It is not meant for several threads at once: operations are put one after the other, and each uses all threads of
/// its crew, or its device.
///
/// # Who owns what
/// Handles are cheap to clone. Every tensor holds one, and a lease of the pool, so that an account's line holds for
/// tensors as for everything else.
#[derive(Clone)]
pub struct Stage {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    /// `None`: nothing is ever computed here.
    pub(super) memory: Option<Memory>,
    pub(super) meter: Meter,
    mode: Mutex<Mode>,
    /// How many buffers rehearsals have numbered.
    numbered: AtomicU32,
}

pub(super) struct Memory {
    pub(super) pool: Pool,
    pub(super) compute: Box<dyn Compute>,
    /// The stream that all work is put on, where work is not done at once.
    pub(super) stream: Option<Stream>,
    /// How often work was asked for.
    asked: AtomicU64,
    /// The last fence, and how often work had been asked for when it was put: it is good until there is more.
    fenced: Mutex<Option<(u64, Fence)>>,
    /// The stream for copies to and from other stages, once there was one.
    pub(super) road: OnceLock<Stream>,
    pub(super) transits: Arc<Transits>,
}

/// What becomes of a tensor that is made.
pub(super) enum Mode {
    /// It is leased.
    Online,
    /// It is written down.
    Rehearsing { book: Book, back_to: Box<Mode> },
    /// It is put where the plan says.
    Held(Holding),
}

/// A plan in force, and how far a step has come in it.
pub(super) struct Holding {
    pub(super) arena: Arc<Arena>,
    /// For each buffer in the order in which they are made: its bytes, and its slot unless it outlives a step.
    pub(super) order: Arc<[(u64, Option<u32>)]>,
    pub(super) next: usize,
    /// Whether a step is under way that has done so far what was rehearsed.
    pub(super) on_plan: bool,
    pub(super) placed: u64,
    pub(super) leased: u64,
}

impl Stage {
    /// On the host, with so many threads.
    pub fn host(pool: Pool, threads: usize) -> Self {
        Self::with(pool, Box::new(Host::new(Crew::new(threads))), None)
    }

    /// On a GPU, on a stream of its own. Programs are compiled when they are first needed.
    ///
    /// Operations return when they are put on the stream; who reads a tensor waits for it. Beside tensors the GPU has a
    /// [desk](Self::desk) in the pool. An id or target that names nothing makes what becomes of it no number, because the
    /// device cannot refuse it.
    pub fn gpu(pool: Pool) -> Result<Self, TensorError> {
        let stream = pool.device().stream()?;
        let compute = Box::new(Gpu::new(&pool, stream)?);
        Ok(Self::with(pool, compute, Some(stream)))
    }

    pub(crate) fn with(pool: Pool, compute: Box<dyn Compute>, stream: Option<Stream>) -> Self {
        Self::new(Some(Memory {
            pool,
            compute,
            stream,
            asked: AtomicU64::new(0),
            fenced: Mutex::default(),
            road: OnceLock::new(),
            transits: Arc::default(),
        }))
    }

    /// One where nothing is computed and no memory is taken: everything on it is a rehearsal. It tells what a model and
    /// its steps would need before there is memory for them.
    pub fn dry() -> Self {
        let stage = Self::new(None);
        *stage.mode() = Mode::Rehearsing { book: Book::default(), back_to: Box::new(Mode::Online) };
        stage
    }

    fn new(memory: Option<Memory>) -> Self {
        let (meter, mode, numbered) = (Meter::default(), Mutex::new(Mode::Online), AtomicU32::new(0));
        Self { inner: Arc::new(Inner { memory, meter, mode, numbered }) }
    }

    pub(super) fn of(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    pub(super) fn mode(&self) -> MutexGuard<'_, Mode> {
        self.inner.mode()
    }

    /// Where its tensors are; `None` where nothing is computed.
    pub fn place(&self) -> Option<Place> {
        self.inner.memory.as_ref().map(|memory| memory.pool.place())
    }

    /// Memory that is kept to work in, beside that of tensors: none on the host.
    pub fn desk(&self) -> Bytes {
        self.inner.memory.as_ref().map_or(Bytes::ZERO, |memory| memory.compute.desk())
    }

    /// What may still use memory when it is given back: work on a stream, and copies.
    pub(super) fn users(&self) -> Option<Users> {
        let memory = self.inner.memory.as_ref()?;
        let device = Arc::clone(memory.pool.device());
        Some(Users { device, stream: memory.stream, transits: Arc::clone(&memory.transits) })
    }

    /// Whether the two are one.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Whether nothing is computed now.
    pub fn rehearses(&self) -> bool {
        matches!(*self.mode(), Mode::Rehearsing { .. })
    }

    /// The bytes of all tensors that live now, each storage once.
    pub fn live(&self) -> Bytes {
        Bytes::new(self.inner.meter.live())
    }

    /// The most bytes that tensors had at once since the last [`restart_peak`](Self::restart_peak).
    pub fn peak(&self) -> Bytes {
        Bytes::new(self.inner.meter.peak())
    }

    /// From here on [`peak`](Self::peak) is measured anew.
    pub fn restart_peak(&self) {
        self.inner.meter.restart();
    }

    /// A tensor whose content is undefined.
    pub fn tensor(&self, dims: &[usize], dtype: Dtype) -> Result<Tensor, TensorError> {
        let layout = Layout::contiguous(dims)?;
        let bytes = layout.count().checked_mul(dtype.bytes());
        let bytes = bytes.filter(|bytes| *bytes <= i64::MAX.cast_unsigned());
        let bytes = bytes.ok_or_else(|| TensorError::TooLarge { dims: dims.to_vec() })?;
        let storage = Storage::new(self.back(bytes)?, Arc::clone(&self.inner));
        Ok(Tensor::over(Arc::new(storage), layout, dtype))
    }

    /// A tensor of one number everywhere.
    pub fn full(&self, value: f32, dims: &[usize], dtype: Dtype) -> Result<Tensor, TensorError> {
        let mut tensor = self.tensor(dims, dtype)?;
        self.run(|compute| compute.fill(&mut tensor, value))?;
        Ok(tensor)
    }

    /// A tensor of zeros.
    pub fn zeros(&self, dims: &[usize], dtype: Dtype) -> Result<Tensor, TensorError> {
        self.full(0.0, dims, dtype)
    }

    /// A tensor of these singles.
    pub fn floats(&self, numbers: &[f32], dims: &[usize]) -> Result<Tensor, TensorError> {
        let mut tensor = self.counted("floats", numbers.len(), dims, Dtype::F32)?;
        self.run(|compute| compute.write(&mut tensor, 0, crate::cast::bytes_of(numbers)))?;
        Ok(tensor)
    }

    /// A tensor of these whole numbers: tokens, rows of a table.
    pub fn ids(&self, ids: &[u32], dims: &[usize]) -> Result<Tensor, TensorError> {
        let mut tensor = self.counted("ids", ids.len(), dims, Dtype::U32)?;
        self.run(|compute| compute.write(&mut tensor, 0, crate::cast::bytes_of(ids)))?;
        Ok(tensor)
    }

    /// A tensor of numbers in the bytes that they are kept as, in the host's order.
    pub fn bytes(&self, bytes: &[u8], dims: &[usize], dtype: Dtype) -> Result<Tensor, TensorError> {
        let count = bytes.len() / usize::try_from(dtype.bytes()).unwrap_or(1);
        let mut tensor = self.counted("bytes", count, dims, dtype)?;
        self.run(|compute| compute.write(&mut tensor, 0, bytes))?;
        Ok(tensor)
    }

    /// A tensor of floats that are made a piece at a time, so that all of them are never on the host at once: `make` gets
    /// which number a piece begins with, and where it goes.
    pub fn made(
        &self,
        dims: &[usize],
        dtype: Dtype,
        mut make: impl FnMut(usize, &mut [f32]),
    ) -> Result<Tensor, TensorError> {
        const PIECE: usize = 1 << 18;
        let mut tensor = self.tensor(dims, dtype)?;
        let count = usize::try_from(tensor.count()).unwrap_or(usize::MAX);
        self.run(|compute| {
            let mut numbers = vec![0.0; PIECE.min(count)];
            let mut room = Vec::new();
            for from in (0..count).step_by(PIECE) {
                let numbers = &mut numbers[..PIECE.min(count - from)];
                make(from, numbers);
                let bytes = crate::cast::kept_as("made", dtype, numbers, &mut room)?;
                compute.write(&mut tensor, from as u64 * dtype.bytes(), bytes)?;
            }
            Ok(())
        })?;
        Ok(tensor)
    }

    fn counted(
        &self,
        what: &'static str,
        count: usize,
        dims: &[usize],
        dtype: Dtype,
    ) -> Result<Tensor, TensorError> {
        let layout = Layout::contiguous(dims)?;
        if layout.count() != count as u64 {
            return Err(TensorError::shape(
                what,
                format!("{layout} has {} numbers, not {count}", layout.count()),
            ));
        }
        self.tensor(dims, dtype)
    }

    fn back(&self, bytes: u64) -> Result<Backing, TensorError> {
        let mut mode = self.mode();
        let backing = match &mut *mode {
            Mode::Rehearsing { book, .. } => return Ok(Backing::Rehearsed { number: book.make(bytes) }),
            Mode::Held(holding) => holding.place(bytes),
            Mode::Online => None,
        };
        drop(mode);
        let backing = match backing {
            Some(backing) => backing,
            None => self.lease(bytes)?,
        };
        self.inner.meter.add(bytes);
        Ok(backing)
    }

    fn lease(&self, bytes: u64) -> Result<Backing, TensorError> {
        let memory = self.inner.memory.as_ref().ok_or(NOTHING_HERE)?;
        Ok(Backing::Leased(memory.pool.lease_with(memory.request(bytes))?))
    }

    /// One lease for all of a plan.
    pub(super) fn lease_arena(&self, bytes: u64) -> Result<Lease, TensorError> {
        let memory = self.inner.memory.as_ref().ok_or(NOTHING_HERE)?;
        let lease = memory.pool.lease_with(memory.request(bytes));
        lease.map_err(|why| TensorError::Plan { needed: Bytes::new(bytes), why })
    }

    /// Computes, unless this is a rehearsal.
    pub(crate) fn run(
        &self,
        work: impl FnOnce(&dyn Compute) -> Result<(), TensorError>,
    ) -> Result<(), TensorError> {
        if self.rehearses() {
            return Ok(());
        }
        let memory = self.inner.memory.as_ref().ok_or(NOTHING_HERE)?;
        let done = work(memory.compute.as_ref());
        // Once it is on the stream: a fence that another thread put meanwhile is not behind it.
        memory.asked.fetch_add(1, Ordering::Release);
        done
    }

    /// Whether products are made of numbers of this kind as they are. A dry stage takes what a GPU takes.
    pub(crate) fn multiplies(&self, dtype: Dtype) -> bool {
        self.inner.memory.as_ref().is_none_or(|memory| memory.compute.multiplies(dtype))
    }

    /// Does something without arithmetic and without memory, and tells what it would need. Tensors that are made
    /// meanwhile never have numbers, so what is kept of them must be thrown away.
    pub fn rehearse<T, E: From<TensorError>>(
        &self,
        step: impl FnOnce() -> Result<T, E>,
    ) -> Result<(T, Rehearsal), E> {
        let mut before = self.inner.meter.live();
        {
            let mut mode = self.mode();
            let book = match &*mode {
                // All of a dry stage is one rehearsal, of which a part may be looked at by itself.
                Mode::Rehearsing { book, .. } if self.inner.memory.is_none() => {
                    before = book.live();
                    Book::beginning_with(book.next())
                }
                Mode::Rehearsing { .. } => {
                    return Err(TensorError::Mode("a rehearsal runs already; end it first").into());
                }
                Mode::Online | Mode::Held(_) => {
                    Book::beginning_with(self.inner.numbered.load(Ordering::Relaxed))
                }
            };
            let back_to = Box::new(std::mem::replace(&mut *mode, Mode::Online));
            *mode = Mode::Rehearsing { book, back_to };
        }
        let done = step();
        let book = self.end_rehearsal();
        Ok((done?, book.close(before)))
    }

    fn end_rehearsal(&self) -> Book {
        let mut mode = self.mode();
        match std::mem::replace(&mut *mode, Mode::Online) {
            Mode::Rehearsing { book, back_to } => {
                *mode = *back_to;
                self.inner.numbered.store(book.next(), Ordering::Relaxed);
                book
            }
            other => {
                *mode = other;
                Book::default()
            }
        }
    }

    /// What a [dry](Self::dry) stage has been asked for so far.
    pub fn rehearsed(&self) -> Option<Rehearsal> {
        match &*self.mode() {
            Mode::Rehearsing { book, .. } => Some(book.so_far()),
            _ => None,
        }
    }
}

/// How long a copy is waited for: longer than any takes.
const PATIENCE: Duration = Duration::from_mins(5);

pub(super) const NOTHING_HERE: TensorError =
    TensorError::Mode("nothing is computed on a dry stage; open one over a pool");

impl Memory {
    fn request(&self, bytes: u64) -> LeaseRequest {
        let request = LeaseRequest::new(Bytes::new(bytes)).align(64);
        match self.stream {
            Some(stream) => request.on(stream),
            None => request,
        }
    }
}

impl Inner {
    fn mode(&self) -> MutexGuard<'_, Mode> {
        self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A fence behind all work that was put on the stream so far.
    pub(super) fn last_work(&self) -> Option<Fence> {
        let memory = self.memory.as_ref()?;
        let stream = memory.stream?;
        // Tensors go between one operation and the next, several at a time: one fence is good for all of them.
        let mut fenced = memory.fenced.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = memory.asked.load(Ordering::Acquire);
        match *fenced {
            Some((then, fence)) if then == asked => Some(fence),
            _ => {
                let fence = memory.pool.device().fence(stream).ok();
                *fenced = fence.map(|fence| (asked, fence));
                fence
            }
        }
    }

    /// Before memory is used: copies that have it are waited for, by the stream that uses it or by the host.
    pub(super) fn await_copies(&self, range: &Range<u64>, writes: bool) -> Result<(), TensorError> {
        let Some(memory) = self.memory.as_ref() else { return Ok(()) };
        let fences = memory.transits.of(range, writes);
        if fences.is_empty() {
            return Ok(());
        }
        for fence in &fences {
            match memory.stream {
                Some(stream) => memory.compute.follow(stream, *fence)?,
                None => memory.pool.device().wait(*fence, PATIENCE)?,
            }
        }
        // A GPU that was told to wait for an arrival need not be told again; the pool still has to know of it when the
        // memory is given back, and by then its own stream is behind it.
        memory.transits.forget(&fences);
        Ok(())
    }

    /// The copies that may still use memory which is given back.
    pub(super) fn copies(&self, range: &Range<u64>) -> Vec<Fence> {
        self.memory.as_ref().map_or_else(Vec::new, |memory| memory.transits.of(range, true))
    }

    /// A tensor of a rehearsal is gone.
    pub(super) fn forget(&self, number: u32) {
        self.mode().forget(number);
    }
}

impl Mode {
    fn forget(&mut self, number: u32) {
        if let Self::Rehearsing { book, back_to } = self {
            if book.has(number) { book.end(number) } else { back_to.forget(number) }
        }
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage")
            .field("place", &self.place())
            .field("live", &self.live())
            .finish_non_exhaustive()
    }
}
