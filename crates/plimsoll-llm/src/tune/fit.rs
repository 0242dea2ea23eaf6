//! What a step keeps for the way back, and what of a training is elsewhere or divided, so that it fits below a line.

use plimsoll::Bytes;
use plimsoll_tensor::TensorError;

use super::error::TuneError;
use super::homes::Homes;
use super::tuner::Tuner;

/// What a layer keeps for the way back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keeping {
    /// Everything: nothing is computed twice.
    #[default]
    All,
    /// Everything but what its gate lets through, which is cheap to compute again.
    Products,
    /// Its input: the layer is computed again, but for its last product, which nobody looks at.
    Input,
    /// The same, with the input elsewhere until the layer before it on the way back is computed.
    InputAway,
}

/// How a step fits below a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fit {
    /// What each layer keeps.
    pub keeping: Vec<Keeping>,
    /// What is elsewhere all the time, or divided.
    pub homes: Homes,
    /// The most bytes that tensors will have, to the byte.
    pub peak: Bytes,
    /// The most that they will have elsewhere, to the byte.
    pub away: Bytes,
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

/// A way among those that a line is looked for with: the first layers give up first, gates before layers, layers before
/// their inputs leave.
fn way(level: usize, layers: usize) -> Vec<Keeping> {
    let done = |before: usize| level.saturating_sub(before * layers).min(layers);
    let (gates, whole, inputs) = (done(0), done(1), done(2));
    (0..layers)
        .map(|layer| match layer {
            layer if layer < inputs => Keeping::InputAway,
            layer if layer < whole => Keeping::Input,
            layer if layer < gates => Keeping::Products,
            _ => Keeping::All,
        })
        .collect()
}

impl Tuner {
    /// Chooses what layers keep so that a step stays below a line and as little as possible is computed twice. Every way
    /// that is looked at is rehearsed, so what is said of it is what it needs.
    ///
    /// The first layers give up first: when they are computed again, what later ones kept is gone. Gates give up before
    /// layers do, because they are cheap; inputs of layers leave last, where there is an elsewhere.
    pub fn fit(&mut self, line: Bytes) -> Result<Fit, TuneError> {
        let layers = self.frozen().shape().layers;
        let most = if self.frozen().stages.away.is_some() { 3 * layers } else { 2 * layers };
        let peak_at = |tuner: &mut Self, level: usize| -> Result<[Bytes; 2], TuneError> {
            tuner.keep(way(level, layers));
            let (here, away) = tuner.rehearse_all()?;
            Ok([here.peak(), away.map_or(Bytes::ZERO, |away| away.peak())])
        };
        let [full, _] = peak_at(self, 0)?;
        let [floor, _] = peak_at(self, most)?;
        if line < floor {
            self.keep(way(0, layers));
            return Err(TuneError::Floor { line, floor });
        }
        // The smallest level that fits: peaks fall from level to level, so where the first fits nothing is searched.
        let (mut low, mut high) = (0, if full <= line { 0 } else { most });
        while low < high {
            let middle = usize::midpoint(low, high);
            if peak_at(self, middle)?[0] <= line { high = middle } else { low = middle + 1 }
        }
        let [peak, away] = peak_at(self, low)?;
        let homes = self.frozen().homes();
        Ok(Fit { keeping: self.keeping().to_vec(), homes, peak, away, full, floor })
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

/// Chooses what is elsewhere or divided so that a step can stay below a line, and tells how it would. `dry` makes the training
/// over [stages that need no memory](super::Stages::dry).
///
/// The first of these is taken of which some way is below the line; where there is no elsewhere nothing is there, and where nobody
/// learns with it nothing is divided:
///
/// 1. everything here, nothing computed twice;
/// 2. the table of embeddings elsewhere, which costs next to nothing, and layers computed twice as need be;
/// 3. the optimizer's states elsewhere too;
/// 4. matrices of layers divided, of as few as suffice;
/// 5. matrices of layers elsewhere, of as few as suffice, and those of the others divided.
pub fn homes_below(
    line: Bytes,
    mut dry: impl FnMut(Homes) -> Result<Tuner, TuneError>,
) -> Result<Fit, TuneError> {
    let mut whole = dry(Homes::default())?;
    let layers = whole.frozen().shape().layers;
    let (away, team) = (whole.frozen().stages.away.is_some(), whole.frozen().stages.share.is_part());
    let mut last = whole.fit(line);
    drop(whole);
    match &last {
        Ok(fit) if fit.peak == fit.full || !away => return last,
        Ok(_) | Err(TuneError::Floor { .. }) => {}
        Err(_) => return last,
    }
    let mut tried = |homes: Homes| dry(homes)?.fit(line);
    let base = if away { Homes::most(0) } else { Homes::default() };
    if away {
        for homes in [Homes { states: false, ..base }, base] {
            last = tried(homes);
            if fits_or_fails(&last) {
                return last;
            }
        }
    }
    if team {
        last = fewest(layers, |divided| tried(Homes { divided, ..base }));
    }
    if away && !fits_or_fails(&last) {
        let divided = |away| if team { layers - away } else { 0 };
        last = fewest(layers, |away| tried(Homes { layers: away, divided: divided(away), ..base }));
    }
    last
}

/// Whether nothing else need be tried.
const fn fits_or_fails(fit: &Result<Fit, TuneError>) -> bool {
    !matches!(fit, Err(TuneError::Floor { .. }))
}

/// How it fits with the fewest, from one to all, or why it does not even with all.
fn fewest(all: usize, mut tried: impl FnMut(usize) -> Result<Fit, TuneError>) -> Result<Fit, TuneError> {
    let mut found = tried(all)?;
    let (mut low, mut high) = (1, all);
    while low < high {
        let middle = usize::midpoint(low, high);
        match tried(middle) {
            Ok(fit) => (high, found) = (middle, fit),
            Err(TuneError::Floor { .. }) => low = middle + 1,
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}
