//! One configuration of a workload, as the solver sees it.

use plimsoll::{Bytes, Place};

/// A configuration: what it needs, and what it is worth.
///
/// The solver knows nothing else of it. Whoever asks keeps the configurations in the same order.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// What must be there for it, by place; a place may stand more than once.
    pub needs: Vec<Need>,
    /// What it is worth. Only differences count, and values of several workloads are added.
    pub value: f64,
}

/// So much of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Which place.
    pub place: Place,
    /// How much.
    pub bytes: Bytes,
}
