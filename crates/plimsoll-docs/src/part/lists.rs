//! Writes what comes behind a part's passages: lists, the dictionary, the footer.

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, Write as _};
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::writer::{MAGIC, TRAILER};
use super::{PartError, PartFacts, PartWriter};
use crate::terms::{DictionaryWriter, ListSum};

/// What is written to the dictionary's own file at once.
pub(super) const SPOOL: usize = 64 << 10;

/// A part whose passages are written. Lists come in the order of their terms; the dictionary, which stands behind all of them, waits in a
/// file without a name.
#[derive(Debug)]
pub(super) struct ListsWriter {
    part: PartWriter,
    /// Where lists begin.
    begin: u64,
    dictionary: DictionaryWriter<BufWriter<File>>,
    sum: ListSum,
}

impl ListsWriter {
    /// Behind a part's passages, with room for where so many blocks of the dictionary are.
    pub(super) fn new(part: PartWriter, blocks: usize) -> Result<Self, PartError> {
        let spool = nameless(&part.path.with_extension("terms"))?;
        let dictionary = DictionaryWriter::new(BufWriter::with_capacity(SPOOL, spool), blocks);
        Ok(Self { begin: part.at, part, dictionary, sum: ListSum::default() })
    }

    /// More of the list that is being written.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        self.sum.add(bytes);
        self.part.at += bytes.len() as u64;
        self.part.file.write_all(bytes).map_err(|source| self.failed(source))
    }

    /// The list was this term's.
    pub(super) fn end(&mut self, term: &[u8], passages: u32) -> Result<(), PartError> {
        let (bytes, sum) = self.sum.end();
        self.dictionary.term(term, passages, bytes, sum).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> PartError {
        PartError::File { path: self.part.path.clone(), source }
    }

    /// Writes what is left, and has all of it on the disk.
    pub(super) fn finish(self) -> Result<PartFacts, PartError> {
        let Self { part: PartWriter { path, mut file, at, mut footer, .. }, begin, dictionary, .. } = self;
        let failed = |source| PartError::File { path: path.clone(), source };
        let dictionary = dictionary.finish().map_err(failed)?;
        let mut spool = dictionary.out.into_inner().map_err(|error| failed(error.into_error()))?;
        spool.rewind().map_err(failed)?;
        let copied = io::copy(&mut spool, &mut file).map_err(failed)?;
        assert_eq!(copied, dictionary.bytes, "the file without a name is ours alone");
        drop(spool);
        (footer.lists, footer.dictionary) = (begin, at);
        (footer.sparse, footer.dictionary_sums) = (dictionary.sparse, dictionary.sums);
        let (at, passages) = (at + dictionary.bytes, footer.passages);
        let footer = footer.put();
        let mut trailer = [0; TRAILER];
        trailer[..8].copy_from_slice(&at.to_le_bytes());
        trailer[8..16].copy_from_slice(&(footer.len() as u64).to_le_bytes());
        trailer[16..24].copy_from_slice(&xxh3_64(&footer).to_le_bytes());
        trailer[24..].copy_from_slice(MAGIC);
        let mut write = || {
            file.write_all(&footer)?;
            file.write_all(&trailer)?;
            file.flush()?;
            file.get_ref().sync_data()
        };
        write().map_err(failed)?;
        let bytes = at + (footer.len() + TRAILER) as u64;
        Ok(PartFacts { path, passages, bytes })
    }
}

/// A file that is gone with who has it.
fn nameless(path: &Path) -> Result<File, PartError> {
    let failed = |source| PartError::File { path: path.to_owned(), source };
    let file = File::options().read(true).write(true).create_new(true).open(path).map_err(failed)?;
    std::fs::remove_file(path).map_err(failed)?;
    Ok(file)
}
