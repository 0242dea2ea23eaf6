//! Any sequence of operations on a pool keeps to the model that the property tests hold it to.

#![no_main]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken model is a panic")]

#[path = "../../crates/plimsoll/tests/common/mod.rs"]
mod common;
#[path = "../../crates/plimsoll/tests/pool_ops/mod.rs"]
mod pool_ops;

use std::time::Duration;

use common::Bench;
use libfuzzer_sys::fuzz_target;
use plimsoll::Bytes;
use plimsoll::pool::PoolSettings;
use pool_ops::Op;

const LINE: Bytes = Bytes::mib(1);
/// An operation, one byte to choose it and three for its number.
const ENCODED: usize = 4;
const MOST: usize = 100;

/// Sizes from one byte to beyond the line; small ones as often as large ones.
fn size(number: usize) -> u64 {
    let bits = number % 22;
    let low = (1_u64 << bits) - 1;
    (1 << bits) + (number as u64 >> 5 & low)
}

fn op(&[kind, low, middle, high]: &[u8; ENCODED]) -> Op {
    let which = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
    let bytes = size(which);
    match kind % 16 {
        0..4 => Op::Lease { bytes, align: u32::from(kind >> 4) },
        4..6 => Op::Movable { bytes },
        6 | 7 => Op::LeaseOn { bytes, stream: usize::from(kind >> 4) },
        8 | 9 => Op::Drop { which },
        10..12 => Op::DropFenced { which, on: usize::from(kind >> 4) },
        12 | 13 => Op::Signal { which },
        14 => Op::Trim { keep: bytes },
        _ => Op::OnAnotherThread { bytes },
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else { return };
    let (encoded, _) = rest.as_chunks::<ENCODED>();
    let ops: Vec<Op> = encoded.iter().take(MOST).map(op).collect();
    let bench = if first % 2 == 0 { Bench::new(LINE) } else { Bench::slabs(LINE) };
    // From a cache that holds next to nothing to one that could hold the line.
    let settings = PoolSettings {
        span: Some(Bytes::mib(8)),
        thread_cache: Some(Bytes::kib(1 << (first >> 1) % 12)),
        fence_deadline: Duration::from_millis(20),
        ..PoolSettings::default()
    };
    pool_ops::run(bench, settings, &ops);
});
