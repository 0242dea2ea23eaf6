//! `plimsoll bench memory`: how many bytes a second each way from memory to memory carries on this machine.
//!
//! # How it counts
//! As STREAM does. Reading and writing one number of eight bytes count as 8, copying it as 16, the triad
//! `a[i] = b[i] + s·c[i]` as 24. Stores are ordinary ones: a processor that first reads the line which it is about
//! to write moves more than is counted, so writing looks slower than reading. Each figure is the best of ten runs
//! or more after one that warms up, with the median beside it; a run repeats the pass until it lasts some
//! milliseconds. Each thread works on arrays that it has written first, and all begin together.
//!
//! A working set is the sum of all arrays that a pass touches, of all threads together.
//!
//! # What it does not tell
//! Latency, random access, and what a program reaches whose accesses the processor cannot foresee.

mod args;
mod copies;
mod cores;
mod disk;
mod error;
mod figure;
mod host;
mod passes;
mod plan;
mod progress;
mod quick;
mod report;
mod run;
mod scratch;
mod svg;
mod view;

pub use args::MemoryArgs;
pub use copies::{Bare, Measured, Memcpy, Route};
pub use disk::Through;
pub use error::MemoryError;
pub use figure::Figure;
pub use passes::Operation;
pub use plan::Plan;
pub use quick::{Reading, read_rate};
pub use report::{
    BareFigure, DeviceReport, DiskReport, DiskRow, HostPoint, HostReport, LeftOut, MemoryReport,
    ProcessorReport, Transfer, TransferRow,
};
pub use run::run;
pub use svg::draw as svg;
pub use view::view;
