//! Memory that kernels and products work in.
//!
//! All work is on one stream, so one piece of memory serves everything in turn: what is in it means nothing before and after.
//! It is a lease, so that it is charged like everything else.

use std::sync::{Mutex, PoisonError};

use plimsoll::Bytes;
use plimsoll::pool::{Lease, LeaseRequest, Pool};
use plimsoll_device::Stream;

use crate::TensorError;

/// What the device's library of products is given; with less, it has fewer ways to multiply.
pub(super) const FIRST: Bytes = Bytes::mib(32);

pub(super) struct Desk {
    pool: Pool,
    stream: Stream,
    lease: Mutex<Lease>,
}

impl Desk {
    pub(super) fn new(pool: Pool, stream: Stream) -> Result<Self, TensorError> {
        let lease = Mutex::new(pool.lease_with(request(FIRST, stream))?);
        Ok(Self { pool, stream, lease })
    }

    /// Where so many bytes are, and how many there are in all. A larger desk stays.
    pub(super) fn take(&self, bytes: u64) -> Result<(u64, u64), TensorError> {
        let mut lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        if lease.bytes().get() < bytes {
            let larger = self.pool.lease_with(request(Bytes::new(bytes), self.stream))?;
            // Work that was put on the stream may still use the old one.
            lease.keep_until(self.pool.device().fence(self.stream)?);
            *lease = larger;
        }
        Ok((lease.address(), lease.bytes().get()))
    }

    pub(super) fn bytes(&self) -> Bytes {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner).bytes()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let lease = self.lease.get_mut().unwrap_or_else(PoisonError::into_inner);
        // A device that gives no fence is lost, and nothing runs on it.
        if let Ok(fence) = self.pool.device().fence(self.stream) {
            lease.keep_until(fence);
        }
    }
}

fn request(bytes: Bytes, stream: Stream) -> LeaseRequest {
    LeaseRequest::new(bytes).align(256).on(stream)
}
