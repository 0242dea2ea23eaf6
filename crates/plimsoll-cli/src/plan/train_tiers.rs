//! What can be trained on a machine.

use plimsoll_plan::machine::Machine;
use plimsoll_plan::plan::Lines;

use super::tiers::Entry;

/// Placeholder until train is merged.
pub(super) fn of_training(_machine: &Machine, _lines: &Lines) -> Vec<Vec<Entry>> {
    vec![Vec::new()]
}
