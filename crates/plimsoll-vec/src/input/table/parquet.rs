//! Parquet files.

use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};

use super::columns::{Chosen, choose};
use super::pages;
use super::table::{Said, broken};
use crate::input::{InputError, Origin};

/// About what the rows of a batch may take while they are decoded.
const BATCH_BYTES: u64 = 512 << 10;
/// What readers take for each column and file beside pages.
const FIXED_BYTES: u64 = 64 << 10;

/// A Parquet file whose footer was read.
#[derive(Debug)]
pub(super) struct Parquet {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
    chosen: Chosen,
    batch: usize,
}

impl Parquet {
    /// Reads the footer and the heads of all pages, and says what is there.
    pub(super) fn open(name: &str, origin: &Origin<'_>) -> Result<(Self, Chosen, Said), InputError> {
        let file = open(name, origin.path)?;
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new());
        let metadata = metadata.map_err(|error| broken(name, &error))?;
        let chosen = choose(name, metadata.schema(), origin)?;
        let groups = metadata.metadata().row_groups();
        let schema = metadata.parquet_schema();
        let leaves: Vec<usize> = (0..schema.num_columns())
            .filter(|leaf| chosen.all().contains(&schema.get_column_root_idx(*leaf)))
            .collect();
        let mut beside = 0;
        for leaf in &leaves {
            let mut most = 0;
            for group in groups {
                let (start, length) = group.column(*leaf).byte_range();
                most =
                    most.max(pages::chunk_bytes(&file, start, length).map_err(|error| broken(name, &error))?);
            }
            beside += most;
        }
        let rows: i64 = groups.iter().map(parquet::file::metadata::RowGroupMetaData::num_rows).sum();
        let first = groups.iter().find(|group| group.num_rows() > 0);
        let numbers = first.and_then(|group| {
            let leaf = leaves.iter().find(|leaf| schema.get_column_root_idx(**leaf) == chosen.vector)?;
            Some((group.column(*leaf).num_values(), group.num_rows()))
        });
        let said = Said {
            rows: u64::try_from(rows).unwrap_or_default(),
            numbers: numbers.map(|(numbers, rows)| {
                (u64::try_from(numbers).unwrap_or_default(), u64::try_from(rows).unwrap_or_default())
            }),
            beside: beside + metadata.metadata().memory_size() as u64 + FIXED_BYTES,
        };
        Ok((Self { path: origin.path.to_owned(), metadata, chosen, batch: 1 }, chosen, said))
    }

    /// Takes as many rows of so many numbers at once as are good. Says what decoding them takes.
    pub(super) fn batches_of(&mut self, dimension: usize) -> u64 {
        // Numbers of eight bytes as they grow and as they become a list, two levels of each, and an id.
        let row = dimension as u64 * (8 * 3 + 8) + 64;
        let rows = (BATCH_BYTES / row).max(1);
        self.batch = usize::try_from(rows).unwrap_or(1);
        rows * row
    }

    /// Its rows from the first on.
    pub(super) fn batches(&self, name: &str) -> Result<ParquetRecordBatchReader, InputError> {
        let file = open(name, &self.path)?;
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), self.chosen.all());
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let built = builder.with_projection(mask).with_batch_size(self.batch).build();
        built.map_err(|error| broken(name, &error))
    }
}

fn open(name: &str, path: &Path) -> Result<File, InputError> {
    File::open(path).map_err(|source| InputError::Read { name: name.to_owned(), source })
}
