//! The object store over a server that does things wrong: nothing is believed, nothing hangs, nothing goes uncounted.
#![cfg(feature = "remote")]
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod bucket_common;

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bucket_common::server::{Fault, Server};
use bucket_common::{FORM, blocks, listed};
use plimsoll::Bytes;
use plimsoll_kv::store::bucket::{Bucket, BucketSettings};
use plimsoll_kv::store::{Expect, Found, Record, Store, StoreError, Wanted, Worth};

const LIMIT: Duration = Duration::from_millis(300);

fn at(endpoint: &str, machine: &str) -> BucketSettings {
    let settings = BucketSettings {
        environment: false,
        connect_limit: LIMIT,
        read_limit: LIMIT,
        write_limit: LIMIT,
        retries: 1,
        rest: Duration::from_mins(1),
        ..BucketSettings::new("s3://bucket/kv", machine)
    };
    settings
        .option("aws_endpoint", endpoint)
        .option("aws_region", "us-east-1")
        .option("aws_access_key_id", "key")
        .option("aws_secret_access_key", "secret")
        .option("aws_allow_http", "true")
}

/// Settings that never leave the server alone.
fn patient(server: &Server, machine: &str) -> BucketSettings {
    BucketSettings { rest: Duration::ZERO, ..at(&server.endpoint(), machine) }
}

#[test]
fn a_sound_server_is_used_sparingly() {
    let server = Server::start();
    let some = blocks(1, 10, 1_000);
    let one = Bucket::open(patient(&server, "one")).unwrap();
    let before = server.requests();
    some.put(&one, 0..10).unwrap();
    assert_eq!(server.requests() - before, 10, "one request for each block written");
    let before = server.requests();
    assert!((0..10).all(|index| some.read_whole(&one, index).unwrap()));
    assert!((0..3).all(|section| some.read(&one, 4, section..section + 1).unwrap()));
    assert_eq!(server.requests() - before, 13, "one request for each read");
    let two = Bucket::open(patient(&server, "two")).unwrap();
    let before = server.requests();
    assert_eq!(listed(&two).len(), 10);
    assert_eq!(server.requests() - before, 1, "what is known is not looked at again");
    two.remove(&[some.id(9), some.id(8), some.id(7)]).unwrap();
    assert_eq!(server.requests() - before, 2, "many are deleted at once");
    assert!(!some.read_whole(&one, 9).unwrap());
}

#[test]
fn many_are_read_side_by_side_and_each_has_its_own_answer() {
    let server = Server::start();
    let some = blocks(1, 40, 300);
    let one = Bucket::open(patient(&server, "one")).unwrap();
    some.put(&one, 0..40).unwrap();
    one.remove(&[some.id(39)]).unwrap();
    let bad = some.id(7).to_string();
    server.fault(move |_, target| if target.contains(&bad) { Fault::Status(403) } else { Fault::None });
    let rights: Vec<_> = some.bytes.iter().map(|block| block.concat()).collect();
    let mut rooms: Vec<_> = rights.iter().map(|right| vec![0; right.len()]).collect();
    let wanted = |(index, into)| Wanted {
        id: some.id(index),
        expect: some.expect(index),
        sections: 0..3,
        into,
        found: Ok(Found::No),
    };
    let mut all: Vec<Wanted<'_>> = rooms.iter_mut().map(Vec::as_mut_slice).enumerate().map(wanted).collect();
    one.read_many(&mut all);
    for (index, one) in all.iter().enumerate() {
        match index {
            7 => assert!(one.found.is_err()),
            39 => assert!(matches!(one.found, Ok(Found::No))),
            _ => assert!(matches!(one.found, Ok(Found::Yes)) && *one.into == *rights[index], "{index}"),
        }
    }
}

#[test]
fn wrong_bytes_are_a_miss_whatever_is_wrong_with_them() {
    let server = Server::start();
    let some = blocks(1, 4, 1_000);
    Bucket::open(patient(&server, "one")).and_then(|one| some.put(&one, 0..4)).unwrap();
    for fault in [Fault::Flip, Fault::Short, Fault::NoRange, Fault::Half] {
        let two = Bucket::open(patient(&server, "two")).unwrap();
        let chosen = fault.clone();
        server.fault(move |method, _| if method == "GET" { chosen.clone() } else { Fault::None });
        for index in 0..4 {
            // A miss, or an error for what cannot be a right answer; never a wrong byte, which `read` checks.
            assert!(!some.read_whole(&two, index).unwrap_or(false), "{fault:?}");
            // A part may come through, if what is wrong lies elsewhere; `read` checks it.
            let _ = some.read(&two, index, 1..2);
        }
        server.heal();
        assert!(some.read_whole(&two, 0).unwrap(), "{fault:?}");
    }
}

