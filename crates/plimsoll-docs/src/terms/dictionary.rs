//! Terms on disk, in order: blocks of some, each term as what it has beyond the one before.

use std::cmp::Ordering;
use std::io::{self, Write};

use xxhash_rust::xxh3::xxh3_64;

use super::TERM_MOST;
use crate::bytes::{Cut, Take, put_slice, put_varint};

/// A block ends once it has so many bytes.
const BLOCK: usize = 4096;

/// A term in a dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Passages that have it.
    pub(crate) passages: u32,
    /// Where its list is, from where lists begin.
    pub(crate) list: u64,
    /// Bytes of it.
    pub(crate) bytes: u64,
    /// What they must come to.
    pub(crate) sum: u32,
}

/// Where blocks are, by their first terms: what stays in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sparse {
    blocks: Vec<SparseBlock>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SparseBlock {
    first: Box<[u8]>,
    /// From where the dictionary begins.
    at: u64,
    bytes: u32,
    /// Where the list of its first term is.
    list: u64,
}

/// A dictionary that was written.
#[derive(Debug)]
pub(crate) struct Dictionary<W> {
    /// Where its blocks went.
    pub(crate) out: W,
    pub(crate) bytes: u64,
    pub(crate) sparse: Sparse,
    /// What the bytes of each block come to.
    pub(crate) sums: Vec<u64>,
}

/// Writes terms that come in order. What it holds is a block, and where the others are.
#[derive(Debug)]
pub(crate) struct DictionaryWriter<W> {
    block: Vec<u8>,
    before: Vec<u8>,
    dictionary: Dictionary<W>,
    list: u64,
}

impl<W: Write> DictionaryWriter<W> {
    /// Writes to `out`, with room for where so many blocks are.
    pub(crate) fn new(out: W, blocks: usize) -> Self {
        let sparse = Sparse { blocks: Vec::with_capacity(blocks) };
        let dictionary = Dictionary { out, bytes: 0, sparse, sums: Vec::with_capacity(blocks) };
        Self { block: Vec::new(), before: Vec::new(), dictionary, list: 0 }
    }

    /// The next term, whose list comes next: so many bytes that come to that.
    pub(crate) fn term(&mut self, term: &[u8], passages: u32, bytes: u64, sum: u32) -> io::Result<()> {
        if self.block.is_empty() {
            self.before.clear();
            let Dictionary { bytes: at, sparse, .. } = &mut self.dictionary;
            sparse.blocks.push(SparseBlock { first: term.into(), at: *at, bytes: 0, list: self.list });
        }
        let shared = self.before.iter().zip(term).take_while(|(one, other)| one == other).count();
        put_varint(&mut self.block, shared as u64);
        put_slice(&mut self.block, &term[shared..]);
        put_varint(&mut self.block, u64::from(passages));
        put_varint(&mut self.block, bytes);
        self.block.extend_from_slice(&sum.to_le_bytes());
        self.before.clear();
        self.before.extend_from_slice(term);
        self.list += bytes;
        if self.block.len() >= BLOCK { self.end_block() } else { Ok(()) }
    }

    fn end_block(&mut self) -> io::Result<()> {
        let dictionary = &mut self.dictionary;
        if let (Some(last), false) = (dictionary.sparse.blocks.last_mut(), self.block.is_empty()) {
            last.bytes = u32::try_from(self.block.len()).unwrap_or(u32::MAX);
            dictionary.sums.push(xxh3_64(&self.block));
            dictionary.bytes += self.block.len() as u64;
            dictionary.out.write_all(&self.block)?;
            self.block.clear();
        }
        Ok(())
    }

    /// What became of it.
    pub(crate) fn finish(mut self) -> io::Result<Dictionary<W>> {
        self.end_block()?;
        Ok(self.dictionary)
    }
}

/// Terms of a block, in order.
#[derive(Debug, Default)]
pub(crate) struct Entries<B> {
    block: B,
    at: usize,
    term: Vec<u8>,
    list: u64,
}

impl<B: AsRef<[u8]>> Entries<B> {
    /// Those of a block; the list of the first is at `list`.
    pub(crate) const fn new(block: B, list: u64) -> Self {
        Self { block, at: 0, term: Vec::new(), list }
    }

