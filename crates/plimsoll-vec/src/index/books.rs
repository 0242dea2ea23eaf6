//! What a codec has learnt, kept beside the segments that were coded with it: trained at the first build from a sample of
//! its input, and the same ever after.

use std::path::Path;
use std::sync::Arc;

use plimsoll::Bytes;
use plimsoll::holding::Streaming;

use super::manifest::Manifest;
use super::{Index, Shape, VecError};
use crate::code::{Codebooks, Coder};
use crate::column::{Column, ColumnWriter, Header, Holds, PAGE_BYTES};
use crate::input::{Input, InputFacts};
use crate::segment::{codes_header, path};

/// A sample is not smaller than this where the input is not.
const SAMPLE_LEAST: usize = 256;
/// Chunks of the input, while it is sampled.
const CHUNK_BYTES: u64 = 1 << 20;

/// A column of one unit: all words.
fn header(shape: &Shape) -> Header {
    let unit_bytes = Codebooks::bytes_for(shape.dimension);
    Header { holds: Holds::Books, unit_bytes, ..codes_header(shape.codec, shape.dimension) }
}

/// What the books of an index take on disk: a page, the words and their checksum.
pub(super) fn disk_bytes(dimension: usize) -> u64 {
    PAGE_BYTES as u64 + Codebooks::bytes_for(dimension) + 8
}

/// Reads the books that a manifest names, and checks them.
pub(super) fn read(folder: &Path, manifest: &Manifest) -> Result<Option<Arc<Codebooks>>, VecError> {
    let Some(number) = manifest.books else { return Ok(None) };
    let shape = manifest.shape;
    let column = Column::open(&path(folder, number, Holds::Books), &header(&shape))?;
    let mut bytes = vec![0; usize::try_from(Codebooks::bytes_for(shape.dimension)).unwrap_or(usize::MAX)];
    column.read(0, &mut bytes)?;
    Ok(Some(Arc::new(Codebooks::from_bytes(shape.codec, shape.metric, shape.dimension, &bytes)?)))
}

/// What a build takes to learn first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lesson {
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
        // A row on its way, beside the sample.
        let own = Codebooks::training_bytes(shape.codec, shape.dimension, rows) + row;
        Self { rows, chunk, own, ring: (chunk + PAGE_BYTES as u64) * 4 }
    }

    /// What it takes of memory.
    pub(super) fn bytes(&self) -> u64 {
        self.own + self.ring
    }
}

impl Index {
    /// What the codec has learnt; none where it learns nothing, or has not yet.
    pub(super) fn books(&self) -> Option<&Arc<Codebooks>> {
        self.learnt().get()
    }

    /// A coder for this index.
    pub(super) fn coder(&self) -> Result<Coder, VecError> {
        let Shape { codec, metric, dimension, .. } = self.shape();
        Ok(Coder::with_books(codec, metric, dimension, self.books().cloned())?)
    }

    /// What there is to learn before vectors can be coded, as the budget has room; none where nothing is.
    pub(super) fn lesson(&self, facts: &InputFacts) -> Result<Option<Lesson>, VecError> {
        let shape = self.shape();
        if shape.codec.group().is_none() || self.books().is_some() || facts.rows == Some(0) {
            return Ok(None);
        }
        let known = facts.rows.and_then(|rows| usize::try_from(rows).ok()).unwrap_or(usize::MAX);
        let standing = self.budget().standing();
        let mut rows = known.min(Codebooks::SAMPLE_MOST);
        loop {
            let lesson = Lesson::new(&shape, rows);
            if lesson.bytes() <= standing.room {
                return Ok(Some(lesson));
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

    /// Learns from a sample of a file, and keeps what was learnt in memory. Says whether there was anything to learn from.
    pub(super) fn learn(&self, file: &Path, lesson: Lesson, streaming: &Streaming) -> Result<bool, VecError> {
        let Shape { codec, metric, dimension, .. } = self.shape();
        let stays = self.budget().charge(Codebooks::bytes_for(dimension))?;
        let _charge = self.budget().charge(lesson.own.saturating_sub(Codebooks::bytes_for(dimension)))?;
        let mut input = Input::open(file, streaming, Bytes::new(lesson.chunk))?;
        let sample = sample(&mut input, lesson.rows, metric == crate::Metric::Cosine)?;
        drop(input);
        if sample.is_empty() {
            return Ok(false);
        }
        let books = Codebooks::train(codec, metric, dimension, sample)?;
        // Only the one who writes learns, and it is locked.
        let _ = self.learnt().set(Arc::new(books));
        self.charged(stays);
        Ok(true)
    }

    /// Writes what was learnt, if the manifest has none yet, and names it there.
    pub(super) fn write_books(&self, next: &mut Manifest) -> Result<(), VecError> {
        let Some(books) = self.books().filter(|_| next.books.is_none()) else { return Ok(()) };
        let number = next.number();
        let file = path(self.folder(), number, Holds::Books);
        // What was begun under this number and not published is nobody's.
        let _ = std::fs::remove_file(&file);
        let write = || {
            let mut column = ColumnWriter::create(&file, header(&self.shape()))?;
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

/// So many vectors of a file, each as likely as any other, from a fixed seed. Those that cannot be coded are passed over:
/// coding will say which they are.
fn sample(input: &mut Input, most: usize, direction: bool) -> Result<Vec<f32>, VecError> {
    let dimension = input.facts().dimension;
    let mut row = vec![0.0; dimension];
    let (mut sample, mut ids) = (Vec::with_capacity(most * dimension), Vec::new());
    let (mut seen, mut state) = (0_u64, 0x5eed_u64);
    while input.read(&mut row, &mut ids)? == 1 {
        ids.clear();
        if row.iter().any(|x| !x.is_finite()) || (direction && row.iter().all(|x| *x == 0.0)) {
            continue;
        }
        seen += 1;
        if sample.len() < most * dimension {
            sample.extend_from_slice(&row);
            continue;
        }
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The upper half of the product is below `seen`, and as likely any of them.
        let place = (u128::from(state) * u128::from(seen)) >> 64;
        if let Some(place) = usize::try_from(place).ok().filter(|place| *place < most) {
            sample[place * dimension..][..dimension].copy_from_slice(&row);
        }
    }
    Ok(sample)
}
