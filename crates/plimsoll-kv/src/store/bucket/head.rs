//! The head of an object: whose block it is, and what its sections must be.
//!
//! # Format (little end first)
//! ```text
//! magic 8 · version 4 · bytes of the head 4 · id 16 · parent 16 (zeros: none) · root 32 · writer 16
//! form 4 · tokens n 4 · sections m 4 · seconds f32 · uses 4 · zero 4 · used at 8        = 128
//! n × token 4 · m × (bytes 4, BLAKE3 of the section 16) · BLAKE3 of all the above 16
//! ```
//! The sections follow, one after the other. A head is trusted only if its own hash is right, so a number in it is one
//! that was written; lengths are still checked, since whoever may write to the bucket can write a right hash too.

use std::ops::Range;

use crate::block::{BlockId, Root};
use crate::store::{Expect, Record, Worth};

const MAGIC: &[u8; 8] = b"plimkvb\n";
/// The version of the format. Keys carry it too, so that programs of different versions never meet.
pub(super) const VERSION: u32 = 1;
const FIXED: usize = 128;
const HASH: usize = 16;
const SECTION: usize = 4 + HASH;
const TOKENS_MOST: usize = 1 << 20;
const SECTIONS_MOST: usize = 1 << 16;
/// Tokens that are allowed for when nothing is known of an object but its key; who has more is asked for again.
pub(super) const TOKENS_USUAL: usize = 1_024;
/// Sections that are allowed for when the first bytes of an unknown object are asked for.
const SECTIONS_USUAL: usize = 128;

/// What an object's head says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Head {
    pub id: BlockId,
    pub parent: Option<BlockId>,
    pub root: Root,
    pub writer: [u8; 16],
    pub form: u32,
    pub worth: Worth,
    pub tokens: Vec<u32>,
    pub sections: Vec<(u32, [u8; HASH])>,
}

/// What was found where a head should be.
#[derive(Debug, PartialEq)]
pub(super) enum Parsed {
    Whole(Head),
    /// It may be one; so many bytes are needed to tell.
    Longer(usize),
    Damaged,
}

/// How many bytes a head takes.
pub(super) const fn head_bytes(tokens: usize, sections: usize) -> usize {
    FIXED + HASH + tokens.saturating_mul(4) + sections.saturating_mul(SECTION)
}

/// How many bytes to ask for when nothing is known of an object but its tokens.
pub(super) fn likely_bytes(tokens: usize, sections: usize) -> usize {
    head_bytes(tokens.min(TOKENS_MOST), sections.clamp(SECTIONS_USUAL, SECTIONS_MOST))
}

/// The bytes of an object; none if it is larger than any object may be.
pub(super) fn object_bytes(record: &Record<'_>) -> Option<u64> {
    let fits = record.tokens.len() <= TOKENS_MOST && record.sections.len() <= SECTIONS_MOST;
    let small = record.sections.iter().all(|section| u32::try_from(section.len()).is_ok());
    let head = head_bytes(record.tokens.len(), record.sections.len()) as u64;
    let sum = record.sections.iter().map(|section| section.len() as u64).fold(head, u64::saturating_add);
    (fits && small).then_some(sum)
}

/// An object's bytes. Call it only for what [`object_bytes`] found to fit.
pub(super) fn encode(record: &Record<'_>, writer: [u8; 16]) -> Vec<u8> {
    let head = head_bytes(record.tokens.len(), record.sections.len());
    let all = record.sections.iter().map(|section| section.len()).fold(head, usize::saturating_add);
    let mut out = Vec::with_capacity(all);
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes();
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&number(head));
    out.extend_from_slice(&record.id.to_bytes());
    out.extend_from_slice(&record.parent.map_or([0; 16], BlockId::to_bytes));
    out.extend_from_slice(record.root.bytes());
    out.extend_from_slice(&writer);
    out.extend_from_slice(&record.form.to_le_bytes());
    out.extend_from_slice(&number(record.tokens.len()));
    out.extend_from_slice(&number(record.sections.len()));
    out.extend_from_slice(&record.worth.seconds.to_le_bytes());
    out.extend_from_slice(&record.worth.uses.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&record.worth.used_at.to_le_bytes());
    for token in record.tokens {
        out.extend_from_slice(&token.to_le_bytes());
    }
    for section in record.sections {
        out.extend_from_slice(&number(section.len()));
        out.extend_from_slice(&hash(section));
    }
    let check = hash(&out);
    out.extend_from_slice(&check);
    for section in record.sections {
        out.extend_from_slice(section);
    }
    out
}

/// Reads a head from the first bytes of an object.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    if bytes.len() < FIXED {
        return Parsed::Damaged;
    }
    let mut fields = Fields { bytes };
    let magic: [u8; 8] = fields.take();
    let (version, said) = (fields.number(), fields.number());
    let (id, parent, root, writer) = (fields.take(), fields.take::<16>(), fields.take(), fields.take());
    let (form, tokens, sections) = (fields.number(), fields.number() as usize, fields.number() as usize);
    let seconds = f32::from_le_bytes(fields.take());
    let (uses, zero, used_at) = (fields.number(), fields.number(), u64::from_le_bytes(fields.take()));
    let bounded = tokens <= TOKENS_MOST && sections <= SECTIONS_MOST;
    let length = head_bytes(tokens, sections);
    if magic != *MAGIC || version != VERSION || zero != 0 || !bounded || said as usize != length {
        return Parsed::Damaged;
    }
    if bytes.len() < length {
        return Parsed::Longer(length);
    }
    if hash(&bytes[..length - HASH]) != bytes[length - HASH..length] {
        return Parsed::Damaged;
    }
    Parsed::Whole(Head {
        id: BlockId::from_bytes(id),
        parent: (parent != [0; 16]).then(|| BlockId::from_bytes(parent)),
        root: Root::from_bytes(root),
        writer,
        form,
        worth: Worth { seconds, uses, used_at },
        tokens: (0..tokens).map(|_| fields.number()).collect(),
        sections: (0..sections).map(|_| (fields.number(), fields.take())).collect(),
    })
}

