//! Which lines a training fits below, and what is elsewhere or divided so that it fits below one: known before a model is loaded.

use plimsoll::Bytes;
use plimsoll_llm::tune::{Homes, Stages, TuneError, Tuner, homes_below};
use plimsoll_tensor::Share;

use super::TrainError;
use super::ground::Ground;

/// What a line needs more than tensors do, whatever they are: the last granules of a pool's regions. 6.4 MB were the most that
/// was seen.
const MORE: u64 = 8 << 20;

/// Lines that a training fits below: with all that is charged to them, not tensors alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lines {
    /// What is charged beside tensors: texts, and what computes on a device.
    beside: Bytes,
    /// The lowest that is taken.
    pub(super) lowest: Bytes,
    /// From here on nothing is computed twice and nothing elsewhere.
    pub(super) full: Bytes,
}

impl Lines {
    /// The line that tensors of so many bytes need. A pool's granules and a plan's one piece take a little more than tensors.
    fn line(beside: Bytes, tensors: Bytes) -> Bytes {
        Bytes::new((u128::from(tensors.get()) * 32).div_ceil(31).try_into().unwrap_or(u64::MAX))
            + Bytes::new(MORE)
            + beside
    }

    /// What tensors may take below a line: the other way round.
    fn room(self, line: Bytes) -> Bytes {
        let left = line.saturating_sub(self.beside + Bytes::new(MORE)).get();
        Bytes::new((u128::from(left) * 31 / 32).try_into().unwrap_or(u64::MAX))
    }
}

/// Chooses what is elsewhere or divided, and refuses a line that nothing could fit below, with the lowest that something does, before a
/// model is loaded. `of` makes a training with these things elsewhere and this share of the optimizer's states.
pub(super) fn foretell(
    of: &dyn Fn(&Stages, Homes, Share) -> Result<Tuner, TuneError>,
    ground: &Ground,
    divided: bool,
) -> Result<(Homes, Lines), TrainError> {
    let dry = |homes: Homes, share: Share| of(&ground.dry(), homes, share);
    // Shares differ by a leaf: what fits where most is fits everywhere.
    let mut largest = (Bytes::ZERO, Share::ALL);
    for share in ground.shares(divided) {
        let live = dry(Homes::default(), share)?.stage().live();
        largest = if live > largest.0 { (live, share) } else { largest };
    }
    let dry = |homes: Homes| dry(homes, largest.1);
    let anything = Bytes::new(u64::MAX / 4);
    let here = dry(Homes::default())?.fit(anything)?;
    let layers = here.keeping.len();
    // What is here alone is known already.
    let most = match (ground.has_away(), ground.spots.len()) {
        (true, _) => Some(Homes::most(layers)),
        (false, 0 | 1) => None,
        (false, _) => Some(Homes { divided: layers, ..Homes::default() }),
    };
    let floor = match most {
        Some(homes) => dry(homes)?.fit(anything)?.floor.min(here.floor),
        None => here.floor,
    };
    let beside = ground.charged(0)[0];
    let lines = Lines { beside, lowest: Lines::line(beside, floor), full: Lines::line(beside, here.full) };
    let line = ground.line;
    if line < lines.lowest {
        return Err(TuneError::Floor { line, floor: lines.lowest }.into());
    }
    let room = lines.room(line);
    let fit = homes_below(room, dry)?;
    let away = Bytes::new(fit.away.get() * ground.spots.len() as u64);
    if away > ground.away {
        let what = format!(
            "to stay below the line {} are to be kept in page-locked memory, and {} of it may be taken; give it a higher \
             `--away`, or a higher `--line`",
            away, ground.away
        );
        return Err(TuneError::Settings { what }.into());
    }
    Ok((fit.homes, lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_is_said_has_room_for_what_it_is_said_of() {
        for tensors in [0, 1, 30, 31, 32, 1 << 20, (1 << 30) + 7, 16_117_833_988].map(Bytes::new) {
            let beside = Bytes::mib(32);
            let line = Lines::line(beside, tensors);
            let lines = Lines { beside, lowest: line, full: line };
            assert!(lines.room(line) >= tensors, "{tensors}");
            assert!(lines.room(line - Bytes::new(2)) <= tensors, "{tensors}");
        }
    }
}
