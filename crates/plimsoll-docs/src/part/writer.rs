//! Writes a part.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::footer::{Footer, Place};
use super::{Block, PartError, Record, Run};
use crate::bytes::Take;
use crate::terms::{DictionaryWriter, Gather};

pub(super) const MAGIC: &[u8; 8] = b"PLIMDOCS";
pub(super) const VERSION: u32 = 1;
pub(super) const HEAD: usize = 16;
/// Footer's place, length and checksum, and the magic again.
pub(super) const TRAILER: usize = 32;

/// Takes a term, how many passages have it, and its list.
pub(super) type Put<'p, E> = dyn FnMut(&[u8], u32, &[u8]) -> Result<(), E> + 'p;

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
    path: PathBuf,
    file: BufWriter<File>,
    at: u64,
    footer: Footer,
    gather: Option<Gather>,
    packed: Vec<u8>,
}

impl PartWriter {
    /// Begins one. `words`: whether passages are to be found by their words.
    pub(crate) fn create(path: &Path, words: bool) -> Result<Self, PartError> {
        let failed = |source| PartError::File { path: path.to_owned(), source };
        let file = File::options().write(true).create_new(true).open(path).map_err(failed)?;
        let mut file = BufWriter::with_capacity(256 << 10, file);
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

    /// Writes what is left, and has all of it on the disk.
    pub(crate) fn finish(mut self) -> Result<PartFacts, PartError> {
        let mut dictionary = DictionaryWriter::default();
        let lists = self.at;
        if let Some(gather) = self.gather.take() {
            self.footer.lengths = gather.lengths().to_vec();
            self.footer.total_terms = gather.total_terms();
            for one in gather.sorted() {
                dictionary.term(one.term, one.passages, one.list);
                self.file
                    .write_all(one.list)
                    .map_err(|source| PartError::File { path: self.path.clone(), source })?;
                self.at += one.list.len() as u64;
            }
        }
        self.end(lists, dictionary)
    }

    /// Writes lists that are brought in order, by a merge.
    pub(super) fn finish_with(
        mut self,
        lengths: Vec<u8>,
        total_terms: u64,
        lists: &mut dyn FnMut(&mut Put<'_, io::Error>) -> Result<(), PartError>,
    ) -> Result<PartFacts, PartError> {
        let mut dictionary = DictionaryWriter::default();
        let begin = self.at;
        (self.footer.lengths, self.footer.total_terms) = (lengths, total_terms);
        let (file, at) = (&mut self.file, &mut self.at);
        lists(&mut |term, passages, list| {
            dictionary.term(term, passages, list);
            *at += list.len() as u64;
            file.write_all(list)
        })?;
        self.end(begin, dictionary)
    }

    fn end(mut self, lists: u64, dictionary: DictionaryWriter) -> Result<PartFacts, PartError> {
        let (terms, sparse) = dictionary.finish();
        self.footer.lists = lists;
        self.footer.dictionary = self.at;
        self.footer.dictionary_sums = sparse.sums(&terms);
        self.footer.sparse = sparse;
        let footer = self.footer.put();
        let mut trailer = [0; TRAILER];
        let at = self.at + terms.len() as u64;
        trailer[..8].copy_from_slice(&at.to_le_bytes());
        trailer[8..16].copy_from_slice(&(footer.len() as u64).to_le_bytes());
        trailer[16..24].copy_from_slice(&xxh3_64(&footer).to_le_bytes());
        trailer[24..].copy_from_slice(MAGIC);
        let mut write = || {
            for bytes in [&terms, &footer, trailer.as_slice()] {
                self.file.write_all(bytes)?;
            }
            self.file.flush()?;
            self.file.get_ref().sync_data()
        };
        write().map_err(|source| PartError::File { path: self.path.clone(), source })?;
        Ok(PartFacts {
            path: self.path,
            passages: self.footer.passages,
            bytes: at + (footer.len() + TRAILER) as u64,
        })
    }
}