impl Head {
    /// How many bytes it takes.
    pub fn bytes(&self) -> u64 {
        head_bytes(self.tokens.len(), self.sections.len()) as u64
    }

    /// How long the object must be.
    pub fn object_bytes(&self) -> u64 {
        self.span(0..self.sections.len()).map_or(u64::MAX, |span| span.end)
    }

    /// Where some sections lie in the object; none if there are no such sections.
    pub fn span(&self, sections: Range<usize>) -> Option<Range<u64>> {
        span(self.bytes(), self.sections.iter().map(|section| section.0), self.sections.len(), sections)
    }

    /// Whether it is what a reader expects.
    pub fn is(&self, id: BlockId, expect: &Expect<'_>) -> bool {
        (self.id, self.parent, &self.root, self.form) == (id, expect.parent, expect.root, expect.form)
            && self.tokens == expect.tokens
    }

    /// Whether some sections, one after the other, are what was written.
    pub fn vouches(&self, sections: Range<usize>, mut bytes: &[u8]) -> bool {
        let Some(wanted) = self.sections.get(sections) else {
            return false;
        };
        for (length, check) in wanted {
            let Some((section, rest)) = bytes.split_at_checked(*length as usize) else {
                return false;
            };
            if hash(section) != *check {
                return false;
            }
            bytes = rest;
        }
        bytes.is_empty()
    }
}

/// Where some sections lie behind a head.
pub(super) fn span(
    head: u64,
    lengths: impl Iterator<Item = u32>,
    count: usize,
    sections: Range<usize>,
) -> Option<Range<u64>> {
    if sections.start > sections.end || sections.end > count {
        return None;
    }
    let (mut from, mut to) = (head, head);
    for (index, length) in lengths.take(sections.end).enumerate() {
        to = to.saturating_add(u64::from(length));
        if index < sections.start {
            from = to;
        }
    }
    Some(from..to)
}

fn hash(bytes: &[u8]) -> [u8; HASH] {
    let mut short = [0; HASH];
    short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..HASH]);
    short
}

/// Fields from the front of bytes; zeros where there are none, which the hash would not match.
struct Fields<'a> {
    bytes: &'a [u8],
}

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.bytes.split_first_chunk::<N>() {
            Some((field, rest)) => {
                self.bytes = rest;
                *field
            }
            None => [0; N],
        }
    }

    fn number(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn object(tokens: &[u32], sections: &[&[u8]]) -> Vec<u8> {
        let root = Root::from_bytes([7; 32]);
        let worth = Worth { seconds: 0.5, uses: 3, used_at: 9 };
        let (id, parent) = (BlockId::new(5), Some(BlockId::new(4)));
        encode(&Record { id, parent, root: &root, tokens, form: 2, worth, sections }, [1; 16])
    }

    fn whole(bytes: &[u8]) -> Head {
        match parse(bytes) {
            Parsed::Whole(head) => head,
            other => panic!("no head: {other:?}"),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = object(&[1, 2, 3], &[b"abc", b"", b"de"]);
        let head = whole(&bytes);
        assert_eq!(head.tokens, [1, 2, 3]);
        assert_eq!(head.worth, Worth { seconds: 0.5, uses: 3, used_at: 9 });
        assert_eq!(head.object_bytes(), bytes.len() as u64);
        let at = head.bytes();
        assert_eq!(head.span(2..3), Some(at + 3..at + 5));
        assert_eq!(head.span(2..4), None);
        assert!(head.vouches(0..3, b"abcde") && head.vouches(2..3, b"de"));
        assert!(
            !head.vouches(0..3, b"abcdf") && !head.vouches(0..3, b"abcdee") && !head.vouches(0..3, b"abcd")
        );
    }

    #[test]
    fn a_head_that_is_cut_says_how_long_it_is() {
        let bytes = object(&[1, 2, 3], &[b"abc"]);
        let length = usize::try_from(whole(&bytes).bytes()).unwrap();
        for cut in 0..length {
            match parse(&bytes[..cut]) {
                Parsed::Damaged => assert!(cut < FIXED),
                Parsed::Longer(needed) => assert_eq!(needed, length),
                Parsed::Whole(_) => panic!("a head of {cut} bytes"),
            }
        }
    }

    proptest! {
        #[test]
        fn no_flipped_bit_of_an_object_goes_unseen(at in 0_usize..1_000, bit in 0_u8..8) {
            let mut bytes = object(&[1, 2, 3, 4], &[&[9; 40], &[8; 50]]);
            let good = whole(&bytes);
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let length = usize::try_from(good.bytes()).unwrap();
            let seen = match parse(&bytes) {
                Parsed::Whole(head) => !head.vouches(0..2, &bytes[length..]),
                Parsed::Longer(_) | Parsed::Damaged => true,
            };
            prop_assert!(seen);
        }

        #[test]
        fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..400), like in any::<bool>()) {
            let mut bytes = bytes;
            if like && bytes.len() >= 16 {
                bytes[..8].copy_from_slice(MAGIC);
                bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
            }
            prop_assert!(!matches!(parse(&bytes), Parsed::Whole(_)));
        }
    }
}
