//! Reads a part.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use plimsoll::governor::Charge;
use plimsoll::{Bytes, EngineAccount, Place as Where};
use xxhash_rust::xxh3::xxh3_64;

use super::footer::{Footer, Place};
use super::writer::{HEAD, MAGIC, TRAILER, VERSION};
use super::{PartError, Record, Run};
use crate::bytes::{Cut, Take};
use crate::terms::{Entry, ListSum, find_in};

/// A part that is open: its footer is in memory, and charged; the rest is read when it is wanted.
#[derive(Debug)]
pub(crate) struct Part {
    path: PathBuf,
    file: File,
    footer: Footer,
    /// The number of its first passage among all.
    first: u64,
    bytes: u64,
    charge: Charge,
}

impl Part {
    /// Opens one whose first passage is `first`.
    pub(crate) fn open(path: &Path, first: u64, account: &EngineAccount) -> Result<Self, crate::DocsError> {
        let failed = |source| PartError::File { path: path.to_owned(), source };
        let damaged = |what| PartError::Damaged { path: path.to_owned(), what };
        let file = File::open(path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        if bytes < (HEAD + TRAILER) as u64 {
            return Err(damaged("it is too short").into());
        }
        let head = read(&file, 0, HEAD).map_err(failed)?;
        let version = Take::new(&head[8..]).word().unwrap_or_default();
        if &head[..8] != MAGIC {
            return Err(damaged("it does not begin as one").into());
        }
        if version > VERSION {
            return Err(PartError::Newer { path: path.to_owned(), version }.into());
        }
        let trailer = read(&file, bytes - TRAILER as u64, TRAILER).map_err(failed)?;
        let (at, len, wanted) = words(&trailer).map_err(|Cut| damaged("its end is no end"))?;
        if &trailer[24..] != MAGIC || at.checked_add(len) != Some(bytes - TRAILER as u64) {
            return Err(damaged("its end is no end").into());
        }
        // The footer as it lies and as it is understood.
        let room = account.reserve(Where::Host, Bytes::new(len * 4)).now()?;
        let footer = read(&file, at, usize::try_from(len).unwrap_or(usize::MAX)).map_err(failed)?;
        if xxh3_64(&footer) != wanted {
            return Err(damaged("what its footer comes to").into());
        }
        let footer = Footer::take(&footer).map_err(|Cut| damaged("its footer"))?;
        if !footer.adds_up() {
            return Err(damaged("its footer does not add up").into());
        }
        drop(room);
        let charge = account.reserve(Where::Host, Bytes::new(footer.bytes() as u64)).now()?.back();
        Ok(Self { path: path.to_owned(), file, footer, first, bytes, charge })
    }

    /// The number of its first passage among all.
    pub(crate) const fn first(&self) -> u64 {
        self.first
    }

    pub(crate) const fn passages(&self) -> u32 {
        self.footer.passages
    }

    /// The number behind its last passage.
    pub(crate) fn end(&self) -> u64 {
        self.first + u64::from(self.footer.passages)
    }

    /// Bytes of its file.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What it takes of memory.
    pub(crate) fn held(&self) -> u64 {
        self.charge.bytes().get()
    }

    pub(crate) const fn total_terms(&self) -> u64 {
        self.footer.total_terms
    }

    pub(crate) fn lengths(&self) -> &[u8] {
        &self.footer.lengths
    }

    pub(crate) fn runs(&self) -> &[Run] {
        &self.footer.runs
    }

    /// Whose passage that is, and which of its passages.
    pub(crate) fn owner(&self, passage: u32) -> Option<(u64, u64)> {
        let run =
            &self.footer.runs[self.footer.runs.partition_point(|run| run.first <= passage).checked_sub(1)?];
        Some((run.document, run.ordinal + u64::from(passage - run.first)))
    }

    fn damaged(&self, what: &'static str) -> PartError {
        PartError::Damaged { path: self.path.clone(), what }
    }

    fn read(&self, at: u64, len: usize) -> Result<Vec<u8>, PartError> {
        read(&self.file, at, len).map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged("it ends too early"),
            _ => PartError::File { path: self.path.clone(), source },
        })
    }

    /// What the largest of its blocks unpacks to.
    pub(super) fn largest_block(&self) -> usize {
        self.footer.blocks.iter().map(|block| block.raw as usize).max().unwrap_or(0)
    }

    /// How many blocks it has.
    pub(crate) fn blocks(&self) -> usize {
        self.footer.blocks.len()
    }

    /// The first passage of a block, and the one behind its last.
    pub(crate) fn block_range(&self, block: usize) -> std::ops::Range<u32> {
        let end = self.footer.blocks.get(block + 1).map_or(self.footer.passages, |next| next.first);
        self.footer.blocks[block].first..end
    }

    /// A block's records.
    pub(crate) fn block(&self, block: usize) -> Result<Vec<u8>, PartError> {
        let Place { at, packed, raw, sum, .. } = self.footer.blocks[block];
        let packed = self.read(at, packed as usize)?;
        if xxh3_64(&packed) != sum {
            return Err(self.damaged("what a block comes to"));
        }
        lz4_flex::block::decompress(&packed, raw as usize).map_err(|_| self.damaged("a block"))
    }

    /// Which block has a passage.
    pub(crate) fn block_of(&self, passage: u32) -> usize {
        self.footer.blocks.partition_point(|block| block.first <= passage).saturating_sub(1)
    }

    /// Passages of a block, from `from` on, until `told` has seen enough.
    pub(crate) fn records(
        &self,
        block: usize,
        bytes: &[u8],
        mut told: impl FnMut(u32, Record<'_>) -> bool,
    ) -> Result<(), PartError> {
        let mut take = Take::new(bytes);
        for passage in self.block_range(block) {
            let record = Record::take(&mut take).map_err(|Cut| self.damaged("a passage"))?;
            if !told(passage, record) {
                break;
            }
        }
        Ok(())
    }

    /// What is known of a term.
    pub(crate) fn term(&self, term: &[u8]) -> Result<Option<Entry>, PartError> {
        let Some(number) = self.footer.sparse.number_of(term) else { return Ok(None) };
        let (block, list) = self.dictionary_block(number)?;
        find_in(&block, list, term).map_err(|Cut| self.damaged("its terms"))
    }

    /// A block of its dictionary, and where its first list is.
    pub(super) fn dictionary_block(&self, number: usize) -> Result<(Vec<u8>, u64), PartError> {
        let (at, len, list) = self.footer.sparse.block(number).ok_or_else(|| self.damaged("its terms"))?;
        let block = self.read(self.footer.dictionary + at, len)?;
        if self.footer.dictionary_sums.get(number) != Some(&xxh3_64(&block)) {
            return Err(self.damaged("what its terms come to"));
        }
        Ok((block, list))
    }

    pub(super) fn dictionary_blocks(&self) -> usize {
        self.footer.dictionary_sums.len()
    }

    /// The passages of a term.
    pub(crate) fn list(&self, entry: &Entry) -> Result<Vec<u8>, PartError> {
        let len = usize::try_from(entry.bytes).map_err(|_| self.damaged("a list"))?;
        let list = self.read(self.footer.lists + entry.list, len)?;
        if ListSum::of(&list) != entry.sum {
            return Err(self.damaged("what a list comes to"));
        }
        Ok(list)
    }

    /// Something in a list that cannot be.
    pub(crate) fn bad_list(&self) -> PartError {
        self.damaged("a list")
    }
}

fn words(trailer: &[u8]) -> Result<(u64, u64, u64), Cut> {
    let mut take = Take::new(trailer);
    Ok((take.long()?, take.long()?, take.long()?))
}

fn read(file: &File, at: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    #[cfg(unix)]
    std::os::unix::fs::FileExt::read_exact_at(file, &mut bytes, at)?;
    #[cfg(not(unix))]
    {
        use std::io::{Read as _, Seek as _};
        let mut file = file;
        file.seek(io::SeekFrom::Start(at))?;
        file.read_exact(&mut bytes)?;
    }
    Ok(bytes)
}
