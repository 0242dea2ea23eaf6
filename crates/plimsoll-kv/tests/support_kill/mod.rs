//! A process that writes under load until it is killed, and one that kills it and looks.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use plimsoll::Bytes;
use plimsoll_kv::store::folder::{Folder, FolderSettings};
use plimsoll_kv::store::{Store as _, StoreError};

use crate::support_store::{Sample, put_all};

const MAX_BYTES: Bytes = Bytes::mib(12);

fn settings(folder: &Path) -> FolderSettings {
    FolderSettings { segment_bytes: Bytes::mib(1), ..FolderSettings::new(folder, MAX_BYTES) }
}

fn sample(number: u64) -> Sample {
    Sample::new(number, 2_000 + (number as usize).wrapping_mul(7_919) % 40_000)
}

/// Puts and removes for ever, and says of each what it is about to do and what is done.
pub fn child(path: &Path, begin: u64) {
    let (folder, _) = Folder::open(&settings(path)).expect("the folder opens after a kill");
    let mut there: Vec<u64> = Vec::new();
    folder.list(&mut |listed| there.push((listed.id.get() >> 64) as u64)).expect("it lists");
    let mut out = std::io::stdout().lock();
    let mut say = |what: &str, number: u64| {
        // One write a line: a line is whole or not there.
        let _ = out.write_all(format!("{what} {number}\n").as_bytes());
        let _ = out.flush();
    };
    say("open", begin);
    let mut next = begin;
    loop {
        let batch: Vec<u64> = (next..next + 1 + next % 3).collect();
        next += batch.len() as u64;
        let samples: Vec<Sample> = batch.iter().map(|&number| sample(number)).collect();
        loop {
            match put_all(&folder, &samples) {
                Ok(()) => break,
                Err(StoreError::Full { .. }) => {
                    let gone = there.remove((next as usize).wrapping_mul(31) % there.len());
                    say("removing", gone);
                    folder.remove(&[Sample::id_of(gone)]).expect("it removes");
                }
                Err(error) => panic!("{error}"),
            }
        }
        batch.iter().for_each(|&number| {
            there.push(number);
            say("put", number);
        });
        if next % 97 == 0 {
            folder.compact().expect("it compacts");
        }
    }
}

/// Kills so many times. Panics at the first thing that is not as promised.
pub fn parent(kills: u32, child: impl Fn(&Path, u64) -> Command) -> String {
    let place = tempfile::tempdir().expect("a temporary folder");
    let path = place.path().join("cold");
    let mut published: BTreeSet<u64> = BTreeSet::new();
    let mut random = u64::from(std::process::id()) | 1;
    let (mut begin, mut torn, mut scanned, mut puts) = (0_u64, 0_u64, 0_u64, 0_u64);
    for kill in 0..kills {
        let mut running = child(&path, begin).stdout(Stdio::piped()).spawn().expect("the child starts");
        let lines = BufReader::new(running.stdout.take().expect("its output"));
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let after = Duration::from_micros(random % 60_000);
        let (opened, has_opened) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut said = Vec::new();
            for line in lines.lines().map_while(Result::ok) {
                if line.starts_with("open") {
                    let _ = opened.send(());
                }
                said.push(line);
            }
            said
        });
        // Every eighth is killed while it opens.
        if kill % 8 != 7 {
            let _ = has_opened.recv_timeout(Duration::from_secs(60));
        }
        std::thread::sleep(after);
        running.kill().expect("it can be killed");
        running.wait().expect("it ends");
        for line in reader.join().expect("its words") {
            match line.split_once(' ').and_then(|(what, number)| Some((what, number.parse::<u64>().ok()?))) {
                Some(("put", number)) => {
                    published.insert(number);
                    puts += 1;
                    begin = begin.max(number + 1);
                }
                Some(("removing", number)) => drop(published.remove(&number)),
                Some(("open", _)) => {}
                // Whatever else a test's harness says.
                _ => {}
            }
        }
        // What was under way may be there or not; it is not put again under its number.
        begin += 8;
        let (folder, report) = Folder::open(&settings(&path)).expect("the folder opens after a kill");
        torn += report.torn.get();
        scanned += report.scanned;
        let taken: u64 = std::fs::read_dir(&path)
            .expect("the folder is there")
            .map(|entry| entry.expect("a file").metadata().expect("its facts").blocks() * 512)
            .sum();
        assert!(taken <= MAX_BYTES.get(), "kill {kill}: {taken} bytes are taken");
        assert!(folder.room().used <= MAX_BYTES && taken <= folder.room().used.get());
        for &number in &published {
            let there = sample(number).is_in(&folder).expect("it can be read");
            assert!(there, "kill {kill}: {number} was published and is lost; {report:?}");
        }
        let mut listed = Vec::new();
        folder.list(&mut |one| listed.push((one.id.get() >> 64) as u64)).expect("it lists");
        for number in listed {
            // What was not said to be published may be there, and then is right.
            assert!(
                sample(number).is_in(&folder).expect("it can be read"),
                "kill {kill}: {number} is listed"
            );
        }
    }
    assert!(puts > u64::from(kills), "the child wrote under load: {puts} puts");
    format!(
        "{kills} kills: {puts} records were published, {} are there, none lost, none wrong; \
         {scanned} segments were without a footer, {torn} bytes torn",
        published.len()
    )
}
