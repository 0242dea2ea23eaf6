//! Writes a part.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::footer::{Footer, Place};
use super::lists::ListsWriter;
use super::{Block, PartError, Record, Run};
use crate::bytes::Take;
use crate::terms::Gather;

pub(super) const MAGIC: &[u8; 8] = b"PLIMDOCS";
pub(super) const VERSION: u32 = 1;
pub(super) const HEAD: usize = 16;
/// Footer's place, length and checksum, and the magic again.
pub(super) const TRAILER: usize = 32;

/// What is written at once.
pub(super) const BUFFER: usize = 256 << 10;

/// What a finished part is.
#[derive(Clone, Debug)]
pub(crate) struct PartFacts {
    pub(crate) path: PathBuf,
    pub(crate) passages: u32,
    pub(crate) bytes: u64,
}

/// A part that is being written. Dropped unfinished, its file is no part, and is swept later.
#[derive(Debug)]
pub(crate) struct PartWriter {
    pub(super) path: PathBuf,
    pub(super) file: BufWriter<File>,
    pub(super) at: u64,
    pub(super) footer: Footer,
    gather: Option<Gather>,
    packed: Vec<u8>,
}

impl PartWriter {
    /// Begins one. `words`: whether passages are to be found by their words.
    pub(crate) fn create(path: &Path, words: bool) -> Result<Self, PartError> {
        let failed = |source| PartError::File { path: path.to_owned(), source };
        let file = File::options().write(true).create_new(true).open(path).map_err(failed)?;
        let mut file = BufWriter::with_capacity(BUFFER, file);
        let mut head = [0; HEAD];
        head[..8].copy_from_slice(MAGIC);
        head[8..12].copy_from_slice(&VERSION.to_le_bytes());
        file.write_all(&head).map_err(failed)?;
        let gather = words.then(Gather::default);
        let (path, at) = (path.to_owned(), HEAD as u64);
        Ok(Self { path, file, at, footer: Footer::default(), gather, packed: Vec::new() })
    }

    /// What it holds in memory until it is finished.
    pub(crate) fn bytes(&self) -> usize {
        self.gather.as_ref().map_or(0, Gather::bytes) + self.footer.bytes() + self.packed.capacity()
    }

    /// Takes in a block.
    pub(crate) fn push(&mut self, block: &Block) -> Result<(), PartError> {
        self.gather(&block.bytes)?;
        self.pack(&block.bytes, block.count, &block.runs)
    }

    fn gather(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let Some(gather) = &mut self.gather else { return Ok(()) };
        let mut take = Take::new(bytes);
        while !take.is_empty() {
            let record = Record::take(&mut take)
                .map_err(|_| PartError::Damaged { path: self.path.clone(), what: "a passage" })?;
            gather.passage(&[record.stands.heading.unwrap_or_default(), record.text]);
        }
        Ok(())
    }

    /// Packs records as they are.
    pub(super) fn pack(&mut self, raw: &[u8], count: u32, runs: &[Run]) -> Result<(), PartError> {
        let first = self.footer.passages;
        for run in runs {
            let run = Run { first: run.first + first, ..*run };
            if !self.footer.runs.last().is_some_and(|last| last.goes_on_as(&run)) {
                self.footer.runs.push(run);
            }
        }
        self.packed.resize(lz4_flex::block::get_maximum_output_size(raw.len()), 0);
        let packed = lz4_flex::block::compress_into(raw, &mut self.packed).unwrap_or(0);
        let bytes = &self.packed[..packed];
        let (len, sum) = (u32::try_from(packed).unwrap_or(u32::MAX), xxh3_64(bytes));
        let raw_len = u32::try_from(raw.len()).unwrap_or(u32::MAX);
        let written = self.file.write_all(bytes);
        written.map_err(|source| PartError::File { path: self.path.clone(), source })?;
        self.footer.blocks.push(Place { at: self.at, packed: len, raw: raw_len, first, sum });
        self.at += packed as u64;
        self.footer.passages += count;
        Ok(())
    }

    /// Room for what the footer will say of so many blocks and runs.
    pub(super) fn expect(&mut self, blocks: usize, runs: usize) {
        self.footer.blocks.reserve_exact(blocks);
        self.footer.runs.reserve_exact(runs);
    }

    /// Goes on with lists, of passages that are so long; room for where so many blocks of the dictionary are.
    pub(super) fn lists(
        mut self,
        lengths: Vec<u8>,
        total_terms: u64,
        blocks: usize,
    ) -> Result<ListsWriter, PartError> {
        (self.footer.lengths, self.footer.total_terms) = (lengths, total_terms);
        ListsWriter::new(self, blocks)
    }

    /// Writes what is left, and has all of it on the disk.
    pub(crate) fn finish(mut self) -> Result<PartFacts, PartError> {
        let Some(gather) = self.gather.take() else { return self.lists(Vec::new(), 0, 0)?.finish() };
        let mut lists = self.lists(gather.lengths().to_vec(), gather.total_terms(), 0)?;
        for one in gather.sorted() {
            lists.put(one.list)?;
            lists.end(one.term, one.passages)?;
        }
        drop(gather);
        lists.finish()
    }
}
