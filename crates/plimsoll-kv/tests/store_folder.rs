//! The cold store on a real folder and on a simulated disk, one promise a test.
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

use std::path::Path;
use std::sync::Arc;

use plimsoll::governor::Governor;
use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::{Bytes, Place};
use plimsoll_kv::block::BlockId;
use plimsoll_kv::store::folder::sim::SimDisk;
use plimsoll_kv::store::folder::{
    Folder, FolderSettings, ManualCalendar, ReadWay, Sync, compact, inspect, inspect_on, verify, verify_on,
};
use plimsoll_kv::store::{Expect, Found, Store as _, StoreError, Wanted};
use support_store::{Sample, put_all, root};

fn settings(max_bytes: Bytes) -> FolderSettings {
    FolderSettings { segment_bytes: Bytes::kib(256), ..FolderSettings::new("unused", max_bytes) }
}

fn samples(numbers: std::ops::Range<u64>, bytes: usize) -> Vec<Sample> {
    numbers.map(|number| Sample::new(number, bytes)).collect()
}

fn disk_bytes(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let own = std::fs::metadata(path).unwrap().blocks();
    let files = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().metadata().unwrap().blocks());
    (own + files.sum::<u64>()) * 512
}

#[test]
fn a_real_folder_keeps_what_was_put_over_a_restart() {
    for reads in [ReadWay::Best, ReadWay::Uring, ReadWay::Pread] {
        let place = tempfile::tempdir().unwrap();
        let settings = FolderSettings {
            reads,
            segment_bytes: Bytes::mib(1),
            ..FolderSettings::new(place.path().join("cold"), Bytes::mib(16))
        };
        let all = samples(0..60, 20_000);
        let (folder, report) = Folder::open(&settings).unwrap();
        assert_eq!(report.records, 0);
        put_all(&folder, &all[..30]).unwrap();
        all[30..].iter().for_each(|sample| sample.put(&folder).unwrap());
        assert!(all.iter().all(|sample| sample.is_in(&folder).unwrap()));
        folder.remove(&[all[3].id, all[40].id, BlockId::new(1)]).unwrap();
        assert!(disk_bytes(&settings.path) <= folder.room().used.get(), "charged before it is written");
        drop(folder);
        let (folder, report) = Folder::open(&settings).unwrap();
        assert_eq!((report.records, report.scanned, report.torn), (58, 0, Bytes::ZERO));
        for sample in &all {
            let removed = [all[3].id, all[40].id].contains(&sample.id);
            assert_eq!(sample.is_in(&folder).unwrap(), !removed);
        }
        assert!(disk_bytes(&settings.path) <= folder.room().used.get());
        let mut buffers: Vec<Vec<u8>> = all.iter().map(|sample| vec![0; sample.sections[1].len()]).collect();
        let mut wanted: Vec<Wanted<'_>> = all
            .iter()
            .zip(&mut buffers)
            .map(|(sample, into)| Wanted {
                id: sample.id,
                expect: sample.expect(),
                sections: 1..2,
                into,
                found: Ok(Found::No),
            })
            .collect();
        folder.read_many(&mut wanted);
        let found: Vec<bool> =
            wanted.iter().map(|wanted| *wanted.found.as_ref().unwrap() == Found::Yes).collect();
        for ((sample, found), bytes) in all.iter().zip(found).zip(&buffers) {
            assert_eq!(found, ![all[3].id, all[40].id].contains(&sample.id));
            assert!(!found || *bytes == sample.sections[1]);
        }
    }
}

#[test]
fn sections_are_read_alone_and_nothing_else_passes() {
    let (folder, _) = Folder::open_on(Arc::new(SimDisk::default()), &settings(Bytes::mib(4))).unwrap();
    let sample = Sample::new(5, 9_000);
    sample.put(&folder).unwrap();
    let mut into = vec![0; sample.sections[1].len() + sample.sections[2].len()];
    assert_eq!(folder.read(sample.id, &sample.expect(), 1..3, &mut into).unwrap(), Found::Yes);
    assert_eq!(into, sample.sections[1..].concat());
    let mut none = [];
    assert_eq!(folder.read(sample.id, &sample.expect(), 1..1, &mut none).unwrap(), Found::Yes);
    assert_eq!(folder.read(sample.id, &sample.expect(), 3..4, &mut none).unwrap(), Found::No);
    assert_eq!(
        folder.read(sample.id, &sample.expect(), 0..1, &mut into).unwrap(),
        Found::No,
        "of another length"
    );
    let other_root = plimsoll_kv::block::Root::from_bytes([9; 32]);
    let doubts = [
        Expect { parent: None, ..sample.expect() },
        Expect { root: &other_root, ..sample.expect() },
        Expect { tokens: &sample.tokens[1..], ..sample.expect() },
        Expect { form: 8, ..sample.expect() },
    ];
    for doubt in doubts {
        assert_eq!(folder.read(sample.id, &doubt, 1..3, &mut into).unwrap(), Found::No);
    }
    assert!(sample.is_in(&folder).unwrap(), "a reader's doubt removes nothing");
}

