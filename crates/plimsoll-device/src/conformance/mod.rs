//! The suite that every back end passes.
//!
//! What [`Device`] promises is written here once, as named checks that any device can be put through: from a
//! test, or from a binary on a machine that has the hardware. Each check makes what it needs, gives it back,
//! and says which step went wrong and how.
//!
//! ```
//! use std::sync::Arc;
//! use plimsoll_device::conformance::{self, Options};
//! use plimsoll_device::{Bytes, Device, SimDevice, SimSettings};
//!
//! let settings = SimSettings { total: Bytes::mib(64), ..SimSettings::default() };
//! let device: Arc<dyn Device> = Arc::new(SimDevice::new(settings)?);
//! let report = conformance::run(&device, &Options::suited(device.facts()));
//! println!("{report}");
//! assert!(report.passed());
//! # Ok::<(), plimsoll_device::DeviceError>(())
//! ```
//!
//! # What it cannot see
//! That memory really goes back to the system, that a wait sleeps rather than spins, how fast anything is, and
//! that one stream does not hold up another: those depend on the machine and are tested by each back end.

mod allocation;
mod books;
mod contents;
mod expand;
mod fences;
mod foreign;
mod kernels;
mod loss;
mod modes;
mod nearest;
mod ranges;
mod report;
mod runs;
mod threads;
mod trial;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

pub use report::{Failure, Outcome, Report};
pub use trial::{Held, Stop, Trial};

use crate::{Bytes, Device, DeviceKind, Facts};

/// What the suite may expect of a device and do to it.
#[derive(Clone)]
pub struct Options {
    /// What was written can be read. Without it only the rules are checked (a hollow simulated device).
    pub contents: bool,
    /// Free memory follows what is allocated, and nobody else uses the device meanwhile.
    pub tells_memory: bool,
    /// Allocate until the device refuses.
    pub exhaust: bool,
    /// How many threads use the device at once.
    pub threads: usize,
    /// The largest region that a check uses, other than those that are to be refused.
    pub bytes_max: Bytes,
    /// How long to wait for a fence before it counts as one that never signals.
    pub patience: Duration,
    /// Makes the device lost. What is checked then comes last, because the device is of no use afterwards.
    pub lose: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Options {
    /// What suits a device of this kind. Nothing is exhausted on the host: the system would rather end this
    /// program than refuse.
    pub fn suited(facts: &Facts) -> Self {
        let exclusive = matches!(facts.kind, DeviceKind::Simulated | DeviceKind::Cuda);
        Self {
            contents: true,
            tells_memory: exclusive,
            exhaust: exclusive,
            threads: 4,
            bytes_max: Bytes::mib(8).min(facts.max_allocation),
            patience: Duration::from_secs(30),
            lose: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("contents", &self.contents)
            .field("tells_memory", &self.tells_memory)
            .field("exhaust", &self.exhaust)
            .field("threads", &self.threads)
            .field("bytes_max", &self.bytes_max)
            .field("patience", &self.patience)
            .field("lose", &self.lose.is_some())
            .finish()
    }
}

/// One promise, and how it is put to the test.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// The promise in a few words; also its name.
    pub name: &'static str,
    /// Puts a device to it.
    pub run: fn(&Trial<'_>) -> Result<(), Stop>,
}

/// All checks, in the order in which they are run.
pub fn checks() -> impl Iterator<Item = &'static Check> {
    [
        allocation::CHECKS,
        modes::CHECKS,
        contents::CHECKS,
        fences::CHECKS,
        ranges::CHECKS,
        kernels::CHECKS,
        nearest::CHECKS,
        runs::CHECKS,
        expand::CHECKS,
        foreign::CHECKS,
        books::CHECKS,
        threads::CHECKS,
        loss::CHECKS,
    ]
    .into_iter()
    .flatten()
}

/// Puts a device through every check.
pub fn run(device: &Arc<dyn Device>, options: &Options) -> Report {
    let trial = Trial::new(device, options);
    let outcome = |check: &Check| match catch_unwind(AssertUnwindSafe(|| (check.run)(&trial))) {
        Ok(Ok(())) => Outcome::Passed,
        Ok(Err(Stop::Skipped(why))) => Outcome::Skipped(why),
        Ok(Err(Stop::Failed(failure))) => Outcome::Failed(failure),
        Err(_) => Outcome::Failed(Failure {
            step: "running the check".to_owned(),
            why: "the device panicked; a device returns errors".to_owned(),
        }),
    };
    Report {
        device: device.facts().name.clone(),
        outcomes: checks().map(|check| (check.name, outcome(check))).collect(),
    }
}
