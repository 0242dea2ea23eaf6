//! A recording in a file.
//!
//! ```text
//! magic        "PLIMSOLL-REC", version: u8, "\r\n\0"
//! section*     kind: u32, bytes: u32, crc32: u32, number: u32, then so many bytes
//! ```
//!
//! All numbers are little-endian. Sections: *names* and *facts* (JSON), *before* and *ordered* (events with their
//! thread, 40 bytes each), *thread* (`number` is the thread; its events, 32 bytes each), *end* (nothing in it).
//! Names and facts come at the end, when all are known, and again in the course of a long recording, so that one that
//! was cut can be read as far as it goes. Sections of kinds that are not known are passed over.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use flate2::Crc;
use serde::{Deserialize, Serialize};

use super::packed::{EVENT_BYTES, Words, pack, unpack};
use super::streams::Piece;
use super::{Event, Facts, Names, RecordingError};

const MAGIC: &[u8; 12] = b"PLIMSOLL-REC";
const VERSION: u8 = 1;
const TAIL: &[u8; 3] = b"\r\n\0";
const HEADER_BYTES: usize = 16;
/// No section is larger: a file that says so is damaged.
const MOST_BYTES: u32 = 1 << 28;
/// An event with its thread.
const ORDERED_BYTES: usize = EVENT_BYTES + 8;
/// Ordered events in a section.
const ORDERED_EVENTS: usize = 4096;

const NAMES: u32 = 1;
const FACTS: u32 = 2;
const BEFORE: u32 = 3;
const THREAD: u32 = 4;
const ORDERED: u32 = 5;
const END: u32 = 6;

/// Where some events are in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Section {
    offset: u64,
    bytes: u32,
    crc: u32,
    pub(super) events: u64,
}

/// Facts as they stand in a file, with what only the file needs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Told {
    /// What the events' times count from.
    pub(super) origin_ns: u64,
    /// Until when what there was before was looked for; zero when what came in between has been taken out.
    pub(super) until_ns: u64,
    pub(super) facts: Facts,
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn put(into: &mut Vec<u8>, words: Words) {
    into.extend(words.into_iter().flat_map(u64::to_le_bytes));
}

fn words_at(bytes: &[u8]) -> Words {
    std::array::from_fn(|word| {
        let mut eight = [0; 8];
        eight.copy_from_slice(&bytes[word * 8..word * 8 + 8]);
        u64::from_le_bytes(eight)
    })
}

fn ordered(event: &Event, into: &mut Vec<u8>) {
    put(into, pack(event));
    into.extend(u64::from(event.thread).to_le_bytes());
}

/// Writes a recording as it comes.
#[derive(Debug)]
pub(super) struct FileWriter {
    file: BufWriter<File>,
    path: PathBuf,
    buffer: Vec<u8>,
}

impl FileWriter {
    pub(super) fn create(path: &Path) -> Result<Self, RecordingError> {
        let failed = |source| RecordingError::File { path: path.to_owned(), source };
        let file = File::create(path).map_err(failed)?;
        let mut writer = Self { file: BufWriter::new(file), path: path.to_owned(), buffer: Vec::new() };
        let start = [MAGIC.as_slice(), &[VERSION], TAIL].concat();
        writer.file.write_all(&start).map_err(failed)?;
        Ok(writer)
    }

    fn failed(&self, source: std::io::Error) -> RecordingError {
        RecordingError::File { path: self.path.clone(), source }
    }

    fn section(&mut self, kind: u32, number: u32, bytes: &[u8]) -> Result<(), RecordingError> {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let header: Vec<u8> =
            [kind, len, crc(bytes), number].into_iter().flat_map(u32::to_le_bytes).collect();
        let written = self.file.write_all(&header).and_then(|()| self.file.write_all(bytes));
        written.map_err(|error| self.failed(error))
    }

