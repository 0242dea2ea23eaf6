//! As many connections as the system lets one process have both ends of, up to ten thousand: they stand open, others are answered
//! meanwhile, and one too many is closed in words.

mod common;

use std::io::Read as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::{get, settings, start};
use plimsoll_serve::http::{files_wanted, raise_files};

const WANTED: usize = 10_000;
/// What one may take, in bytes, both ends.
const EACH: usize = 50 << 10;

/// What this process has in memory (Linux).
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

#[test]
fn many_connections_stand_open_and_others_are_answered() {
    let files = raise_files(files_wanted(2 * WANTED));
    let room = usize::try_from(files.saturating_sub(files_wanted(0))).unwrap_or(usize::MAX) / 2;
    let count = WANTED.min(room);
    if count < WANTED {
        println!("this system lets a process have {files} files: {count} connections");
    }
    let mut settings = settings();
    settings.limits.connections = count + 1;
    settings.limits.reading = Duration::from_mins(10);
    let running = start(settings);
    let at = running.address();
    assert_eq!(get(at, "/health").status, 200);
    let before = resident();
    let mut open: Vec<TcpStream> =
        (0..count).map(|_| TcpStream::connect(at).expect("it is taken in")).collect();
    until("all are taken in, and one is answered beside them", || {
        let answer = get(at, "/activity");
        answer.status == 200 && answer.json()["connections"] == count + 1
    });
    let each = resident().saturating_sub(before) / count;
    println!("{count} connections take {each} bytes each, both ends");
    assert!(each <= EACH, "{each} bytes each");
    // The last one that is let in is told nothing yet; the one behind it is sent away.
    until("there is one too many", || {
        open.push(TcpStream::connect(at).expect("it is taken in"));
        let mut over = TcpStream::connect(at).expect("it is accepted, to be told");
        over.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
        let mut told = Vec::new();
        let ended = over.read_to_end(&mut told).is_ok();
        ended && told.starts_with(b"HTTP/1.1 503 ") && told.windows(11).any(|part| part == b"Retry-After")
    });
    drop(open);
    until("there is room again", || TcpStream::connect(at).is_ok() && get(at, "/health").status == 200);
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}: not within half a minute");
        std::thread::sleep(Duration::from_millis(10));
    }
}
