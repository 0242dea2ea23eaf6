//! A disk that is full, fails, is slow, hangs or goes away, and readers that do not come back.
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

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use plimsoll::Bytes;
use plimsoll_kv::store::folder::sim::{Fault, SimDisk};
use plimsoll_kv::store::folder::{Folder, FolderSettings, ReadWay, RealDisk};
use plimsoll_kv::store::{Store as _, StoreError};
use support_store::{Sample, put_all};

fn settings() -> FolderSettings {
    FolderSettings { segment_bytes: Bytes::kib(128), ..FolderSettings::new("unused", Bytes::mib(4)) }
}

fn open(disk: &SimDisk) -> Folder {
    Folder::open_on(Arc::new(disk.clone()), &settings()).unwrap().0
}

fn samples(numbers: std::ops::Range<u64>) -> Vec<Sample> {
    numbers.map(|number| Sample::new(number, 5_000)).collect()
}

#[test]
fn a_full_disk_refuses_loses_nothing_and_takes_more_when_there_is_room() {
    let disk = SimDisk::default();
    let folder = open(&disk);
    disk.set_capacity(300_000);
    let all = samples(0..40);
    let refused = all.iter().map(|sample| sample.put(&folder)).filter(Result::is_err).count();
    assert!(refused > 20);
    let there: Vec<bool> = all.iter().map(|sample| sample.is_in(&folder).unwrap()).collect();
    assert_eq!(there.iter().filter(|there| **there).count(), 40 - refused);
    assert!(disk.allocated() <= folder.room().used.get());
    let used = folder.room().used;
    disk.set_capacity(u64::MAX);
    assert!(put_all(&folder, &all).is_ok(), "what was cut off left no trace");
    assert!(folder.room().used > used);
    drop(folder);
    let folder = open(&disk);
    assert!(all.iter().all(|sample| sample.is_in(&folder).unwrap()));
}

#[test]
fn a_disk_that_cannot_be_read_is_an_error_and_not_a_loss() {
    let disk = SimDisk::default();
    let folder = open(&disk);
    let all = samples(0..10);
    put_all(&folder, &all).unwrap();
    disk.fail_reads(true);
    assert!(matches!(all[0].is_in(&folder), Err(StoreError::System { .. })));
    disk.fail_reads(false);
    assert!(all.iter().all(|sample| sample.is_in(&folder).unwrap()));
    disk.fail_writes(Some(Fault::Io(100)));
    assert!(matches!(samples(20..21)[0].put(&folder), Err(StoreError::System { .. })));
    let _ = folder.remove(&[all[0].id]);
    assert!(!all[0].is_in(&folder).unwrap(), "it is forgotten, whatever the disk does");
    disk.fail_writes(None);
    samples(20..21)[0].put(&folder).unwrap();
    assert!(disk.allocated() <= folder.room().used.get());
}

#[test]
fn a_folder_that_vanishes_refuses_and_misses() {
    let disk = SimDisk::default();
    let folder = open(&disk);
    let all = samples(0..60);
    put_all(&folder, &all).unwrap();
    disk.vanish();
    assert!(samples(70..71)[0].put(&folder).is_err(), "nothing is put where it would be lost");
    for sample in &all {
        // Files that are still open can still be read; nothing wrong comes of the others.
        let _ = sample.is_in(&folder);
    }
    assert!(folder.remove(&[all[0].id, all[59].id]).is_ok() || !all[0].is_in(&folder).unwrap_or(false));
    drop(folder);

    let place = tempfile::tempdir().unwrap();
    let real = FolderSettings {
        segment_bytes: Bytes::kib(128),
        ..FolderSettings::new(place.path().join("cold"), Bytes::mib(4))
    };
    let (folder, _) = Folder::open(&real).unwrap();
    put_all(&folder, &all).unwrap();
    std::fs::remove_dir_all(&real.path).unwrap();
    assert!(samples(70..71)[0].put(&folder).is_err());
    all.iter().for_each(|sample| drop(sample.is_in(&folder)));
    drop(folder);
    let (folder, report) = Folder::open(&real).unwrap();
    assert_eq!(report.records, 0);
    all[0].put(&folder).unwrap();
}

