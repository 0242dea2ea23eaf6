//! How fast a document becomes passages: `passages FILE… [--kind KIND] [--most BYTES] [--print]`.

#![allow(clippy::expect_used, reason = "an example that is called wrongly ends")]

use std::process::ExitCode;
use std::time::Instant;

use plimsoll::{Bytes, Engine};
use plimsoll_docs::passage::{Chunking, Passages};
use plimsoll_docs::source::{Entry, Kind, Walk};

fn main() -> ExitCode {
    if let Some(code) = plimsoll_docs::pdf::lend_program() {
        return code;
    }
    let mut chunking = Chunking::default();
    let (mut paths, mut kind, mut print) = (Vec::new(), None, false);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--kind" => kind = words.next().map(|kind| kind.parse::<Kind>().expect("a kind")),
            "--most" => chunking.most = words.next().and_then(|most| most.parse().ok()).expect("bytes"),
            "--overlap" => chunking.overlap = words.next().and_then(|most| most.parse().ok()).expect("bytes"),
            "--print" => print = true,
            _ => paths.push(word),
        }
    }
    let engine = Engine::in_memory(Bytes::mib(256), "documents").expect("an engine");
    let account = engine.account("documents").expect("an account");
    let (mut files, mut passages, mut text, mut bytes, mut replaced) = (0_u64, 0_u64, 0_u64, 0_u64, 0_u64);
    let (mut charged, began) = (Bytes::ZERO, Instant::now());
    for entry in Walk::over(paths).kind(kind) {
        let found = match entry {
            Entry::Found(found) => found,
            Entry::Left(left) => {
                eprintln!("{}: {}", left.path.display(), left.why);
                continue;
            }
        };
        let mut reading = match Passages::open(&found, chunking, &account) {
            Ok(reading) => reading,
            Err(error) => {
                eprintln!("{error}");
                continue;
            }
        };
        loop {
            match reading.next() {
                Ok(Some(passage)) => {
                    passages += 1;
                    text += passage.text.len() as u64;
                    if print {
                        println!("--- {:?} {:?} {:?}", passage.at, passage.page, passage.heading);
                        println!("{}", passage.text);
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    eprintln!("{error}");
                    break;
                }
            }
            if passages % 1024 == 0 {
                charged = charged.max(account.charged(plimsoll::Place::Host));
            }
        }
        files += 1;
        bytes += reading.read();
        let flaws = reading.flaws();
        replaced += flaws.replaced;
        for record in flaws.told {
            eprintln!("{}: line {}: {}", found.path.display(), record.line, record.why);
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let speed = speed(bytes, seconds);
    eprintln!(
        "{files} files, {bytes} bytes, {passages} passages with {text} bytes, {replaced} replaced, {seconds:.3} s, \
         {speed:.0} MB/s, charged {charged}, peak RSS {}",
        peak_rss()
    );
    ExitCode::SUCCESS
}

#[allow(clippy::cast_precision_loss, reason = "a speed")]
fn speed(bytes: u64, seconds: f64) -> f64 {
    bytes as f64 / seconds / 1e6
}

fn peak_rss() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".to_owned(), |peak| peak.trim().to_owned())
}
