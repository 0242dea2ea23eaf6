//! A block on its way up: where it comes from, and the page that it goes to.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use plimsoll::Bytes;
use plimsoll::pool::Lease;

use super::copies::{Hot, Origin, Warm};
use crate::engine::Pages;
use crate::tree::NodeId;

/// Records at least this large are read in parts, so that the first layers come first.
const LARGE: usize = 1 << 20;
const PARTS: usize = 4;

/// One block of a prefix that is restored.
pub(super) struct Piece<P: Pages> {
    pub node: NodeId,
    pub boundary: bool,
    pub state: Stage<P>,
}

/// How far it is.
pub(super) enum Stage<P: Pages> {
    Hot(Arc<Hot<P>>),
    Coming { origin: Arc<Origin>, page: P::Page, snapshot: Option<Lease>, from: From },
}

/// Where it comes from.
pub(super) enum From {
    Warm(Arc<Warm>),
    Cold { form: u32, parts: Vec<Part> },
}

/// Some sections of a record.
pub(super) struct Part {
    pub sections: Range<usize>,
    lengths: Vec<u32>,
    pub state: Reading,
}

/// How far a part is.
pub(super) enum Reading {
    /// Nobody has asked for it yet.
    Unasked,
    /// It was asked for; nothing comes if there is any doubt.
    Asked(Receiver<Option<Lease>>),
    Here(Lease),
    /// It is in its page.
    Done,
}

/// Why a block is not restored.
pub(super) enum Lost {
    /// It is not what it should be, or is gone.
    Doubt,
    /// It did not come in time, or there was no room.
    Late,
}

impl<P: Pages> Piece<P> {
    /// The parts of its record, if it comes from a store.
    pub fn parts(&self) -> &[Part] {
        match &self.state {
            Stage::Coming { from: From::Cold { parts, .. }, .. } => parts,
            _ => &[],
        }
    }

    /// If nobody has asked for any of it, it is read in one piece: for who waits for all of it.
    pub fn whole(&mut self) {
        let Stage::Coming { from: From::Cold { parts, .. }, .. } = &mut self.state else { return };
        if parts.len() > 1 && parts.iter().all(|part| matches!(part.state, Reading::Unasked)) {
            let lengths: Vec<u32> = parts.iter().flat_map(|part| part.lengths.iter().copied()).collect();
            *parts = vec![Part::new(0, &lengths)];
        }
    }

    /// Host memory that it holds, or will, until it is in its page.
    pub fn held(&self) -> u64 {
        self.parts().iter().filter(|part| part.is_asked()).map(|part| part.bytes().get()).sum()
    }
}

impl From {
    /// How it is encoded.
    pub fn form(&self) -> u32 {
        match self {
            Self::Warm(warm) => warm.form,
            Self::Cold { form, .. } => *form,
        }
    }

    /// A section as it is encoded, once it is there.
    pub fn encoded(&mut self, section: usize, until: Instant) -> Result<&[u8], Lost> {
        match self {
            Self::Warm(warm) => {
                let span = warm.span(section).ok_or(Lost::Doubt)?;
                warm.bytes.as_slice().map_err(|_| Lost::Late)?.get(span).ok_or(Lost::Doubt)
            }
            Self::Cold { parts, .. } => {
                let part =
                    parts.iter_mut().find(|part| part.sections.contains(&section)).ok_or(Lost::Doubt)?;
                let span = part.span(section);
                part.wait(until)?.get(span).ok_or(Lost::Doubt)
            }
        }
    }

    /// Its sections up to this one are in the page: what only they needed is given back.
    pub fn done(&mut self, section: usize) {
        if let Self::Cold { parts, .. } = self {
            for part in parts.iter_mut().filter(|part| part.sections.end <= section + 1) {
                part.state = Reading::Done;
            }
        }
    }
}

impl Part {
    fn new(first: usize, lengths: &[u32]) -> Self {
        Self { sections: first..first + lengths.len(), lengths: lengths.to_vec(), state: Reading::Unasked }
    }

    /// How long it is.
    pub fn bytes(&self) -> Bytes {
        Bytes::new(self.lengths.iter().map(|&bytes| u64::from(bytes)).sum())
    }

    /// Whether it was asked for and is not in its page yet.
    pub const fn is_asked(&self) -> bool {
        matches!(self.state, Reading::Asked(_) | Reading::Here(_))
    }

    fn span(&self, section: usize) -> Range<usize> {
        let before = section.saturating_sub(self.sections.start);
        let start = self.lengths[..before].iter().map(|&bytes| bytes as usize).sum();
        start..start + self.lengths[before] as usize
    }

    fn wait(&mut self, until: Instant) -> Result<&[u8], Lost> {
        if let Reading::Asked(coming) = &self.state {
            let left = until.saturating_duration_since(Instant::now());
            match coming.recv_timeout(left) {
                Ok(Some(lease)) => self.state = Reading::Here(lease),
                Ok(None) => return Err(Lost::Doubt),
                Err(_) => return Err(Lost::Late),
            }
        }
        match &self.state {
            Reading::Here(lease) => lease.as_slice().map_err(|_| Lost::Late),
            _ => Err(Lost::Late),
        }
    }
}

/// Cuts a record into parts that are read one after the other.
pub(super) fn parts(lengths: &[u32]) -> Vec<Part> {
    let bytes: usize = lengths.iter().map(|&bytes| bytes as usize).sum();
    let count = if bytes >= LARGE { PARTS } else { 1 };
    let each = lengths.len().div_ceil(count).max(1);
    lengths.chunks(each).enumerate().map(|(index, lengths)| Part::new(index * each, lengths)).collect()
}
