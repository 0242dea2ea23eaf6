//! Alerts as lines of a log.

use std::io::Write;
use std::sync::Arc;

use crate::calendar::utc;
use crate::monitor::{AlertChange, AlertChanges, Sample, Severity, Sink};

/// Writes a line for each alert that is raised, changes or is cleared. A log that cannot be written loses its lines
/// and disturbs nobody.
///
/// ```text
/// 2026-11-21T16:02:11Z critical raised pressure host: 96% of the line's 24.00 GiB are in use
/// ```
#[derive(Debug)]
pub struct AlertLog<W> {
    out: W,
    changes: AlertChanges,
}

impl<W: Write + Send> AlertLog<W> {
    /// To this.
    pub fn new(out: W) -> Self {
        Self { out, changes: AlertChanges::default() }
    }
}

impl AlertLog<std::io::Stderr> {
    /// To stderr.
    pub fn stderr() -> Self {
        Self::new(std::io::stderr())
    }
}

impl<W: Write + Send> Sink for AlertLog<W> {
    fn sample(&mut self, sample: &Arc<Sample>) {
        for change in self.changes.read(sample) {
            // One write a line, so that lines of several threads do not mix.
            let _ = self.out.write_all(line(&change).as_bytes()).and_then(|()| self.out.flush());
        }
    }
}

fn line(change: &AlertChange) -> String {
    let severity = match change.alert.severity {
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    };
    let (at, turn, alert) = (utc(change.at_unix_ms), change.turn.name(), &change.alert);
    // A program's or account's name must not begin a line of its own.
    let text: String = alert.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{at} {severity} {turn} {} {text}\n", alert.name)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::monitor::AlertSample;

    fn sample(severity: Option<Severity>, text: &str) -> Arc<Sample> {
        let alert = severity.map(|severity| AlertSample {
            name: "pressure".into(),
            subject: "host".into(),
            severity,
            text: text.into(),
            ..AlertSample::default()
        });
        Arc::new(Sample { at_unix_ms: 1000, alerts: alert.into_iter().collect(), ..Sample::default() })
    }

    #[test]
    fn a_line_a_change_and_none_for_what_stays() {
        let mut log = AlertLog::new(Vec::new());
        log.sample(&sample(Some(Severity::Warning), "host: full"));
        log.sample(&sample(Some(Severity::Warning), "host: full"));
        log.sample(&sample(Some(Severity::Critical), "host: a\nb"));
        log.sample(&sample(None, ""));
        let text = String::from_utf8(log.out).unwrap();
        assert_eq!(
            text,
            "1970-01-01T00:00:01Z warning raised pressure host: full\n\
             1970-01-01T00:00:01Z critical worse pressure host: a b\n\
             1970-01-01T00:00:01Z critical cleared pressure host: a b\n"
        );
    }

    #[test]
    fn a_log_that_cannot_be_written_disturbs_nobody() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        AlertLog::new(Full).sample(&sample(Some(Severity::Warning), "host: full"));
    }
}
