//! A table as a source of rows.

use std::fmt;
use std::io;
use std::sync::Mutex;

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use plimsoll::Bytes;
use plimsoll::holding::streaming::Source;

use super::batch::Batch;
use super::columns::Chosen;
use super::ipc::Ipc;
use super::parquet::Parquet;
use crate::held::lock;
use crate::input::input::dimension;
use crate::input::{Format, InputError, InputFacts, Origin};

/// What a file says of its rows, without reading them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    pub(super) rows: u64,
    /// All numbers of the vectors of some rows, and how many rows.
    pub(super) numbers: Option<(u64, u64)>,
    /// What decoding takes, beside what the rows of a batch do.
    pub(super) beside: u64,
}

/// A table whose vectors, and ids if it has any, are read as rows of singles with the id behind.
#[derive(Debug)]
pub(in crate::input) struct Table {
    name: String,
    kind: Kind,
    chosen: Chosen,
    rows: u64,
    row_bytes: usize,
    reading: Mutex<Option<Reading>>,
}

#[derive(Debug)]
enum Kind {
    Parquet(Box<Parquet>),
    Ipc(Ipc),
}

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

/// How far it was read.
struct Reading {
    batches: Batches,
    batch: Option<Batch>,
    /// The next row of the batch.
    at: usize,
    /// The same of the table.
    row: u64,
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("row", &self.row).finish_non_exhaustive()
    }
}

/// What cannot be decoded.
pub(super) fn broken(name: &str, why: &dyn fmt::Display) -> InputError {
    InputError::Table { name: name.to_owned(), why: why.to_string() }
}

impl Table {
    /// Opens one, and says what is in it.
    pub(in crate::input) fn open(
        name: &str,
        format: Format,
        origin: &Origin<'_>,
    ) -> Result<(Self, InputFacts), InputError> {
        let (mut kind, chosen, said) = if format == Format::Parquet {
            let (parquet, chosen, said) = Parquet::open(name, origin)?;
            (Kind::Parquet(Box::new(parquet)), chosen, said)
        } else {
            let (ipc, chosen, said) = Ipc::open(name, origin)?;
            (Kind::Ipc(ipc), chosen, said)
        };
        let numbers = match (chosen.fixed, said.numbers) {
            (Some(fixed), _) => fixed,
            (None, Some((numbers, rows))) if numbers.is_multiple_of(rows) => numbers / rows,
            (None, Some((numbers, rows))) => {
                let why = format!("its vectors are not equally long: {rows} of them have {numbers} numbers");
                return Err(broken(name, &why));
            }
            (None, None) => return Err(broken(name, &"it is empty, so nothing says how long a vector is")),
        };
        let dimension = dimension(name, numbers)?;
        let batch = match &mut kind {
            Kind::Parquet(parquet) => parquet.batches_of(dimension),
            Kind::Ipc(_) => 0,
        };
        let ids = chosen.id.is_some();
        let row_bytes = dimension * 4 + if ids { 8 } else { 0 };
        let facts = InputFacts {
            dimension,
            rows: Some(said.rows),
            ids,
            bytes: Bytes::new(said.rows.saturating_mul(dimension as u64 * 4)),
            beside: Bytes::new(said.beside + batch),
        };
        let reading = Mutex::new(None);
        Ok((Self { name: name.to_owned(), kind, chosen, rows: said.rows, row_bytes, reading }, facts))
    }

    /// Begins to read, and passes over so many rows.
    fn begin(&self, row: u64) -> Result<Reading, InputError> {
        let batches: Batches = match &self.kind {
            Kind::Parquet(parquet) => Box::new(parquet.batches(&self.name)?),
            Kind::Ipc(ipc) => Box::new(ipc.batches(&self.name)?),
        };
        let mut reading = Reading { batches, batch: None, at: 0, row: 0 };
        while reading.row < row && reading.more(self)? {
            let left = usize::try_from(row - reading.row).unwrap_or(usize::MAX);
            let passed = left.min(reading.left());
            reading.at += passed;
            reading.row += passed as u64;
        }
        Ok(reading)
    }

    fn rows_at(&self, row: u64, into: &mut [u8]) -> Result<usize, InputError> {
        let mut reading = lock(&self.reading);
        let mut there = match reading.take().filter(|reading| reading.row == row) {
            Some(there) => there,
            None => self.begin(row)?,
        };
        let mut done = 0;
        for into in into.chunks_exact_mut(self.row_bytes) {
            if !there.more(self)? {
                break;
            }
            if let Some(batch) = &there.batch {
                batch.put(there.at, (&self.name, there.row), into)?;
            }
            there.at += 1;
            there.row += 1;
            done += self.row_bytes;
        }
        *reading = Some(there);
        Ok(done)
    }
}

impl Reading {
    fn left(&self) -> usize {
        self.batch.as_ref().map_or(0, |batch| batch.rows() - self.at)
    }

    /// Whether there is a row; the next batch comes if it must.
    fn more(&mut self, table: &Table) -> Result<bool, InputError> {
        while self.left() == 0 {
            // The last one goes before the next comes.
            self.batch = None;
            self.at = 0;
            match self.batches.next() {
                None => return Ok(false),
                Some(batch) => {
                    let batch = batch.map_err(|error| broken(&table.name, &error))?;
                    let batch = Batch::new(&batch, &table.chosen);
                    self.batch =
                        Some(batch.ok_or_else(|| broken(&table.name, &"a batch has other columns"))?);
                }
            }
        }
        Ok(true)
    }
}

impl Source for Table {
    fn name(&self) -> &str {
        &self.name
    }

    fn bytes_now(&self) -> io::Result<u64> {
        Ok(self.rows.saturating_mul(self.row_bytes as u64))
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let row_bytes = self.row_bytes as u64;
        if !offset.is_multiple_of(row_bytes) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.rows_at(offset / row_bytes, into).map_err(io::Error::other)
    }
}
