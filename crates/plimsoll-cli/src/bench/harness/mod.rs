//! How engines that hand out memory are timed: take a block, give it back, many times.
//!
//! # What makes it fair
//! - Every engine runs in the same process, in the same minute, and in turns: batch *n* of each engine comes
//!   before batch *n* + 1 of any, so that whatever else the machine does falls on all alike.
//! - An engine is warm before it is timed, and the figure is the median of many batches, each long enough that
//!   reading the clock twice is nothing beside it.
//! - Nobody touches the memory, because some engines only keep books. With [`Plan::touch`] each block is written
//!   once a page, by the engines that have memory to write; the others say so and are left out.
//! - The loop is compiled for each engine by itself: no call through a table stands between the clock and the
//!   engine.
//!
//! # What the figure is
//! The nanoseconds that one take-and-return lasts on its thread. With perfect scaling it stays the same when
//! threads are added; the throughput of all threads is `threads / ns`.
//!
//! # What is not measured
//! Many sizes mixed (a trace replay does that) and blocks that are returned by another thread.

mod bench;
mod engine;
mod measure;
mod plan;
mod rendezvous;

pub use bench::{Bench, Gap, HOLD_AT_MOST, MOST_HOLES, Peer};
pub use engine::{Engine, PAGE, Seat};
pub use measure::{Row, measure};
pub use plan::{Case, LIVES, Plan, SIZES};
pub(in crate::bench) use rendezvous::{Leaving, Rendezvous};