#[test]
fn a_flipped_bit_anywhere_in_an_object_is_found_and_the_block_written_anew() {
    let server = Server::start();
    let some = blocks(1, 2, 64);
    // It knows no heads: what it reads is all that it has to go by.
    let two = Bucket::open(patient(&server, "two")).unwrap();
    Bucket::open(patient(&server, "one")).and_then(|one| some.put(&one, 0..2)).unwrap();
    let length = server.change(|objects| objects.values().next().unwrap().len());
    for bit in (0..length * 8).step_by(41) {
        let flip = |objects: &mut std::collections::BTreeMap<String, Vec<u8>>| {
            for bytes in objects.values_mut() {
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        };
        server.change(flip);
        assert!(!some.read_whole(&two, 0).unwrap(), "bit {bit}");
        server.change(flip);
    }
    server.change(|objects| objects.values_mut().for_each(|bytes| bytes[length - 1] ^= 1));
    assert!(!some.read_whole(&two, 0).unwrap() && !some.read_whole(&two, 1).unwrap());
    some.put(&two, 0..2).unwrap();
    assert!(some.read_whole(&two, 0).unwrap() && some.read_whole(&two, 1).unwrap());
    assert!(two.is_own(some.id(0)));
}

#[test]
fn another_version_and_another_block_under_the_same_hash_are_misses() {
    let server = Server::start();
    let some = blocks(1, 2, 100);
    let one = Bucket::open(patient(&server, "one")).unwrap();
    some.put(&one, 0..2).unwrap();
    let other = blocks(2, 2, 100);
    other.put(&one, 0..1).unwrap();
    // Another block whose tokens hash alike.
    let sections: Vec<&[u8]> = other.bytes[1].iter().map(Vec::as_slice).collect();
    let collides = Record {
        id: some.id(0),
        parent: None,
        root: &some.root,
        tokens: other.chain.block(1),
        form: FORM,
        worth: Worth::default(),
        sections: &sections,
    };
    let two = Bucket::open(patient(&server, "two")).unwrap();
    two.put(&[collides]).unwrap();
    assert!(some.read_whole(&one, 0).unwrap(), "what was there first stays");
    assert_eq!(two.room().used, Bytes::ZERO);
    one.remove(&[some.id(0)]).unwrap();
    two.put(&[collides]).unwrap();
    some.put(&one, 0..1).unwrap();
    let three = Bucket::open(patient(&server, "three")).unwrap();
    for bucket in [&one, &two, &three] {
        assert!(!some.read_whole(bucket, 0).unwrap());
    }
    let expect = Expect { tokens: collides.tokens, ..some.expect(0) };
    let mut into = vec![0; sections.concat().len()];
    assert_eq!(one.read(some.id(0), &expect, 0..3, &mut into).unwrap(), Found::Yes);
    assert_eq!((one.room().blocks, two.room().blocks), (2, 1));
    // A version that is not ours is no block of ours.
    server.change(|objects| objects.values_mut().for_each(|bytes| bytes[8] = 2));
    let four = Bucket::open(patient(&server, "four")).unwrap();
    assert_eq!(four.facts().foreign_objects, 3);
    assert!(!some.read_whole(&four, 1).unwrap());
}

#[test]
fn a_server_that_does_not_answer_is_waited_for_three_times_and_then_left_alone() {
    let server = Server::start();
    let some = blocks(1, 6, 100);
    let one = Bucket::open(at(&server.endpoint(), "one")).unwrap();
    some.put(&one, 0..6).unwrap();
    server.fault(|_, _| Fault::Silence);
    let before = server.requests();
    for index in 0..3 {
        assert!(!one.facts().resting, "{index} failures are not enough");
        let error = some.read_whole(&one, index).unwrap_err().to_string();
        assert!(error.contains("computed again"), "{error}");
        // It was the reader that gave up: the server still holds every request that it was sent.
        server.holds(index + 1);
    }
    assert!(one.facts().resting);
    for index in 0..6 {
        assert!(some.read_whole(&one, index).is_err() && some.put(&one, 0..6).is_err());
    }
    let asked = server.requests() - before;
    assert!((3..=6).contains(&asked), "each is asked for once, and tried again once at most: {asked}");
    server.heal();
    one.refresh().unwrap();
    assert!(some.read_whole(&one, 0).unwrap() && !one.facts().resting);
}

#[test]
fn errors_are_tried_again_a_bounded_number_of_times() {
    let server = Server::start();
    let some = blocks(1, 6, 100);
    let one = Bucket::open(patient(&server, "one")).unwrap();
    some.put(&one, 0..3).unwrap();
    for status in [500, 503, 429] {
        let left = AtomicUsize::new(1);
        server.fault(move |_, _| {
            let one_left = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            one_left.map_or(Fault::None, |_| Fault::Status(status))
        });
        assert!(some.read_whole(&one, 0).unwrap(), "{status}");
        server.fault(move |_, _| Fault::Status(status));
        let before = server.requests();
        assert!(some.read_whole(&one, 1).is_err(), "{status}");
        assert_eq!(server.requests() - before, 2, "{status}");
    }
    for status in [400, 403, 404, 412] {
        server.fault(move |_, _| Fault::Status(status));
        let before = server.requests();
        assert!(!some.read_whole(&one, 2).unwrap_or(false), "{status}");
        assert_eq!(server.requests() - before, 1, "{status}");
    }
    server.heal();
    assert!(some.read_whole(&one, 0).unwrap() && some.read_whole(&one, 2).unwrap());
}

#[test]
fn refusals_and_wrong_addresses_say_what_to_do() {
    let server = Server::start();
    let some = blocks(1, 2, 100);
    let one = Bucket::open(patient(&server, "one")).unwrap();
    server.fault(|_, _| Fault::Status(403));
    let error = some.put(&one, 0..2).unwrap_err().to_string();
    assert!(error.contains("access is refused") && error.contains("Told403"), "{error}");
    assert_eq!(one.room().used, Bytes::ZERO, "what was refused is not charged");
    server.fault(|_, _| Fault::Status(404));
    let error = Bucket::open(patient(&server, "two")).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("no such bucket"), "{error}");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = Bucket::open(at(&format!("http://{nobody}"), "one")).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("cannot be reached"), "{error}");
}

