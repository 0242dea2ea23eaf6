//! A segment's footer: what is in it, so that a start need not read all of it.
//!
//! It stands behind the records: roots, one entry for each record that was not removed before, then a *grave* for each,
//! eight bytes that are zero while the record lives, and a trailer in the last bytes of the file.

use super::bytes::{Reader, Write as _, check, mix, mostly};
use super::record::dead_word;
use super::{HEAD_BYTES, Unread, VERSION};
use crate::block::{BlockId, Root};
use crate::store::Worth;

const MAGIC: [u8; 8] = *b"PLMKVEND";
/// How long the trailer is.
pub(in super::super) const TRAILER_BYTES: usize = 80;
const ENTRY_BYTES: u64 = 84;
const ROOT_BYTES: u64 = 32;
const GRAVE_BYTES: u64 = 8;

/// What is known of a record that is kept, its tokens and checks apart.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Kept {
    pub id: BlockId,
    pub parent: Option<BlockId>,
    pub root: Root,
    pub form: u32,
    pub tokens: u32,
    pub worth: Worth,
    /// Where it begins, in blocks.
    pub block: u32,
    pub header_bytes: u32,
    pub sections: Box<[u32]>,
}

impl Kept {
    /// How many blocks it takes.
    pub(in super::super) fn blocks(&self, block_bytes: u32) -> u32 {
        let bytes = self.data_bytes().saturating_add(u64::from(self.header_bytes));
        u32::try_from(bytes.div_ceil(u64::from(block_bytes.max(1)))).unwrap_or(u32::MAX)
    }

    /// Bytes of all sections.
    pub(in super::super) fn data_bytes(&self) -> u64 {
        self.sections.iter().map(|&bytes| u64::from(bytes)).sum()
    }
}

/// The last bytes of a segment that has a footer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Trailer {
    pub number: u64,
    pub salt: u64,
    pub block_bytes: u32,
    /// Where the footer begins, and how long it is without its graves.
    pub footer_at: u64,
    pub footer_bytes: u64,
    pub records: u32,
    footer_check: u64,
}

/// What a footer tells.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Footer {
    pub kept: Vec<Kept>,
}

/// Whether a record that a footer tells of was removed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Grave {
    Lives,
    Dead,
}

/// The most that a footer with so many records and sections in all takes, graves and trailer included.
pub(in super::super) const fn footer_bytes(records: u64, sections: u64) -> u64 {
    let record = ENTRY_BYTES + ROOT_BYTES + GRAVE_BYTES;
    8 + 8 + TRAILER_BYTES as u64 + records.saturating_mul(record) + sections.saturating_mul(4)
}

/// Where in the file the grave of one of its records is.
pub(in super::super) const fn grave_offset(footer_at: u64, footer_bytes: u64, index: u32) -> u64 {
    footer_at + footer_bytes.next_multiple_of(8) + index as u64 * GRAVE_BYTES
}

impl Footer {
    /// All bytes from the footer's beginning to the file's end, which is the end of a block, and the trailer among them.
    pub(in super::super) fn write(
        kept: &[Kept],
        number: u64,
        salt: u64,
        block_bytes: u32,
        footer_at: u64,
    ) -> (Vec<u8>, Trailer) {
        let mut roots: Vec<Root> = kept.iter().map(|kept| kept.root).collect();
        roots.sort_unstable();
        roots.dedup();
        let mut out = Vec::new();
        out.u32(count(roots.len()));
        for root in &roots {
            out.extend_from_slice(root.bytes());
        }
        for kept in kept {
            let root = roots.binary_search(&kept.root).unwrap_or_default();
            out.extend_from_slice(&kept.id.to_bytes());
            out.extend_from_slice(&kept.parent.map_or([0; 16], BlockId::to_bytes));
            out.u32(count(root));
            out.u32(u32::from(kept.parent.is_some()));
            out.u32(kept.form);
            out.u32(kept.tokens);
            out.u32(kept.worth.seconds.to_bits());
            out.u32(kept.worth.uses);
            out.u64(kept.worth.used_at);
            out.u32(kept.block);
            out.u32(kept.header_bytes);
            out.u32(count(kept.sections.len()));
            kept.sections.iter().for_each(|&bytes| out.u32(bytes));
        }
        let footer_bytes = out.len() as u64;
        let footer_check = check(&out, mix(salt, footer_at));
        let records = count(kept.len());
        let trailer = Trailer { number, salt, block_bytes, footer_at, footer_bytes, records, footer_check };
        let graves = grave_offset(0, footer_bytes, records);
        let whole = (graves + TRAILER_BYTES as u64).next_multiple_of(u64::from(block_bytes.max(1)));
        out.resize(usize::try_from(whole).unwrap_or(usize::MAX) - TRAILER_BYTES, 0);
        out.extend_from_slice(&trailer.write());
        (out, trailer)
    }

