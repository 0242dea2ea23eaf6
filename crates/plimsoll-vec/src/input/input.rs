//! Vectors that come from a file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use plimsoll::Bytes;
use plimsoll::holding::Streaming;
use plimsoll::holding::streaming::{Align, Chunk, Chunks, FileSource, Source};

use super::npy::{Array, HEAD_MOST};
use super::{Element, Format, InputError, Origin, lines};

/// What a file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputFacts {
    /// Numbers of a vector.
    pub dimension: usize,
    /// How many vectors; none where only reading tells.
    pub rows: Option<u64>,
    /// Whether vectors bring their ids.
    pub ids: bool,
    /// Bytes of the file that are vectors.
    pub bytes: Bytes,
    /// What decoding takes of memory beside the ring, which whoever reads has to pay for: pages of tables.
    pub beside: Bytes,
}

/// A file of vectors that is being read, in a ring of few chunks.
///
/// Its memory is the ring's, and that of one vector where vectors are text.
#[derive(Debug)]
pub struct Input {
    name: String,
    facts: InputFacts,
    layout: Layout,
    chunks: Chunks,
    chunk: Option<Chunk>,
    /// How far the chunk was read.
    at: usize,
    /// Vectors, or lines, that were read.
    done: u64,
}

#[derive(Clone, Copy, Debug)]
enum Layout {
    /// Numbers, each row after so many bytes that are its length, and before so many that are its id.
    Rows {
        element: Element,
        before: usize,
        after: usize,
    },
    Lines,
}

impl Input {
    /// Opens a file; its ring takes chunks of this size.
    pub fn open<'o>(
        origin: impl Into<Origin<'o>>,
        streaming: &Streaming,
        chunk: Bytes,
    ) -> Result<Self, InputError> {
        let origin = origin.into();
        let Seen { name, layout, facts, body } = look(&origin)?;
        let source: Arc<dyn Source> = match body {
            _ if facts.rows == Some(0) => Arc::new(Nothing),
            Body::From(offset) => Arc::new(After { file: FileSource::open(origin.path, false)?, offset }),
            #[cfg(feature = "arrow")]
            Body::Table(table) => Arc::new(*table),
        };
        let (chunk, align) = match layout {
            // A chunk holds one row at least, whatever was said.
            Layout::Rows { .. } => {
                let row = layout.row_bytes(facts.dimension) as u64;
                (Bytes::new(chunk.get().max(row)), Align::Bytes(row))
            }
            Layout::Lines => (chunk, Align::Record(b'\n')),
        };
        let chunks = streaming.source(source)?.chunks(chunk, align);
        Ok(Self { name, facts, layout, chunks, chunk: None, at: 0, done: 0 })
    }

    /// What a file says of itself, without reading its vectors.
    pub fn facts_of<'o>(origin: impl Into<Origin<'o>>) -> Result<InputFacts, InputError> {
        look(&origin.into()).map(|seen| seen.facts)
    }

    /// What the file says of itself.
    pub fn facts(&self) -> InputFacts {
        self.facts
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads as many vectors as there is room for, and adds the ids that they bring. None means that there are no more.
    pub fn read(&mut self, vectors: &mut [f32], ids: &mut Vec<u64>) -> Result<usize, InputError> {
        let dimension = self.facts.dimension;
        let mut count = 0;
        for into in vectors.chunks_exact_mut(dimension.max(1)) {
            if !self.one(into, ids)? {
                break;
            }
            count += 1;
        }
        Ok(count)
    }

    /// How many vectors a file has: what it says, or what reading through it tells.
    pub fn count<'o>(
        origin: impl Into<Origin<'o>>,
        streaming: &Streaming,
        chunk: Bytes,
    ) -> Result<u64, InputError> {
        let origin = origin.into();
        match Self::facts_of(origin)?.rows {
            Some(rows) => Ok(rows),
            None => Self::open(origin, streaming, chunk)?.skip(u64::MAX),
        }
    }

    /// Passes over so many vectors without looking at them. Says how many there were.
    pub fn skip(&mut self, count: u64) -> Result<u64, InputError> {
        let mut passed = 0;
        while passed < count {
            let Some(chunk) = self.chunk.as_deref().filter(|chunk| self.at < chunk.len()) else {
                self.chunk = None;
                self.at = 0;
                match self.chunks.next() {
                    None => break,
                    Some(chunk) => self.chunk = Some(chunk.map_err(InputError::of_stream)?),
                }
                continue;
            };
            let rest = &chunk[self.at..];
            match self.layout {
                Layout::Rows { .. } => {
                    let row = self.layout.row_bytes(self.facts.dimension);
                    // Chunks end where rows do.
                    let rows = (rest.len().div_ceil(row) as u64).min(count - passed);
                    self.at += usize::try_from(rows).unwrap_or(usize::MAX) * row;
                    self.done += rows;
                    passed += rows;
                }
                Layout::Lines => {
                    let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
                    passed += u64::from(!rest[..end].trim_ascii().is_empty());
                    self.at += end + 1;
                    self.done += 1;
                }
            }
        }
        Ok(passed)
    }

    /// Reads one vector, if there is one.
    fn one(&mut self, into: &mut [f32], ids: &mut Vec<u64>) -> Result<bool, InputError> {
        loop {
            let Some(chunk) = self.chunk.as_deref().filter(|chunk| self.at < chunk.len()) else {
                self.chunk = None;
                self.at = 0;
                match self.chunks.next() {
                    None => return Ok(false),
                    Some(chunk) => self.chunk = Some(chunk.map_err(InputError::of_stream)?),
                }
                continue;
            };
            let rest = &chunk[self.at..];
            match self.layout {
                Layout::Rows { element, before, after } => {
                    let row = self.layout.row_bytes(into.len());
                    let (length, numbers) = rest.get(..row).unwrap_or(rest).split_at(before);
                    if before > 0 {
                        let found = u32::from_le_bytes(length.try_into().unwrap_or_default());
                        check_dimension(&self.name, self.done, u64::from(found), into.len())?;
                    }
                    element.read(numbers, into);
                    if after > 0 {
                        let id = numbers.last_chunk().copied().unwrap_or_default();
                        ids.push(u64::from_le_bytes(id));
                    }
                    self.at += row;
                    self.done += 1;
                    return Ok(true);
                }
                Layout::Lines => {
                    let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
                    let line = rest[..end].trim_ascii();
                    self.at += end + 1;
                    self.done += 1;
                    if line.is_empty() {
                        continue;
                    }
                    let wrong = |why| InputError::Line { name: self.name.clone(), line: self.done, why };
                    let (id, vector) = lines::vector(line).map_err(wrong)?;
                    if vector.len() != into.len() {
                        return Err(wrong(format!(
                            "it has {} numbers, and the first vector has {}",
                            vector.len(),
                            into.len()
                        )));
                    }
                    if self.facts.ids {
                        ids.push(
                            id.ok_or_else(|| wrong("it has no id, and the first vector has one".to_owned()))?,
                        );
                    }
                    put(&vector, into);
                    return Ok(true);
                }
            }
        }
    }
}

