//! Rings and caches whose memory is a pool's: charged once, by the pool, and given back through it.

#![allow(clippy::unwrap_used, reason = "a scenario whose set-up fails cannot go on")]

mod holdings_support;

use std::sync::Arc;
use std::time::Duration;

use holdings_support::Yard;
use plimsoll::holding::streaming::Align;
use plimsoll::holding::{Cached, Site, Streaming};
use plimsoll::pool::{Lease, Pool, PoolSettings};
use plimsoll::{Bytes, Place};
use plimsoll_device::{HostDevice, HostSettings};

// A pool takes its first memory in one larger step; the line leaves room for that.
const LINE: Bytes = Bytes::mib(64);
const BLOCK: Bytes = Bytes::mib(8);

fn pool(yard: &Yard) -> Pool {
    let settings = HostSettings { granule: Some(Bytes::kib(64)), ..HostSettings::default() };
    let device = Arc::new(HostDevice::open(settings).unwrap());
    Pool::new(&yard.governor.account("work").unwrap(), device, PoolSettings::default()).unwrap()
}

#[test]
fn a_file_streams_through_leases() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    let text = "zeile um zeile\n".repeat(200_000);
    std::fs::write(&path, &text).unwrap();
    let yard = Yard::of(LINE);
    let pool = pool(&yard);
    let streaming = Streaming::pooled(&pool, "documents", Duration::ZERO).slots(4).direct();
    let mut read = Vec::new();
    for chunk in streaming.file(&path).unwrap().chunks(Bytes::kib(256), Align::Record(b'\n')) {
        let chunk = chunk.unwrap();
        assert!(chunk.ends_with(b"\n"));
        read.extend_from_slice(&chunk);
        assert!(yard.charged("work") <= Bytes::mib(33), "{}", yard.charged("work"));
    }
    assert!(read == text.as_bytes());
    drop((streaming, pool));
    yard.balances_to_zero(&["work"]);
}

#[test]
fn a_ring_of_leases_gives_back_what_is_empty() {
    let yard = Yard::of(LINE);
    let pool = pool(&yard);
    let streaming = Streaming::pooled(&pool, "ring", Duration::ZERO).slots(8);
    let (producer, consumer) = streaming.channel(BLOCK).unwrap();
    let drafts: Vec<_> = (0..7).map(|_| producer.draft().unwrap()).collect();
    drop(drafts);
    assert!(yard.charged("work") >= Bytes::mib(56));
    let account = yard.governor.account("work").unwrap();
    let seat = account.reserve(Place::Host, Bytes::mib(48)).now().unwrap();
    assert_eq!(consumer.slots(), 2);
    drop((seat, producer, consumer, streaming, pool));
    yard.balances_to_zero(&["work"]);
}

#[test]
fn cached_leases_are_charged_once_and_make_room_for_each_other() {
    let yard = Yard::of(LINE);
    let pool = pool(&yard);
    let cache: Cached<u32, Lease> = Cached::open(&Site::of_pool(&pool), "blocks");
    for key in 0..40_u32 {
        // Beyond the line the pool's request makes the cache evict its cheapest.
        let mut lease = pool.lease(BLOCK).unwrap();
        lease.write(0, &key.to_le_bytes()).unwrap();
        let cost = Duration::from_secs(u64::from(key % 4));
        drop(cache.insert(key, lease, BLOCK, cost).unwrap());
        assert!(yard.charged("work") <= LINE);
    }
    let stats = cache.stats();
    assert!(stats.evictions >= 30 && stats.entries >= 5, "{stats:?}");
    for key in 0..40_u32 {
        if let Some(hit) = cache.get(&key) {
            let mut word = [0; 4];
            hit.read(0, &mut word).unwrap();
            assert_eq!(u32::from_le_bytes(word), key);
        }
    }
    drop((cache, pool));
    yard.balances_to_zero(&["work"]);
}