#[test]
fn a_collision_is_a_miss_and_replaces_nothing() {
    let (folder, _) = Folder::open_on(Arc::new(SimDisk::default()), &settings(Bytes::mib(4))).unwrap();
    let first = Sample::new(1, 5_000);
    let second = Sample { id: first.id, ..Sample::new(2, 5_000) };
    first.put(&folder).unwrap();
    let written = folder.room().written_today;
    second.put(&folder).unwrap();
    assert_eq!(folder.room().written_today, written, "it is not written");
    assert!(first.is_in(&folder).unwrap());
    assert!(!second.is_in(&folder).unwrap());
}

#[test]
fn a_second_process_is_refused_and_told_by_whom() {
    let place = tempfile::tempdir().unwrap();
    let settings = FolderSettings::new(place.path(), Bytes::mib(4));
    let (folder, _) = Folder::open(&settings).unwrap();
    Sample::new(0, 100).put(&folder).unwrap();
    let refused = Folder::open(&settings).unwrap_err();
    assert!(refused.to_string().contains(&format!("process {}", std::process::id())), "{refused}");
    assert!(matches!(verify(place.path()), Err(StoreError::InUse { .. })));
    assert!(matches!(compact(place.path()), Err(StoreError::InUse { .. })));
    let facts = inspect(place.path()).unwrap();
    assert_eq!((facts.in_use, facts.records), (Some(Some(std::process::id())), 1));
    drop(folder);
    assert!(verify(place.path()).unwrap().damaged.is_empty());
    drop(Folder::open(&settings).unwrap());
}

#[test]
fn a_folder_of_something_else_or_another_version_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("thesis.txt"), "mine").unwrap();
    let settings = FolderSettings::new(place.path(), Bytes::mib(4));
    assert!(matches!(Folder::open(&settings), Err(StoreError::Foreign { .. })));
    assert!(matches!(inspect(place.path()), Err(StoreError::Foreign { .. })));
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "nothing was made in it");
}

#[test]
fn the_line_holds_and_removing_makes_room() {
    for disk in [SimDisk::default(), SimDisk::default().without_holes()] {
        let max_bytes = Bytes::mib(2);
        let governor = Governor::open(&LedgerSettings {
            places: vec![LineSettings::new(Place::Disk, Bytes::mib(8))],
            accounts: vec![AccountSettings::new("cold").share(Place::Disk, Bytes::ZERO, Bytes::mib(8))],
        })
        .unwrap();
        let account = governor.account("cold").unwrap();
        let settings = FolderSettings { account: Some(account.clone()), ..settings(max_bytes) };
        let (folder, _) = Folder::open_on(Arc::new(disk.clone()), &settings).unwrap();
        let mut there: Vec<Sample> = Vec::new();
        for number in 0..600 {
            let sample = Sample::new(number, 3_000 + (number as usize * 977) % 9_000);
            while let Err(error) = sample.put(&folder) {
                assert!(matches!(error, StoreError::Full { .. }), "{error}");
                assert!(!there.is_empty());
                // Not in order, so that segments are full of holes.
                let gone = there.remove(number as usize * 31 % there.len());
                folder.remove(&[gone.id]).unwrap();
                assert!(!gone.is_in(&folder).unwrap());
            }
            there.push(sample);
            let used = folder.room().used;
            assert!(disk.allocated() <= used.get(), "{} of {used}", disk.allocated());
            assert!(used <= max_bytes);
            assert_eq!(account.charged(Place::Disk), used);
        }
        assert!(there.len() > 40, "{} are there", there.len());
        assert!(there.iter().all(|sample| sample.is_in(&folder).unwrap()));
        drop(folder);
        assert_eq!(account.charged(Place::Disk), Bytes::ZERO);
        let (folder, report) = Folder::open_on(Arc::new(disk.clone()), &settings).unwrap();
        assert_eq!(report.records, there.len() as u64);
        assert!(there.iter().all(|sample| sample.is_in(&folder).unwrap()));
    }
}