    fn json(&mut self, kind: u32, value: &impl Serialize) -> Result<(), RecordingError> {
        let text = serde_json::to_vec(value).map_err(|error| self.failed(error.into()))?;
        self.section(kind, 0, &text)
    }

    /// Some events of a thread that are in memory.
    pub(super) fn piece(&mut self, piece: &Piece) -> Result<(), RecordingError> {
        self.words(piece.thread, &piece.words(None)?)
    }

    pub(super) fn words(&mut self, thread: u16, words: &[Words]) -> Result<(), RecordingError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        for words in words {
            put(&mut buffer, *words);
        }
        let written = self.section(THREAD, u32::from(thread), &buffer);
        self.buffer = buffer;
        written
    }

    /// Events that are in order already.
    pub(super) fn ordered(&mut self, events: &[Event], before: bool) -> Result<(), RecordingError> {
        for events in events.chunks(ORDERED_EVENTS) {
            let mut bytes = Vec::with_capacity(events.len() * ORDERED_BYTES);
            for event in events {
                ordered(event, &mut bytes);
            }
            self.section(if before { BEFORE } else { ORDERED }, 0, &bytes)?;
        }
        Ok(())
    }

    /// Writes what is known at the end, and sees that it is on the disk.
    pub(super) fn finish(mut self, told: &Told, names: &Names) -> Result<PathBuf, RecordingError> {
        self.told(told, names)?;
        self.section(END, 0, &[])?;
        let path = self.path.clone();
        let failed = |source| RecordingError::File { path: path.clone(), source };
        let file = self.file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        Ok(self.path)
    }

    /// Writes names and facts as they stand, and everything before them out of this process: if it ends here, this
    /// much can be read.
    pub(super) fn told(&mut self, told: &Told, names: &Names) -> Result<(), RecordingError> {
        self.json(NAMES, names)?;
        self.json(FACTS, told)?;
        self.file.flush().map_err(|source| self.failed(source))
    }
}

/// What was found in a file.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) told: Told,
    pub(super) names: Names,
    pub(super) before: Vec<Event>,
    pub(super) ordered: Vec<Section>,
    pub(super) pieces: Vec<Piece>,
}

/// Reads parts of a recording's file when they are needed.
#[derive(Debug)]
pub(super) struct FileReader {
    file: Mutex<File>,
    path: PathBuf,
}

