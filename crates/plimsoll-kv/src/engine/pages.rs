//! What an engine lends the cache: pages of the form in which it computes.

use std::error::Error;

use plimsoll::governor::Account;
use plimsoll::pool::Lease;
use plimsoll::{Bytes, Place};

use crate::layout::Layout;

/// How hard to try for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// From what is free at this moment; nobody is asked to give anything up.
    Quiet,
    /// With all that the governor can do.
    Ask,
}

/// Why an engine gave no page, or could not copy one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// There is no room for another page.
    #[error("no page of {asked} for a block: {why}")]
    NoRoom {
        /// How large a page is.
        asked: Bytes,
        /// Who holds the memory, and what can be done.
        why: Box<dyn Error + Send + Sync>,
    },
    /// The engine or its device failed.
    #[error("a page could not be copied: {0}")]
    Failed(Box<dyn Error + Send + Sync>),
}

/// Pages of an engine: each holds one block in its native form (see [`Layout`]).
///
/// # What the cache counts on
/// A page is charged to [`account`](Self::account) on [`place`](Self::place) from the moment it is taken until it is
/// dropped. What is written to a page is what is read from it. Every call may come from any thread, and takes no lock
/// that the engine holds while it calls the cache.
pub trait Pages: Send + Sync + 'static {
    /// One page. Dropping it gives it back.
    type Page: Send + Sync + 'static;

    /// What a page holds.
    fn layout(&self) -> &Layout;

    /// Whom pages are charged to: the hot tier.
    fn account(&self) -> &Account;

    /// Where they are.
    fn place(&self) -> Place;

    /// A page; what is in it is undefined.
    fn take(&self, effort: Effort) -> Result<Self::Page, PageError>;

    /// Copies from a page, `from` bytes on.
    fn read(&self, page: &Self::Page, from: usize, into: &mut [u8]) -> Result<(), PageError>;

    /// Copies into a page, `to` bytes on.
    fn write(&self, page: &mut Self::Page, to: usize, bytes: &[u8]) -> Result<(), PageError>;

    /// The page's bytes, where the host can see them; they need not be copied twice then.
    fn bytes<'p>(&self, page: &'p Self::Page) -> Option<&'p [u8]> {
        let _ = page;
        None
    }

    /// The same, for writing.
    fn bytes_mut<'p>(&self, page: &'p mut Self::Page) -> Option<&'p mut [u8]> {
        let _ = page;
        None
    }

    /// The lease that a page is, where pages are leases: what a device computes with.
    fn lease<'p>(&self, page: &'p Self::Page) -> Option<&'p Lease> {
        let _ = page;
        None
    }

    /// Pages that were dropped may be idle in the engine's own lists; gives them back to the ledger.
    fn trim(&self) {}
}
