//! Static plans: buffers whose lifetimes are known get their offsets before anything runs.
//!
//! [`pack`] fits [`Buffer`]s into a capacity, [`pack_least`] makes their height as small as it can; both give a
//! [`Layout`], or a [`PackError`] that says what to do. [`verify`] tells whether any arrangement is one, by a sweep that
//! knows nothing of how it was made. Nothing here allocates device memory, reads a clock or does I/O: work is counted in
//! steps ([`Effort`]), and the same buffers get the same plan everywhere.
//!
//! Begin with `packer.rs`, which tries quick ways first: `skyline.rs`, then `first_fit.rs`. What they leave above the
//! capacity is searched for: `portfolio.rs` (in which orders), `search/` (how). All of them work on an `instance.rs`.

mod buffer;
mod effort;
mod error;
mod first_fit;
mod instance;
mod layout;
mod packer;
mod portfolio;
mod search;
mod skyline;
mod verify;
mod within;

pub use buffer::Buffer;
pub use effort::Effort;
pub use error::PackError;
pub use first_fit::Order;
pub use instance::MOST;
pub use layout::Layout;
pub use packer::{Way, pack, pack_by, pack_least};
pub use skyline::Choice;
pub use verify::{Flaw, verify};
