//! The object store over memory and a folder: what it promises when nothing goes wrong, and what it accounts for.
#![cfg(feature = "remote")]
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod bucket_common;

use bucket_common::{FORM, blocks, listed};
use plimsoll::governor::{Account, Governor};
use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::{Bytes, Place};
use plimsoll_kv::block::BlockId;
use plimsoll_kv::store::bucket::{Bucket, BucketSettings, inspect, verify};
use plimsoll_kv::store::{Expect, Found, Store, StoreError};

fn folder(path: &std::path::Path, machine: &str) -> BucketSettings {
    BucketSettings::new(format!("file://{}", path.display()), machine)
}

fn account(place: Place, bytes: u64) -> Account {
    let line = LineSettings::carrying(place, Bytes::new(bytes));
    let kv = AccountSettings::new("kv").share(place, Bytes::ZERO, Bytes::new(bytes));
    let settings = LedgerSettings { places: vec![line], accounts: vec![kv] };
    Governor::open(&settings).unwrap().account("kv").unwrap()
}

#[test]
fn what_is_put_is_read_whole_and_by_layer() {
    let bucket = Bucket::open(BucketSettings::new("memory:", "a")).unwrap();
    let some = blocks(1, 20, 500);
    some.put(&bucket, 0..20).unwrap();
    for index in 0..20 {
        assert!(some.read_whole(&bucket, index).unwrap());
        for section in 0..3 {
            assert!(some.read(&bucket, index, section..section + 1).unwrap());
        }
        assert!(some.read(&bucket, index, 1..3).unwrap() && some.read(&bucket, index, 2..2).unwrap());
    }
    let facts = bucket.facts();
    assert_eq!((facts.own_blocks, facts.requests.puts), (20, 20));
    some.put(&bucket, 0..20).unwrap();
    assert_eq!(bucket.facts().requests.puts, 20, "what is there already is not sent again");
}

#[test]
fn anything_unexpected_is_a_miss() {
    let bucket = Bucket::open(BucketSettings::new("memory:", "a")).unwrap();
    let some = blocks(1, 3, 100);
    some.put(&bucket, 0..3).unwrap();
    let other = blocks(2, 3, 100);
    let mut into = vec![0; some.bytes[1].concat().len()];
    let right = some.expect(1);
    let wrong = [
        Expect { tokens: other.chain.block(1), ..right },
        Expect { parent: None, ..right },
        Expect { form: FORM + 1, ..right },
    ];
    for expect in wrong {
        assert_eq!(bucket.read(some.id(1), &expect, 0..3, &mut into).unwrap(), Found::No);
    }
    let backwards = std::ops::Range { start: 1, end: 0 };
    for sections in [0..4, 0..2, 3..5, backwards] {
        assert_eq!(bucket.read(some.id(1), &right, sections, &mut into).unwrap(), Found::No);
    }
    assert_eq!(bucket.read(BlockId::new(9), &right, 0..3, &mut into).unwrap(), Found::No);
    assert_eq!(bucket.read(some.id(1), &right, 0..3, &mut into).unwrap(), Found::Yes);
}

#[test]
fn machines_share_blocks_and_account_for_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let one = Bucket::open(folder(dir.path(), "one")).unwrap();
    let two = Bucket::open(folder(dir.path(), "two")).unwrap();
    let some = blocks(1, 8, 300);
    some.put(&one, 0..4).unwrap();
    assert!(some.read(&two, 3, 1..2).unwrap(), "a block is read that was never listed");
    some.put(&two, 2..8).unwrap();
    let facts = two.facts();
    assert_eq!((facts.own_blocks, facts.other_blocks), (4, 2), "two of six were there already");
    let all = listed(&one);
    assert_eq!(all.len(), 8);
    let told: Vec<_> = all.iter().map(|listed| listed.id).collect();
    let at = |index: usize| told.iter().position(|id| *id == some.id(index)).unwrap();
    assert!((1..8).all(|index| at(index - 1) < at(index)), "a child was told before its parent");
    assert_eq!(all[at(5)].sections, [300, 301, 302]);
    assert_eq!(all[at(5)].worth.used_at, 1_005);
    assert!(one.is_own(some.id(3)) && !one.is_own(some.id(4)));

    // Whoever removes: it is gone for all, and the one that wrote it finds out.
    two.remove(&[some.id(7), some.id(3), some.id(0), BlockId::new(1)]).unwrap();
    assert!(!some.read_whole(&one, 3).unwrap() && !some.read_whole(&one, 7).unwrap());
    assert_eq!(listed(&one).len(), 6, "0 is told too: two knew it only from its listing");
    let before = one.facts();
    assert_eq!((before.own_blocks, before.other_blocks), (3, 3));
}

