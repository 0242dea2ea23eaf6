//! What the bytes of the folder's files are. Numbers are written little end first, by hand; nothing here does I/O, and
//! everything that is read is taken to be hostile: a length is checked before it is followed.
//!
//! See `docs/design/kv-cold.md` for the layout as a picture.

mod bytes;
mod footer;
mod head;
mod marker;
mod record;

pub(super) use footer::{Footer, Grave, Kept, TRAILER_BYTES, Trailer, footer_bytes, grave_offset};
pub(super) use head::{HEAD_BYTES, Head};
pub(super) use marker::{MARKER_BYTES, Marker, WEAR_SLOTS, WearSlot};
pub(super) use record::{DEAD_AT, Header, PREFIX_BYTES, dead_word, section_check};

/// The version of all of it. A folder of another version is refused, not guessed at.
pub const VERSION: u32 = 1;

/// What was read is not what this program writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is damaged, or never was such a thing.
    Damaged,
    /// It is whole, and of another version.
    Version(u32),
}
