//! The documents of a library: a log on disk, a table in memory.
//!
//! A line of the log is what came, as JSON, a tab, and a checksum of it. How much of the log counts stands in the manifest, so a
//! line that was not finished counts for nothing.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Bound;
use std::path::Path;

use plimsoll::governor::Charge;
use plimsoll::{Bytes, EngineAccount, Place};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::DocsError;
use crate::passage::Position;
use crate::source::Kind;

/// A document of a library.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Its number.
    pub id: u64,
    /// What it is called: the path of a file.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its bytes.
    pub bytes: u64,
    /// When its file was changed last, in nanoseconds since 1970, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<u64>,
    /// What its passages come to (BLAKE3, one after the other).
    pub hash: String,
    /// How many passages it has so far.
    pub passages: u64,
    /// Bytes that were no text and were replaced.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replaced: u64,
    /// Records that could not be read and were left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped: u64,
    /// How far it has come.
    pub state: State,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// How far a document has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// All of it is there.
    Whole,
    /// It is read up to there; the rest follows.
    Part {
        /// Where to go on.
        position: Position,
        /// How many bytes were read.
        read: u64,
        /// The document that it takes the place of when it is whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<u64>,
    },
}

/// What came.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "there are few at a time, and nearly all are documents")]
pub(super) enum Change {
    Put(Document),
    Drop(u64),
}

/// What a document takes in memory, beside its name.
const EACH: u64 = 512;

/// All of them.
#[derive(Debug)]
pub(super) struct Documents {
    all: BTreeMap<u64, Document>,
    names: HashMap<String, Vec<u64>>,
    hashes: HashMap<String, u64>,
    sizes: HashMap<u64, u32>,
    /// Those that are whole, and passages of all.
    whole: u64,
    passages: u64,
    held: u64,
    charge: Charge,
    /// Lines of the log, of which those that count for nothing any more are the rest.
    lines: u64,
}

impl Documents {
    /// Reads the part of a log that counts.
    pub(super) fn read(path: &Path, bytes: u64, account: &EngineAccount) -> Result<Self, DocsError> {
        let charge = account.reserve(Place::Host, Bytes::ZERO).now()?.back();
        let mut documents = Self {
            all: BTreeMap::new(),
            names: HashMap::new(),
            hashes: HashMap::new(),
            sizes: HashMap::new(),
            whole: 0,
            passages: 0,
            held: 0,
            charge,
            lines: 0,
        };
        if bytes == 0 {
            return Ok(documents);
        }
        let failed = |source| DocsError::Folder { path: path.to_owned(), source };
        let damaged = |what: &str| DocsError::Damaged { path: path.to_owned(), what: what.to_owned() };
        let file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() < bytes {
            return Err(damaged("it is shorter than the manifest says"));
        }
        let mut lines = BufReader::new(file.take(bytes));
        let mut line = Vec::new();
        loop {
            line.clear();
            if lines.read_until(b'\n', &mut line).map_err(failed)? == 0 {
                break;
            }
            let said = parse(&line).ok_or_else(|| damaged("a line does not come to what it should"))?;
            documents.make_room(std::slice::from_ref(&said), account)?;
            documents.apply(&said);
        }
        Ok(documents)
    }

    /// Charges what is about to come.
    pub(super) fn make_room(&mut self, changes: &[Change], account: &EngineAccount) -> Result<(), DocsError> {
        let size = |change: &Change| match change {
            Change::Put(document) => size(document),
            Change::Drop(_) => 0,
        };
        let wanted = self.held + changes.iter().map(size).sum::<u64>();
        let charged = self.charge.bytes().get();
        if wanted > charged {
            // Some at a time.
            let more = (wanted - charged).max(charged / 8).max(16 << 10);
            let more = account.reserve(Place::Host, Bytes::new(more)).now()?.back();
            // Both are of one account and place.
            let _ = self.charge.merge(more);
        }
        Ok(())
    }

    /// Takes in what came.
    pub(super) fn apply(&mut self, change: &Change) {
        self.lines += 1;
        match change {
            Change::Put(document) => self.put(document),
            Change::Drop(id) => self.remove(*id),
        }
    }

    /// The log has been written anew.
    pub(super) fn renewed(&mut self) {
        self.lines = self.all.len() as u64;
    }

