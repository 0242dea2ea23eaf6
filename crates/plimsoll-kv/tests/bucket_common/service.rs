//! What any service that keeps objects must do for several machines that share it, whatever it speaks.

use std::time::Duration;

use plimsoll_kv::store::Store as _;
use plimsoll_kv::store::bucket::{Bucket, BucketSettings, inspect, verify};

use super::{blocks, listed};

/// The settings for a prefix, and a machine of this name.
pub type At<'a> = dyn Fn(&str, &str) -> BucketSettings + Sync + 'a;

/// Settings that take nothing from the environment, and wait as long as a busy machine needs.
pub fn settings(url: &str, machine: &str) -> BucketSettings {
    let limit = Duration::from_secs(20);
    BucketSettings {
        environment: false,
        connect_limit: limit,
        read_limit: limit,
        write_limit: limit,
        ..BucketSettings::new(url, machine)
    }
}

/// All of several machines write the same blocks at once: each is written by one of them, and all can read it.
pub fn write_once(at: &At<'_>) {
    let some = blocks(1, 12, 5_000);
    let machines: Vec<_> =
        ["one", "two", "three"].map(|machine| Bucket::open(at("some/kv", machine)).unwrap()).into();
    std::thread::scope(|scope| {
        for machine in &machines {
            scope.spawn(|| some.put(machine, 0..12).unwrap());
        }
    });
    let own: u64 = machines.iter().map(|machine| machine.facts().own_blocks).sum();
    assert_eq!(own, 12, "a block was written twice, or by nobody");
    for machine in &machines {
        assert!((0..12).all(|index| some.read_whole(machine, index).unwrap()));
        assert!(some.read(machine, 7, 1..2).unwrap() && some.read(machine, 7, 2..3).unwrap());
        assert_eq!(listed(machine).len(), 12);
    }
    let late = Bucket::open(at("some/kv", "four")).unwrap();
    assert!(some.read(&late, 3, 1..3).unwrap());
    assert_eq!((late.facts().own_blocks, late.facts().other_blocks), (0, 12));
    late.remove(&[some.id(11), some.id(10)]).unwrap();
    assert!(!some.read_whole(&machines[0], 11).unwrap());
    assert_eq!(listed(&machines[1]).len(), 10);
    // The same machine after a restart knows its own.
    let before = machines[2].facts().own_blocks;
    let gone = [10, 11].iter().filter(|index| machines[2].is_own(some.id(**index))).count() as u64;
    drop(machines);
    let again = Bucket::open(at("some/kv", "three")).unwrap();
    assert_eq!(again.facts().own_blocks, before - gone);
    let beside = Bucket::open(at("some/k", "five")).unwrap();
    assert_eq!(beside.facts().other_blocks, 0, "another prefix is another store");
}

/// So many keys that listing them takes several pages, or deleting them several requests.
pub fn pages(at: &At<'_>, count: usize) {
    let some = blocks(2, count, 10);
    let one = Bucket::open(at("many", "one")).unwrap();
    some.put(&one, 0..count).unwrap();
    assert_eq!(listed(&one).len(), count);
    // One that wrote none of them has nothing but the listing to go by.
    assert_eq!(listed(&Bucket::open(at("many", "two")).unwrap()).len(), count);
    let all: Vec<_> = (0..count).map(|index| some.id(index)).collect();
    one.remove(&all).unwrap();
    assert_eq!((listed(&one).len(), one.room().blocks), (0, 0));
}

/// Looking at what is there and checking it, without a machine's name and without writing anything.
pub fn survey(at: &At<'_>) {
    let some = blocks(3, 9, 2_000);
    let one = Bucket::open(at("looked/at", "one")).unwrap();
    let two = Bucket::open(at("looked/at", "two")).unwrap();
    some.put(&one, 0..6).unwrap();
    some.put(&two, 4..9).unwrap();
    let seen = inspect(&at("looked/at", "")).unwrap();
    assert_eq!((seen.blocks, seen.tokens, seen.damaged, seen.foreign), (9, 36, 0, 0));
    assert_eq!(seen.bytes, one.room().used + two.room().used);
    assert_eq!(seen.machines.iter().map(|share| share.blocks).collect::<Vec<_>>(), [6, 3]);
    assert_eq!(seen.roots.len(), 1);
    let checked = verify(&at("looked/at", "")).unwrap();
    let bytes: usize = some.bytes.iter().flatten().map(Vec::len).sum();
    assert_eq!((checked.blocks, checked.bytes.get(), checked.gone), (9, bytes as u64, 0));
    assert_eq!(checked.damaged, []);
    assert_eq!(inspect(&at("looked", "")).unwrap().blocks, 0, "another prefix is another store");
}
