//! How much of memory the parts that are being written may take.

use plimsoll::governor::Reservation;
use plimsoll::{Bytes, EngineAccount, Place};

use crate::DocsError;

/// A part's words take that much at most, where there is room.
const MOST: u64 = 96 << 20;
/// With less nothing is gained by beginning.
const LEAST: u64 = 2 << 20;
/// What reading a document takes beside, and blocks on their way.
const BESIDE: u64 = 20 << 20;
const BESIDE_LEAST: u64 = 6 << 20;

/// Memory for so many parts at once.
#[derive(Debug)]
pub(super) struct Room {
    _held: Reservation,
    /// What a part may come to before it is finished.
    pub(super) part: usize,
}

impl Room {
    /// As much as is worth having for so many bytes of documents, and there.
    pub(super) fn take(account: &EngineAccount, parts: usize, bytes: u64) -> Result<Self, DocsError> {
        let parts = parts.max(1) as u64;
        let mut each = MOST.min(bytes.saturating_mul(2)).max(LEAST);
        loop {
            let beside = if each > LEAST { BESIDE } else { BESIDE_LEAST };
            let asked = account.reserve(Place::Host, Bytes::new(each * parts + beside)).now();
            match asked {
                Ok(mut held) => {
                    // What reading takes is charged there.
                    drop(held.split(Bytes::new(beside)));
                    // Tables double when they grow, and are sorted at the end.
                    let part = usize::try_from(each / 2).unwrap_or(usize::MAX);
                    return Ok(Self { _held: held, part });
                }
                Err(_) if each > LEAST => each = (each / 2).max(LEAST),
                Err(refusal) => return Err(refusal.into()),
            }
        }
    }
}
