//! What a codec has learnt, kept beside the segments that were coded with it: trained at the first build from a sample of
//! its input, and the same ever after.

use std::path::Path;
use std::sync::Arc;

use plimsoll::Bytes;
use plimsoll::governor::Charge;

use super::budget::Budget;
use super::encode::Coding;
use super::lists::{Draw, Sample};
use super::manifest::Manifest;
use super::view::View;
use super::{Index, Shape, VecError};
use crate::code::{Codebooks, Coder};
use crate::column::{Column, ColumnWriter, Header, Holds, PAGE_BYTES};
use crate::input::{Input, InputFacts, Origin};
use crate::scan::Queries;
use crate::segment::{header, path};

/// A sample is not smaller than this where the input is not.
const SAMPLE_LEAST: usize = 256;
/// Chunks of the input, while it is sampled.
const CHUNK_BYTES: u64 = 1 << 20;

/// A column of one unit: all words.
fn column(shape: &Shape) -> Header {
    let unit = usize::try_from(Codebooks::bytes_for(shape.coded().dimension)).unwrap_or(usize::MAX);
    header(shape.layout(), Holds::Books, unit)
}

/// What the books of an index take on disk: a page, the words and their checksum.
pub(super) fn disk_bytes(shape: &Shape) -> u64 {
    PAGE_BYTES as u64 + Codebooks::bytes_for(shape.coded().dimension) + 8
}

/// Reads the books that a manifest names, checks them, and pays for them.
pub(super) fn open(
    folder: &Path,
    manifest: &Manifest,
    budget: &Budget,
) -> Result<Option<(Arc<Codebooks>, Charge)>, VecError> {
    let Some(number) = manifest.books else { return Ok(None) };
    let Shape { codec, metric, dimension, .. } = manifest.shape.coded();
    let charge = budget.charge(Codebooks::bytes_for(dimension))?;
    let column = Column::open(&path(folder, number, Holds::Books), &column(&manifest.shape))?;
    let mut bytes = vec![0; usize::try_from(Codebooks::bytes_for(dimension)).unwrap_or(usize::MAX)];
    column.read(0, &mut bytes)?;
    Ok(Some((Arc::new(Codebooks::from_bytes(codec, metric, dimension, &bytes)?), charge)))
}

/// What a build codes with.
#[derive(Debug, Default)]
pub(super) struct Learnt {
    /// What the codec has learnt; none where it learns nothing.
    pub(super) books: Option<Arc<Codebooks>>,
    /// What learning was to take of memory, with what was there before; none where there was nothing to learn.
    pub(super) predicted: Bytes,
    /// Pays for books that are not the index's yet.
    pub(super) charge: Option<Charge>,
}

/// How to learn.
#[derive(Clone, Copy, Debug)]
struct Lesson {
    /// Vectors of the sample.
    rows: usize,
    chunk: u64,
    /// What it takes of memory, without the ring of the input.
    own: u64,
    /// The ring of the input.
    ring: u64,
}

impl Lesson {
    fn new(shape: &Shape, rows: usize) -> Self {
        let row = shape.dimension as u64 * 4;
        let chunk = CHUNK_BYTES.min(rows as u64 * row).max(row + 4);
        let Shape { codec, dimension, .. } = shape.coded();
        let own = Codebooks::training_bytes(codec, dimension, rows) + Sample::beside_bytes(shape, 0);
        Self { rows, chunk, own, ring: (chunk + PAGE_BYTES as u64) * 4 }
    }

    fn bytes(&self) -> u64 {
        self.own + self.ring
    }
}

impl View {
    /// What vectors of this index are coded by.
    pub(super) fn coding(&self) -> Result<Coding, VecError> {
        self.coding_with(self.books.clone())
    }

    /// The same with such books.
    pub(super) fn coding_with(&self, books: Option<Arc<Codebooks>>) -> Result<Coding, VecError> {
        let Shape { codec, metric, dimension, .. } = self.shape.coded();
        Ok(Coding::new(Coder::with_books(codec, metric, dimension, books)?, self.reduced.clone()))
    }

    /// Queries for rows of this index, of what vectors are coded as.
    pub(super) fn queries(&self, vectors: &[f32]) -> Result<Queries, VecError> {
        let Shape { codec, metric, dimension, .. } = self.shape.coded();
        Ok(Queries::with_books(codec, metric, dimension, self.books.as_deref(), vectors)?)
    }
}

impl Index {
    /// What a build of this file codes with: what is known, or what a sample of the file teaches, as large as the budget has
    /// room for. None where there is something to learn and no vector to learn it from.
    pub(super) fn learnt(&self, origin: Origin<'_>, facts: &InputFacts) -> Result<Option<Learnt>, VecError> {
        let view = self.view();
        let shape = view.shape;
        if shape.codec.group().is_none() || view.books.is_some() {
            return Ok(Some(Learnt { books: view.books.clone(), ..Learnt::default() }));
        }
        let streaming = self.budget().streaming("sample");
        let before = self.budget().standing().used();
        let rows = match facts.rows {
            Some(rows) => rows,
            None => Input::count(origin, &streaming, Bytes::new(PAGE_BYTES as u64 * 16))?,
        };
        if rows == 0 {
            return Ok(None);
        }
        let lesson = self.lesson(&shape, rows)?;
        let Shape { codec, metric, dimension, .. } = shape.coded();
        let stays = Codebooks::bytes_for(dimension);
        let charge = self.budget().charge(stays)?;
        let _meanwhile = self.budget().charge(lesson.own.saturating_sub(stays))?;
        let draw = Draw { rows, learn: lesson.rows, hold: 0 };
        let sample = Sample::draw(origin, &streaming, Bytes::new(lesson.chunk), &view, draw)?;
        let books = Codebooks::train(codec, metric, dimension, sample.vectors)?;
        let predicted = Bytes::new(before + lesson.bytes());
        Ok(Some(Learnt { books: Some(Arc::new(books)), predicted, charge: Some(charge) }))
    }

    /// The largest lesson of so many rows that there is room for.
    fn lesson(&self, shape: &Shape, rows: u64) -> Result<Lesson, VecError> {
        let standing = self.budget().standing();
        let mut rows = usize::try_from(rows).unwrap_or(usize::MAX).min(Codebooks::SAMPLE_MOST);
        loop {
            let lesson = Lesson::new(shape, rows);
            if lesson.bytes() <= standing.room {
                return Ok(lesson);
            }
            if rows <= SAMPLE_LEAST {
                return Err(VecError::Budget {
                    budget: standing.limit,
                    what: "to learn its codec in",
                    needed: Bytes::new(lesson.bytes() + standing.used()),
                });
            }
            rows = (rows / 2).max(SAMPLE_LEAST);
        }
    }

    /// Writes what was learnt, and names it in the manifest that comes.
    pub(super) fn write_books(&self, books: &Codebooks, next: &mut Manifest) -> Result<(), VecError> {
        let number = next.number();
        let file = path(self.folder(), number, Holds::Books);
        // What was begun under this number and not published is nobody's.
        let _ = std::fs::remove_file(&file);
        let write = || {
            let mut column = ColumnWriter::create(&file, column(&next.shape))?;
            column.append(&books.to_bytes(), 1)?;
            column.finish()
        };
        write().inspect_err(|_| {
            let _ = std::fs::remove_file(&file);
        })?;
        next.books = Some(number);
        Ok(())
    }
}
