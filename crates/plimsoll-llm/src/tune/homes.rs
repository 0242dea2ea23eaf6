//! What of a training is where it computes, what is elsewhere until it is needed, and what others have a part of.

use plimsoll_tensor::{Share, Stage, TensorError};

/// The stages of a training: where it computes, and where it may keep what it does not need at once. For a GPU that is
/// page-locked memory of the host, to and from which copies run beside the work.
#[derive(Clone, Debug)]
pub struct Stages {
    /// Where it computes.
    pub here: Stage,
    /// Where else it may keep things, if anywhere.
    pub away: Option<Stage>,
    /// Its place among those that learn together: of what is [divided](Homes::divided) it has this part.
    pub share: Share,
}

impl From<&Stage> for Stages {
    fn from(here: &Stage) -> Self {
        Self::new(here.clone(), None)
    }
}

impl From<&Self> for Stages {
    fn from(other: &Self) -> Self {
        other.clone()
    }
}

impl Stages {
    /// Of one that learns alone.
    pub const fn new(here: Stage, away: Option<Stage>) -> Self {
        Self { here, away, share: Share::ALL }
    }

    /// Two of them that need no memory, for what is only rehearsed.
    pub fn dry() -> Self {
        Self::new(Stage::dry(), Some(Stage::dry()))
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

/// Where a layer's matrices are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    Here,
    Away,
    Divided,
}

/// What of a training is away all the time, or divided among those that learn together, and comes when it is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Homes {
    /// The table of embeddings: only rows of a pass's tokens come. One that is the output too stays here.
    pub embedding: bool,
    /// The optimizer's states, which come and go a slice at a time.
    pub states: bool,
    /// The matrices of so many layers, which come one layer ahead. Such layers are computed again on the way back, so that
    /// none stays meanwhile.
    pub layers: usize,
    /// The matrices of so many of the other layers are divided: each of those that learn together has some of the rows, and
    /// all of them while it computes the layer. They come, and are computed again, as those that are away.
    pub divided: usize,
}

impl Homes {
    /// All that can be away.
    pub const fn most(layers: usize) -> Self {
        Self { embedding: true, states: true, layers, divided: 0 }
    }

    /// Where a layer's matrices are, of so many layers. Those that are away lie evenly among the others, and so do those that are
    /// divided among the rest, so that one comes while several are computed.
    pub(super) const fn of(&self, layer: usize, layers: usize) -> Home {
        let away = layer * self.layers / layers;
        if (layer + 1) * self.layers / layers > away {
            return Home::Away;
        }
        let (among, others) = (layer - away, layers - self.layers);
        if (among + 1) * self.divided / others > among * self.divided / others {
            return Home::Divided;
        }
        Home::Here
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_away_and_divided_as_were_said() {
        for layers in 1..40 {
            for away in 0..=layers {
                for divided in [0, 1, (layers - away) / 2, layers - away] {
                    let divided = divided.min(layers - away);
                    let homes = Homes { layers: away, divided, ..Homes::default() };
                    let at = |home| (0..layers).filter(|layer| homes.of(*layer, layers) == home).count();
                    assert_eq!([at(Home::Away), at(Home::Divided)], [away, divided], "of {layers}");
                }
            }
        }
    }
}
