//! What of a training is where it computes, and what is elsewhere until it is needed.

use plimsoll_tensor::{Stage, TensorError};

/// The stages of a training: where it computes, and where it may keep what it does not need at once. For a GPU that is
/// page-locked memory of the host, to and from which copies run beside the work.
#[derive(Clone, Debug)]
pub struct Stages {
    /// Where it computes.
    pub here: Stage,
    /// Where else it may keep things, if anywhere.
    pub away: Option<Stage>,
}

impl From<&Stage> for Stages {
    fn from(here: &Stage) -> Self {
        Self { here: here.clone(), away: None }
    }
}

impl From<&Self> for Stages {
    fn from(other: &Self) -> Self {
        other.clone()
    }
}

impl Stages {
    /// Two of them that need no memory, for what is only rehearsed.
    pub fn dry() -> Self {
        Self { here: Stage::dry(), away: Some(Stage::dry()) }
    }

    /// Elsewhere, or why not.
    pub(super) fn away(&self) -> Result<&Stage, TensorError> {
        self.away.as_ref().ok_or(TensorError::Mode(
            "something is to be kept elsewhere and there is no elsewhere; give a stage for it",
        ))
    }

    /// One or the other.
    pub(super) fn of(&self, away: bool) -> Result<&Stage, TensorError> {
        if away { self.away() } else { Ok(&self.here) }
    }
}

/// What of a training is away all the time, and comes when it is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Homes {
    /// The table of embeddings: only rows of a pass's tokens come. One that is the output too stays here.
    pub embedding: bool,
    /// The optimizer's states, which come and go a slice at a time.
    pub states: bool,
    /// The matrices of so many layers, which come one layer ahead. Such layers are computed again on the way back, so that
    /// none stays meanwhile.
    pub layers: usize,
}

impl Homes {
    /// All that can be away.
    pub const fn most(layers: usize) -> Self {
        Self { embedding: true, states: true, layers }
    }

    /// Whether a layer's matrices are away: those that are lie evenly among the others, so that one comes while several are
    /// computed.
    pub(super) const fn has_away(&self, layer: usize, layers: usize) -> bool {
        (layer + 1) * self.layers / layers > layer * self.layers / layers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_away_as_were_said() {
        for layers in 1..40 {
            for away in 0..=layers {
                let homes = Homes { layers: away, ..Homes::default() };
                let found = (0..layers).filter(|layer| homes.has_away(*layer, layers)).count();
                assert_eq!(found, away, "of {layers}");
            }
        }
    }
}
