//! How hard the system itself is pressed for memory, and what follows from it.
//!
//! The plan's line says what we may carry; the system says what is really left. A reading moves a level up at once
//! and down only after it stayed lower for a while, by thresholds further down, so that a reading that hovers at a
//! threshold changes nothing. `Warning` trims idle memory and lets nobody borrow beyond its adaptive share;
//! `Critical` lets nobody borrow and shrinks holders until the system has room again.
//!
//! When less is available than the plan thought, the line that counts is lower for as long as that lasts:
//! `min(line, backed + available − reserve)`. What is charged already stays; nothing is added to it.

use std::time::{Duration, Instant};

use crate::Bytes;
use crate::pressure::{OsLevel, Pressure};

/// How hard memory is pressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum PressureLevel {
    /// All may grow within their limits.
    #[default]
    Normal,
    /// Idle memory goes back; borrowing stops beyond adaptive shares.
    Warning,
    /// Holders shrink; nobody borrows.
    Critical,
}

/// Thresholds, as fractions in use and as PSI per cent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PressureSettings {
    /// Warning from this fraction in use.
    pub warning_enter: f64,
    /// Back to normal below this.
    pub warning_leave: f64,
    /// Critical from this fraction in use.
    pub critical_enter: f64,
    /// Back to warning below this.
    pub critical_leave: f64,
    /// Warning from this `some` value; half of it to leave.
    pub some_warning: f64,
    /// Critical from this `full` value; half of it to leave.
    pub full_critical: f64,
    /// How long it must stay lower before the level falls or the line rises.
    pub calm: Duration,
}

impl Default for PressureSettings {
    fn default() -> Self {
        Self {
            warning_enter: 0.85,
            warning_leave: 0.75,
            critical_enter: 0.95,
            critical_leave: 0.85,
            some_warning: 10.0,
            full_critical: 10.0,
            calm: Duration::from_secs(5),
        }
    }
}

/// What a reading changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PressureChange {
    /// The level before.
    pub before: PressureLevel,
    /// The level now.
    pub level: PressureLevel,
    /// What may be carried now.
    pub carry: Bytes,
    /// What must be given back until critical pressure is left, where the reading tells.
    pub excess: Bytes,
}

/// Turns readings into a level and an effective line. Pure: the clock is passed in.
#[derive(Clone, Debug)]
pub struct Gauge {
    settings: PressureSettings,
    most: Bytes,
    level: PressureLevel,
    carry: Bytes,
    /// Since when readings have asked for a lower level.
    calmer_since: Option<Instant>,
    /// Since when readings have allowed a higher line.
    roomier_since: Option<Instant>,
}

impl Gauge {
    /// A gauge at rest; `most` is what the plan lets the place carry.
    pub const fn new(settings: PressureSettings, most: Bytes) -> Self {
        Self {
            settings,
            most,
            level: PressureLevel::Normal,
            carry: most,
            calmer_since: None,
            roomier_since: None,
        }
    }

    /// The level now.
    pub const fn level(&self) -> PressureLevel {
        self.level
    }

    /// What may be carried now.
    pub const fn carry(&self) -> Bytes {
        self.carry
    }

    /// Takes in a reading. `backed` is what we have charged with memory behind it, `reserve` what is the
    /// system's.
    pub fn read(
        &mut self,
        reading: &Pressure,
        backed: Bytes,
        reserve: Bytes,
        now: Instant,
    ) -> PressureChange {
        let before = self.level;
        self.read_level(reading, now);
        self.read_line(reading, backed, reserve, now);
        let over = (reading.used - self.settings.critical_leave).max(0.0);
        let excess = match self.level {
            PressureLevel::Critical => reading.total.map_or(Bytes::ZERO, |total| total.fraction(over)),
            _ => Bytes::ZERO,
        };
        PressureChange { before, level: self.level, carry: self.carry, excess }
    }

    fn read_level(&mut self, reading: &Pressure, now: Instant) {
        let s = self.settings;
        let rises_to = level_at(reading, s.warning_enter, s.critical_enter, s.some_warning, s.full_critical);
        let falls_to =
            level_at(reading, s.warning_leave, s.critical_leave, s.some_warning / 2.0, s.full_critical / 2.0);
        if rises_to > self.level {
            self.level = rises_to;
            self.calmer_since = None;
        } else if falls_to < self.level {
            let since = *self.calmer_since.get_or_insert(now);
            if now.saturating_duration_since(since) >= s.calm {
                self.level = falls_to;
                self.calmer_since = None;
            }
        } else {
            self.calmer_since = None;
        }
    }