#[test]
fn a_smaller_limit_drops_what_is_least_worth_before_use() {
    for disk in [SimDisk::default(), SimDisk::default().without_holes()] {
        let (folder, _) = Folder::open_on(Arc::new(disk.clone()), &settings(Bytes::mib(4))).unwrap();
        let mut all = samples(0..120, 6_000);
        for sample in &mut all {
            sample.parent = None;
            sample.worth.seconds = if sample.tokens[0] / 4 < 30 { 5.0 } else { 0.001 };
            sample.worth.used_at = 0;
        }
        put_all(&folder, &all).unwrap();
        drop(folder);
        let small = settings(Bytes::mib(1));
        let (folder, report) = Folder::open_on(Arc::new(disk.clone()), &small).unwrap();
        assert!(report.trimmed > 0);
        assert!(folder.room().used <= Bytes::mib(1) && disk.allocated() <= 1 << 20);
        let dear = all[..30].iter().filter(|sample| sample.is_in(&folder).unwrap()).count();
        assert_eq!(dear, 30, "the dear ones stay");
        assert!(
            all[119].put(&folder).is_ok() || matches!(all[119].put(&folder), Err(StoreError::Full { .. }))
        );
    }
}

#[test]
fn an_account_with_less_than_the_folder_holds_gets_what_fits() {
    let disk = SimDisk::default();
    let (folder, _) = Folder::open_on(Arc::new(disk.clone()), &settings(Bytes::mib(4))).unwrap();
    put_all(&folder, &samples(0..100, 6_000)).unwrap();
    drop(folder);
    let governor = Governor::open(&LedgerSettings {
        places: vec![LineSettings::new(Place::Disk, Bytes::mib(1))],
        accounts: vec![AccountSettings::new("cold").share(Place::Disk, Bytes::ZERO, Bytes::mib(1))],
    })
    .unwrap();
    let settings =
        FolderSettings { account: Some(governor.account("cold").unwrap()), ..settings(Bytes::mib(4)) };
    let (folder, report) = Folder::open_on(Arc::new(disk.clone()), &settings).unwrap();
    assert!(report.trimmed > 0 && report.records > 10);
    assert!(disk.allocated() <= 1 << 20);
    let refused = put_all(&folder, &samples(200..400, 6_000)).unwrap_err();
    assert!(matches!(refused, StoreError::Refused(_)), "{refused}");
}

#[test]
fn no_more_is_written_a_day_than_may_be() {
    let calendar = Arc::new(ManualCalendar::default());
    let disk = SimDisk::default();
    let daily = Bytes::kib(300);
    let settings = FolderSettings {
        daily_bytes: Some(daily),
        calendar: Arc::clone(&calendar) as Arc<_>,
        ..settings(Bytes::mib(4))
    };
    let (folder, _) = Folder::open_on(Arc::new(disk.clone()), &settings).unwrap();
    let worn = put_all(&folder, &samples(0..100, 6_000)).unwrap_err();
    assert!(matches!(worn, StoreError::Worn { .. }), "{worn}");
    let room = folder.room();
    assert!(room.written_today <= daily && room.written_today > Bytes::kib(200), "{room:?}");
    let blocks = room.blocks;
    assert!(blocks > 5);
    // The process is killed, and the day is not new.
    std::mem::forget(folder);
    let disk = disk.kill();
    let (folder, _) = Folder::open_on(Arc::new(disk.clone()), &settings).unwrap();
    assert!(folder.room().written_today >= room.written_today && folder.room().written_today <= daily);
    assert!(put_all(&folder, &samples(0..100, 6_000)).is_err());
    assert_eq!(folder.room().blocks, blocks);
    calendar.advance(86_400);
    assert_eq!(folder.room().written_today, Bytes::ZERO);
    assert!(put_all(&folder, &samples(0..100, 6_000)).is_err());
    assert!(folder.room().blocks > blocks, "the next day there is more to write");
    assert!(folder.written_total() > daily);
}