#[test]
fn a_write_whose_fate_is_unknown_counts_until_it_is_known() {
    let server = Server::start();
    let some = blocks(1, 4, 1_000);
    let one = Bucket::open(patient(&server, "one")).unwrap();
    // Written, but the answer was lost: the object is found to be ours.
    server.fault(|method, _| if method == "PUT" { Fault::DoneBut(500) } else { Fault::None });
    some.put(&one, 0..1).unwrap();
    assert_eq!((one.room().blocks, one.facts().unsure_bytes), (1, Bytes::ZERO));
    server.heal();
    assert!(some.read_whole(&one, 0).unwrap());
    // Written, and then the server is gone altogether.
    let first = one.room().used;
    server.fault(|method, _| if method == "PUT" { Fault::DoneSilence } else { Fault::Silence });
    assert!(some.put(&one, 1..2).is_err());
    assert_eq!(one.facts().unsure_bytes, first);
    assert_eq!(one.room().used.get(), first.get() * 2);
    server.heal();
    assert_eq!(listed(&one).len(), 2);
    assert_eq!((one.room().blocks, one.facts().unsure_bytes), (2, Bytes::ZERO));
    // Not written, and the server is gone: it counts until a listing says that it is not there.
    server.fault(|_, _| Fault::Silence);
    assert!(some.put(&one, 2..3).is_err());
    assert_eq!(one.facts().unsure_bytes, first);
    server.heal();
    assert_eq!(listed(&one).len(), 2);
    assert_eq!(one.room().used.get(), first.get() * 2);
    some.put(&one, 2..4).unwrap();
    assert_eq!(one.room().blocks, 4);
}

#[test]
fn after_an_error_nothing_of_a_batch_that_came_later_stays() {
    let server = Server::start();
    let some = blocks(1, 12, 200);
    let one = Bucket::open(patient(&server, "one")).unwrap();
    let bad = some.id(5).to_string();
    server.fault(
        move |method, target| {
            if method == "PUT" && target.contains(&bad) { Fault::Status(403) } else { Fault::None }
        },
    );
    assert!(matches!(some.put(&one, 0..12), Err(StoreError::Remote { .. })));
    server.heal();
    let stored = server.change(|objects| objects.len());
    assert_eq!((stored, one.room().blocks, listed(&one).len()), (5, 5, 5));
    let used: usize = server.change(|objects| objects.values().map(Vec::len).sum());
    assert_eq!(one.room().used.get(), used as u64);
}

#[test]
fn a_listing_that_fails_forgets_nothing() {
    let server = Server::start();
    let some = blocks(1, 3, 200);
    let one = Bucket::open(patient(&server, "one")).unwrap();
    some.put(&one, 0..3).unwrap();
    let used = one.room().used;
    server.fault(|_, target| if target.contains("list-type") { Fault::Status(500) } else { Fault::None });
    assert!(one.list(&mut |_| {}).is_err());
    assert_eq!(one.room().used, used);
    server.fault(|_, target| if target.contains("list-type") { Fault::Half } else { Fault::None });
    assert!(one.list(&mut |_| {}).is_err());
    assert_eq!(one.room().used, used);
    // What another deleted behind our back is written again, though it is thought to be there.
    server.heal();
    server.change(std::collections::BTreeMap::clear);
    some.put(&one, 0..3).unwrap();
    assert!(some.read_whole(&one, 1).unwrap());
    assert_eq!(one.room().used, used);
}
