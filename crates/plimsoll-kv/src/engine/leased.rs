//! Pages that are leases of a pool.

use std::time::Duration;

use plimsoll::governor::Account;
use plimsoll::pool::{Lease, LeaseError, LeaseRequest, Pool, Tag};
use plimsoll::{Bytes, Place};
use plimsoll_device::{DeviceError, Stream};

use super::pages::{Effort, PageError, Pages};
use crate::layout::Layout;

/// A copy of one page that takes longer has failed.
const LONGEST_COPY: Duration = Duration::from_secs(10);

/// Pages out of a pool, on whatever device it is: what an engine uses that keeps no pages of its own.
pub struct LeasedPages {
    layout: Layout,
    pool: Pool,
    bytes: Bytes,
    visible: bool,
    stream: Stream,
    tag: Tag,
}

/// A page that is a lease.
#[derive(Debug)]
pub struct Page(Lease);

impl Page {
    /// The lease.
    pub const fn lease(&self) -> &Lease {
        &self.0
    }

    /// The same, for work that writes it.
    pub const fn lease_mut(&mut self) -> &mut Lease {
        &mut self.0
    }
}

impl LeasedPages {
    /// Pages of this form out of a pool. What the host cannot see is copied on a stream of the device.
    pub fn new(layout: Layout, pool: Pool) -> Result<Self, DeviceError> {
        let facts = pool.device().facts();
        let visible = facts.unified || matches!(facts.place, Place::Host | Place::Pinned);
        let stream = if visible { Stream(0) } else { pool.device().stream()? };
        let bytes = Bytes::new(layout.block_bytes() as u64);
        Ok(Self { layout, pool, bytes, visible, stream, tag: Tag::new("kv block") })
    }
}

impl Pages for LeasedPages {
    type Page = Page;

    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn account(&self) -> &Account {
        self.pool.account()
    }

    fn place(&self) -> Place {
        self.pool.place()
    }

    fn take(&self, effort: Effort) -> Result<Page, PageError> {
        let request = LeaseRequest::new(self.bytes).tag(self.tag);
        let lease = match effort {
            Effort::Quiet => self.pool.lease_quietly(request),
            Effort::Ask => self.pool.lease_with(request),
        };
        lease.map(Page).map_err(|error| PageError::NoRoom { asked: self.bytes, why: Box::new(error) })
    }

    fn read(&self, page: &Page, from: usize, into: &mut [u8]) -> Result<(), PageError> {
        let from = from as u64;
        let done =
            if self.visible { page.0.read(from, into) } else { page.0.download(self.stream, from, into) };
        done.map_err(failed)
    }

    fn write(&self, page: &mut Page, to: usize, bytes: &[u8]) -> Result<(), PageError> {
        let to = to as u64;
        if self.visible {
            return page.0.write(to, bytes).map_err(failed);
        }
        let fence = page.0.upload(self.stream, to, bytes).map_err(failed)?;
        // Whoever reads the page next may do so on any stream: the bytes must have arrived.
        let waited = fence.map_or(Ok(()), |fence| self.pool.device().wait(fence, LONGEST_COPY));
        waited.map_err(|error| PageError::Failed(Box::new(error)))
    }

    fn bytes<'p>(&self, page: &'p Page) -> Option<&'p [u8]> {
        if self.visible { page.0.as_slice().ok() } else { None }
    }

    fn bytes_mut<'p>(&self, page: &'p mut Page) -> Option<&'p mut [u8]> {
        if self.visible { page.0.as_mut_slice().ok() } else { None }
    }

    fn lease<'p>(&self, page: &'p Page) -> Option<&'p Lease> {
        Some(page.lease())
    }

    fn trim(&self) {
        // A device that fails to take memory back keeps it charged; that is for the pool to tell.
        let _ = self.pool.trim(Bytes::ZERO);
    }
}

fn failed(error: LeaseError) -> PageError {
    PageError::Failed(Box::new(error))
}
