//! The governor: grants memory, lets requests wait, asks holders to shrink, or refuses with the reason.
//!
//! # What it promises
//! * Nothing is granted that the [`ledger`](crate::ledger)'s rules forbid: the line is never crossed.
//! * Those who wait are served in arrival order, what is guaranteed before what is borrowed, and nobody starves
//!   ([`Ask::within`]).
//! * Memory is asked back in a fixed order: idle pool memory, what waits for fences, then (with admission of
//!   newcomers stopped) the least valuable holder above its guarantee. Each step is measured on the ledger; what a
//!   holder says is not believed.
//! * Holders, wakers and condition variables are called with no lock of the governor held.
//!
//! # What it does not do
//! It moves and frees nothing itself, and knows nothing of devices. It is not on the hot path: pools charge slabs
//! and caches charge entries; leases from a pool never come here.
//!
//! # Why one mutex
//! A charge touches every node up to the root, marks peaks, must not pass anyone who waits, and must be seen by a
//! snapshot whole or not at all. With a counter per node each of these needs its own protocol, and the line would
//! be crossed for a moment or refused wrongly between two of them. Under one short lock they are all trivial. The
//! price is small because charges are made per granule and not per lease:
//! `cargo run --release -p plimsoll --example charge_cost` prints it.
//!
//! ```
//! use plimsoll::governor::Governor;
//! use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
//! use plimsoll::{Bytes, Place};
//!
//! let governor = Governor::open(&LedgerSettings {
//!     places: vec![LineSettings::new(Place::Host, Bytes::gib(8))],
//!     accounts: vec![AccountSettings::new("kv").share(Place::Host, Bytes::gib(2), Bytes::gib(6))],
//! })?;
//! let kv = governor.account("kv")?;
//! let seat = kv.reserve(Place::Host, Bytes::gib(5)).now()?;
//! let refused = kv.reserve(Place::Host, Bytes::gib(2)).now().unwrap_err();
//! assert_eq!(refused.fits_now, Bytes::gib(1));
//! drop(seat);
//! assert!(governor.snapshot().is_clear());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod account;
mod ask;
mod hold;
mod holders;
mod ladder;
mod pressure;
mod queue;
mod refusal;
mod shares;
mod state;
pub mod stress;
mod timer;
mod waiting;
mod watch;

pub use account::{Account, Governor};
pub use ask::{Ask, AskFuture, AskWithin};
pub use hold::{Charge, Mismatch, Reservation, TooMuch};
pub use holders::{Emergency, HolderKind, Offer, Registration, Shrink};
pub use pressure::{Gauge, PressureChange, PressureLevel, PressureSettings};
pub use refusal::{Fault, Refusal, RefusalFacts, Why};
pub use shares::{Claimant, Shares, SharesSettings, Shift};
pub use watch::Watch;