impl Layout {
    /// What a row takes, where rows are numbers.
    fn row_bytes(self, dimension: usize) -> usize {
        match self {
            Self::Rows { element, before, after } => before + dimension * element.bytes() + after,
            Self::Lines => 0,
        }
    }
}

/// What a file's name and beginning say: what it is called, how vectors stand in it, and where.
struct Seen {
    name: String,
    layout: Layout,
    facts: InputFacts,
    body: Body,
}

/// Where vectors are.
enum Body {
    /// In the file, from so many bytes on.
    From(u64),
    #[cfg(feature = "arrow")]
    Table(Box<super::table::Table>),
}

fn look(origin: &Origin<'_>) -> Result<Seen, InputError> {
    let name = origin.path.display().to_string();
    let format = Format::of(origin.path)?;
    if format.is_table() {
        return table(name, format, origin);
    }
    if origin.vector.or(origin.id).is_some() {
        return Err(InputError::NoColumns { name });
    }
    let read = |source| InputError::Read { name: name.clone(), source };
    let file = File::open(origin.path).map_err(read)?;
    let length = file.metadata().map_err(read)?.len();
    let head = head(&file, length).map_err(read)?;
    let (layout, facts, offset) = match format {
        Format::Npy => array(&name, &head, length)?,
        Format::Fvecs => vecs(&name, Element::F32, &head, length)?,
        Format::Bvecs => vecs(&name, Element::U8, &head, length)?,
        Format::Lines | Format::Parquet | Format::Arrow => {
            (Layout::Lines, text(&name, &file, &head, length)?, 0)
        }
    };
    Ok(Seen { name, layout, facts, body: Body::From(offset) })
}

#[cfg(feature = "arrow")]
fn table(name: String, format: Format, origin: &Origin<'_>) -> Result<Seen, InputError> {
    let (table, facts) = super::table::Table::open(&name, format, origin)?;
    let layout = Layout::Rows { element: Element::F32, before: 0, after: if facts.ids { 8 } else { 0 } };
    Ok(Seen { name, layout, facts, body: Body::Table(Box::new(table)) })
}

#[cfg(not(feature = "arrow"))]
fn table(name: String, _: Format, _: &Origin<'_>) -> Result<Seen, InputError> {
    Err(InputError::NoTables { name })
}

#[expect(clippy::cast_possible_truncation, reason = "singles are what vectors are made of here")]
fn put(vector: &[f64], into: &mut [f32]) {
    for (into, number) in into.iter_mut().zip(vector) {
        *into = *number as f32;
    }
}

