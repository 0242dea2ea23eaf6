//! A record's header: what it stands for, and what its sections must sum to.

use super::Unread;
use super::bytes::{Reader, Write as _, check, mix};
use crate::block::{BlockId, Root, Token};
use crate::store::{Expect, Record, Worth};

const MAGIC: u32 = 0x5256_4B50;
/// Magic, length, the dead word, the check.
pub(in super::super) const PREFIX_BYTES: usize = 24;
const FIXED_BYTES: usize = 144;
/// Where in a header the word is that says that its record was removed. It is not summed: it is written later.
pub(in super::super) const DEAD_AT: u64 = 8;
const CHECKED_FROM: usize = PREFIX_BYTES;
const LENGTH_MAX: u32 = 16 << 20;

/// What a record says of itself.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Header {
    pub id: BlockId,
    pub parent: Option<BlockId>,
    pub root: Root,
    pub form: u32,
    pub worth: Worth,
    pub tokens: Vec<Token>,
    /// The bytes of each section, and what they sum to.
    pub sections: Vec<u32>,
    pub checks: Vec<u64>,
    /// Its own length; the sections follow at once.
    pub header_bytes: u32,
    /// Whether it was removed.
    pub dead: bool,
}

/// How long the header of a record is; nothing if it would be longer than any may be.
fn header_bytes(tokens: usize, sections: usize) -> Option<u32> {
    let bytes = sections.checked_mul(12)?.checked_add(tokens.checked_mul(4)?)?.checked_add(FIXED_BYTES)?;
    let bytes = u32::try_from(bytes.checked_next_multiple_of(8)?).ok()?;
    (bytes <= LENGTH_MAX).then_some(bytes)
}

/// What a section sums to. Seeded, so that another block's section, or another section of this one, does not pass.
pub(in super::super) fn section_check(id: BlockId, index: usize, bytes: &[u8]) -> u64 {
    let id = id.get();
    #[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
    let folded = mix(id as u64, (id >> 64) as u64);
    check(bytes, mix(folded, index as u64 + 1))
}

/// The word that says that the record at a block of a segment was removed.
pub(in super::super) const fn dead_word(salt: u64, block: u32) -> u64 {
    // Zero is what stands there before.
    mix(salt, 0xDEAD_0000_0000_0000 | block as u64) | 1
}

impl Header {
    /// What is to be written for a record, and where its data begins.
    pub(in super::super) fn of(record: &Record<'_>) -> Option<Self> {
        let header_bytes = header_bytes(record.tokens.len(), record.sections.len())?;
        let lengths = record.sections.iter().map(|section| u32::try_from(section.len()).ok());
        let checks = record.sections.iter().enumerate();
        Some(Self {
            id: record.id,
            parent: record.parent,
            root: *record.root,
            form: record.form,
            worth: record.worth,
            tokens: record.tokens.to_vec(),
            sections: lengths.collect::<Option<_>>()?,
            checks: checks.map(|(index, section)| section_check(record.id, index, section)).collect(),
            header_bytes,
            dead: false,
        })
    }

    /// Bytes of all sections.
    pub(in super::super) fn data_bytes(&self) -> u64 {
        self.sections.iter().map(|&bytes| u64::from(bytes)).sum()
    }

    pub(in super::super) fn write(&self, segment: u64, salt: u64, block: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.header_bytes as usize);
        out.u32(MAGIC);
        out.u32(self.header_bytes);
        out.u64(0);
        out.u64(0);
        out.extend_from_slice(&self.id.to_bytes());
        out.extend_from_slice(&self.parent.map_or([0; 16], BlockId::to_bytes));
        out.extend_from_slice(self.root.bytes());
        out.u64(segment);
        out.u32(block);
        out.u32(u32::from(self.parent.is_some()));
        out.u32(self.form);
        out.u32(self.worth.uses);
        out.u32(self.worth.seconds.to_bits());
        out.u32(count(self.tokens.len()));
        out.u64(self.worth.used_at);
        out.u32(count(self.sections.len()));
        out.u32(0);
        out.u64(self.data_bytes());
        self.checks.iter().for_each(|&check| out.u64(check));
        self.sections.iter().for_each(|&bytes| out.u32(bytes));
        self.tokens.iter().for_each(|&token| out.u32(token));
        out.resize(self.header_bytes as usize, 0);
        let sum = check(&out[CHECKED_FROM..], seed(salt, block));
        out[16..24].copy_from_slice(&sum.to_le_bytes());
        out
    }

    /// How long the header that begins so may be; nothing if no header does.
    pub(in super::super) fn length(prefix: &[u8]) -> Option<u32> {
        let mut reader = Reader::new(prefix);
        let magic = reader.u32().ok()?;
        let length = reader.u32().ok()?;
        let sound = magic == MAGIC && length <= LENGTH_MAX && length as usize >= FIXED_BYTES;
        (sound && length.is_multiple_of(8)).then_some(length)
    }

    /// The header that is exactly these bytes, at this block of this segment.
    pub(in super::super) fn read(bytes: &[u8], segment: u64, salt: u64, block: u32) -> Result<Self, Unread> {
        let header_bytes = Self::length(bytes).ok_or(Unread::Damaged)?;
        let mut reader = Reader::new(bytes);
        reader.take(8)?;
        let dead = reader.u64()? == dead_word(salt, block);
        let sum = reader.u64()?;
        if bytes.len() != header_bytes as usize || check(&bytes[CHECKED_FROM..], seed(salt, block)) != sum {
            return Err(Unread::Damaged);
        }
        let id = BlockId::from_bytes(reader.array()?);
        let parent = BlockId::from_bytes(reader.array()?);
        let root = Root::from_bytes(reader.array()?);
        let place = (reader.u64()?, reader.u32()?);
        let parent = (reader.u32()? & 1 == 1).then_some(parent);
        let form = reader.u32()?;
        let (uses, seconds) = (reader.u32()?, f32::from_bits(reader.u32()?));
        let tokens = reader.u32()? as usize;
        let used_at = reader.u64()?;
        let sections = reader.u32()? as usize;
        reader.u32()?;
        let data_bytes = reader.u64()?;
        let checks = reader.u64s(sections)?;
        let lengths = reader.u32s(sections)?;
        let tokens = reader.u32s(tokens)?;
        let worth = Worth { seconds, uses, used_at };
        let header =
            Self { id, parent, root, form, worth, tokens, sections: lengths, checks, header_bytes, dead };
        let sound = place == (segment, block) && reader.left() < 8 && header.data_bytes() == data_bytes;
        if sound { Ok(header) } else { Err(Unread::Damaged) }
    }

    /// Whether it is what a reader takes it to be.
    pub(in super::super) fn is(&self, id: BlockId, expect: &Expect<'_>) -> bool {
        self.id == id
            && self.parent == expect.parent
            && self.root == *expect.root
            && self.form == expect.form
            && self.tokens == expect.tokens
    }
}

const fn seed(salt: u64, block: u32) -> u64 {
    mix(salt, block as u64)
}

/// Counts that [`header_bytes`] has found small enough.
fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