    fn put(&mut self, document: &Document) {
        self.remove(document.id);
        self.held += size(document);
        self.names.entry(document.name.clone()).or_default().push(document.id);
        self.passages += document.passages;
        if document.state == State::Whole {
            self.whole += 1;
            self.hashes.insert(document.hash.clone(), document.id);
            *self.sizes.entry(document.bytes).or_default() += 1;
        }
        self.all.insert(document.id, document.clone());
    }

    fn remove(&mut self, id: u64) {
        let Some(document) = self.all.remove(&id) else { return };
        self.held = self.held.saturating_sub(size(&document));
        if let Some(ids) = self.names.get_mut(&document.name) {
            ids.retain(|&one| one != id);
            if ids.is_empty() {
                self.names.remove(&document.name);
            }
        }
        self.passages -= document.passages;
        if document.state == State::Whole {
            self.whole -= 1;
            if self.hashes.get(&document.hash) == Some(&id) {
                self.hashes.remove(&document.hash);
            }
            if let Some(count) = self.sizes.get_mut(&document.bytes) {
                *count -= 1;
                if *count == 0 {
                    self.sizes.remove(&document.bytes);
                }
            }
        }
    }

    /// All of them, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Document> {
        self.all.values()
    }

    /// Those with higher numbers, likewise.
    pub(super) fn after(&self, id: u64) -> impl Iterator<Item = &Document> {
        self.all.range((Bound::Excluded(id), Bound::Unbounded)).map(|(_, document)| document)
    }

    /// How many are whole, and how many there are.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.whole, self.all.len() as u64)
    }

    /// Passages of all of them.
    pub(super) const fn passages(&self) -> u64 {
        self.passages
    }

    pub(super) fn get(&self, id: u64) -> Option<&Document> {
        self.all.get(&id)
    }

    /// Those of that name: one that is whole, and one that is to take its place.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &Document> {
        self.names.get(name).into_iter().flatten().filter_map(|id| self.all.get(id))
    }

    /// The one whose passages come to that.
    pub(super) fn hashed(&self, hash: &str) -> Option<&Document> {
        self.hashes.get(hash).and_then(|id| self.all.get(id))
    }

    /// Whether one has so many bytes.
    pub(super) fn has_size(&self, bytes: u64) -> bool {
        self.sizes.contains_key(&bytes)
    }

    /// Whether a document's passages may be found: it is there, and stands beside none whose place it is to take.
    pub(super) fn is_alive(&self, id: u64) -> bool {
        self.all.get(&id).is_some_and(|document| !matches!(document.state, State::Part { replaces: Some(old), .. } if self.all.contains_key(&old)))
    }

    /// Whether most of the log counts for nothing any more.
    pub(super) fn is_stale(&self) -> bool {
        self.lines > 1000 && self.lines > 4 * self.all.len() as u64
    }

    /// What it takes of memory.
    pub(super) const fn bytes(&self) -> u64 {
        self.held
    }
}

/// What a document takes in memory.
const fn size(document: &Document) -> u64 {
    EACH + 2 * document.name.len() as u64
}

fn parse(line: &[u8]) -> Option<Change> {
    let line = line.strip_suffix(b"\n")?;
    let tab = line.iter().rposition(|&byte| byte == b'\t')?;
    let sum = std::str::from_utf8(&line[tab + 1..]).ok()?;
    (u64::from_str_radix(sum, 16).ok()? == xxh3_64(&line[..tab])).then_some(())?;
    serde_json::from_slice(&line[..tab]).ok()
}

fn line(change: &Change) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(change).map_err(io::Error::other)?;
    let sum = xxh3_64(&line);
    line.extend_from_slice(format!("\t{sum:016x}\n").as_bytes());
    Ok(line)
}

/// Appends to a log behind what counts of it. Says how much of it is to count then.
pub(super) fn append(path: &Path, counts: u64, changes: &[Change]) -> io::Result<u64> {
    let mut file = File::options().write(true).create(true).truncate(false).open(path)?;
    // What a process left behind that was killed counts for nothing.
    file.set_len(counts)?;
    file.seek(SeekFrom::Start(counts))?;
    let mut bytes = Vec::new();
    for change in changes {
        bytes.extend(line(change)?);
    }
    file.write_all(&bytes)?;
    file.sync_data()?;
    Ok(counts + bytes.len() as u64)
}

/// Writes a log anew, with what is there alone.
pub(super) fn rewrite(path: &Path, documents: &Documents) -> io::Result<u64> {
    let changes: Vec<Change> = documents.iter().cloned().map(Change::Put).collect();
    append(path, 0, &changes)
}
