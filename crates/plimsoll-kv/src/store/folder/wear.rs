//! What was written, day by day. Pure: the day is passed in.
//!
//! # Formula
//! What is written to the disk about it is always ahead: before the count of a day passes what was promised, a new promise
//! is due, one quantum higher. After a crash the day is taken to be used as far as promised, so that a process that dies
//! again and again cannot write more than the limit; the error is at most one quantum a crash.

use super::format::WearSlot;

/// The quantum is this part of what may be written a day,
const PART: u64 = 64;
/// but within these.
const QUANTUM_LEAST: u64 = 4096;
const QUANTUM_MOST: u64 = 64 << 20;

/// How much was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wear {
    daily: Option<u64>,
    day: u64,
    today: u64,
    total: u64,
    promised: WearSlot,
}

/// It would be more than may be written today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMuch {
    pub today: u64,
    pub daily: u64,
}

impl Wear {
    /// As the disk has it. `unknown` if it had something that cannot be read: then the day is taken to be used up.
    pub(super) fn resume(slot: Option<WearSlot>, unknown: bool, daily: Option<u64>, day: u64) -> Self {
        let mut slot = slot.unwrap_or_default();
        if unknown {
            slot = WearSlot { day, today: daily.unwrap_or_default(), ..slot };
        }
        let mut wear = Self { daily, day: slot.day, today: slot.today, total: slot.total, promised: slot };
        wear.turn_to(day);
        wear
    }

    /// Whether so many bytes may be written, on this day.
    pub(super) fn may(&mut self, bytes: u64, day: u64) -> Result<(), TooMuch> {
        self.turn_to(day);
        let Some(daily) = self.daily else { return Ok(()) };
        let fits = self.today.checked_add(bytes).is_some_and(|today| today <= daily);
        if fits { Ok(()) } else { Err(TooMuch { today: self.today, daily }) }
    }

    /// So many bytes are about to be written. What is returned is to be put on the disk before.
    pub(super) fn count(&mut self, bytes: u64, day: u64) -> Option<WearSlot> {
        self.turn_to(day);
        self.today = self.today.saturating_add(bytes);
        self.total = self.total.saturating_add(bytes);
        let stands = self.promised.day == self.day
            && self.today <= self.promised.today
            && self.total <= self.promised.total;
        if stands { None } else { Some(self.promise(self.quantum())) }
    }

    /// What is exact, for an orderly end.
    pub(super) fn close(&mut self) -> WearSlot {
        self.promise(0)
    }

    #[cfg(test)]
    pub(super) const fn today(&self) -> u64 {
        self.today
    }

    /// As it will stand on a day.
    pub(super) const fn on(&self, day: u64) -> u64 {
        if day > self.day { 0 } else { self.today }
    }

    pub(super) const fn daily(&self) -> Option<u64> {
        self.daily
    }

    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    fn promise(&mut self, ahead: u64) -> WearSlot {
        // Never more than may be, so that a crash on the last bytes of a day does not show more than the limit.
        let most = self.daily.unwrap_or(u64::MAX).max(self.today);
        let today = self.today.saturating_add(ahead).min(most);
        let total = self.total.saturating_add(today - self.today);
        self.promised = WearSlot { turn: self.promised.turn.saturating_add(1), day: self.day, today, total };
        self.promised
    }

    fn quantum(&self) -> u64 {
        self.daily.map_or(QUANTUM_MOST, |daily| (daily / PART).clamp(QUANTUM_LEAST, QUANTUM_MOST))
    }

    /// A day that is before the one that is counted is the same day: a clock that is set back gives no second allowance.
    fn turn_to(&mut self, day: u64) {
        if day > self.day {
            (self.day, self.today) = (day, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_never_gives_a_day_back() {
        let mut wear = Wear::resume(None, false, Some(100_000), 7);
        let mut slot = None;
        for _ in 0..10 {
            assert!(wear.may(3_000, 7).is_ok());
            slot = wear.count(3_000, 7).or(slot);
        }
        let mut again = Wear::resume(slot, false, Some(100_000), 7);
        assert!(again.today() >= wear.today() && again.today() <= wear.today() + QUANTUM_LEAST);
        assert!(again.total() >= wear.total());
        assert_eq!(again.may(80_000, 7), Err(TooMuch { today: again.today(), daily: 100_000 }));
        assert!(again.may(100_000, 8).is_ok(), "the next day is another");
        assert!(again.may(100_001, 6).is_err(), "a clock set back is no new day");
    }

    #[test]
    fn what_cannot_be_read_counts_as_used() {
        let mut wear = Wear::resume(None, true, Some(1_000), 3);
        assert!(wear.may(1, 3).is_err());
        assert!(wear.may(1_000, 4).is_ok());
        assert_eq!(Wear::resume(Some(wear.close()), false, Some(1_000), 4).today(), 0);
    }
}
