//! What can be typed after `watch`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use plimsoll::monitor::{MonitorSettings, Thresholds};
use plimsoll::settings::load_monitor;

use crate::CliError;
use crate::top::Target;

const EXAMPLES: &str = "\
Examples:
  plimsoll watch                                   a line a second for people
  plimsoll watch --json | jq .machine              one object a line, for programs
  plimsoll watch --attach 4242                     the engine of process 4242
  plimsoll watch --every 5s --metrics 127.0.0.1:9184
                                                   /metrics for Prometheus, /health, /memory
  plimsoll watch --alert pressure=0.8,0.9 --webhook http://127.0.0.1:9000/alerts
                                                   alerts, also on stderr
  plimsoll watch --otlp http://127.0.0.1:4318      to an OpenTelemetry collector

Alerts are pressure, fragmentation and swap: a warning share, or a warning and a critical one, or off. One is
raised when it was crossed for `--alert-after`, and cleared when it was well below for three times that.";

/// What can be typed after `watch`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct WatchArgs {
    /// Watch this engine, by its process's number or the path of its socket, instead of the machine alone
    #[arg(long, value_name = "PID|PATH")]
    pub attach: Option<Target>,

    /// How often: 1s, 500ms, 2m. An engine that is attached to is sampled as often as its program says
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time)]
    pub every: Duration,

    /// End after so many samples
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,

    /// Answer GET /metrics, /health and /memory there, for example 127.0.0.1:9184
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,

    /// Post alerts there as JSON
    #[arg(long, value_name = "URL")]
    pub webhook: Option<String>,

    /// Post each sample to an OpenTelemetry collector (OTLP over HTTP, JSON)
    #[arg(long, value_name = "URL")]
    pub otlp: Option<String>,

    /// Take alerts and the score from the section `monitor` of this configuration; what is typed here goes before it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// From where on something is an alert: pressure=0.85,0.95, swap=0.1, fragmentation=off; may be repeated
    #[arg(long, value_name = "NAME=SHARES", value_parser = alert)]
    pub alert: Vec<(AlertName, Thresholds)>,

    /// How long a threshold must be crossed before its alert is raised; three times that below it clears it [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub alert_after: Option<Duration>,
}

/// Which alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertName {
    /// Memory in use.
    Pressure,
    /// Memory that nobody can use.
    Fragmentation,
    /// Swap in use.
    Swap,
}

impl WatchArgs {
    /// What the monitor is told.
    pub fn settings(&self) -> Result<MonitorSettings, CliError> {
        let mut settings = match &self.config {
            Some(file) => load_monitor(file)?,
            None => MonitorSettings::default(),
        };
        let alerts = &mut settings.alerts;
        if let Some(after) = self.alert_after {
            (alerts.after, alerts.calm) = (after, after * 3);
        }
        for &(name, thresholds) in &self.alert {
            match name {
                AlertName::Pressure => alerts.pressure = thresholds,
                AlertName::Fragmentation => alerts.fragmentation = thresholds,
                AlertName::Swap => alerts.swap = thresholds,
            }
        }
        Ok(settings)
    }
}

fn alert(text: &str) -> Result<(AlertName, Thresholds), String> {
    let (name, shares) =
        text.split_once('=').ok_or("write a name and its shares, for example pressure=0.8,0.9")?;
    let name = match name.trim() {
        "pressure" => AlertName::Pressure,
        "fragmentation" => AlertName::Fragmentation,
        "swap" => AlertName::Swap,
        other => {
            return Err(format!("there is no alert {other:?}; there are pressure, fragmentation and swap"));
        }
    };
    shares
        .parse()
        .map(|thresholds| (name, thresholds))
        .map_err(|error: plimsoll::monitor::ParseThresholdsError| error.to_string())
}

/// "1s", "500ms", "2m", "1h", up to a day; whole numbers.
fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("write a number and ms, s, m or h, for example 500ms".to_owned()),
    };
    let number: u64 =
        number.parse().map_err(|_| "write a number and ms, s, m or h, for example 500ms".to_owned())?;
    let time = number.checked_mul(unit).filter(|time| *time <= 86_400_000);
    time.map(Duration::from_millis).ok_or_else(|| "a day is the longest".to_owned())
}

/// A time between samples: not so short that sampling is all that is done.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time < Duration::from_millis(10) { Err("10ms is the shortest".to_owned()) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_bounds() {
        assert_eq!(time("1s"), Ok(Duration::from_secs(1)));
        assert_eq!(time("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(time("2m"), Ok(Duration::from_mins(2)));
        for wrong in ["", "1", "s", "-1s", "1.5s", "1d", "0s", "9ms", "25h", "99999999999999999999s"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
        assert_eq!(duration("0s"), Ok(Duration::ZERO), "an alert may be raised at once");
    }

    #[test]
    fn alerts_are_named_and_bounded() {
        let both = Thresholds { warning: Some(0.8), critical: Some(0.9) };
        assert_eq!(alert("pressure=0.8,0.9"), Ok((AlertName::Pressure, both)));
        assert_eq!(alert("swap=off"), Ok((AlertName::Swap, Thresholds::OFF)));
        for wrong in ["", "pressure", "presure=0.8", "pressure=2", "swap=0.9,0.1"] {
            assert!(alert(wrong).is_err(), "{wrong}");
        }
    }
}
