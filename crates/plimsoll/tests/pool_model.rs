//! The pool against a naive model: random leases, drops, fences, trims and compactions (see `pool_ops`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a scenario fails by panicking")]

mod common;
mod pool_ops;

use std::time::Duration;

use common::Bench;
use plimsoll::Bytes;
use plimsoll::pool::PoolSettings;
use pool_ops::{Op, run};
use proptest::prelude::*;

const LINE: Bytes = Bytes::mib(8);

fn settings() -> PoolSettings {
    PoolSettings { fence_deadline: Duration::from_millis(20), ..Bench::settings() }
}

fn op() -> impl Strategy<Value = Op> {
    let bytes = prop_oneof![1_u64..5_000, 60_000_u64..70_000, (1_u64 << 20)..(3 << 20)];
    prop_oneof![
        4 => (bytes.clone(), 0_u32..14).prop_map(|(bytes, align)| Op::Lease { bytes, align }),
        2 => bytes.clone().prop_map(|bytes| Op::Movable { bytes }),
        4 => any::<usize>().prop_map(|which| Op::Drop { which }),
        3 => (bytes.clone(), any::<usize>()).prop_map(|(bytes, stream)| Op::LeaseOn { bytes, stream }),
        2 => (any::<usize>(), any::<usize>()).prop_map(|(which, on)| Op::DropFenced { which, on }),
        1 => any::<usize>().prop_map(|which| Op::Signal { which }),
        1 => (0_u64..(4 << 20)).prop_map(|keep| Op::Trim { keep }),
        1 => bytes.prop_map(|bytes| Op::OnAnotherThread { bytes }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_pool_in_a_growable_range_behaves(ops in prop::collection::vec(op(), 1..60)) {
        run(Bench::new(LINE), settings(), &ops);
    }

    #[test]
    fn a_pool_of_slabs_behaves(ops in prop::collection::vec(op(), 1..60)) {
        run(Bench::slabs(LINE), settings(), &ops);
    }
}