impl FileReader {
    /// Opens a file and finds its sections. One that ends before its end is read as far as it goes.
    pub(super) fn open(path: &Path) -> Result<(Self, Contents), RecordingError> {
        let failed = |source| RecordingError::File { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let mut start = [0; HEADER_BYTES];
        let got = read_up_to(&mut file, &mut start).map_err(failed)?;
        check_start(path, &start[..got])?;
        let reader = Self { file: Mutex::new(file), path: path.to_owned() };
        let contents = reader.contents(size)?;
        Ok((reader, contents))
    }

    fn contents(&self, size: u64) -> Result<Contents, RecordingError> {
        let mut contents = Contents::default();
        let mut offset = HEADER_BYTES as u64;
        let mut whole = false;
        while offset + HEADER_BYTES as u64 <= size {
            let mut header = [0; HEADER_BYTES];
            self.read(offset, &mut header)?;
            let [kind, bytes, crc, number] =
                std::array::from_fn(|at| u32::from_le_bytes([0, 1, 2, 3].map(|byte| header[at * 4 + byte])));
            if bytes > MOST_BYTES {
                return Err(self.damaged(offset, "a section that is too large"));
            }
            let payload = offset + HEADER_BYTES as u64;
            if payload + u64::from(bytes) > size {
                break;
            }
            let section =
                |each: usize| Section { offset: payload, bytes, crc, events: u64::from(bytes) / each as u64 };
            match kind {
                NAMES => contents.names = self.json(&section(1))?,
                FACTS => contents.told = self.json(&section(1))?,
                BEFORE => contents.before.extend(self.ordered(&section(ORDERED_BYTES))?),
                THREAD => {
                    let thread =
                        u16::try_from(number).map_err(|_| self.damaged(offset, "a thread's number"))?;
                    contents.pieces.push(Piece::in_file(thread, section(EVENT_BYTES)));
                }
                ORDERED => contents.ordered.push(section(ORDERED_BYTES)),
                END => whole = true,
                _ => {}
            }
            offset = payload + u64::from(bytes);
        }
        let facts = &mut contents.told.facts;
        facts.cut = !whole;
        let events = contents.pieces.iter().map(Piece::len).sum::<u64>();
        let ordered = contents.ordered.iter().map(|section| section.events).sum::<u64>();
        facts.events = events + ordered + contents.before.len() as u64;
        Ok(contents)
    }

    fn damaged(&self, at: u64, what: &'static str) -> RecordingError {
        RecordingError::Damaged { path: self.path.clone(), at, what }
    }

    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), RecordingError> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(into));
        read.map_err(|source| match source.kind() {
            ErrorKind::UnexpectedEof => self.damaged(at, "less than was there before"),
            _ => RecordingError::File { path: self.path.clone(), source },
        })
    }

    fn payload(&self, section: &Section) -> Result<Vec<u8>, RecordingError> {
        let mut bytes = vec![0; section.bytes as usize];
        self.read(section.offset, &mut bytes)?;
        if crc(&bytes) != section.crc {
            return Err(self.damaged(section.offset, "bytes that are not those that were written"));
        }
        Ok(bytes)
    }

    fn json<T: for<'t> Deserialize<'t>>(&self, section: &Section) -> Result<T, RecordingError> {
        let bytes = self.payload(section)?;
        serde_json::from_slice(&bytes)
            .map_err(|_| self.damaged(section.offset, "names or facts that do not read"))
    }

    /// A thread's events.
    pub(super) fn words(&self, section: &Section) -> Result<Vec<Words>, RecordingError> {
        Ok(self.payload(section)?.chunks_exact(EVENT_BYTES).map(words_at).collect())
    }

    /// Events that are in order.
    pub(super) fn ordered(&self, section: &Section) -> Result<Vec<Event>, RecordingError> {
        let bytes = self.payload(section)?;
        let event = |bytes: &[u8]| {
            let mut thread = [0; 2];
            thread.copy_from_slice(&bytes[EVENT_BYTES..EVENT_BYTES + 2]);
            unpack(words_at(bytes), u16::from_le_bytes(thread))
        };
        Ok(bytes.chunks_exact(ORDERED_BYTES).filter_map(event).collect())
    }
}

fn read_up_to(file: &mut File, into: &mut [u8]) -> std::io::Result<usize> {
    let mut got = 0;
    while got < into.len() {
        match file.read(&mut into[got..]) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

/// Whether a file begins as a recording does; what it is instead, where that can be told.
fn check_start(path: &Path, start: &[u8]) -> Result<(), RecordingError> {
    let path = path.to_owned();
    if start.len() < HEADER_BYTES || &start[..MAGIC.len()] != MAGIC {
        let is = match start {
            [] => "it is empty",
            [0x1f, 0x8b, ..] => "it is gzipped: unpack it first, or pass a trace to `plimsoll pool replay`",
            [b'd', b'e', b'v', b'i', b'c', b'e', ..] => {
                "it looks like a trace: `plimsoll pool replay` reads those"
            }
            [b'{' | b'[', ..] => "it looks like JSON",
            [0x80, ..] => "it looks like a Python pickle",
            _ if MAGIC.starts_with(&start[..start.len().min(MAGIC.len())]) => {
                "it was cut within its first line"
            }
            _ => "it begins with something else",
        };
        return Err(RecordingError::Foreign { path, is });
    }
    match start[MAGIC.len()] {
        VERSION => Ok(()),
        version => Err(RecordingError::Version { path, version, known: VERSION }),
    }
}
