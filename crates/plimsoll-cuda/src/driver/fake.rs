//! A driver made of ordinary memory, for tests: it keeps the real one's rules and says so when they are broken.
//!
//! Work runs when it is put on a stream, or when it is let go after [`Fake::hold`]. Whatever touches memory that is
//! not allocated or mapped ends the context, as it does on hardware.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::kernels::KernelSet;

use super::{Code, Driver, HostWork, Location, Physical, Probe, RawEvent, RawStream};

pub(crate) const GRANULE: u64 = 1 << 16;

/// A GPU of this size that can do everything.
pub(crate) fn described(device: i32, total: u64) -> Probe {
    Probe {
        device,
        name: format!("made-up GPU {device}"),
        total,
        compute: (9, 0),
        multiprocessors: 1,
        pci: None,
        uuid: None,
        integrated: false,
        ranges: true,
        host_ranges: true,
        host_node: 0,
        managed: true,
        pageable: false,
        peers: Vec::new(),
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Fake {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    total: u64,
    used: u64,
    /// Memory that may be touched, and what it counts for on the device.
    blocks: BTreeMap<u64, (u64, u64)>,
    /// Address ranges of the system, each with its size.
    mappings: HashMap<u64, u64>,
    physical: HashMap<u64, (u64, bool)>,
    numbers: u64,
    streams: HashMap<usize, VecDeque<Op>>,
    events: HashMap<usize, bool>,
    held: bool,
    dead: Option<Code>,
    fail: Option<(Call, u32, Code)>,
    pub(crate) pinned_refused: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("used", &self.used)
            .field("blocks", &self.blocks)
            .finish_non_exhaustive()
    }
}

/// Calls that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Create,
    Map,
    Allow,
    Unmap,
    Record,
    Event,
}

enum Op {
    Copy { target: u64, source: Source, bytes: u64 },
    Fill { target: u64, value: u8, bytes: u64 },
    Host(HostWork),
    Event(usize),
}

enum Source {
    At(u64),
    Read(Vec<u8>),
}

