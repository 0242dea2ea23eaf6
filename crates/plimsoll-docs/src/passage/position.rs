//! Where to go on.

use serde::{Deserialize, Serialize};

use super::place::Headings;
use crate::text::{Encoding, Fence, Flaws};

/// A place between two passages of a document, to be kept and gone on from.
///
/// It holds for the same document and the same [`Chunking`](super::Chunking) only; whoever keeps it sees to that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The byte of the source that is read first, or the page.
    pub(super) from: u64,
    /// Passages that are passed over from there.
    pub(super) skip: u64,
    /// Bytes of text from there that are repeated.
    pub(super) repeated: u64,
    /// Whether a line begins there, and after what is repeated.
    pub(super) at_line: (bool, bool),
    /// The number of a record's line.
    pub(super) line: u64,
    pub(super) encoding: Option<Encoding>,
    pub(super) headings: Headings,
    pub(super) fence: Option<Fence>,
    pub(super) flaws: Flaws,
}
