//! Where a sequence's keys and values lie.

use plimsoll::pool::Lease;
use plimsoll_kv::layout::Layout;

/// The pages of one sequence, in order: page `i` holds the tokens from `i` × `block_tokens` on, in the native form of the
/// layout. Whoever keeps pages (a tier of a cache, leases of a pool, plain memory) lends them through this; they are
/// read where they lie.
///
/// Only pages that have new tokens are asked for mutably, so those of a prefix that others share may refuse.
pub trait PageTable {
    /// A page to be read.
    fn page(&self, index: usize) -> Option<&[u8]>;

    /// A page to be written. Tokens that it has already stay.
    fn page_mut(&mut self, index: usize) -> Option<&mut [u8]>;

    /// A page that is a lease of a device's memory, to be read there. None where pages are not.
    fn lease(&self, index: usize) -> Option<&Lease> {
        let _ = index;
        None
    }

    /// Makes sure that there is a page to be written, where it is a lease of a device's memory. False if there is none.
    fn hold(&mut self, index: usize) -> bool {
        let _ = index;
        false
    }

    /// Called before a layer of the pages is read. A table whose pages are still being restored waits here until that
    /// layer has arrived in all of them, so that the first layers are computed while the last ones are on their way.
    /// False if it will not arrive.
    fn arrived(&mut self, layer: usize) -> bool {
        let _ = layer;
        true
    }
}

/// Pages in memory of their own, as many as are asked for.
#[derive(Clone, Debug)]
pub struct OwnPages {
    bytes: usize,
    pages: Vec<Box<[u8]>>,
}

impl OwnPages {
    /// None yet, of this form.
    pub fn new(layout: &Layout) -> Self {
        Self { bytes: layout.block_bytes(), pages: Vec::new() }
    }

    /// Those that are there.
    pub fn pages(&self) -> &[Box<[u8]>] {
        &self.pages
    }

    /// The same, to be changed.
    pub fn pages_mut(&mut self) -> &mut [Box<[u8]>] {
        &mut self.pages
    }
}

impl PageTable for OwnPages {
    fn page(&self, index: usize) -> Option<&[u8]> {
        self.pages.get(index).map(AsRef::as_ref)
    }

    fn page_mut(&mut self, index: usize) -> Option<&mut [u8]> {
        // Pages are taken in order, so one more is the most that is ever lacking.
        if index == self.pages.len() {
            self.pages.push(vec![0; self.bytes].into_boxed_slice());
        }
        self.pages.get_mut(index).map(AsMut::as_mut)
    }
}