#[test]
fn a_reader_that_hangs_stops_nobody_and_what_it_reads_stays_charged() {
    let disk = SimDisk::default();
    let folder = Arc::new(open(&disk));
    let all = samples(0..40);
    put_all(&*folder, &all).unwrap();
    disk.hold_reads(true);
    let (tell, told) = mpsc::channel();
    let reader = {
        let (folder, sample) = (Arc::clone(&folder), all[0].clone());
        std::thread::spawn(move || tell.send(sample.is_in(&*folder)).unwrap())
    };
    assert!(told.recv_timeout(Duration::from_millis(50)).is_err(), "it hangs");
    // Its whole segment goes, and others come, while it is being read.
    let ids: Vec<_> = all.iter().map(|sample| sample.id).collect();
    folder.remove(&ids).unwrap();
    put_all(&*folder, &samples(100..140)).unwrap();
    assert!(disk.allocated() <= folder.room().used.get(), "an open file takes its space until it is closed");
    folder.room();
    folder.list(&mut |_| {}).unwrap();
    disk.hold_reads(false);
    reader.join().unwrap();
    // Right bytes or a miss: either it was read before it went, or it was not.
    assert!(told.recv().unwrap().is_ok());
    let used = folder.room().used;
    folder.remove(&samples(100..140).iter().map(|sample| sample.id).collect::<Vec<_>>()).unwrap();
    assert!(folder.room().used < used);
    assert!(disk.allocated() <= folder.room().used.get());
}

#[test]
fn readers_and_a_writer_at_once_see_right_bytes_or_none() {
    let place = tempfile::tempdir().unwrap();
    let settings = FolderSettings {
        segment_bytes: Bytes::kib(256),
        ..FolderSettings::new(place.path().join("cold"), Bytes::mib(2))
    };
    let disk = Arc::new(RealDisk::new(&settings.path, ReadWay::Best));
    let (folder, _) = Folder::open_on(disk, &settings).unwrap();
    let all = samples(0..200);
    std::thread::scope(|scope| {
        for reader in 0..3_usize {
            let (folder, all) = (&folder, &all);
            scope.spawn(move || {
                for turn in 0..2_000 {
                    all[(turn * 7 + reader * 31) % all.len()].is_in(folder).unwrap();
                }
            });
        }
        for turn in 0..400_usize {
            let sample = &all[turn * 13 % all.len()];
            if sample.put(&folder).is_err() {
                let gone: Vec<_> = (0..20).map(|one| all[(turn * 13 + one * 3) % all.len()].id).collect();
                folder.remove(&gone).unwrap();
            }
            if turn % 100 == 99 {
                folder.compact().unwrap();
            }
        }
    });
    assert!(folder.room().used <= Bytes::mib(2));
    drop(folder);
    assert!(plimsoll_kv::store::folder::verify(&settings.path).unwrap().damaged.is_empty());
}

#[test]
fn a_real_disk_that_is_full_refuses() {
    let place = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=400k", "none"])
        .arg(place.path())
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        println!("skipped: only root may make a small file system");
        return;
    }
    let (folder, _) =
        Folder::open(&FolderSettings { path: place.path().join("cold"), ..settings() }).unwrap();
    let all = samples(0..60);
    let refused = all.iter().map(|sample| sample.put(&folder)).filter(Result::is_err).count();
    let there = all.iter().filter(|sample| sample.is_in(&folder).unwrap()).count();
    folder.remove(&all[..10].iter().map(|sample| sample.id).collect::<Vec<_>>()).unwrap();
    let again = samples(100..105).iter().filter(|sample| sample.put(&folder).is_ok()).count();
    drop(folder);
    let unmounted = std::process::Command::new("umount").arg(place.path()).status();
    assert!(refused > 0 && there == 60 - refused, "{refused} refused, {there} there");
    assert!(again > 0, "removing makes room on the disk");
    assert!(unmounted.is_ok_and(|status| status.success()));
}
