//! A ring takes the same memory for any file, gives it back under pressure, and works with two slots.

#![allow(clippy::unwrap_used, reason = "a scenario whose set-up fails cannot go on")]

mod holdings_support;

use std::io;

use holdings_support::Yard;
use plimsoll::holding::Streaming;
use plimsoll::holding::streaming::{Align, Source, StreamError};
use plimsoll::{Bytes, Place};

/// A file of any size, made of its own offsets.
struct Endless(u64);

impl Source for Endless {
    fn name(&self) -> &'static str {
        "endless"
    }
    fn bytes_now(&self) -> io::Result<u64> {
        Ok(self.0)
    }
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let len = into.len().min(usize::try_from(self.0 - offset).unwrap());
        into[..len].fill((offset >> 16).to_le_bytes()[0]);
        Ok(len)
    }
}

const CHUNK: Bytes = Bytes::kib(64);

fn endless(streaming: &Streaming, bytes: Bytes) -> plimsoll::holding::streaming::Chunks {
    let source = std::sync::Arc::new(Endless(bytes.get()));
    streaming.source(source).unwrap().chunks(CHUNK, Align::None)
}

#[test]
fn charges_do_not_grow_with_the_file() {
    for size in [Bytes::mib(1), Bytes::mib(256)] {
        let yard = Yard::of(Bytes::mib(64));
        let streaming = Streaming::open(&yard.work(), "scan").slots(4).readers(2);
        let mut peak = Bytes::ZERO;
        for chunk in endless(&streaming, size) {
            chunk.unwrap();
            peak = peak.max(yard.charged("work"));
        }
        assert!(peak >= Bytes::kib(128) && peak <= Bytes::kib(256), "{peak} for {size}");
        yard.balances_to_zero(&["work"]);
    }
}

#[test]
fn two_slots_are_enough_when_there_is_no_more() {
    let yard = Yard::of(Bytes::kib(150));
    let streaming = Streaming::open(&yard.work(), "scan").slots(64);
    let mut chunks = endless(&streaming, Bytes::mib(8));
    let mut total = 0;
    while let Some(chunk) = chunks.next() {
        total += chunk.unwrap().len() as u64;
        assert_eq!(chunks.slots(), 2);
    }
    assert_eq!(total, 8 << 20);
}

#[test]
fn too_little_for_two_slots_is_refused_at_once() {
    let yard = Yard::of(Bytes::kib(100));
    let streaming = Streaming::open(&yard.work(), "scan");
    let mut chunks = endless(&streaming, Bytes::mib(8));
    assert!(matches!(chunks.next(), Some(Err(StreamError::Refused(_)))));
    assert!(chunks.next().is_none());
    yard.balances_to_zero(&["work"]);
}

#[test]
fn empty_slots_are_given_back_when_somebody_needs_them() {
    let yard = Yard::of(Bytes::kib(64 * 8));
    let streaming = Streaming::open(&yard.work(), "scan").slots(8);
    let (producer, mut consumer) = streaming.channel(CHUNK).unwrap();
    let drafts: Vec<_> = (0..8).map(|_| producer.draft().unwrap()).collect();
    assert_eq!(yard.charged("work"), Bytes::kib(64 * 8));
    drop(drafts);
    // Eight empty slots: everything but two goes.
    let account = yard.governor.account("work").unwrap();
    let seat = account.reserve(Place::Host, Bytes::kib(64 * 6)).now().unwrap();
    assert_eq!(consumer.slots(), 2);
    assert!(account.reserve(Place::Host, Bytes::new(1)).now().is_err(), "two stay");
    // The ring works on, and does not take back what was taken from it.
    for round in 0..100_u8 {
        producer.send(&[round; 10]).unwrap();
        assert_eq!(&*consumer.next().unwrap().unwrap(), &[round; 10]);
    }
    drop(seat);
    // Once calm, it grows again.
    let drafts: Vec<_> = (0..8).map(|_| producer.draft().unwrap()).collect();
    assert_eq!(consumer.slots(), 8);
    drop((drafts, producer));
    assert!(consumer.next().is_none());
    yard.balances_to_zero(&["work"]);
}

#[test]
fn slots_in_use_are_given_back_when_they_return() {
    let yard = Yard::of(Bytes::kib(64 * 4));
    let streaming = Streaming::open(&yard.work(), "scan").slots(4);
    let (producer, mut consumer) = streaming.channel(CHUNK).unwrap();
    for _ in 0..4 {
        producer.send(b"data").unwrap();
    }
    let account = yard.governor.account("work").unwrap();
    assert!(account.reserve(Place::Host, CHUNK).now().is_err(), "what is being used stays");
    for _ in 0..4 {
        assert_eq!(&*consumer.next().unwrap().unwrap(), b"data");
    }
    let seat = account.reserve(Place::Host, CHUNK).now().unwrap();
    drop(seat);
}
