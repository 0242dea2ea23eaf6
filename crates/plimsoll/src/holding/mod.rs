//! Holdings: the four ways in which workloads keep memory.
//!
//! A workload that says *how* it keeps memory need not say when to give it up. Four ways cover what AI workloads do:
//!
//! * [`Cached`]: values that may go away, priced by what it costs to get them back (KV blocks, features).
//! * [`Streaming`]: a ring of chunks that data passes through, however much there is of it (documents, index scans).
//! * [`Resident`]: loaded once and shared, gone only when memory is worth more elsewhere (weights).
//! * Scratch: temporaries. That is the pool itself, and needs nothing from here.
//!
//! Each charges every byte it keeps to one account before it has it, registers with the governor as a
//! [`Shrink`](crate::governor::Shrink) holder, and puts a price on what it offers in the same unit: the seconds it
//! costs to get a byte back. What is in use is never offered.

mod buffer;
pub mod cached;
mod clock;
mod facade;
pub mod resident;
mod site;
pub mod streaming;
mod weigh;

pub use cached::Cached;
pub use clock::{Clock, ManualClock, WallClock};
pub use resident::Resident;
pub use site::Site;
pub use streaming::Streaming;
pub use weigh::Weigh;