    /// The next one, which is [`term`](Self::term) then.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, Cut> {
        let block = self.block.as_ref();
        let mut take = Take::new(&block[self.at..]);
        if take.is_empty() {
            return Ok(None);
        }
        let shared = take.count()?;
        if shared > self.term.len() {
            return Err(Cut);
        }
        self.term.truncate(shared);
        self.term.extend_from_slice(take.slice()?);
        let passages = u32::try_from(take.varint()?).map_err(|_| Cut)?;
        let bytes = take.varint()?;
        let entry = Entry { passages, list: self.list, bytes, sum: take.word()? };
        self.list = self.list.checked_add(bytes).ok_or(Cut)?;
        self.at = block.len() - take.left();
        Ok(Some(entry))
    }

    /// The term that was last.
    pub(crate) fn term(&self) -> &[u8] {
        &self.term
    }
}

/// A term of a block.
pub(crate) fn find_in(block: &[u8], list: u64, wanted: &[u8]) -> Result<Option<Entry>, Cut> {
    let mut entries = Entries::new(block, list);
    while let Some(entry) = entries.next()? {
        match entries.term().cmp(wanted) {
            Ordering::Less => {}
            Ordering::Equal => return Ok(Some(entry)),
            Ordering::Greater => break,
        }
    }
    Ok(None)
}

impl Sparse {
    /// Which block would have a term.
    pub(crate) fn number_of(&self, term: &[u8]) -> Option<usize> {
        self.blocks.partition_point(|block| &*block.first <= term).checked_sub(1)
    }

    /// What so many blocks take at most, with what they come to.
    pub(crate) const fn bytes_of(blocks: usize) -> usize {
        blocks * (size_of::<SparseBlock>() + TERM_MOST + 16 + size_of::<u64>())
    }

    /// A block by its number: where it is, how long, and where its first list is.
    pub(crate) fn block(&self, number: usize) -> Option<(u64, usize, u64)> {
        self.blocks.get(number).map(|block| (block.at, block.bytes as usize, block.list))
    }

    /// What it takes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.blocks.iter().map(|block| size_of::<SparseBlock>() + block.first.len() + 16).sum()
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.blocks.len() as u64);
        for block in &self.blocks {
            put_slice(out, &block.first);
            put_varint(out, block.at);
            put_varint(out, u64::from(block.bytes));
            put_varint(out, block.list);
        }
    }

    pub(crate) fn take(from: &mut Take<'_>) -> Result<Self, Cut> {
        let count = from.count()?;
        let mut blocks = Vec::new();
        for _ in 0..count {
            let first = from.slice()?.into();
            let (at, bytes) = (from.varint()?, u32::try_from(from.varint()?).map_err(|_| Cut)?);
            blocks.push(SparseBlock { first, at, bytes, list: from.varint()? });
        }
        Ok(Self { blocks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_term_is_found_again_and_no_other() {
        let terms: Vec<String> = (0..2000).map(|number| format!("term{:05}", number * 3)).collect();
        let mut writer = DictionaryWriter::new(Vec::new(), 1);
        let length_of = |number: u32| u64::from(number % 7);
        for (number, term) in (0..).zip(&terms) {
            writer.term(term.as_bytes(), number, length_of(number), number).expect("memory takes it");
        }
        let Dictionary { out: bytes, bytes: len, sparse, sums } = writer.finish().expect("memory takes it");
        assert_eq!(bytes.len() as u64, len);
        assert_eq!(sums.len(), sparse.blocks.len());
        let mut out = Vec::new();
        sparse.put(&mut out);
        assert_eq!(Sparse::take(&mut Take::new(&out)).as_ref(), Ok(&sparse));
        assert!(sparse.block(3).is_some(), "several blocks");
        let look = |term: &str| {
            let (at, len, list) = sparse.block(sparse.number_of(term.as_bytes())?)?;
            let at = usize::try_from(at).expect("it is in memory");
            find_in(&bytes[at..at + len], list, term.as_bytes()).expect("whole")
        };
        let mut list = 0;
        for (passages, term) in (0..).zip(&terms) {
            let bytes = length_of(passages);
            assert_eq!(look(term), Some(Entry { passages, list, bytes, sum: passages }), "{term}");
            list += bytes;
        }
        for absent in ["", "a", "term00001", "term99999", "zz"] {
            assert_eq!(look(absent), None, "{absent}");
        }
        assert_eq!(find_in(&bytes[..5], 0, b"term00000"), Err(Cut));
    }
}
