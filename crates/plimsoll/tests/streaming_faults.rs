//! What goes wrong in a stream: refusals, failing reads, dying readers, consumers that stop or hold everything.

#![allow(clippy::unwrap_used, reason = "a scenario whose set-up fails cannot go on")]

mod holdings_support;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use holdings_support::Yard;
use plimsoll::holding::Streaming;
use plimsoll::holding::streaming::{Align, Chunks, HostSlots, Slot, SlotSource, Source, StreamError, Want};
use plimsoll::{Bytes, Place};

const CHUNK: Bytes = Bytes::kib(4);

/// What happens at the n-th read.
#[derive(Clone, Copy)]
enum Fault {
    None,
    Fails,
    Panics,
    Interrupts,
    Dribbles,
}

struct Faulty {
    bytes: u64,
    reads: AtomicU64,
    at: u64,
    fault: Fault,
}

impl Faulty {
    fn new(at: u64, fault: Fault) -> Arc<Self> {
        Arc::new(Self { bytes: 100 * CHUNK.get(), reads: AtomicU64::new(0), at, fault })
    }
}

impl Source for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }
    fn bytes_now(&self) -> io::Result<u64> {
        Ok(self.bytes)
    }
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let len = into.len().min(usize::try_from(self.bytes - offset).unwrap());
        let now = self.reads.fetch_add(1, Ordering::SeqCst) == self.at;
        match self.fault {
            Fault::Fails if now => return Err(io::Error::other("the disk is on fire")),
            Fault::Panics if now => panic!("the source is broken"),
            Fault::Interrupts if now => return Err(io::ErrorKind::Interrupted.into()),
            Fault::Dribbles => {
                into[0] = 1;
                return Ok(1.min(len));
            }
            _ => into[..len].fill(1),
        }
        Ok(len)
    }
}

fn chunks(streaming: &Streaming, source: Arc<Faulty>) -> Chunks {
    streaming.source(source).unwrap().chunks(CHUNK, Align::None)
}

#[test]
fn a_failing_read_is_told_after_what_was_read_before() {
    for readers in [1, 4] {
        let yard = Yard::of(Bytes::mib(1));
        let streaming = Streaming::open(&yard.work(), "s").readers(readers);
        let mut read = 0;
        let mut failed = None;
        for chunk in chunks(&streaming, Faulty::new(20, Fault::Fails)) {
            match chunk {
                Ok(_) => read += 1,
                Err(error) => failed = Some(error),
            }
        }
        let failed = failed.unwrap();
        assert!(failed.to_string().contains("the disk is on fire"), "{failed}");
        assert!((17..=20).contains(&read), "{read} with {readers} readers");
        yard.balances_to_zero(&["work"]);
    }
}

#[test]
fn a_panicking_source_ends_the_stream_and_no_more() {
    for readers in [1, 4] {
        let yard = Yard::of(Bytes::mib(1));
        let streaming = Streaming::open(&yard.work(), "s").readers(readers);
        let mut stream = chunks(&streaming, Faulty::new(20, Fault::Panics));
        let failed = stream.find_map(Result::err).unwrap();
        assert!(matches!(failed, StreamError::ProducerDied { .. }), "{failed}");
        assert!(stream.next().is_none());
        yard.balances_to_zero(&["work"]);
    }
}

#[test]
fn interrupted_and_short_reads_are_completed() {
    let yard = Yard::of(Bytes::mib(1));
    let streaming = Streaming::open(&yard.work(), "s");
    assert_eq!(chunks(&streaming, Faulty::new(3, Fault::Interrupts)).count(), 100);
    let dribbled = chunks(&streaming, Faulty::new(0, Fault::Dribbles)).take(3);
    assert!(dribbled.flatten().all(|chunk| chunk.len() == 4096 && chunk.iter().all(|&byte| byte == 1)));
    yard.balances_to_zero(&["work"]);
}

#[test]
fn a_consumer_may_stop_early_or_panic() {
    let yard = Yard::of(Bytes::mib(1));
    let streaming = Streaming::open(&yard.work(), "s").slots(8).readers(2);
    for stop_at in [0, 1, 5] {
        let taken = chunks(&streaming, Faulty::new(0, Fault::None)).take(stop_at).count();
        assert_eq!(taken, stop_at);
        yard.balances_to_zero(&["work"]);
    }
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        for (n, chunk) in chunks(&streaming, Faulty::new(0, Fault::None)).enumerate() {
            let _chunk = chunk.unwrap();
            assert!(n < 5, "enough");
        }
    }));
    assert!(panicked.is_err());
    yard.balances_to_zero(&["work"]);
}