    fn read_line(&mut self, reading: &Pressure, backed: Bytes, reserve: Bytes, now: Instant) {
        let Some(available) = reading.available else {
            return;
        };
        let target = backed.saturating_add(available).saturating_sub(reserve).min(self.most);
        // A sixty-fourth of the line is noise.
        let band = Bytes::new(self.most.get() / 64);
        if target.saturating_add(band) < self.carry {
            self.carry = target;
            self.roomier_since = None;
        } else if target > self.carry.saturating_add(band) || (target == self.most && self.carry < self.most)
        {
            let since = *self.roomier_since.get_or_insert(now);
            if now.saturating_duration_since(since) >= self.settings.calm {
                self.carry = target;
                self.roomier_since = None;
            }
        } else {
            self.roomier_since = None;
        }
    }
}

fn level_at(reading: &Pressure, warning: f64, critical: f64, some: f64, full: f64) -> PressureLevel {
    let said = match reading.level {
        None | Some(OsLevel::Normal) => PressureLevel::Normal,
        Some(OsLevel::Warning) => PressureLevel::Warning,
        Some(OsLevel::Critical) => PressureLevel::Critical,
    };
    let reaches = |value: Option<f64>, bound: f64| value.is_some_and(|value| value >= bound);
    let measured = if reading.used >= critical || reaches(reading.full_avg10, full) {
        PressureLevel::Critical
    } else if reading.used >= warning || reaches(reading.some_avg10, some) {
        PressureLevel::Warning
    } else {
        PressureLevel::Normal
    };
    said.max(measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Bytes = Bytes::new(6_400);

    fn used(used: f64) -> Pressure {
        Pressure { used, total: Some(Bytes::new(10_000)), ..Pressure::default() }
    }

    fn levels(readings: &[(u64, f64)]) -> Vec<PressureLevel> {
        let (mut gauge, start) = (Gauge::new(PressureSettings::default(), MOST), Instant::now());
        let read = |&(at, fraction): &(u64, f64)| {
            gauge.read(&used(fraction), Bytes::ZERO, Bytes::ZERO, start + Duration::from_secs(at)).level
        };
        readings.iter().map(read).collect()
    }

    #[test]
    fn levels_rise_at_once_and_fall_after_calm_below_the_lower_threshold() {
        use PressureLevel::{Critical, Normal, Warning};
        let readings =
            [(0, 0.84), (1, 0.85), (2, 0.76), (99, 0.76), (100, 0.74), (104, 0.74), (105, 0.74), (106, 0.96)];
        assert_eq!(
            levels(&readings),
            [Normal, Warning, Warning, Warning, Warning, Warning, Normal, Critical]
        );
        assert_eq!(
            levels(&[(0, 0.97), (1, 0.80), (5, 0.80), (6, 0.80)]),
            [Critical, Critical, Critical, Warning]
        );
    }

    #[test]
    fn a_reading_that_hovers_does_not_make_the_level_flap() {
        let noisy = (0..200).map(|i| (i, if i % 2 == 0 { 0.86 } else { 0.74 })).collect::<Vec<_>>();
        assert!(levels(&noisy).iter().all(|&level| level == PressureLevel::Warning));
    }

    #[test]
    fn stalls_and_the_systems_own_word_count() {
        let mut gauge = Gauge::new(PressureSettings::default(), MOST);
        let mut level = |reading| gauge.read(&reading, Bytes::ZERO, Bytes::ZERO, Instant::now()).level;
        let some = Pressure { some_avg10: Some(12.0), ..used(0.1) };
        assert_eq!(level(some), PressureLevel::Warning);
        let os = Pressure { level: Some(OsLevel::Critical), ..used(0.1) };
        assert_eq!(level(os), PressureLevel::Critical);
    }

    #[test]
    fn the_line_follows_what_the_system_has_left_and_returns_after_calm() {
        let (mut gauge, start) = (Gauge::new(PressureSettings::default(), MOST), Instant::now());
        let mut carry = |at, available| {
            let reading = Pressure { available: Some(Bytes::new(available)), ..used(0.5) };
            let (backed, reserve) = (Bytes::new(1_000), Bytes::new(500));
            gauge.read(&reading, backed, reserve, start + Duration::from_secs(at)).carry.get()
        };
        assert_eq!(carry(0, 9_000), 6_400);
        assert_eq!(carry(1, 5_850), 6_400, "within the noise");
        assert_eq!(carry(2, 2_000), 2_500);
        assert_eq!(carry(3, 9_000), 2_500, "not at once");
        assert_eq!(carry(4, 2_000), 2_500);
        assert_eq!(carry(5, 9_000), 2_500, "calm begins anew");
        assert_eq!(carry(10, 9_000), 6_400);
    }

    #[test]
    fn critical_says_how_much_is_too_much() {
        let mut gauge = Gauge::new(PressureSettings::default(), MOST);
        let change = gauge.read(&used(0.95), Bytes::ZERO, Bytes::ZERO, Instant::now());
        let excess = change.excess.get();
        assert!((999..=1_000).contains(&excess), "{excess}");
    }
}
