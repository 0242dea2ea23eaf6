//! A value in use.

use std::fmt;
use std::ops::Deref;

use super::order::Id;
use crate::Bytes;
use crate::governor::Charge;
use crate::sync::Arc;

/// A value and what it is charged, which go together and in this order.
#[derive(Debug)]
pub(super) struct Stored<V> {
    pub(super) value: V,
    /// None where the value carries its own.
    pub(super) _charge: Option<Charge>,
    pub(super) bytes: Bytes,
}

/// What a hit tells the cache it came from; the type of the key is not the user's concern.
pub(super) trait Keeper: Send + Sync {
    fn pin_again(&self, id: Id);
    fn unpin(&self, id: Id);
}

/// A cached value that cannot be evicted while this lives. Cloning pins it once more.
///
/// It outlives the cache it came from; the value then stays charged until the last hit on it is dropped.
#[must_use = "the value may be evicted as soon as the hit is dropped"]
pub struct Hit<V> {
    // Before the pin, so that the bytes are released where the book says so and not a moment later.
    stored: Arc<Stored<V>>,
    pin: Pin,
}

impl<V> Hit<V> {
    pub(super) fn new(stored: Arc<Stored<V>>, keeper: Arc<dyn Keeper>, id: Id) -> Self {
        Self { stored, pin: Pin { keeper, id } }
    }

    /// What the value counts as.
    pub fn bytes(&self) -> Bytes {
        self.stored.bytes
    }
}

impl<V> Clone for Hit<V> {
    fn clone(&self) -> Self {
        self.pin.keeper.pin_again(self.pin.id);
        Self::new(Arc::clone(&self.stored), Arc::clone(&self.pin.keeper), self.pin.id)
    }
}

impl<V> Deref for Hit<V> {
    type Target = V;
    fn deref(&self) -> &V {
        &self.stored.value
    }
}

impl<V: fmt::Debug> fmt::Debug for Hit<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hit").field(&self.stored.value).finish()
    }
}

/// One pin, taken back on drop.
struct Pin {
    keeper: Arc<dyn Keeper>,
    id: Id,
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.keeper.unpin(self.id);
    }
}