#[test]
fn a_chunk_outlives_its_stream() {
    let yard = Yard::of(Bytes::mib(1));
    let streaming = Streaming::open(&yard.work(), "s");
    let chunk = chunks(&streaming, Faulty::new(0, Fault::None)).next().unwrap().unwrap();
    drop(streaming);
    assert_eq!(yard.charged("work"), CHUNK);
    assert_eq!(chunk[7], 1);
    drop(chunk);
    yard.balances_to_zero(&["work"]);
}

#[test]
fn a_thread_that_dies_holding_chunks_returns_them() {
    let yard = Yard::of(Bytes::mib(1));
    let streaming = Streaming::open(&yard.work(), "s").slots(4);
    let mut stream = chunks(&streaming, Faulty::new(0, Fault::None));
    let held: Vec<_> = stream.by_ref().take(4).map(Result::unwrap).collect();
    let died = thread::spawn(move || {
        let _held = held;
        panic!("with chunks in hand");
    });
    assert!(died.join().is_err());
    assert_eq!(stream.count(), 96, "the stream goes on with the slots that came back");
    yard.balances_to_zero(&["work"]);
}

#[test]
fn whoever_holds_everything_is_told_and_can_go_on() {
    let yard = Yard::of(Bytes::kib(16));
    let streaming = Streaming::open(&yard.work(), "s").slots(4).stall(Duration::from_millis(20));
    let mut stream = chunks(&streaming, Faulty::new(0, Fault::None));
    let mut held = Vec::new();
    let error = loop {
        match stream.next().unwrap() {
            Ok(chunk) => held.push(chunk),
            Err(error) => break error,
        }
    };
    assert_eq!(held.len(), 4);
    assert!(matches!(error, StreamError::AllHeld { slots: 4, .. }), "{error}");
    held.clear();
    assert_eq!(stream.map(Result::unwrap).count(), 96, "nothing was lost by it");
    yard.balances_to_zero(&["work"]);
}

/// Slots that are refused from the n-th on.
struct Scarce {
    inner: Arc<dyn SlotSource>,
    left: AtomicU64,
}

impl SlotSource for Scarce {
    fn slot(&self, bytes: Bytes, align: u64, want: Want) -> Result<Option<Box<dyn Slot>>, StreamError> {
        let spend = |left: u64| left.checked_sub(1);
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, spend) {
            Ok(_) => self.inner.slot(bytes, align, want),
            Err(_) => Err(StreamError::NoMemory { bytes, why: "injected".to_owned() }),
        }
    }
}

#[test]
fn a_refusal_in_the_middle_slows_the_stream_and_does_not_end_it() {
    for given in 0..6 {
        let yard = Yard::of(Bytes::mib(1));
        let scarce = Scarce { inner: Arc::new(HostSlots::new(&yard.work())), left: AtomicU64::new(given) };
        let streaming = Streaming::over(&yard.work(), "s", Arc::new(scarce)).slots(5);
        let mut stream = chunks(&streaming, Faulty::new(0, Fault::None));
        if given < 2 {
            assert!(matches!(stream.next(), Some(Err(StreamError::NoMemory { .. }))));
            assert!(stream.next().is_none());
        } else {
            assert_eq!(stream.map(Result::unwrap).count(), 100);
        }
        yard.balances_to_zero(&["work"]);
    }
}

#[test]
fn memory_taken_by_others_in_the_middle_is_not_missed() {
    let yard = Yard::of(Bytes::kib(64));
    let account = yard.governor.account("work").unwrap();
    let streaming = Streaming::open(&yard.work(), "s").slots(16);
    let mut seats = Vec::new();
    let mut read = 0;
    for chunk in chunks(&streaming, Faulty::new(0, Fault::None)) {
        drop(chunk.unwrap());
        read += 1;
        if read % 10 == 0 {
            seats.extend(account.reserve(Place::Host, Bytes::kib(8)).now().ok());
        }
        assert!(yard.charged("work") <= Bytes::kib(64));
    }
    assert_eq!(read, 100);
    assert!(!seats.is_empty());
    drop(seats);
    yard.balances_to_zero(&["work"]);
}
