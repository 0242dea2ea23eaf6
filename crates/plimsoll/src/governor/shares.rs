//! Adaptive shares: where the memory beyond the guarantees should go.
//!
//! Between its guarantee and its limit, an account's share follows worth: a quantum moves from the account whose
//! last byte is worth least to the one that wants more and whose bytes are worth most. It moves only when the
//! receiver's worth exceeds the donor's by a ratio (noise below that moves nothing), only after a cool-down, and
//! worth is smoothed first. The sum of the shares never changes.
//!
//! A share is advice, not a rule: it says whom the governor asks first, and who may grow under pressure. Nothing
//! is charged or refused by it alone, so a wrong worth costs efficiency and never correctness.

use std::time::{Duration, Instant};

use crate::Bytes;

/// How shares move.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SharesSettings {
    /// How much moves at a time, as a fraction of all there is.
    pub quantum: f64,
    /// How many times the donor's worth the receiver's must be.
    pub ratio: f64,
    /// The least time between two moves.
    pub cool_down: Duration,
    /// How much a new reading counts against the smoothed worth, 0 to 1.
    pub smoothing: f64,
}

impl Default for SharesSettings {
    fn default() -> Self {
        Self { quantum: 1.0 / 32.0, ratio: 1.5, cool_down: Duration::from_secs(1), smoothing: 0.25 }
    }
}

/// One account that takes part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Claimant {
    /// Its share is never below this.
    pub guaranteed: Bytes,
    /// Nor above this.
    pub limit: Bytes,
    /// Where its share stands.
    pub share: Bytes,
    /// Smoothed: seconds saved by its least valuable byte.
    pub worth: f64,
}

/// A quantum that moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    /// Who has less.
    pub from: usize,
    /// Who has more.
    pub to: usize,
    /// How much.
    pub bytes: Bytes,
}

/// The shares of the children of one node.
#[derive(Clone, Debug)]
pub struct Shares {
    settings: SharesSettings,
    quantum: u64,
    claimants: Vec<Claimant>,
    moved: Option<Instant>,
}

impl Shares {
    /// Guarantees first; the rest of `capacity` in proportion to what each may take beyond its guarantee.
    pub fn new(settings: SharesSettings, capacity: Bytes, bounds: &[(Bytes, Bytes)]) -> Self {
        let guaranteed: u128 = bounds.iter().map(|(g, _)| u128::from(g.get())).sum();
        let rest = u128::from(capacity.get()).saturating_sub(guaranteed);
        let room = |&(g, l): &(Bytes, Bytes)| u128::from(l.saturating_sub(g).get());
        let rooms: u128 = bounds.iter().map(room).sum();
        let claimant = |bound: &(Bytes, Bytes)| {
            let wide = (rest * room(bound)).checked_div(rooms).unwrap_or(0).min(room(bound));
            let extra = Bytes::new(u64::try_from(wide).unwrap_or(u64::MAX));
            Claimant { guaranteed: bound.0, limit: bound.1, share: bound.0.saturating_add(extra), worth: 0.0 }
        };
        Self {
            settings,
            quantum: capacity.fraction(settings.quantum).get().max(1),
            claimants: bounds.iter().map(claimant).collect(),
            moved: None,
        }
    }

    /// Those who take part, in the order given.
    pub fn claimants(&self) -> &[Claimant] {
        &self.claimants
    }

    /// Takes in, for each claimant, what its least valuable byte is worth and how much it asked for in vain; moves
    /// at most one quantum.
    pub fn step(&mut self, readings: &[(f64, Bytes)], now: Instant) -> Option<Shift> {
        for (claimant, &(worth, _)) in self.claimants.iter_mut().zip(readings) {
            if worth.is_finite() && worth >= 0.0 {
                claimant.worth += (worth - claimant.worth) * self.settings.smoothing;
            }
        }
        let cool = |moved: Instant| now.saturating_duration_since(moved) >= self.settings.cool_down;
        if !self.moved.is_none_or(cool) {
            return None;
        }
        let numbered = || self.claimants.iter().enumerate();
        let by_worth = |a: &(usize, &Claimant), b: &(usize, &Claimant)| a.1.worth.total_cmp(&b.1.worth);
        let wants = |index: usize| readings.get(index).is_some_and(|(_, unmet)| !unmet.is_zero());
        let (to, receiver) = numbered().filter(|&(i, c)| wants(i) && c.share < c.limit).max_by(by_worth)?;
        let donors = numbered().filter(|&(i, c)| i != to && c.share > c.guaranteed);
        let (from, donor) = donors.min_by(by_worth)?;
        if receiver.worth <= donor.worth * self.settings.ratio || receiver.worth <= 0.0 {
            return None;
        }
        let room = (receiver.limit - receiver.share).min(donor.share - donor.guaranteed);
        let bytes = Bytes::new(self.quantum).min(room);
        self.claimants[from].share = donor.share - bytes;
        self.claimants[to].share += bytes;
        self.moved = Some(now);
        Some(Shift { from, to, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn b(n: u64) -> Bytes {
        Bytes::new(n)
    }

    fn shares() -> Shares {
        Shares::new(
            SharesSettings::default(),
            b(3_200),
            &[(b(200), b(3_000)), (b(400), b(3_000)), (b(0), b(500))],
        )
    }

    fn total(shares: &Shares) -> Bytes {
        shares.claimants().iter().map(|c| c.share).sum()
    }

    #[test]
    fn shares_converge_to_the_account_whose_bytes_are_worth_most() {
        let (mut shares, start) = (shares(), Instant::now());
        let (sum, mut shifts) = (total(&shares), 0);
        for second in 0..500 {
            let readings = [(1.0, b(10)), (5.0, b(10)), (0.1, b(10))];
            shifts += usize::from(shares.step(&readings, start + Duration::from_secs(second)).is_some());
            assert_eq!(total(&shares), sum);
            assert!(shares.claimants().iter().all(|c| c.guaranteed <= c.share && c.share <= c.limit));
        }
        let at = shares.claimants().iter().map(|c| c.share.get()).collect::<Vec<_>>();
        assert_eq!((at[0], at[2]), (200, 0), "down to their guarantees: {at:?}");
        assert!(at[1] >= 2_990 && shifts < 60, "{at:?} in {shifts} moves");
    }

    #[test]
    fn noise_around_equal_worth_moves_nothing() {
        let (mut shares, start) = (shares(), Instant::now());
        for second in 0..500 {
            let noise = if second % 2 == 0 { 0.8 } else { 1.25 };
            let readings = [(noise, b(10)), (2.05 - noise, b(10)), (1.0, b(10))];
            let now = start + Duration::from_secs(second);
            // The first readings warm the smoothing up from nothing.
            let shift = shares.step(&readings, now);
            assert!(second < 20 || shift.is_none(), "second {second}: {shift:?}");
        }
    }

    #[test]
    fn who_wants_nothing_gets_nothing_and_moves_wait_for_the_cool_down() {
        let (mut shares, now) = (shares(), Instant::now());
        assert_eq!(shares.step(&[(1.0, b(0)), (9.0, b(0)), (1.0, b(0))], now), None);
        assert!(shares.step(&[(1.0, b(0)), (9.0, b(1)), (1.0, b(0))], now).is_some());
        assert_eq!(shares.step(&[(1.0, b(0)), (9.0, b(1)), (1.0, b(0))], now), None);
    }
}
