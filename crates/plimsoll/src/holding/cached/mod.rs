//! Cached: values that may go away, priced by what it costs to get them back.
//!
//! Every cache of the machine competes for the same bytes, so a cache has no size: it has an account. It keeps what
//! the account carries, tells the governor what a byte of it is worth, and gives back the cheapest when asked. What
//! somebody uses is pinned by a [`Hit`] and is never given up; what is computed is computed once.
//!
//! * [`Cached`]: the cache.
//! * [`price`]: the policy, alone and pure.

mod cache;
mod error;
mod flights;
mod hit;
mod keeper;
mod order;
pub mod price;
mod shelf;
mod stats;

pub use cache::{Cached, Key};
pub use error::{CachedError, TryCachedError};
pub use hit::Hit;
pub use stats::CachedStats;
