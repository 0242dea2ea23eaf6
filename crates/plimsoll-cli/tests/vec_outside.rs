//! What `plimsoll vec …` takes, as the system sees it from outside.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

mod program;

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use plimsoll_vec::input::npy_head;

const DIMENSION: usize = 256;
const ROWS: u32 = 60_000;
/// Sixty million bytes of vectors are to be held to this.
const MEMORY: u64 = 16 << 20;
/// What the program takes that is nobody's vectors: stacks, tables of the allocator, text.
const BESIDE: u64 = 8 << 20;

fn vectors(folder: &Path, name: &str, rows: u32) -> PathBuf {
    let path = folder.join(name);
    let mut file = BufWriter::new(std::fs::File::create(&path).unwrap());
    file.write_all(&npy_head("<f4", u64::from(rows), DIMENSION)).unwrap();
    let mut state = 1_u32;
    for _ in 0..rows * u32::try_from(DIMENSION).unwrap() {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        file.write_all(&(f32::from(u16::try_from(state >> 16).unwrap()) / 32_768.0 - 1.0).to_le_bytes())
            .unwrap();
    }
    file.flush().unwrap();
    path
}

/// The most memory of its own that the program had while it ran. Pages of files, its own code among them, are the system's
/// to take back and do not count.
fn most(args: &[&str]) -> u64 {
    let mut child = program::plimsoll(args).stdout(Stdio::null()).spawn().unwrap();
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut most = 0;
    loop {
        let ended = child.try_wait().unwrap();
        let now = std::fs::read_to_string(&status).unwrap_or_default();
        let kib = now.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = kib.and_then(|kib| kib.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        most = most.max(kib.unwrap_or(0) << 10);
        if let Some(ended) = ended {
            assert!(ended.success(), "{args:?}");
            return most;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_build_and_a_search_stay_within_their_memory_as_seen_from_outside() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(folder.path(), "rows.npy", ROWS);
    let queries = vectors(folder.path(), "queries.npy", 50);
    let (rows, queries) = (rows.to_str().unwrap(), queries.to_str().unwrap());
    let memory = format!("{MEMORY}B");
    for (codec, lists) in [("f32", None), ("planes", None), ("int8", Some("64"))] {
        let home = folder.path().join(codec);
        let home = home.to_str().unwrap();
        let mut making = vec!["vec", "build", rows, "--into", home, "--codec", codec, "--memory", &memory];
        making.extend(lists.into_iter().flat_map(|lists| ["--lists", lists]));
        let built = most(&making);
        let asked = most(&["vec", "search", home, queries, "--memory", &memory]);
        println!("{codec}: {built} building, {asked} searching");
        assert!(built <= MEMORY + BESIDE, "{codec}: {built} bytes while it was built");
        assert!(asked <= MEMORY + BESIDE, "{codec}: {asked} bytes while it was searched");
    }
}
