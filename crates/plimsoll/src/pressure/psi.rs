//! Pressure stall information: the kernel's own measure of how long tasks waited for memory.
//!
//! Absent before Linux 4.20, when switched off (`psi=0`), and in sandboxes that hide it; then reading the file
//! fails and there is no value.

use std::time::Duration;

/// One file such as `/proc/pressure/memory`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Psi {
    /// Some task waited.
    pub some: Option<Averages>,
    /// All tasks waited at once: nothing useful was done.
    pub full: Option<Averages>,
}

/// Shares of time spent waiting, in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Averages {
    /// Over ten seconds.
    pub avg10: f64,
    /// Over a minute.
    pub avg60: f64,
    /// Over five minutes.
    pub avg300: f64,
    /// All the time since the system or the group was started.
    pub total: Duration,
}

impl Psi {
    /// Reads "some avg10=0.12 avg60=… avg300=… total=microseconds" and the same for "full". A line that is not
    /// of this form is left out.
    pub fn parse(text: &str) -> Self {
        let line = |name: &str| text.lines().find_map(|line| Averages::parse(line.strip_prefix(name)?));
        Self { some: line("some "), full: line("full ") }
    }
}

impl Averages {
    fn parse(fields: &str) -> Option<Self> {
        let text = |name: &str| {
            let mut pairs = fields.split_whitespace().filter_map(|pair| pair.split_once('='));
            pairs.find_map(|(key, value)| (key == name).then_some(value))
        };
        let percent = |name: &str| {
            let share: f64 = text(name)?.parse().ok()?;
            share.is_finite().then(|| share.clamp(0.0, 100.0))
        };
        Some(Self {
            avg10: percent("avg10")?,
            avg60: percent("avg60")?,
            avg300: percent("avg300")?,
            total: Duration::from_micros(text("total")?.parse().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lines_are_read_and_garbage_is_nothing() {
        let psi = Psi::parse(
            "some avg10=1.53 avg60=0.87 avg300=0.21 total=5123456\nfull avg10=0.40 avg60=0.1 avg300=0 total=99\n",
        );
        let some = psi.some.unwrap();
        assert!((some.avg10 - 1.53).abs() < 1e-9);
        assert_eq!(some.total, Duration::from_micros(5_123_456));
        assert!((psi.full.unwrap().avg10 - 0.4).abs() < 1e-9);
        for garbage in
            ["", "some", "some avg10=x avg60=1 avg300=1 total=1", "some avg10=NaN avg60=0 avg300=0 total=0"]
        {
            assert_eq!(Psi::parse(garbage), Psi::default(), "{garbage}");
        }
        let wild = Psi::parse("some avg10=900 avg60=-3 avg300=0 total=0").some.unwrap();
        assert_eq!((wild.avg10, wild.avg60), (100.0, 0.0));
    }
}
