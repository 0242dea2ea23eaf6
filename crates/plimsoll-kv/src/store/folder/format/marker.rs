//! The file that says what the folder is, and how much was written to it.
//!
//! What was written is in two places in turns, each in a sector of its own, so that a write that is torn leaves the other.

use super::bytes::{Reader, Write as _, check};
use super::{Unread, VERSION};

const MAGIC: [u8; 16] = *b"plimsoll-kv cold";
/// How long the file is.
pub(in super::super) const MARKER_BYTES: usize = 1536;
/// Where the two places for wear are.
pub(in super::super) const WEAR_SLOTS: [u64; 2] = [512, 1024];
const WEAR_BYTES: usize = 48;

/// What a folder says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Marker {
    /// What it may hold, as whoever opened it last said.
    pub max_bytes: u64,
}

/// What was written, as far as it was promised ahead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct WearSlot {
    /// Counts up; the higher of the two slots holds.
    pub turn: u64,
    /// Days since 1970.
    pub day: u64,
    /// The most that may have been written on that day.
    pub today: u64,
    /// The most that may ever have been written.
    pub total: u64,
}

impl Marker {
    pub(in super::super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(48);
        out.extend_from_slice(&MAGIC);
        out.u32(VERSION);
        out.u32(0);
        out.u64(self.max_bytes);
        out.u64(check(&out, 0));
        out
    }

    pub(in super::super) fn read(bytes: &[u8]) -> Result<Self, Unread> {
        let mut reader = Reader::new(bytes);
        let summed = Reader::new(bytes).take(32)?;
        if reader.array()? != MAGIC {
            return Err(Unread::Damaged);
        }
        let version = reader.u32()?;
        reader.u32()?;
        let max_bytes = reader.u64()?;
        if reader.u64()? != check(summed, 0) {
            return Err(Unread::Damaged);
        }
        if version == VERSION { Ok(Self { max_bytes }) } else { Err(Unread::Version(version)) }
    }
}

impl WearSlot {
    pub(in super::super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(WEAR_BYTES);
        for number in [self.turn, self.day, self.today, self.total, 0] {
            out.u64(number);
        }
        out.u64(check(&out, 1));
        out
    }

    fn read(bytes: &[u8]) -> Result<Self, Unread> {
        let summed = Reader::new(bytes).take(WEAR_BYTES - 8)?;
        let mut reader = Reader::new(bytes);
        let slot =
            Self { turn: reader.u64()?, day: reader.u64()?, today: reader.u64()?, total: reader.u64()? };
        reader.u64()?;
        if reader.u64()? == check(summed, 1) { Ok(slot) } else { Err(Unread::Damaged) }
    }

    /// The one that holds in a whole marker; nothing if both are damaged.
    pub(in super::super) fn latest(file: &[u8]) -> Option<Self> {
        let slots = WEAR_SLOTS.iter().filter_map(|&at| {
            let at = usize::try_from(at).ok()?;
            Self::read(file.get(at..)?).ok()
        });
        slots.max_by_key(|slot| slot.turn)
    }
}