#[test]
fn whatever_bit_flips_nothing_wrong_is_read_and_it_can_be_put_again() {
    let disk = SimDisk::default();
    let (folder, _) = Folder::open_on(Arc::new(disk.clone()), &settings(Bytes::mib(4))).unwrap();
    let all = samples(0..6, 2_000);
    put_all(&folder, &all).unwrap();
    drop(folder);
    let name = disk.names().into_iter().find(|name| name.ends_with(".segment")).unwrap();
    let whole = disk.contents(&name).unwrap();
    let mut missed = 0;
    for at in (0..whole.len() as u64 * 8).step_by(1201) {
        disk.place(&name, &whole);
        assert!(disk.flip(&name, at));
        let (folder, _) = Folder::open_on(Arc::new(disk.clone()), &settings(Bytes::mib(4))).unwrap();
        for sample in &all {
            if !sample.is_in(&folder).unwrap() {
                missed += 1;
                sample.put(&folder).unwrap();
                assert!(sample.is_in(&folder).unwrap(), "a damaged record makes room for a sound one");
            }
        }
        drop(folder);
        disk.names()
            .iter()
            .filter(|other| other.ends_with(".segment"))
            .for_each(|other| disk.place(other, b""));
    }
    assert!(missed > 10, "{missed} flips struck a record");
}

#[test]
fn verify_finds_what_is_damaged_and_compaction_drops_it() {
    let place = tempfile::tempdir().unwrap();
    let settings =
        FolderSettings { segment_bytes: Bytes::kib(256), ..FolderSettings::new(place.path(), Bytes::mib(4)) };
    let (folder, _) = Folder::open(&settings).unwrap();
    let all = samples(0..40, 6_000);
    put_all(&folder, &all).unwrap();
    folder.remove(&[all[1].id, all[2].id]).unwrap();
    drop(folder);
    let sound = verify(place.path()).unwrap();
    assert_eq!((sound.damaged.len(), sound.records, sound.unsealed), (0, 38, 0));
    let mut segments: Vec<_> = std::fs::read_dir(place.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "segment"))
        .collect();
    segments.sort();
    let mut bytes = std::fs::read(&segments[0]).unwrap();
    bytes[4096 + 2000] ^= 1;
    std::fs::write(&segments[0], bytes).unwrap();
    let found = verify(place.path()).unwrap();
    assert_eq!(found.damaged.len(), 1, "{:?}", found.damaged);
    assert_eq!(found.damaged[0].block, Some(all[0].id));
    let (before, done, after) = compact(place.path()).unwrap();
    assert_eq!((before.records, after.records, done.damaged), (38, 37, 1));
    assert!(after.allocated < before.allocated);
    assert!(verify(place.path()).unwrap().damaged.is_empty());
    let (folder, _) = Folder::open(&settings).unwrap();
    let there = all.iter().filter(|sample| sample.is_in(&folder).unwrap()).count();
    assert_eq!(there, 37);
}

#[test]
fn parents_are_listed_before_their_children_with_what_was_said_of_them() {
    let disk = SimDisk::default();
    let (folder, _) = Folder::open_on(Arc::new(disk.clone()), &settings(Bytes::mib(4))).unwrap();
    let all = samples(0..50, 700);
    all.iter().rev().for_each(|sample| sample.put(&folder).unwrap());
    drop(folder);
    let (folder, _) = Folder::open_on(Arc::new(disk), &settings(Bytes::mib(4))).unwrap();
    let mut told = Vec::new();
    folder.list(&mut |listed| told.push(listed)).unwrap();
    assert_eq!(told.len(), all.len());
    for (index, listed) in told.iter().enumerate() {
        let sample = all.iter().find(|sample| sample.id == listed.id).unwrap();
        assert!(sample.parent.is_none_or(|parent| told[..index].iter().any(|before| before.id == parent)));
        assert_eq!((listed.root, listed.form, listed.worth), (root(), 7, sample.worth));
        assert_eq!(listed.sections, sample.sections.iter().map(|one| one.len() as u32).collect::<Vec<_>>());
        assert_eq!(listed.tokens, 4);
    }
}

#[test]
fn a_segment_without_a_footer_is_scanned_and_closed() {
    let disk = SimDisk::default();
    let (folder, _) = Folder::open_on(Arc::new(disk.clone()), &settings(Bytes::mib(4))).unwrap();
    let all = samples(0..20, 3_000);
    put_all(&folder, &all).unwrap();
    folder.remove(&[all[4].id]).unwrap();
    std::mem::forget(folder);
    let disk = disk.kill();
    let found = verify_on(&disk).unwrap();
    assert_eq!((found.unsealed, found.damaged.len(), found.records), (1, 0, 19));
    let (folder, report) = Folder::open_on(Arc::new(disk.clone()), &settings(Bytes::mib(4))).unwrap();
    assert_eq!((report.scanned, report.records), (1, 19));
    assert!(!all[4].is_in(&folder).unwrap());
    drop(folder);
    assert_eq!(verify_on(&disk).unwrap().unsealed, 0);
    let power = FolderSettings { sync: Sync::Power, ..settings(Bytes::mib(4)) };
    let (folder, report) = Folder::open_on(Arc::new(disk), &power).unwrap();
    assert_eq!((report.scanned, report.records, folder.room().blocks), (0, 19, 19));
}

