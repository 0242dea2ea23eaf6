//! What plans predicted, beside what their runs needed: a line a run, in a file that planners learn from.
//!
//! An engine that was opened with a plan which says where ([`crate::settings::RunsSettings`]) adds a line when its last
//! handle goes, or when it is told that the run is over. A line is one object of JSON and is written with one call, so
//! that several programs may add to one file; a line that was cut, or that a later version wrote, is passed over by
//! those who read, and counted.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::calendar::unix_ms;
use crate::ledger::LedgerSnapshot;
use crate::settings::RunsSettings;
use crate::{Bytes, Place};

/// A line that is longer is none of ours.
const LONGEST_LINE: u64 = 1 << 20;

/// One run: what was predicted of each account, and the most that it had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The plan's name.
    pub plan: String,
    /// When it ended, in milliseconds since 1970.
    pub ended_ms: u64,
    /// In the order of the plan.
    pub pairs: Vec<Pair>,
}

/// What was predicted of an account at a place, and what was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// The account's path: `qwen3-14b/kv`.
    pub account: String,
    /// Where, by its name.
    pub place: String,
    /// What the plan said that the peak would be.
    pub predicted_bytes: u64,
    /// The most that was ever charged to the account and those below it.
    pub measured_bytes: u64,
}

impl Pair {
    /// What part it is: the last name of the account.
    pub fn part(&self) -> &str {
        self.account.rsplit('/').next().unwrap_or(&self.account)
    }
}

/// Runs that were read, and how many lines could not be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// In the order of the file.
    pub runs: Vec<Run>,
    /// Lines that were cut, or are of no form that is known.
    pub passed_over: u64,
}

/// What a plan wants to be told, and where.
#[derive(Clone, Debug)]
pub(crate) struct Ledgered {
    settings: RunsSettings,
    predictions: Vec<(String, Place, Bytes)>,
}

impl Ledgered {
    pub(crate) const fn new(settings: RunsSettings, predictions: Vec<(String, Place, Bytes)>) -> Self {
        Self { settings, predictions }
    }

    /// The run so far.
    pub(crate) fn run(&self, snapshot: &LedgerSnapshot) -> Run {
        let peak = |path: &str, place: Place| {
            snapshot.place(place).and_then(|place| place.share(path)).map_or(Bytes::ZERO, |share| share.peak)
        };
        let pair = |(path, place, predicted): &(String, Place, Bytes)| Pair {
            account: path.clone(),
            place: place.to_string(),
            predicted_bytes: predicted.get(),
            measured_bytes: peak(path, *place).get(),
        };
        let pairs = self.predictions.iter().map(pair).collect();
        Run { plan: self.settings.name.clone(), ended_ms: unix_ms(), pairs }
    }

    /// Adds a run to the file, whose folder is made if need be.
    pub(crate) fn add(&self, run: &Run) -> io::Result<()> {
        add(&self.settings.file, run)
    }
}

/// Adds a run to a file, whose folder is made if need be.
pub fn add(file: &Path, run: &Run) -> io::Result<()> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let mut line = serde_json::to_string(run).map_err(io::Error::other)?;
    line.push('\n');
    let mut target = OpenOptions::new().create(true).append(true).read(true).open(file)?;
    // What was cut stays a line of its own, and does not take this one with it.
    if cut(&mut target)? {
        line.insert(0, '\n');
    }
    target.write_all(line.as_bytes())
}

/// Whether the last line has no end.
fn cut(file: &mut std::fs::File) -> io::Result<bool> {
    use std::io::{Seek as _, SeekFrom};
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// Reads a file of runs. One that is not there has none.
pub fn read(file: &Path) -> io::Result<Runs> {
    let source = match std::fs::File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Runs::default()),
        other => other?,
    };
    let (mut runs, mut source, mut line) = (Runs::default(), BufReader::new(source), Vec::new());
    loop {
        line.clear();
        let read = (&mut source).take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(runs);
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice(&line) {
            Ok(run) => runs.runs.push(run),
            Err(_) => runs.passed_over += 1,
        }
    }
}

// The model checkers are built without what these tests need.
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    fn run(measured: u64) -> Run {
        let pair = Pair {
            account: "chat/kv".to_owned(),
            place: "host".to_owned(),
            predicted_bytes: 100,
            measured_bytes: measured,
        };
        Run { plan: "p".to_owned(), ended_ms: 7, pairs: vec![pair] }
    }

    #[test]
    fn runs_are_added_and_read_and_a_line_that_was_cut_takes_no_other_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("below/runs.jsonl");
        assert_eq!(read(&file).unwrap(), Runs::default());
        add(&file, &run(90)).unwrap();
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, [&whole[..], &whole[..whole.len() / 2]].concat()).unwrap();
        add(&file, &run(110)).unwrap();
        let runs = read(&file).unwrap();
        assert_eq!(runs.passed_over, 1);
        assert_eq!(runs.runs, [run(90), run(110)]);
        assert_eq!(runs.runs[0].pairs[0].part(), "kv");
    }

    #[test]
    fn a_file_of_something_else_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("runs.jsonl");
        std::fs::write(&file, [b"\xff\x00\n{}\n[1]\n\n".as_slice(), &vec![b'x'; 3 << 20]].concat()).unwrap();
        let runs = read(&file).unwrap();
        assert!(runs.runs.is_empty());
        assert!(runs.passed_over >= 4, "{runs:?}");
    }
}
