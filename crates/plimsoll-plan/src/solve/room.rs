//! What there is to share.

use plimsoll::{Bytes, Place};

use super::Choice;

/// What places may carry, each alone and those together that come out of one memory.
///
/// On a machine with unified memory `host` and `gpu:0` have a line each, and both lines come out of the same bytes: that
/// is one limit over two places beside the two of one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Room {
    limits: Vec<Limit>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Limit {
    places: Vec<Place>,
    bytes: Bytes,
}

impl Room {
    /// These places may carry so much together. What stands at a place without any limit is not held to one.
    #[must_use]
    pub fn limit(mut self, places: impl IntoIterator<Item = Place>, bytes: Bytes) -> Self {
        self.limits.push(Limit { places: places.into_iter().collect(), bytes });
        self
    }

    /// How much each limit allows.
    pub(super) fn allowances(&self) -> Vec<u64> {
        self.limits.iter().map(|limit| limit.bytes.get()).collect()
    }

    /// How much of each limit a choice takes.
    pub(super) fn loads(&self, choice: &Choice) -> Vec<u64> {
        let load = |limit: &Limit| {
            let here = choice.needs.iter().filter(|need| limit.places.contains(&need.place));
            here.fold(0, |sum: u64, need| sum.saturating_add(need.bytes.get()))
        };
        self.limits.iter().map(load).collect()
    }

    /// Whether these choices fit together.
    pub fn holds<'c>(&self, choices: impl IntoIterator<Item = &'c Choice>) -> bool {
        let mut left = self.allowances();
        choices.into_iter().all(|choice| {
            let loads = self.loads(choice);
            left.iter_mut().zip(loads).all(|(left, load)| {
                let rest = left.checked_sub(load);
                *left = rest.unwrap_or_default();
                rest.is_some()
            })
        })
    }
}