#[test]
fn the_limit_holds_across_a_restart_and_with_what_is_on_its_way() {
    let dir = tempfile::tempdir().unwrap();
    let some = blocks(1, 10, 1_000);
    let open = |most: u64| {
        Bucket::open(BucketSettings { max_bytes: Some(Bytes::new(most)), ..folder(dir.path(), "one") })
    };
    let one = open(20_000).unwrap();
    let error = some.put(&one, 0..10).unwrap_err();
    assert!(matches!(&error, StoreError::Full { .. }), "{error}");
    let held = one.room();
    assert!(held.used <= Bytes::new(20_000) && held.blocks == 6, "{held:?}");
    let on_disk: u64 = files(dir.path()).iter().map(|path| path.metadata().unwrap().len()).sum();
    assert_eq!(on_disk, held.used.get());
    drop(one);
    // With less than it has, what was used longest ago and has no children goes, before it is used.
    let one = open(10_000).unwrap();
    assert!(one.room().used <= Bytes::new(10_000) && one.room().blocks == 3, "{:?}", one.room());
    assert!(some.read_whole(&one, 2).unwrap() && !some.read_whole(&one, 3).unwrap());
    one.remove(&[some.id(2)]).unwrap();
    some.put(&one, 2..3).unwrap();
}

fn files(path: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn every_byte_is_charged_and_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let some = blocks(1, 6, 1_000);
    let account = account(Place::Remote, 14_000);
    let with = || BucketSettings { account: Some(account.clone()), ..folder(dir.path(), "one") };
    let one = Bucket::open(with()).unwrap();
    some.put(&one, 0..3).unwrap();
    assert_eq!(account.charged(Place::Remote), one.room().used);
    let error = some.put(&one, 3..6).unwrap_err();
    assert!(matches!(&error, StoreError::Refused(_)), "{error}");
    assert_eq!(account.charged(Place::Remote), one.room().used);
    assert_eq!(one.room().blocks, 4);
    one.remove(&[some.id(3)]).unwrap();
    assert_eq!(account.charged(Place::Remote), one.room().used);
    drop(one);
    assert_eq!(account.charged(Place::Remote), Bytes::ZERO);
    // Whoever else has the line now: what no longer fits is deleted.
    let _taken = account.reserve(Place::Remote, Bytes::new(7_000)).now().unwrap();
    let one = Bucket::open(with()).unwrap();
    assert_eq!(one.room().blocks, 2);
    assert_eq!(account.charged(Place::Remote), one.room().used + Bytes::new(7_000));
    assert!(some.read_whole(&one, 1).unwrap() && !some.read_whole(&one, 2).unwrap());
}

#[test]
fn buffers_are_charged_while_it_is_open() {
    let host = account(Place::Host, 1 << 20);
    let with = |bytes| BucketSettings {
        staging: Some(host.clone()),
        staging_bytes: Bytes::new(bytes),
        ..BucketSettings::new("memory:", "a")
    };
    assert!(matches!(Bucket::open(with(2 << 20)), Err(StoreError::Refused(_))));
    let bucket = Bucket::open(with(4_000)).unwrap();
    assert_eq!(host.charged(Place::Host), Bytes::new(4_000));
    let small = blocks(1, 9, 1_000);
    small.put(&bucket, 0..9).unwrap();
    let large = blocks(2, 1, 2_000);
    let error = large.put(&bucket, 0..1).unwrap_err().to_string();
    assert!(error.contains("larger than"), "{error}");
    drop(bucket);
    assert_eq!(host.charged(Place::Host), Bytes::ZERO);
}

