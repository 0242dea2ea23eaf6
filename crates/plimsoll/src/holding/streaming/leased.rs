//! Slots that are leases of a pool: for rings whose memory a device can see, or that share a pool with other work.

use std::time::Duration;

use super::StreamError;
use super::slot::{Slot, SlotSource, Want};
use crate::Bytes;
use crate::pool::{Lease, LeaseError, LeaseRequest, Pool};

/// Leases of a pool that the host can see. The pool charges them; the ring does not charge them again.
///
/// A pool takes memory by the granule, so a ring of small chunks may show on the ledger as more than its slots.
#[derive(Clone)]
pub struct LeasedSlots {
    pool: Pool,
    patience: Duration,
}

impl LeasedSlots {
    /// Slots of this pool, waiting so long for those that a ring cannot do without.
    pub fn new(pool: &Pool, patience: Duration) -> Self {
        Self { pool: pool.clone(), patience }
    }

    /// Whether the pool can give this without asking anybody to shrink: from what it has, or from what is free.
    fn has_spare(&self, bytes: Bytes) -> bool {
        let cached = self.pool.stats().cached >= bytes;
        let place = self.pool.place();
        cached || self.pool.account().reserve(place, bytes).quietly().is_ok()
    }
}

impl SlotSource for LeasedSlots {
    fn slot(&self, bytes: Bytes, align: u64, want: Want) -> Result<Option<Box<dyn Slot>>, StreamError> {
        if want == Want::Spare && !self.has_spare(bytes) {
            return Ok(None);
        }
        let request = LeaseRequest::new(bytes).align(align);
        let patient = want == Want::Needed && !self.patience.is_zero();
        let request = if patient { request.within(self.patience) } else { request };
        let leased = self.pool.lease_with(request).and_then(|mut lease| {
            // Memory that the host cannot see is no slot; better said now than at the first read.
            lease.as_mut_slice()?;
            Ok(lease)
        });
        match leased {
            Ok(lease) => Ok(Some(Box::new(LeasedSlot(lease)))),
            Err(LeaseError::Refused { refusal, .. }) => Err(StreamError::Refused(*refusal)),
            Err(error) => Err(StreamError::NoMemory { bytes, why: error.to_string() }),
        }
    }

    fn settle(&self, _dropped: Bytes) -> Bytes {
        self.pool.trim(Bytes::ZERO).unwrap_or(Bytes::ZERO)
    }
}

/// No fence is ever put on a slot, and the host could see it when it was made; that does not change.
struct LeasedSlot(Lease);

impl Slot for LeasedSlot {
    fn as_slice(&self) -> &[u8] {
        match self.0.as_slice() {
            Ok(bytes) => bytes,
            Err(error) => panic!("a slot cannot be read: {error}"),
        }
    }

    fn as_mut_slice(&mut self) -> &mut [u8] {
        match self.0.as_mut_slice() {
            Ok(bytes) => bytes,
            Err(error) => panic!("a slot cannot be written: {error}"),
        }
    }

    fn charged(&self) -> Bytes {
        self.0.bytes()
    }
}
