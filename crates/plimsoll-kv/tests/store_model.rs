//! Random operations and faults against a map: what is read is right or a miss, and nothing published is lost without a
//! fault that excuses it.
#![cfg(unix)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::needless_for_each,
    clippy::unwrap_used,
    reason = "numbers are small, and what fails fails the test"
)]

mod support_store;

use std::collections::BTreeMap;
use std::sync::Arc;

use plimsoll::Bytes;
use plimsoll_kv::store::Store as _;
use plimsoll_kv::store::folder::sim::{Fault, SimDisk};
use plimsoll_kv::store::folder::{Folder, FolderSettings, Sync};
use proptest::prelude::*;
use support_store::{Sample, put_all};

#[derive(Clone, Debug)]
enum Op {
    Put(Vec<u64>),
    Read(u64),
    Remove(Vec<u64>),
    Reopen,
    Kill,
    LosePower(u64),
    Flip(u64, u64),
    Fail(u64, Fault),
    Capacity(u64),
    Compact,
}

fn op() -> impl Strategy<Value = Op> {
    let number = || 0..40_u64;
    let fault = prop_oneof![
        (0..9_000_usize).prop_map(Fault::Io),
        (0..9_000_usize).prop_map(Fault::NoSpace),
        (0..9_000_usize).prop_map(Fault::Die)
    ];
    prop_oneof![
        8 => prop::collection::vec(number(), 1..5).prop_map(Op::Put),
        6 => number().prop_map(Op::Read),
        5 => prop::collection::vec(number(), 1..8).prop_map(Op::Remove),
        1 => Just(Op::Reopen),
        1 => Just(Op::Kill),
        1 => any::<u64>().prop_map(Op::LosePower),
        1 => (any::<u64>(), any::<u64>()).prop_map(|(file, bit)| Op::Flip(file, bit)),
        1 => (1..20_u64, fault).prop_map(|(at, fault)| Op::Fail(at, fault)),
        1 => (100..700_u64).prop_map(Op::Capacity),
        1 => Just(Op::Compact),
    ]
}

/// What is known of a block: it must be there, may be there, or must not.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Known {
    There,
    Maybe,
}

struct Model {
    disk: SimDisk,
    settings: FolderSettings,
    folder: Option<Folder>,
    known: BTreeMap<u64, Known>,
    /// Whether something may be damaged without anybody having seen it: it may show at the next start, or when its record is read.
    spoiled: bool,
}

fn sample(number: u64) -> Sample {
    Sample::new(number, 200 + (number as usize * 1_117) % 7_000)
}

impl Model {
    fn doubt(&mut self) {
        self.known.values_mut().for_each(|known| *known = Known::Maybe);
    }

    fn reopen(&mut self) {
        self.folder = None;
        let opened = Folder::open_on(Arc::new(self.disk.clone()), &self.settings);
        let (folder, report) = opened
            .or_else(|_| {
                // A fault that was still to come struck the opening, or the disk has no room for the marker; without them there
                // is nothing to fail for.
                self.disk.set_capacity(u64::MAX);
                self.disk.fail_writes(None);
                self.disk = self.disk.kill();
                Folder::open_on(Arc::new(self.disk.clone()), &self.settings)
            })
            .expect("a folder opens whatever happened to it");
        if report.trimmed > 0 || self.spoiled {
            self.doubt();
        }
        self.folder = Some(folder);
    }

    /// From now on any of them may be there or not.
    fn doubt_all(&mut self) {
        for number in 0..40 {
            self.known.insert(number, Known::Maybe);
        }
    }

    fn run(&mut self, op: &Op) {
        let Some(folder) = &self.folder else { return };
        match op {
            Op::Put(numbers) => {
                let samples: Vec<Sample> = numbers.iter().map(|&number| sample(number)).collect();
                let put = put_all(folder, &samples);
                for &number in numbers {
                    let known = self.known.entry(number).or_insert(Known::Maybe);
                    // What is there and was damaged is not written again before somebody has found out.
                    if put.is_ok() && (!self.spoiled || sample(number).is_in(folder).unwrap_or(false)) {
                        *known = Known::There;
                    }
                }
            }
            Op::Read(number) => match sample(*number).is_in(folder) {
                Ok(true) => assert!(self.known.contains_key(number), "{number} was never put"),
                Ok(false) => {
                    // What may be there may be back after a start: a removal that failed is forgotten with the process.
                    assert_ne!(self.known.get(number), Some(&Known::There), "{number} is lost");
                }
                Err(_) => {}
            },
            Op::Remove(numbers) => {
                let ids: Vec<_> = numbers.iter().map(|&number| Sample::id_of(number)).collect();
                let removed = folder.remove(&ids);
                for &number in numbers {
                    assert!(!sample(number).is_in(folder).unwrap_or(false), "{number} was removed");
                    // What the store does not know of (a put that failed half way) it cannot forget for good.
                    if removed.is_ok() && self.known.get(&number) == Some(&Known::There) {
                        self.known.remove(&number);
                    } else if let Some(known) = self.known.get_mut(&number) {
                        *known = Known::Maybe;
                    }
                }
            }
            Op::Reopen => self.reopen(),
            Op::Kill => {
                let next = self.disk.kill();
                self.folder = None;
                self.disk = next;
                self.reopen();
            }
            Op::LosePower(seed) => {
                let next = self.disk.lose_power(*seed);
                self.folder = None;
                self.disk = next;
                if self.settings.sync == Sync::Process {
                    // Removed blocks may be back, and a footer may be there without the data it tells of.
                    self.spoiled = true;
                    self.doubt_all();
                }
                self.reopen();
            }
            Op::Flip(file, bit) => {
                let names = self.disk.names();
                let name = &names[*file as usize % names.len()];
                let bits = self.disk.contents(name).map_or(0, |bytes| bytes.len() as u64 * 8);
                if bits > 0 {
                    self.disk.flip(name, bit % bits);
                    self.spoiled = true;
                }
                self.doubt_all();
            }
            Op::Fail(at, fault) => self.disk.fail_in(*at, *fault),
            Op::Capacity(kib) => self.disk.set_capacity(kib * 1024),
            Op::Compact => drop(folder.compact()),
        }
        let Some(folder) = &self.folder else { return };
        let used = folder.room().used;
        assert!(used <= self.settings.max_bytes, "{used} after {op:?}");
        assert!(
            self.disk.allocated() <= used.get(),
            "{} taken of {used} after {op:?}",
            self.disk.allocated()
        );
    }
}

fn run(ops: &[Op], holes: bool, sync: Sync) {
    let disk = if holes { SimDisk::default() } else { SimDisk::default().without_holes() };
    let settings = FolderSettings {
        sync,
        segment_bytes: Bytes::kib(64),
        ..FolderSettings::new("unused", Bytes::kib(512))
    };
    let mut model = Model { disk, settings, folder: None, known: BTreeMap::new(), spoiled: false };
    model.reopen();
    for op in ops {
        model.run(op);
    }
    model.disk = model.disk.kill();
    model.reopen();
    (0..40).for_each(|number| model.run(&Op::Read(number)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_is_a_map_that_may_forget_only_with_an_excuse(
        ops in prop::collection::vec(op(), 1..60),
        holes in any::<bool>(),
        power in any::<bool>(),
    ) {
        run(&ops, holes, if power { Sync::Power } else { Sync::Process });
    }
}