#[test]
fn what_lies_in_a_folder_and_is_not_ours_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let some = blocks(1, 3, 400);
    let one = Bucket::open(folder(dir.path(), "one")).unwrap();
    some.put(&one, 0..3).unwrap();
    std::fs::write(dir.path().join("v1").join("notes.txt"), "hello").unwrap();
    let mut all = files(&dir.path().join("v1"));
    all.retain(|path| path.to_string_lossy().ends_with(&some.id(1).to_string()));
    let whole = std::fs::read(&all[0]).unwrap();
    for damage in [Vec::new(), b"short".to_vec(), whole[..200].to_vec(), whole[..whole.len() - 1].to_vec()] {
        std::fs::write(&all[0], &damage).unwrap();
        let two = Bucket::open(folder(dir.path(), "two")).unwrap();
        assert!(!some.read_whole(&two, 1).unwrap() && some.read_whole(&two, 2).unwrap());
        assert_eq!(listed(&two).len(), 2, "{} bytes", damage.len());
        assert_eq!(two.facts().foreign_objects, 2);
    }
    // A block that is damaged is written anew by the next who computes it.
    let two = Bucket::open(folder(dir.path(), "two")).unwrap();
    some.put(&two, 1..2).unwrap();
    assert!(some.read_whole(&two, 1).unwrap() && two.is_own(some.id(1)));
    assert_eq!(std::fs::read(&all[0]).unwrap().len(), whole.len());
}

#[test]
fn looking_and_checking_tell_what_is_damaged_and_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let some = blocks(1, 6, 400);
    let one = Bucket::open(folder(dir.path(), "one")).unwrap();
    some.put(&one, 0..6).unwrap();
    drop(one);
    let nobody = folder(dir.path(), "");
    assert_eq!(verify(&nobody).unwrap().damaged, []);
    let all = files(&dir.path().join("v1"));
    let path = |index: usize| {
        let id = some.id(index).to_string();
        all.iter().find(|path| path.to_string_lossy().ends_with(&id)).unwrap()
    };
    let whole = |index: usize| std::fs::read(path(index)).unwrap();
    let sections = some.bytes[1].iter().map(Vec::len).sum::<usize>();
    // A bit of the second section, a bit of the head, an end that is missing, another block's bytes, nothing at all.
    let mut flipped = whole(1);
    let at = flipped.len() - sections + some.bytes[1][0].len();
    flipped[at + 9] ^= 1;
    let mut spoiled = whole(2);
    spoiled[20] ^= 1;
    let cut = whole(3)[..whole(3).len() - 3].to_vec();
    let damages = [(1, flipped), (2, spoiled), (3, cut), (4, whole(0)), (5, Vec::new())];
    for (index, bytes) in &damages {
        std::fs::write(path(*index), bytes).unwrap();
    }
    std::fs::write(dir.path().join("v1").join("notes.txt"), "hello").unwrap();
    let before: Vec<_> = files(dir.path()).iter().map(|path| std::fs::read(path).unwrap()).collect();

    let seen = inspect(&nobody).unwrap();
    // Of what is looked at only the heads are read: a bit of a section is for the check to find.
    assert_eq!((seen.blocks, seen.damaged, seen.foreign), (2, 4, 1));
    let checked = verify(&nobody).unwrap();
    assert_eq!((checked.blocks, checked.foreign, checked.gone), (6, 1, 0));
    assert_eq!(checked.bytes.get(), some.bytes[0].concat().len() as u64);
    let told = |index: usize| {
        let damage = checked.damaged.iter().find(|damage| damage.block == some.id(index)).unwrap();
        (damage.offset, damage.what.as_str())
    };
    assert_eq!(checked.damaged.len(), 5);
    assert_eq!(told(1), (at as u64, "section 1"));
    assert_eq!(told(2), (0, "its head"));
    assert_eq!(told(3), (whole(3).len() as u64, "it ends within section 2"));
    assert_eq!(told(4), (0, "its head is another block's"));
    assert_eq!(told(5), (0, "it is empty"));
    let after: Vec<_> = files(dir.path()).iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert_eq!(before, after);

    let missing = dir.path().join("missing");
    for error in [inspect(&folder(&missing, "")).err(), verify(&folder(&missing, "")).err()] {
        assert!(error.unwrap().to_string().contains("missing"));
    }
    assert!(!missing.exists(), "who only looks makes no folder");
}

#[test]
fn many_threads_share_a_bucket() {
    let bucket = Bucket::open(BucketSettings::new("memory:", "a")).unwrap();
    std::thread::scope(|scope| {
        for seed in 0..8 {
            let bucket = &bucket;
            scope.spawn(move || {
                let some = blocks(seed % 4, 10, 50);
                some.put(bucket, 0..10).unwrap();
                assert!((0..10).all(|index| some.read_whole(bucket, index).unwrap()));
            });
        }
    });
    assert_eq!(bucket.room().blocks, 40);
    let stored: u64 = listed(&bucket).iter().map(|one| one.stored.get()).sum();
    assert_eq!(bucket.room().used.get(), stored);
}
