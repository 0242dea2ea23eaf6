//! Terms on disk, in order: blocks of some, each term as what it has beyond the one before.

use xxhash_rust::xxh3::xxh3_64;

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

/// Writes terms that come in order.
#[derive(Debug, Default)]
pub(crate) struct DictionaryWriter {
    block: Vec<u8>,
    before: Vec<u8>,
    out: Vec<u8>,
    sparse: Sparse,
    list: u64,
}

impl DictionaryWriter {
    /// The next term, whose list comes next.
    pub(crate) fn term(&mut self, term: &[u8], passages: u32, list: &[u8]) {
        if self.block.is_empty() {
            self.before.clear();
            let at = self.out.len() as u64;
            self.sparse.blocks.push(SparseBlock { first: term.into(), at, bytes: 0, list: self.list });
        }
        let shared = self.before.iter().zip(term).take_while(|(one, other)| one == other).count();
        put_varint(&mut self.block, shared as u64);
        put_slice(&mut self.block, &term[shared..]);
        put_varint(&mut self.block, u64::from(passages));
        put_varint(&mut self.block, list.len() as u64);
        self.block.extend_from_slice(&sum(list).to_le_bytes());
        self.before.clear();
        self.before.extend_from_slice(term);
        self.list += list.len() as u64;
        if self.block.len() >= BLOCK {
            self.end_block();
        }
    }

    fn end_block(&mut self) {
        if let (Some(last), false) = (self.sparse.blocks.last_mut(), self.block.is_empty()) {
            last.bytes = u32::try_from(self.block.len()).unwrap_or(u32::MAX);
        }
        self.out.append(&mut self.block);
    }

    /// The blocks, and where they are.
    pub(crate) fn finish(mut self) -> (Vec<u8>, Sparse) {
        self.end_block();
        (self.out, self.sparse)
    }
}

/// What the bytes of a list come to.
pub(crate) fn sum(list: &[u8]) -> u32 {
    (xxh3_64(list) & 0xffff_ffff) as u32
}

/// Terms of a block, in order, until `told` says that it has seen enough.
pub(crate) fn entries(
    block: &[u8],
    list: u64,
    mut told: impl FnMut(&[u8], Entry) -> bool,
) -> Result<(), Cut> {
    let (mut take, mut term, mut list) = (Take::new(block), Vec::new(), list);
    while !take.is_empty() {
        let shared = take.count()?;
        if shared > term.len() {
            return Err(Cut);
        }
        term.truncate(shared);
        term.extend_from_slice(take.slice()?);
        let passages = u32::try_from(take.varint()?).map_err(|_| Cut)?;
        let bytes = take.varint()?;
        let entry = Entry { passages, list, bytes, sum: take.word()? };
        list = list.checked_add(bytes).ok_or(Cut)?;
        if !told(&term, entry) {
            return Ok(());
        }
    }
    Ok(())
}

/// A term of a block.
pub(crate) fn find_in(block: &[u8], list: u64, wanted: &[u8]) -> Result<Option<Entry>, Cut> {
    let mut found = None;
    entries(block, list, |term, entry| {
        if term == wanted {
            found = Some(entry);
        }
        term < wanted
    })?;
    Ok(found)
}

impl Sparse {
    /// Which block would have a term.
    pub(crate) fn number_of(&self, term: &[u8]) -> Option<usize> {
        self.blocks.partition_point(|block| &*block.first <= term).checked_sub(1)
    }

    /// What the bytes of each block come to.
    pub(crate) fn sums(&self, terms: &[u8]) -> Vec<u64> {
        let of = |block: &SparseBlock| {
            let at = usize::try_from(block.at).unwrap_or(usize::MAX);
            xxh3_64(&terms[at..at + block.bytes as usize])
        };
        self.blocks.iter().map(of).collect()
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
        let mut writer = DictionaryWriter::default();
        let list_of = |number: u32| vec![1; number as usize % 7];
        for (number, term) in (0..).zip(&terms) {
            writer.term(term.as_bytes(), number, &list_of(number));
        }
        let (bytes, sparse) = writer.finish();
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
            let bytes = list_of(passages).len() as u64;
            let sum = sum(&list_of(passages));
            assert_eq!(look(term), Some(Entry { passages, list, bytes, sum }), "{term}");
            list += bytes;
        }
        for absent in ["", "a", "term00001", "term99999", "zz"] {
            assert_eq!(look(absent), None, "{absent}");
        }
        assert_eq!(find_in(&bytes[..5], 0, b"term00000"), Err(Cut));
    }
}
