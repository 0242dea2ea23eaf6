//! From where on something is worth an alert.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::Bytes;

/// Thresholds for each kind of alert, and for how long they must be crossed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlertSettings {
    /// Share of the machine's memory that is used, of a place's line that is charged and not idle in pools, and of an
    /// account's limit while requests wait.
    pub pressure: Thresholds,
    /// Share of a pool's bytes that nobody can use, inside leases or between them.
    pub fragmentation: Thresholds,
    /// Share of the swap space that is used.
    pub swap: Thresholds,
    /// Whether events that the recorder lost raise an alert.
    pub drops: bool,
    /// How long a threshold must be crossed without a break.
    pub after: Duration,
    /// How long it must stay below, by [`band`](Self::band), until the alert is cleared.
    pub calm: Duration,
    /// How far below its threshold a value is calm.
    pub band: f64,
    /// Fragmentation that wastes less than this raises nothing, whatever its share.
    pub least_waste: Bytes,
}

impl Default for AlertSettings {
    fn default() -> Self {
        Self {
            pressure: Thresholds { warning: Some(0.85), critical: Some(0.95) },
            fragmentation: Thresholds { warning: Some(0.3), critical: None },
            swap: Thresholds { warning: Some(0.1), critical: None },
            drops: true,
            after: Duration::from_secs(10),
            calm: Duration::from_secs(30),
            band: 0.05,
            least_waste: Bytes::mib(64),
        }
    }
}

/// The shares from which an alert is a warning, and from which it is critical. Either may be missing.
///
/// ```
/// use plimsoll::monitor::Thresholds;
/// let both: Thresholds = "0.8,0.9".parse()?;
/// assert_eq!(both, Thresholds { warning: Some(0.8), critical: Some(0.9) });
/// assert_eq!("80%".parse(), Ok(Thresholds { warning: Some(0.8), critical: None }));
/// assert_eq!("off".parse(), Ok(Thresholds::OFF));
/// # Ok::<(), plimsoll::monitor::ParseThresholdsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// A warning from here on.
    pub warning: Option<f64>,
    /// Critical from here on.
    pub critical: Option<f64>,
}

/// A text that is no pair of thresholds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is no threshold; write a warning such as 0.8, a warning and a critical share such as 0.8,0.95 \
     (each above 0 and at most 1, the second not below the first), or off"
)]
pub struct ParseThresholdsError {
    /// What was found.
    pub found: String,
}

impl Thresholds {
    /// Never raised.
    pub const OFF: Self = Self { warning: None, critical: None };

    /// Whether each is a share and the second is not below the first.
    pub fn is_sound(self) -> bool {
        let share = |value: Option<f64>| value.is_none_or(|value| value > 0.0 && value <= 1.0);
        let ordered = self.warning.zip(self.critical).is_none_or(|(warning, critical)| warning <= critical);
        share(self.warning) && share(self.critical) && ordered
    }
}

impl FromStr for Thresholds {
    type Err = ParseThresholdsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseThresholdsError { found: text.to_owned() };
        if text.trim() == "off" {
            return Ok(Self::OFF);
        }
        let share = |text: &str| {
            let text = text.trim();
            let (number, whole) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
            number.trim().parse::<f64>().ok().filter(|share| share.is_finite()).map(|share| share / whole)
        };
        let (warning, critical) = match text.split_once(',') {
            Some((warning, critical)) => (share(warning), Some(share(critical).ok_or_else(wrong)?)),
            None => (share(text), None),
        };
        let thresholds = Self { warning: Some(warning.ok_or_else(wrong)?), critical };
        if thresholds.is_sound() { Ok(thresholds) } else { Err(wrong()) }
    }
}

impl fmt::Display for Thresholds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.warning, self.critical) {
            (None, None) => f.write_str("off"),
            (Some(one), None) | (None, Some(one)) => write!(f, "{one}"),
            (Some(warning), Some(critical)) => write!(f, "{warning},{critical}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_and_nonsense_is_refused() {
        let read = |text: &str| text.parse::<Thresholds>();
        assert_eq!(read("0.8"), Ok(Thresholds { warning: Some(0.8), critical: None }));
        assert_eq!(read(" 85% , 95% "), Ok(Thresholds { warning: Some(0.85), critical: Some(0.95) }));
        for nonsense in
            ["", "x", "0", "1.1", "-0.2", "0.9,0.8", "0.8,", ",0.9", "NaN", "inf", "0.8,0.9,1", "85"]
        {
            let error = read(nonsense).unwrap_err();
            assert!(error.to_string().contains("write a warning such as 0.8"), "{nonsense}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for text in ["off", "0.8", "0.8,0.95"] {
            assert_eq!(text.parse::<Thresholds>().unwrap().to_string(), text);
        }
    }
}
