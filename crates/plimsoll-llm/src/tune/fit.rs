//! What a step keeps for the way back, so that it fits below a line.

use plimsoll::Bytes;
use plimsoll_tensor::TensorError;

use super::error::TuneError;
use super::tuner::Tuner;

/// What a layer keeps for the way back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeping {
    /// Everything: nothing is computed twice.
    #[default]
    All,
    /// Everything but what its gate lets through, which is cheap to compute again.
    Products,
    /// Its input: the layer is computed again, but for its last product, which nobody looks at.
    Input,
}

/// How a step fits below a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fit {
    /// What each layer keeps.
    pub keeping: Vec<Keeping>,
    /// The most bytes that tensors will have, to the byte.
    pub peak: Bytes,
    /// The most if nothing were computed twice.
    pub full: Bytes,
    /// The most if as little as possible is kept.
    pub floor: Bytes,
}

impl Fit {
    /// How many layers keep this.
    pub fn layers(&self, keeping: Keeping) -> usize {
        self.keeping.iter().filter(|kept| **kept == keeping).count()
    }
}

impl Tuner {
    /// Chooses what layers keep so that a step stays below a line and as little as possible is computed twice. Every way
    /// that is looked at is rehearsed, so what is said of it is what it needs.
    ///
    /// The first layers give up first: when they are computed again, what later ones kept is gone. Gates give up before
    /// layers do, because they are cheap.
    pub fn fit(&mut self, line: Bytes) -> Result<Fit, TuneError> {
        let layers = self.frozen().shape().layers;
        let way = |level: usize| -> Vec<Keeping> {
            let (gates, whole) = if level <= layers { (level, 0) } else { (layers, level - layers) };
            (0..layers)
                .map(|layer| match layer {
                    layer if layer < whole => Keeping::Input,
                    layer if layer < gates => Keeping::Products,
                    _ => Keeping::All,
                })
                .collect()
        };
        let peak_at = |tuner: &mut Self, level: usize| -> Result<Bytes, TuneError> {
            tuner.keep(way(level));
            Ok(tuner.rehearse()?.peak())
        };
        let full = peak_at(self, 0)?;
        let floor = peak_at(self, 2 * layers)?;
        if line < floor {
            self.keep(way(0));
            return Err(TuneError::Floor { line, floor });
        }
        // The smallest level that fits: peaks fall from level to level.
        let (mut low, mut high) = (0, 2 * layers);
        while low < high {
            let middle = usize::midpoint(low, high);
            if peak_at(self, middle)? <= line { high = middle } else { low = middle + 1 }
        }
        let peak = peak_at(self, low)?;
        Ok(Fit { keeping: way(low), peak, full, floor })
    }

    /// The same, with the plan held in one lease. `beside` is what is charged to the same line beside tensors: what a pool has
    /// idle, other tenants.
    ///
    /// A plan's one piece can be a little larger than what lives at once; then a little more is computed twice.
    pub fn fit_and_hold(&mut self, line: Bytes, beside: Bytes) -> Result<Fit, TuneError> {
        let room = line.saturating_sub(beside);
        let least = Bytes::new((line.get() / 64).max(1));
        let mut aim = room;
        loop {
            let fit = self.fit(aim).map_err(|error| match error {
                TuneError::Floor { floor, .. } => {
                    TuneError::Floor { line, floor: floor + beside + (room - aim) }
                }
                other => other,
            })?;
            let over = match self.hold() {
                Ok(_) => return Ok(fit),
                Err(TuneError::Tensor(TensorError::Plan { needed, .. })) => {
                    (self.stage().live() + needed).saturating_sub(room)
                }
                Err(error) => return Err(error),
            };
            aim = aim.saturating_sub(over.max(least));
        }
    }
}
