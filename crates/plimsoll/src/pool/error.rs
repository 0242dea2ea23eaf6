//! Why a lease was not given, or cannot be used as asked.

use plimsoll_device::{Bytes, DeviceError, Fence};

use crate::governor::Refusal;

/// What went wrong with a pool or a lease. Every message says what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// The line or the account does not carry it.
    #[error(
        "a lease of {asked} was refused: {refusal} In this pool the largest free run is {largest_free}, and \
         {pending} wait for the device."
    )]
    Refused {
        /// What the lease asked for.
        asked: Bytes,
        /// The largest free run in what the pool holds already.
        largest_free: Bytes,
        /// What was dropped and the device may still use.
        pending: Bytes,
        /// What the governor said to the pool's request to grow.
        #[source]
        refusal: Box<Refusal>,
    },
    /// The device failed or has no room.
    #[error(transparent)]
    Device(Box<DeviceError>),
    /// More than this pool could ever give in one piece.
    #[error("a lease of {asked} is more than this pool can ever give in one piece ({limit}); split it")]
    TooLarge {
        /// What was asked.
        asked: Bytes,
        /// The most that could be had.
        limit: Bytes,
    },
    /// The pool's address range is taken up by leases that lie apart.
    #[error(
        "no run of {asked} is left in this pool's address range, which its leases cut up; drop some, or give the \
         pool a longer range (PoolSettings::span)"
    )]
    NoRange {
        /// What was asked.
        asked: Bytes,
    },
    /// Not a power of two, or stricter than the pool can do.
    #[error("an alignment of {align} was asked for; it must be a power of two of at most {limit}")]
    BadAlignment {
        /// What was asked.
        align: u64,
        /// The strictest that can be had.
        limit: u64,
    },
    /// The device may still be using the bytes.
    #[error(
        "the device may use this lease until {0}; wait for it before the host, or another stream, uses it"
    )]
    InUse(Fence),
    /// Fences did not signal in time. What waits for them stays charged.
    #[error(
        "{bytes} still wait for the device after {fence} did not signal; they stay charged until it does"
    )]
    Poisoned {
        /// How much waits.
        bytes: Bytes,
        /// The first fence that did not signal.
        fence: Fence,
    },
}

impl From<DeviceError> for LeaseError {
    fn from(error: DeviceError) -> Self {
        Self::Device(Box::new(error))
    }
}
