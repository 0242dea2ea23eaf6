//! Pages of one sequence that are leases of a pool, on whatever device it is.

use plimsoll::Bytes;
use plimsoll::pool::{Lease, LeaseError, LeaseRequest, Pool, Tag};
use plimsoll_kv::layout::Layout;

use super::PageTable;

/// Pages out of a pool, as many as are asked for: of the host's memory, or of a device's that computes.
#[derive(Debug)]
pub struct PoolPages {
    pool: Pool,
    bytes: Bytes,
    pages: Vec<Lease>,
    trouble: Option<LeaseError>,
}

impl PoolPages {
    /// None yet, of this form.
    pub fn new(layout: &Layout, pool: &Pool) -> Self {
        let bytes = Bytes::new(layout.block_bytes() as u64);
        Self { pool: pool.clone(), bytes, pages: Vec::new(), trouble: None }
    }

    /// Why there was no page at the last step, if that was why it failed.
    pub const fn trouble(&mut self) -> Option<LeaseError> {
        self.trouble.take()
    }
}

impl PageTable for PoolPages {
    fn page(&self, index: usize) -> Option<&[u8]> {
        self.pages.get(index)?.as_slice().ok()
    }

    fn page_mut(&mut self, index: usize) -> Option<&mut [u8]> {
        self.hold(index).then(|| self.pages.get_mut(index)?.as_mut_slice().ok()).flatten()
    }

    fn lease(&self, index: usize) -> Option<&Lease> {
        self.pages.get(index)
    }

    fn hold(&mut self, index: usize) -> bool {
        while self.pages.len() <= index {
            match self.pool.lease_with(LeaseRequest::new(self.bytes).tag(Tag::new("kv page"))) {
                Ok(page) => self.pages.push(page),
                Err(error) => {
                    self.trouble = Some(error);
                    return false;
                }
            }
        }
        true
    }
}
