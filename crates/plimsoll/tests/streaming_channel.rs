//! Many producers, one consumer: bounded, in order for each, and whoever dies is noticed.

#![allow(clippy::unwrap_used, reason = "a scenario whose set-up fails cannot go on")]

mod holdings_support;

use std::collections::HashMap;
use std::sync::mpsc;
use std::thread;

use holdings_support::Yard;
use plimsoll::Bytes;
use plimsoll::holding::Streaming;
use plimsoll::holding::streaming::StreamError;

const CHUNK: Bytes = Bytes::new(64);

#[test]
fn each_producers_chunks_arrive_in_its_order() {
    let yard = Yard::of(Bytes::kib(4));
    let (producer, consumer) = Streaming::open(&yard.work(), "c").slots(4).channel(CHUNK).unwrap();
    let senders: Vec<_> = (0..5_u8)
        .map(|who| {
            let producer = producer.clone();
            thread::spawn(move || {
                for n in 0..500_u32 {
                    let mut draft = producer.draft().unwrap();
                    draft[0] = who;
                    draft[1..5].copy_from_slice(&n.to_le_bytes());
                    draft.send(5, u64::from(n)).unwrap();
                }
            })
        })
        .collect();
    drop(producer);
    let mut next = HashMap::new();
    for chunk in consumer {
        let chunk = chunk.unwrap();
        let n = u32::from_le_bytes(chunk[1..5].try_into().unwrap());
        let expected = next.entry(chunk[0]).or_insert(0);
        assert_eq!((n, chunk.offset()), (*expected, u64::from(*expected)));
        *expected += 1;
        assert!(yard.charged("work") <= Bytes::new(4 * 64));
    }
    assert!(next.len() == 5 && next.values().all(|&count| count == 500));
    for sender in senders {
        sender.join().unwrap();
    }
    yard.balances_to_zero(&["work"]);
}

#[test]
fn a_full_ring_holds_the_producer_back() {
    let yard = Yard::of(Bytes::kib(4));
    let (producer, mut consumer) = Streaming::open(&yard.work(), "c").slots(3).channel(CHUNK).unwrap();
    let (sent, progress) = mpsc::channel();
    let sender = thread::spawn(move || {
        for n in 0..10_u8 {
            producer.send(&[n]).unwrap();
            sent.send(n).unwrap();
        }
    });
    for n in 0..3 {
        assert_eq!(progress.recv().unwrap(), n);
    }
    assert!(progress.try_recv().is_err(), "the fourth waits for a slot");
    for n in 0..10 {
        assert_eq!(*consumer.next().unwrap().unwrap(), [n]);
    }
    assert!(consumer.next().is_none());
    sender.join().unwrap();
    yard.balances_to_zero(&["work"]);
}

#[test]
fn a_producer_that_dies_is_told_and_the_others_go_on() {
    let yard = Yard::of(Bytes::kib(4));
    let (producer, consumer) = Streaming::open(&yard.work(), "c").channel(CHUNK).unwrap();
    let dying = producer.clone();
    let died = thread::spawn(move || {
        let dying = dying;
        dying.send(b"before").unwrap();
        let mut draft = dying.draft().unwrap();
        draft[0] = 1;
        panic!("in the middle of a draft");
    });
    assert!(died.join().is_err());
    producer.send(b"after").unwrap();
    drop(producer);
    let all: Vec<_> = consumer.map(|item| item.map(|chunk| chunk.to_vec())).collect();
    assert_eq!(all.len(), 3);
    assert_eq!(all[0].as_ref().unwrap(), b"before");
    assert!(matches!(all[1], Err(StreamError::ProducerDied { .. })));
    assert_eq!(all[2].as_ref().unwrap(), b"after");
    yard.balances_to_zero(&["work"]);
}

#[test]
fn a_consumer_that_leaves_is_told_to_the_producers() {
    let yard = Yard::of(Bytes::kib(4));
    let (producer, consumer) = Streaming::open(&yard.work(), "c").slots(2).channel(CHUNK).unwrap();
    let draft = producer.draft().unwrap();
    producer.send(b"unread").unwrap();
    let waiting = producer.clone();
    let waits = thread::spawn(move || waiting.draft().map(drop));
    drop(consumer);
    assert!(matches!(waits.join().unwrap(), Err(StreamError::Closed { .. })));
    assert!(matches!(draft.send(1, 0), Err(StreamError::Closed { .. })));
    assert!(matches!(producer.send(b"x"), Err(StreamError::Closed { .. })));
    yard.balances_to_zero(&["work"]);
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_taken() {
    let yard = Yard::of(Bytes::kib(4));
    let (producer, _consumer) = Streaming::open(&yard.work(), "c").channel(CHUNK).unwrap();
    let error = producer.send(&[0; 65]).unwrap_err();
    assert!(matches!(error, StreamError::TooLong { .. }), "{error}");
    let draft = producer.draft().unwrap();
    assert!(draft.send(65, 0).is_err());
    for _ in 0..4 {
        producer.send(&[0; 64]).unwrap();
    }
}
