//! A pool over a real GPU device: leases that work still uses, from several threads, and a ledger that balances.

#![cfg(feature = "wgpu")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a scenario fails by panicking")]

use std::sync::Arc;
use std::thread;

use plimsoll::Bytes;
use plimsoll::governor::{Account, Governor};
use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::pool::{LeaseError, Pool, PoolSettings};
use plimsoll_device::{Device, Stream};
use plimsoll_wgpu::{GpuDevice, GpuError, GpuSettings};

struct Bench {
    governor: Governor,
    account: Account,
    gpu: Arc<GpuDevice>,
    pool: Pool,
}

/// A pool that may have so much of the first adapter; `None`, said aloud, where there is no adapter.
fn bench(line: Bytes) -> Option<Bench> {
    let gpu = match GpuDevice::open(GpuSettings::default()) {
        Ok(gpu) => gpu,
        Err(error @ (GpuError::NoInterface(_) | GpuError::NoAdapter(_))) => {
            assert!(std::env::var_os("PLIMSOLL_REQUIRE_GPU").is_none(), "{error}");
            println!("skipped: {error}");
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    let place = gpu.facts().place;
    let governor = Governor::open(&LedgerSettings {
        places: vec![LineSettings::new(place, line)],
        accounts: vec![AccountSettings::new("work").share(place, Bytes::ZERO, line)],
    })
    .unwrap();
    let account = governor.account("work").unwrap();
    let pool = Pool::new(&account, Arc::clone(&gpu) as _, PoolSettings::default()).unwrap();
    Some(Bench { governor, account, gpu, pool })
}

impl Bench {
    fn assert_balanced(self) {
        let place = self.gpu.facts().place;
        drop(self.pool);
        assert_eq!(self.account.charged(place), Bytes::ZERO, "the ledger balances");
        assert!(self.governor.snapshot().is_clear());
    }
}

#[test]
fn leases_of_one_slab_keep_their_bytes_apart() {
    let Some(bench) = bench(Bytes::mib(48)) else { return };
    let stream = bench.gpu.stream().unwrap();
    let sizes = [1_u64, 255, 257, 4096, 100_003, 1 << 20, 3];
    let mut leases = Vec::new();
    for (size, value) in sizes.into_iter().zip(1..) {
        let mut lease = bench.pool.lease(Bytes::new(size)).unwrap();
        let all = lease.bytes().as_usize();
        lease.upload(stream, 0, &vec![value; all]).unwrap();
        leases.push(lease);
    }
    // Copies between leases, which are parts of one buffer.
    let mut copy = bench.pool.lease(Bytes::new(100_003)).unwrap();
    copy.copy_from(stream, 0, &mut leases[4], 0, Bytes::new(100_003)).unwrap();
    for (lease, value) in leases.iter().zip(1..) {
        let mut found = vec![0; lease.bytes().as_usize()];
        lease.download(stream, 0, &mut found).unwrap();
        assert!(found.iter().all(|&byte| byte == value), "lease {value}");
    }
    let mut found = vec![0; 100_003];
    copy.download(stream, 0, &mut found).unwrap();
    assert!(found.iter().all(|&byte| byte == 5));
    drop((leases, copy));
    bench.pool.settle().unwrap();
    bench.assert_balanced();
}

#[test]
fn leases_are_dropped_under_work_by_many_threads() {
    let Some(bench) = bench(Bytes::mib(32)) else { return };
    thread::scope(|scope| {
        for thread in 0..4_u8 {
            let (pool, gpu) = (&bench.pool, &bench.gpu);
            scope.spawn(move || {
                let stream = gpu.stream().unwrap();
                for round in 0..40_u8 {
                    let size = Bytes::new(1000 + u64::from(round) * 5003);
                    let mut lease = pool.lease(size).unwrap();
                    lease.fill(stream, thread ^ round).unwrap();
                    if round % 3 == 0 {
                        let mut found = vec![0; lease.bytes().as_usize()];
                        lease.download(stream, 0, &mut found).unwrap();
                        assert!(found.iter().all(|&byte| byte == thread ^ round));
                    }
                }
            });
        }
    });
    bench.pool.settle().unwrap();
    bench.assert_balanced();
}

#[test]
fn more_than_one_binding_is_refused_in_words() {
    let Some(bench) = bench(Bytes::gib(8)) else { return };
    let most = bench.gpu.facts().max_allocation;
    let refused = bench.pool.lease(most + Bytes::new(1)).unwrap_err();
    assert!(!matches!(refused, LeaseError::Refused { .. }), "waiting for memory would not help: {refused}");
    bench.assert_balanced();
}

#[test]
fn a_lost_gpu_fails_work_and_the_books_still_balance() {
    let Some(bench) = bench(Bytes::mib(16)) else { return };
    let mut lease = bench.pool.lease(Bytes::mib(1)).unwrap();
    lease.fill(Stream(0), 1).unwrap();
    bench.gpu.lose();
    lease.fill(Stream(0), 2).unwrap_err();
    drop(lease);
    drop(bench.pool);
    assert_eq!(bench.account.charged(bench.gpu.facts().place), Bytes::ZERO, "what is gone is not charged");
    assert!(bench.governor.snapshot().is_clear());
}