    /// The footer that is exactly these bytes, by its trailer.
    pub(in super::super) fn read(bytes: &[u8], trailer: &Trailer) -> Result<Self, Unread> {
        if check(bytes, mix(trailer.salt, trailer.footer_at)) != trailer.footer_check {
            return Err(Unread::Damaged);
        }
        let mut reader = Reader::new(bytes);
        let roots = reader.u32()? as usize;
        let roots = reader.take(roots.checked_mul(32).ok_or(Unread::Damaged)?)?;
        let roots = roots.as_chunks::<32>().0;
        let mut kept = Vec::new();
        for _ in 0..trailer.records {
            let id = BlockId::from_bytes(reader.array()?);
            let parent = BlockId::from_bytes(reader.array()?);
            let root = roots.get(reader.u32()? as usize).ok_or(Unread::Damaged)?;
            let parent = (reader.u32()? & 1 == 1).then_some(parent);
            let (form, tokens) = (reader.u32()?, reader.u32()?);
            let (seconds, uses, used_at) = (f32::from_bits(reader.u32()?), reader.u32()?, reader.u64()?);
            let (block, header_bytes) = (reader.u32()?, reader.u32()?);
            let sections = reader.u32()? as usize;
            let sections = reader.u32s(sections)?.into_boxed_slice();
            let worth = Worth { seconds, uses, used_at };
            let root = Root::from_bytes(*root);
            kept.push(Kept { id, parent, root, form, tokens, worth, block, header_bytes, sections });
        }
        if reader.left() == 0 { Ok(Self { kept }) } else { Err(Unread::Damaged) }
    }
}

impl Trailer {
    fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(TRAILER_BYTES);
        out.extend_from_slice(&MAGIC);
        out.u32(VERSION);
        out.u32(self.block_bytes);
        out.u64(self.number);
        out.u64(self.salt);
        out.u64(self.footer_at);
        out.u64(self.footer_bytes);
        out.u32(self.records);
        out.u32(0);
        out.u64(0);
        out.u64(self.footer_check);
        out.u64(check(&out, 0));
        out
    }

    /// The trailer at the end of a file of so many bytes.
    pub(in super::super) fn read(bytes: &[u8], file_bytes: u64) -> Result<Self, Unread> {
        let summed = Reader::new(bytes).take(TRAILER_BYTES - 8)?;
        let mut reader = Reader::new(bytes);
        if reader.array()? != MAGIC {
            return Err(Unread::Damaged);
        }
        let version = reader.u32()?;
        let block_bytes = reader.u32()?;
        let (number, salt) = (reader.u64()?, reader.u64()?);
        let (footer_at, footer_bytes) = (reader.u64()?, reader.u64()?);
        let records = reader.u32()?;
        reader.take(12)?;
        let footer_check = reader.u64()?;
        if reader.u64()? != check(summed, 0) {
            return Err(Unread::Damaged);
        }
        if version != VERSION {
            return Err(Unread::Version(version));
        }
        let graves = u64::from(records).saturating_mul(GRAVE_BYTES).saturating_add(8);
        let end = footer_at.saturating_add(footer_bytes).saturating_add(graves);
        let sound = end.saturating_add(TRAILER_BYTES as u64 - 8) <= file_bytes;
        if !sound || !block_bytes.is_power_of_two() || (block_bytes as usize) < HEAD_BYTES {
            return Err(Unread::Damaged);
        }
        Ok(Self { number, salt, block_bytes, footer_at, footer_bytes, records, footer_check })
    }

    /// Whether these bytes look as if they had been a trailer: most of what every trailer begins with is there.
    pub(in super::super) fn began(bytes: &[u8]) -> bool {
        mostly(bytes, MAGIC)
    }

    /// Which of the records were removed, by the graves as they stand in the file.
    pub(in super::super) fn graves(&self, bytes: &[u8], kept: &[Kept]) -> Vec<Grave> {
        let words = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
        let words = words.chain(std::iter::repeat(0));
        let grave = |(kept, word): (&Kept, u64)| {
            if word == dead_word(self.salt, kept.block) { Grave::Dead } else { Grave::Lives }
        };
        kept.iter().zip(words).map(grave).collect()
    }

    /// Bytes of all graves.
    pub(in super::super) const fn graves_bytes(&self) -> u64 {
        self.records as u64 * GRAVE_BYTES
    }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
