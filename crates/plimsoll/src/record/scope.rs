//! What a thread is doing, by name.

use std::marker::PhantomData;

use super::here::Here;
use crate::pool::Tag;

/// From here until the guard is dropped, what this thread leases is counted under this name, unless it has a tag of its
/// own. Scopes nest: the innermost counts. A panic ends them like anything else.
///
/// ```
/// let _scope = plimsoll::record::scope("attention");
/// ```
///
/// A name that is used often is cheaper as a [`Tag`] that is made once: both can be passed.
pub fn scope(name: impl Into<Tag>) -> Scope {
    let depth = Here::with(|here| here.enter(name.into().number()));
    Scope { depth, own_thread: PhantomData }
}

/// Ends its scope, and those within it, when it is dropped.
#[derive(Debug)]
#[must_use = "a scope that is not kept ends at once"]
pub struct Scope {
    /// `None` on a thread that is ending.
    depth: Option<usize>,
    own_thread: PhantomData<*const ()>,
}

impl Drop for Scope {
    fn drop(&mut self) {
        if let Some(depth) = self.depth {
            Here::with(|here| here.leave(depth));
        }
    }
}
