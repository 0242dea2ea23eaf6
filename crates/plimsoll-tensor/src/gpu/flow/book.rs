//! Steps that were put together once, for all that are like them.

use std::sync::Arc;

use plimsoll_device::programs::Series;

use super::flow::Flow;
use super::room::Held;
use crate::compute::Done;

/// Kept at most; with more, whoever was used longest ago goes.
const MOST: usize = 64;

/// What makes steps alike: tokens, whether each is a sequence's only one, shares of attention, those that are put together, rows that are
/// chosen, and what is made of them.
pub(super) type Like = [usize; 6];

/// Steps as they were put together, by what makes them alike.
#[derive(Default)]
pub struct StepBook {
    /// Whether nothing is kept.
    anew: bool,
    /// The last used last.
    all: Vec<One>,
}

struct One {
    like: Like,
    series: Series,
    /// What its launches use.
    _rooms: Vec<Arc<Held>>,
}

impl StepBook {
    /// Of steps that are put on the flow anew each time, because more belongs to them than launches.
    pub fn anew() -> Self {
        Self { anew: true, all: Vec::new() }
    }

    /// Runs what `work` puts on the flow, which is asked only where there was no step like it.
    pub(super) fn run(&mut self, flow: &Flow, like: Like, work: impl FnOnce() -> Done) -> Done {
        if self.anew {
            return work();
        }
        let one = if let Some(known) = self.all.iter().position(|one| one.like == like) {
            self.all.remove(known)
        } else {
            let series = flow.launches.series(work)?;
            One { like, series, _rooms: flow.rooms() }
        };
        let done = flow.launches.run(&one.series);
        if self.all.len() >= MOST {
            self.all.remove(0);
        }
        self.all.push(one);
        done
    }
}

impl std::fmt::Debug for StepBook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StepBook").field("anew", &self.anew).field("steps", &self.all.len()).finish()
    }
}