#[test]
fn a_file_with_a_segments_name_that_is_none_stays_and_is_charged() {
    let text = b"the diary of somebody who liked this name".repeat(400);
    for (number, what, charged) in [(5, &text[..], true), (5, &[0; 9_000][..], false), (5, &[][..], false)] {
        let (disk, name) = (SimDisk::new(1024), format!("{number:016x}.segment"));
        let settings = settings(Bytes::mib(1));
        let folder = Folder::open_on(Arc::new(disk.clone()), &settings).unwrap().0;
        samples(0..6, 3_000).iter().for_each(|sample| sample.put(&folder).unwrap());
        let before = folder.room().used;
        drop(folder);
        disk.place(&name, what);
        let (folder, report) = Folder::open_on(Arc::new(disk.clone()), &settings).unwrap();
        assert!(disk.allocated() <= folder.room().used.get());
        assert_eq!(report.strange_files, u64::from(charged));
        assert_eq!(
            disk.contents(&name).as_deref(),
            charged.then_some(what),
            "only what shows that it was ours goes"
        );
        if charged {
            assert!(folder.room().used > before);
            assert!(verify_on(&disk).is_err(), "it is in use");
        }
        // Its number is passed over, and all else is as ever.
        samples(6..40, 3_000).iter().for_each(|sample| sample.put(&folder).unwrap());
        assert!(samples(0..40, 3_000).iter().all(|sample| sample.is_in(&folder).unwrap()));
        drop(folder);
        assert_eq!(verify_on(&disk).unwrap().damaged.len(), usize::from(charged));
        assert_eq!(disk.contents(&name).as_deref(), charged.then_some(what));
    }
}

#[test]
fn strange_files_that_leave_no_room_are_an_error_that_names_them() {
    let disk = SimDisk::default();
    disk.place("0000000000000007.segment", &b"not ours ".repeat(100_000));
    let error = Folder::open_on(Arc::new(disk.clone()), &settings(Bytes::kib(512))).unwrap_err();
    assert!(matches!(error, StoreError::Strange { files: 1, .. }), "{error}");
    assert!(error.to_string().contains("move them elsewhere"), "{error}");
    let last = SimDisk::default();
    last.place("ffffffffffffffff.segment", b"somebody else's");
    let error = Folder::open_on(Arc::new(last), &settings(Bytes::mib(4))).unwrap_err();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
}

#[test]
fn a_copy_of_a_segment_under_another_number_is_not_ours_to_remove() {
    let disk = SimDisk::default();
    let settings = settings(Bytes::mib(4));
    let folder = Folder::open_on(Arc::new(disk.clone()), &settings).unwrap().0;
    samples(0..6, 3_000).iter().for_each(|sample| sample.put(&folder).unwrap());
    drop(folder);
    let copy = disk.contents("0000000000000001.segment").unwrap();
    disk.place("0000000000000009.segment", &copy);
    let (folder, report) = Folder::open_on(Arc::new(disk.clone()), &settings).unwrap();
    assert_eq!((report.strange_files, report.records), (1, 6));
    assert!(disk.allocated() <= folder.room().used.get());
    drop(folder);
    assert_eq!(disk.contents("0000000000000009.segment"), Some(copy));
}

#[test]
fn looking_tells_when_records_were_last_used() {
    let disk = SimDisk::default();
    let folder = Folder::open_on(Arc::new(disk.clone()), &settings(Bytes::mib(4))).unwrap().0;
    for (number, day) in [(0, 3), (1, 3), (2, 20_000)] {
        let mut sample = Sample::new(number, 3_000);
        sample.worth.used_at = day * 86_400 + 7;
        sample.put(&folder).unwrap();
    }
    drop(folder);
    let facts = inspect_on(&disk).unwrap();
    let days: Vec<(u64, u64)> = facts.last_used.iter().map(|day| (day.day, day.records)).collect();
    assert_eq!(days, [(20_000, 1), (3, 2)]);
    assert_eq!(facts.last_used.iter().map(|day| day.bytes.get()).sum::<u64>(), facts.live.get());
}
