//! Where blocks are kept when memory has no room for them: a folder on disk, an object store.
//!
//! A store keeps *records*: a block's identity, what it stands for, and its bytes in sections (a layer each), which can be
//! read one by one. What a store promises: a record is there whole or not at all; what is read is what was written, and
//! any doubt is a miss; it never holds more than it was given, what is being written included.

#[cfg(feature = "remote")]
pub mod bucket;
mod error;
#[cfg(unix)]
pub mod folder;
mod record;
mod tandem;

pub use error::StoreError;
pub use record::{Expect, Found, Listed, Record, Room, Wanted, Worth};
pub use tandem::Tandem;

use plimsoll::Bytes;

use crate::block::BlockId;

/// A place that keeps records by their blocks' identities.
///
/// All calls may come from any thread. None may block a reader for longer than the device itself does.
pub trait Store: Send + Sync {
    /// What people call it: its folder or address.
    fn name(&self) -> &str;

    /// Keeps records, each whole or not at all. When it returns `Ok`, all of them are published: they are found by
    /// [`read`](Self::read) and survive the death of the process. A record whose block is there already is not written
    /// again. On an error, those before it in the batch may be there and those after it are not.
    fn put(&self, records: &[Record<'_>]) -> Result<(), StoreError>;

    /// Reads some sections of a block's record, one after the other, into `into`, which must be exactly as long as they
    /// are together. `Ok(Found::No)` when there is no such record, or any doubt whether it is the one that is expected.
    fn read(
        &self,
        id: BlockId,
        expect: &Expect<'_>,
        sections: std::ops::Range<usize>,
        into: &mut [u8],
    ) -> Result<Found, StoreError>;

    /// Reads several blocks, each as [`read`](Self::read) does; a store that can do many at once does.
    fn read_many(&self, wanted: &mut [Wanted<'_>]) {
        for one in wanted {
            one.found = self.read(one.id, &one.expect, one.sections.clone(), one.into);
        }
    }

    /// How much is best asked for with one call of [`read_many`](Self::read_many), where much is wanted.
    fn call_bytes(&self) -> Bytes {
        Bytes::mib(4)
    }

    /// Forgets blocks; readers that have begun end well or find a miss. Unknown ones are passed over.
    fn remove(&self, ids: &[BlockId]) -> Result<(), StoreError>;

    /// Tells everything that is kept, parents before their children.
    fn list(&self, tell: &mut dyn FnMut(Listed)) -> Result<(), StoreError>;

    /// How full it is.
    fn room(&self) -> Room;
}