fn check_dimension(name: &str, row: u64, found: u64, expected: usize) -> Result<(), InputError> {
    let expected = expected as u64;
    if found == expected {
        return Ok(());
    }
    Err(InputError::Dimension { name: name.to_owned(), row, found, expected })
}

fn head(file: &File, length: u64) -> io::Result<Vec<u8>> {
    let mut head = vec![0; HEAD_MOST.min(usize::try_from(length).unwrap_or(HEAD_MOST))];
    file.read_exact_at(&mut head, 0)?;
    Ok(head)
}

fn array(name: &str, head: &[u8], length: u64) -> Result<(Layout, InputFacts, u64), InputError> {
    let wrong = |why| InputError::Head { name: name.to_owned(), why };
    let array = Array::read(head).map_err(wrong)?;
    let dimension = dimension(name, array.dimension)?;
    let row_bytes = (dimension * array.element.bytes()) as u64;
    let found = length.saturating_sub(array.offset);
    if array.rows.checked_mul(row_bytes) != Some(found) {
        return Err(InputError::Length { name: name.to_owned(), rows: array.rows, row_bytes, found });
    }
    let facts = InputFacts {
        dimension,
        rows: Some(array.rows),
        ids: false,
        bytes: Bytes::new(found),
        beside: Bytes::ZERO,
    };
    Ok((Layout::Rows { element: array.element, before: 0, after: 0 }, facts, array.offset))
}

fn vecs(
    name: &str,
    element: Element,
    head: &[u8],
    length: u64,
) -> Result<(Layout, InputFacts, u64), InputError> {
    let wrong = |why: &str| InputError::Head { name: name.to_owned(), why: why.to_owned() };
    let first = head.get(..4).ok_or_else(|| wrong("it is empty, so nothing says how long a vector is"))?;
    let said = u64::from(u32::from_le_bytes(first.try_into().unwrap_or_default()));
    let dimension = dimension(name, said)?;
    let row_bytes = (dimension * element.bytes() + 4) as u64;
    let rows = length / row_bytes;
    if !length.is_multiple_of(row_bytes) {
        return Err(InputError::Length { name: name.to_owned(), rows: rows + 1, row_bytes, found: length });
    }
    let facts = InputFacts {
        dimension,
        rows: Some(rows),
        ids: false,
        bytes: Bytes::new(length),
        beside: Bytes::ZERO,
    };
    Ok((Layout::Rows { element, before: 4, after: 0 }, facts, 0))
}

/// The first line tells what the others are like.
fn text(name: &str, file: &File, head: &[u8], length: u64) -> Result<InputFacts, InputError> {
    let wrong = |line, why| InputError::Line { name: name.to_owned(), line, why };
    // A vector of 65,536 numbers written out is longer than a head.
    let mut begin = head.to_vec();
    let most = usize::try_from(length.min(4 << 20)).unwrap_or(usize::MAX);
    if !begin.contains(&b'\n') && begin.len() < most {
        begin.resize(most, 0);
        file.read_exact_at(&mut begin, 0)
            .map_err(|source| InputError::Read { name: name.to_owned(), source })?;
    }
    let lines = begin.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let first = (1..).zip(lines).find(|(_, line)| !line.is_empty());
    let (line, first) = first.ok_or_else(|| wrong(1, "the file is empty".to_owned()))?;
    let (id, vector) = lines::vector(first).map_err(|why| wrong(line, why))?;
    let dimension = dimension(name, vector.len() as u64)?;
    Ok(InputFacts {
        dimension,
        rows: None,
        ids: id.is_some(),
        bytes: Bytes::new(length),
        beside: Bytes::ZERO,
    })
}

/// The most numbers a vector may have.
const DIMENSION_MOST: u64 = 65_536;

pub(in crate::input) fn dimension(name: &str, said: u64) -> Result<usize, InputError> {
    let fits = usize::try_from(said).ok().filter(|_| (1..=DIMENSION_MOST).contains(&said));
    fits.ok_or_else(|| InputError::Head {
        name: name.to_owned(),
        why: format!("its vectors have {said} numbers; 1 to {DIMENSION_MOST} can be kept"),
    })
}

/// A file from an offset on.
#[derive(Debug)]
struct After {
    file: FileSource,
    offset: u64,
}

impl Source for After {
    fn name(&self) -> &str {
        self.file.name()
    }

    fn bytes_now(&self) -> io::Result<u64> {
        Ok(self.file.bytes_now()?.saturating_sub(self.offset))
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(self.offset + offset, into)
    }
}

/// What an array without rows streams.
#[derive(Debug)]
struct Nothing;

impl Source for Nothing {
    fn name(&self) -> &'static str {
        "nothing"
    }

    fn bytes_now(&self) -> io::Result<u64> {
        Ok(0)
    }

    fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}