fn bytes_of(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Lazily backed memory of the system, aligned to the granule.
fn system(bytes: u64) -> u64 {
    let rounded = bytes_of(bytes.next_multiple_of(GRANULE) + GRANULE);
    // SAFETY: a new private mapping; leaked, because a test ends soon.
    let start = unsafe {
        libc::mmap(
            ptr::null_mut(),
            rounded,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    assert_ne!(start, libc::MAP_FAILED, "the test's machine has no addresses left");
    (start.expose_provenance() as u64).next_multiple_of(GRANULE)
}

impl State {
    fn fails(&mut self, call: Call) -> Result<(), Code> {
        if let Some(code) = self.dead {
            return Err(code);
        }
        match &mut self.fail {
            Some((which, after, code)) if *which == call => {
                if *after > 0 {
                    *after -= 1;
                    return Ok(());
                }
                let code = *code;
                self.fail = None;
                Err(code)
            }
            _ => Ok(()),
        }
    }

    fn take(&mut self, bytes: u64) -> Result<(), Code> {
        if let Some(code) = self.dead {
            return Err(code);
        }
        if self.used + bytes > self.total {
            return Err(Code::OUT_OF_MEMORY);
        }
        self.used += bytes;
        Ok(())
    }

    fn block(&mut self, bytes: u64, counts: u64) -> u64 {
        let address = system(bytes);
        self.blocks.insert(address, (bytes, counts));
        address
    }

    fn drop_block(&mut self, address: u64) -> Result<(), Code> {
        let (_, counts) = self.blocks.remove(&address).ok_or(Code::INVALID_VALUE)?;
        self.used -= counts;
        Ok(())
    }

    /// Whether every byte may be touched. Blocks that lie side by side are one memory.
    fn reachable(&self, address: u64, bytes: u64) -> bool {
        let mut at = address;
        while at < address + bytes {
            match self.blocks.range(..=at).next_back() {
                Some((start, (len, _))) if at < start + len => at = start + len,
                _ => return false,
            }
        }
        true
    }

    fn known(&self, address: u64) -> bool {
        self.mappings.iter().any(|(start, len)| (*start..start + len).contains(&address))
            || self
                .blocks
                .range(..=address)
                .next_back()
                .is_some_and(|(start, (len, _))| address < start + len)
    }

    fn run(&mut self, op: Op) {
        if self.dead.is_some() {
            return;
        }
        match op {
            Op::Copy { target, source, bytes } => {
                let known = |state: &Self, at: u64| !state.known(at) || state.reachable(at, bytes);
                if !known(self, target) || matches!(source, Source::At(at) if !known(self, at)) {
                    self.dead = Some(Code(700));
                    return;
                }
                let to = ptr::with_exposed_provenance_mut::<u8>(bytes_of(target));
                match source {
                    Source::At(at) => {
                        let from = ptr::with_exposed_provenance::<u8>(bytes_of(at));
                        // SAFETY: reachable, or a slice that the caller of the copy lent.
                        unsafe { ptr::copy(from, to, bytes_of(bytes)) };
                    }
                    // SAFETY: as above.
                    Source::Read(read) => unsafe { ptr::copy(read.as_ptr(), to, read.len()) },
                }
            }
            Op::Fill { target, value, bytes } => {
                if !self.reachable(target, bytes) {
                    self.dead = Some(Code(700));
                    return;
                }
                // SAFETY: reachable.
                unsafe {
                    ptr::with_exposed_provenance_mut::<u8>(bytes_of(target))
                        .write_bytes(value, bytes_of(bytes));
                };
            }
            Op::Host(work) => work(),
            Op::Event(event) => drop(self.events.insert(event, true)),
        }
    }

    fn put(&mut self, stream: RawStream, op: Op) -> Result<(), Code> {
        if let Some(code) = self.dead {
            return Err(code);
        }
        if self.held {
            self.streams.get_mut(&stream.0).ok_or(Code(400))?.push_back(op);
        } else {
            self.run(op);
        }
        self.dead.map_or(Ok(()), Err)
    }

    fn drain(&mut self) {
        let queues: Vec<VecDeque<Op>> = self.streams.values_mut().map(std::mem::take).collect();
        queues.into_iter().flatten().for_each(|op| self.run(op));
    }
}

impl Fake {
    pub(crate) fn new(total: u64) -> Self {
        let state = State { total, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Work waits from now on.
    pub(crate) fn hold(&self) {
        self.state().held = true;
    }

    /// Work that waits runs, and what comes later too.
    pub(crate) fn let_go(&self) {
        let mut state = self.state();
        state.held = false;
        state.drain();
    }

    pub(crate) fn die(&self, code: Code) {
        self.state().dead = Some(code);
    }

    /// The call after `after` more of its kind fails.
    pub(crate) fn fail(&self, call: Call, after: u32, code: Code) {
        self.state().fail = Some((call, after, code));
    }

    pub(crate) fn refuse_pinned(&self) {
        self.state().pinned_refused = true;
    }

    pub(crate) fn used(&self) -> u64 {
        self.state().used
    }

    /// Pieces that are mapped nowhere, and addresses that are still reserved.
    pub(crate) fn left(&self) -> (usize, usize) {
        let state = self.state();
        (state.physical.len(), state.mappings.len())
    }
}

impl Driver for Fake {
    fn enter(&self) -> Result<(), Code> {
        self.state().dead.map_or(Ok(()), Err)
    }

    fn context(&self) -> usize {
        1
    }

    unsafe fn reach(&self, _context: usize) -> Result<(), Code> {
        Ok(())
    }

    fn memory(&self) -> Result<(u64, u64), Code> {
        let state = self.state();
        state.dead.map_or(Ok((state.total - state.used, state.total)), Err)
    }

    unsafe fn allocate(&self, bytes: u64) -> Result<u64, Code> {
        let mut state = self.state();
        state.take(bytes)?;
        Ok(state.block(bytes, bytes))
    }

    unsafe fn free(&self, address: u64) -> Result<(), Code> {
        self.state().drop_block(address)
    }

    unsafe fn allocate_on(&self, bytes: u64, _stream: RawStream) -> Result<u64, Code> {
        // SAFETY: the caller's word.
        unsafe { self.allocate(bytes) }
    }

    unsafe fn free_on(&self, address: u64, _stream: RawStream) -> Result<(), Code> {
        self.state().drop_block(address)
    }

    unsafe fn allocate_managed(&self, bytes: u64) -> Result<u64, Code> {
        let mut state = self.state();
        state.take(0)?;
        Ok(state.block(bytes, 0))
    }

    unsafe fn allocate_pinned(&self, bytes: u64) -> Result<u64, Code> {
        let mut state = self.state();
        state.take(0)?;
        if state.pinned_refused {
            return Err(Code::OUT_OF_MEMORY);
        }
        Ok(state.block(bytes, 0))
    }

    unsafe fn free_pinned(&self, address: u64) -> Result<(), Code> {
        self.state().drop_block(address)
    }

    fn granule(&self, _location: Location) -> Result<u64, Code> {
        Ok(GRANULE)
    }

    unsafe fn reserve(&self, bytes: u64) -> Result<u64, Code> {
        let mut state = self.state();
        state.take(0)?;
        let address = system(bytes);
        state.mappings.insert(address, bytes);
        Ok(address)
    }

    unsafe fn unreserve(&self, address: u64, bytes: u64) -> Result<(), Code> {
        let mut state = self.state();
        assert!(
            state.blocks.range(address..address + bytes).next().is_none(),
            "addresses given up while mapped"
        );
        state.mappings.remove(&address).map(drop).ok_or(Code::INVALID_VALUE)
    }

    unsafe fn create(&self, location: Location, bytes: u64) -> Result<Physical, Code> {
        let mut state = self.state();
        state.fails(Call::Create)?;
        let on_device = matches!(location, Location::Gpu(_));
        if !on_device && state.pinned_refused {
            return Err(Code::OUT_OF_MEMORY);
        }
        state.take(if on_device { bytes } else { 0 })?;
        state.numbers += 1;
        let number = state.numbers;
        state.physical.insert(number, (bytes, on_device));
        Ok(Physical(number))
    }

    unsafe fn release(&self, physical: Physical) -> Result<(), Code> {
        let mut state = self.state();
        let (bytes, on_device) = state.physical.remove(&physical.0).ok_or(Code::INVALID_VALUE)?;
        state.used -= if on_device { bytes } else { 0 };
        Ok(())
    }

    unsafe fn map(&self, address: u64, bytes: u64, physical: Physical) -> Result<(), Code> {
        let mut state = self.state();
        state.fails(Call::Map)?;
        assert_eq!(
            state.physical.get(&physical.0).map(|(bytes, _)| *bytes),
            Some(bytes),
            "a piece is mapped whole"
        );
        match state.blocks.insert(address, (bytes, 0)) {
            None => Ok(()),
            Some(_) => Err(Code(208)),
        }
    }

    unsafe fn unmap(&self, address: u64, bytes: u64) -> Result<(), Code> {
        let mut state = self.state();
        state.fails(Call::Unmap)?;
        let whole: u64 = state.blocks.range(address..address + bytes).map(|(_, (len, _))| len).sum();
        if whole != bytes {
            return Err(Code(211));
        }
        state.blocks.retain(|start, _| !(address..address + bytes).contains(start));
        Ok(())
    }

    unsafe fn allow(&self, address: u64, bytes: u64, who: &[Location]) -> Result<(), Code> {
        let mut state = self.state();
        state.fails(Call::Allow)?;
        assert!(!who.is_empty() && state.reachable(address, bytes), "access to what is not mapped");
        Ok(())
    }

    fn stream(&self) -> Result<RawStream, Code> {
        let mut state = self.state();
        state.numbers += 1;
        let stream = bytes_of(state.numbers);
        state.streams.insert(stream, VecDeque::new());
        Ok(RawStream(stream))
    }

    unsafe fn close_stream(&self, stream: RawStream) -> Result<(), Code> {
        let queue = self.state().streams.remove(&stream.0);
        assert!(queue.is_none_or(|queue| queue.is_empty()), "a stream was closed under work");
        Ok(())
    }

    unsafe fn finish(&self, _stream: RawStream) -> Result<(), Code> {
        let mut state = self.state();
        state.drain();
        state.dead.map_or(Ok(()), Err)
    }

    fn event(&self) -> Result<RawEvent, Code> {
        let mut state = self.state();
        state.fails(Call::Event)?;
        state.numbers += 1;
        Ok(RawEvent(bytes_of(state.numbers)))
    }

    unsafe fn close_event(&self, event: RawEvent) -> Result<(), Code> {
        self.state().events.remove(&event.0);
        Ok(())
    }

    unsafe fn record(&self, event: RawEvent, stream: RawStream) -> Result<(), Code> {
        let mut state = self.state();
        state.fails(Call::Record)?;
        state.events.insert(event.0, false);
        state.put(stream, Op::Event(event.0))
    }

    /// Streams that wait for each other are not made up here: what is done is done, and the rest is refused.
    unsafe fn follow(&self, _stream: RawStream, event: RawEvent) -> Result<(), Code> {
        match self.state().events.get(&event.0) {
            Some(false) => Err(Code(801)),
            _ => Ok(()),
        }
    }

    unsafe fn passed(&self, event: RawEvent) -> Result<bool, Code> {
        let state = self.state();
        match state.dead {
            Some(code) => Err(code),
            None => Ok(state.events.get(&event.0).copied().unwrap_or(true)),
        }
    }

    unsafe fn copy(&self, target: u64, source: u64, bytes: u64, stream: RawStream) -> Result<(), Code> {
        let mut state = self.state();
        let source = if state.known(source) {
            Source::At(source)
        } else {
            // SAFETY: lent by the caller for the time of the call, so it is read now, as the driver does.
            let read = unsafe {
                std::slice::from_raw_parts(
                    ptr::with_exposed_provenance::<u8>(bytes_of(source)),
                    bytes_of(bytes),
                )
            };
            Source::Read(read.to_vec())
        };
        let waits = !state.known(target);
        state.put(stream, Op::Copy { target, source, bytes })?;
        if waits {
            // Copies to pageable memory are done when the call returns.
            state.drain();
        }
        state.dead.map_or(Ok(()), Err)
    }

    unsafe fn fill(&self, target: u64, value: u8, bytes: u64, stream: RawStream) -> Result<(), Code> {
        self.state().put(stream, Op::Fill { target, value, bytes })
    }

    unsafe fn prefetch(&self, address: u64, bytes: u64, _to: Location, _on: RawStream) -> Result<(), Code> {
        if self.state().reachable(address, bytes) { Ok(()) } else { Err(Code::INVALID_VALUE) }
    }

    unsafe fn host_work(&self, stream: RawStream, work: HostWork) -> Result<(), Code> {
        self.state().put(stream, Op::Host(work))
    }

    fn is_pinned(&self, address: u64) -> bool {
        self.state().known(address)
    }

    fn kernels(&self) -> Option<&KernelSet> {
        None
    }
}
