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

    fn request(&self, bytes: Bytes, align: u64) -> LeaseRequest {
        let request = LeaseRequest::new(bytes).align(align);
        if self.patience.is_zero() { request } else { request.within(self.patience) }
    }
}

/// Memory that the host cannot see is no slot; better said now than at the first read.
fn slot_of(mut lease: Lease) -> Result<Box<dyn Slot>, LeaseError> {
    lease.as_mut_slice()?;
    Ok(Box::new(LeasedSlot(lease)))
}

fn said(bytes: Bytes, error: LeaseError) -> StreamError {
    match error {
        LeaseError::Refused { refusal, .. } => StreamError::Refused(*refusal),
        error => StreamError::NoMemory { bytes, why: error.to_string() },
    }
}

impl SlotSource for LeasedSlots {
    fn slot(&self, bytes: Bytes, align: u64, want: Want) -> Result<Option<Box<dyn Slot>>, StreamError> {
        let request = self.request(bytes, align);
        let leased = match want {
            Want::Needed => self.pool.lease_with(request),
            Want::Spare => match self.pool.lease_quietly(request) {
                Err(LeaseError::Refused { .. }) => return Ok(None),
                leased => leased,
            },
        };
        leased.and_then(slot_of).map(Some).map_err(|error| said(bytes, error))
    }

    fn first(&self, count: usize, bytes: Bytes, align: u64) -> Result<Vec<Box<dyn Slot>>, StreamError> {
        let leased = self.pool.lease_all(&vec![self.request(bytes, align); count]);
        let slots = leased.and_then(|leases| leases.into_iter().map(slot_of).collect());
        slots.map_err(|error| said(bytes, error))
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
