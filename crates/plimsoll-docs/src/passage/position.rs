//! Where to go on.

use serde::{Deserialize, Serialize};

use crate::text::{Encoding, Flaws};

/// A place between two passages of a document, to be kept and gone on from.
///
/// It holds for the same document and the same [`Chunking`](super::Chunking) only; whoever keeps it sees to that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The byte of the source that is read first.
    pub(super) from: u64,
    /// Passages that are passed over from there.
    pub(super) skip: u64,
    /// Bytes of text from there that are repeated.
    pub(super) repeated: u64,
    /// Whether a line begins there.
    pub(super) at_line: bool,
    pub(super) encoding: Option<Encoding>,
    pub(super) flaws: Flaws,
}
