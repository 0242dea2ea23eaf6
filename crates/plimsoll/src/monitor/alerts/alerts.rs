//! From samples to the alerts that are raised.

use std::collections::BTreeMap;
use std::time::Duration;

use super::alarm::{Alarm, Rule};
use super::{AlertSettings, Thresholds};
use crate::Bytes;
use crate::monitor::{AccountSample, AlertSample, PlaceSample, RecorderSample, Sample, Severity};

/// Keeps how each alert of each subject stands. Pure: the only clock is [`Sample::up_ms`].
#[derive(Clone, Debug)]
pub struct Alerts {
    settings: AlertSettings,
    alarms: BTreeMap<(&'static str, String), Alarm>,
    dropped: Option<u64>,
}

/// One value that is watched.
struct Watched {
    name: &'static str,
    subject: String,
    /// Absent where it is not known.
    value: Option<f64>,
    /// In words: "96% of 64.00 GiB are in use".
    says: String,
}

impl Watched {
    fn new(name: &'static str, subject: impl Into<String>, value: Option<f64>, says: String) -> Self {
        Self { name, subject: subject.into(), value, says }
    }
}

impl Alerts {
    /// Nothing raised yet.
    pub const fn new(settings: AlertSettings) -> Self {
        Self { settings, alarms: BTreeMap::new(), dropped: None }
    }

    /// Takes in a sample; the alerts that are raised now, most severe first.
    pub fn read(&mut self, sample: &Sample) -> Vec<AlertSample> {
        let now = Duration::from_millis(sample.up_ms);
        let mut watched = machine(sample);
        for place in &sample.places {
            watched.extend(self.place(place));
        }
        watched.extend(sample.recorder.as_ref().and_then(|recorder| self.drops(recorder)));
        let mut raised: Vec<_> = watched.into_iter().filter_map(|one| self.one(one, now)).collect();
        // A sort that keeps the order of equals: machine, places, accounts.
        raised.sort_by_key(|alert| std::cmp::Reverse(alert.severity));
        raised
    }

    fn one(&mut self, watched: Watched, now: Duration) -> Option<AlertSample> {
        let rule = self.rule(watched.name);
        let Watched { name, subject, value, says } = watched;
        let alarm = self.alarms.entry((name, subject.clone())).or_default();
        alarm.read(value, now, &rule);
        let (severity, since) = (alarm.severity()?, alarm.raised_at()?);
        let threshold = match severity {
            Severity::Warning => rule.thresholds.warning,
            Severity::Critical => rule.thresholds.critical,
        }?;
        let for_ms = u64::try_from(now.saturating_sub(since).as_millis()).unwrap_or(u64::MAX);
        let text = format!("{subject}: {says}");
        Some(AlertSample {
            name: name.to_owned(),
            subject,
            severity,
            value: value.unwrap_or_default(),
            threshold,
            for_ms,
            text,
        })
    }

    fn rule(&self, name: &str) -> Rule {
        let AlertSettings { after, calm, band, .. } = self.settings;
        let usual = |thresholds| Rule { thresholds, after, calm, band };
        match name {
            "pressure" => usual(self.settings.pressure),
            "fragmentation" => usual(self.settings.fragmentation),
            "swap" => usual(self.settings.swap),
            // One lost event is news at once: a recording with holes is not what it seems.
            _ => {
                let warning = self.settings.drops.then_some(1.0);
                Rule {
                    thresholds: Thresholds { warning, critical: None },
                    after: Duration::ZERO,
                    calm,
                    band: 0.0,
                }
            }
        }
    }

    fn place(&self, place: &PlaceSample) -> Vec<Watched> {
        // Idle pool memory goes back when somebody asks for it, so it presses nobody.
        let used = place.charged_bytes.saturating_sub(place.cached_bytes);
        let says = format!(
            "{} of the line's {} are in use",
            percent(share(used, place.carry_bytes)),
            size(place.carry_bytes)
        );
        let mut watched = vec![Watched::new("pressure", &place.place, share(used, place.carry_bytes), says)];
        let pools = place.accounts.iter().filter(|account| account.live_bytes.is_some());
        // With a single pool its account says it already.
        if pools.count() > 1 {
            watched.push(self.fragmentation(
                place.place.clone(),
                (place.live_bytes, place.internal_fragmentation),
                (place.cached_bytes, place.external_fragmentation),
            ));
        }
        for account in &place.accounts {
            watched.extend(self.account(place, account));
        }
        watched
    }

    fn account(&self, place: &PlaceSample, account: &AccountSample) -> Vec<Watched> {
        let subject = format!("{}/{}", place.place, account.path);
        let used = account.charged_bytes.saturating_sub(account.cached_bytes.unwrap_or(0));
        // A cache is at its limit for as long as it is any good. It is news while somebody waits.
        let value = if place.waiting > 0 { share(used, account.limit_bytes) } else { Some(0.0) };
        let requests = if place.waiting == 1 { "request waits" } else { "requests wait" };
        let says = format!(
            "{} of its limit of {} are in use and {} {requests}",
            percent(share(used, account.limit_bytes)),
            size(account.limit_bytes),
            place.waiting,
        );
        let mut watched = vec![Watched::new("pressure", subject.clone(), value, says)];
        if let (Some(live), Some(cached)) = (account.live_bytes, account.cached_bytes) {
            watched.push(self.fragmentation(
                subject,
                (live, account.internal_fragmentation),
                (cached, account.external_fragmentation),
            ));
        }
        watched
    }

    /// The worse of what is wasted inside leases and between them. Little waste is no matter, however large its share.
    fn fragmentation(&self, subject: String, live: (u64, Option<f64>), idle: (u64, Option<f64>)) -> Watched {
        let counts = |(bytes, share): (u64, Option<f64>)| {
            let wasted = Bytes::new(bytes).fraction(share?);
            Some((share?, wasted)).filter(|_| wasted >= self.settings.least_waste)
        };
        let kinds =
            [(counts(live), "of what is leased is rounding"), (counts(idle), "of what is idle is scattered")];
        let worst = kinds
            .into_iter()
            .filter_map(|(counted, what)| counted.map(|(share, wasted)| (share, wasted, what)))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let (value, says) = worst
            .map_or((0.0, "fragmentation is low".to_owned()), |(value, wasted, what)| {
                (value, format!("{} {what} ({wasted})", percent(Some(value))))
            });
        Watched::new("fragmentation", subject, Some(value), says)
    }

    #[expect(clippy::cast_precision_loss, reason = "a count for people")]
    fn drops(&mut self, recorder: &RecorderSample) -> Option<Watched> {
        let before = self.dropped.replace(recorder.dropped);
        // A recorder that was started again counts from nothing.
        let more = recorder.dropped.checked_sub(before.unwrap_or(0)).unwrap_or(recorder.dropped);
        let says = format!("{} events were lost, {more} of them since the last sample", recorder.dropped);
        Some(Watched::new("drops", "recorder", Some(more as f64), says))
    }
}

fn machine(sample: &Sample) -> Vec<Watched> {
    let machine = &sample.machine;
    let used = machine.used_bytes.zip(machine.total_bytes).and_then(|(used, total)| share(used, total));
    let swapped = machine.swap_used_bytes.zip(machine.swap_total_bytes);
    let swap = swapped.map(|(used, total)| share(used, total).unwrap_or(0.0));
    let of = |bytes: Option<u64>| bytes.map_or_else(|| "an unknown size".to_owned(), size);
    vec![
        Watched::new(
            "pressure",
            "machine",
            used,
            format!("{} of {} are in use", percent(used), of(machine.total_bytes)),
        ),
        Watched::new(
            "swap",
            "machine",
            swap,
            format!("{} of {} of swap are in use", percent(swap), of(machine.swap_total_bytes)),
        ),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn size(bytes: u64) -> String {
    Bytes::new(bytes).to_string()
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "an unknown share".to_owned(), |share| format!("{:.0}%", share * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::MachineSample;

    const AT_ONCE: AlertSettings = AlertSettings {
        pressure: Thresholds { warning: Some(0.85), critical: Some(0.95) },
        fragmentation: Thresholds { warning: Some(0.3), critical: None },
        swap: Thresholds { warning: Some(0.1), critical: None },
        drops: true,
        after: Duration::ZERO,
        calm: Duration::ZERO,
        band: 0.05,
        least_waste: Bytes::mib(1),
    };

    fn read(alerts: &mut Alerts, sample: &Sample) -> Vec<(String, String, Severity)> {
        let key = |alert: AlertSample| (alert.name, alert.subject, alert.severity);
        alerts.read(sample).into_iter().map(key).collect()
    }

    fn kv(charged: u64, limit: u64) -> AccountSample {
        AccountSample {
            path: "kv".into(),
            charged_bytes: charged,
            limit_bytes: limit,
            ..AccountSample::default()
        }
    }

    fn host(charged: u64, accounts: Vec<AccountSample>) -> PlaceSample {
        let place = "host".to_owned();
        PlaceSample { place, carry_bytes: 1000, charged_bytes: charged, accounts, ..PlaceSample::default() }
    }

    #[test]
    fn the_machine_its_swap_and_places_are_watched_worst_first() {
        let sample = Sample {
            machine: MachineSample {
                total_bytes: Some(100),
                used_bytes: Some(90),
                swap_total_bytes: Some(100),
                swap_used_bytes: Some(11),
                ..MachineSample::default()
            },
            places: vec![host(960, Vec::new())],
            ..Sample::default()
        };
        let mut alerts = Alerts::new(AT_ONCE);
        let raised = alerts.read(&sample);
        let keys: Vec<_> =
            raised.iter().map(|alert| (&*alert.name, &*alert.subject, alert.severity)).collect();
        assert_eq!(
            keys,
            [
                ("pressure", "host", Severity::Critical),
                ("pressure", "machine", Severity::Warning),
                ("swap", "machine", Severity::Warning),
            ]
        );
        assert_eq!(raised[0].text, "host: 96% of the line's 1000 B are in use");
        assert!((raised[0].threshold - 0.95).abs() < 1e-9 && (raised[0].value - 0.96).abs() < 1e-9);
    }

    #[test]
    fn what_is_idle_in_pools_presses_nobody() {
        let idle = PlaceSample { cached_bytes: 500, ..host(960, Vec::new()) };
        let sample = Sample { places: vec![idle], ..Sample::default() };
        assert_eq!(read(&mut Alerts::new(AT_ONCE), &sample), []);
    }

    #[test]
    fn an_account_at_its_limit_is_news_while_somebody_waits() {
        let mut sample = Sample { places: vec![host(300, vec![kv(100, 100)])], ..Sample::default() };
        let mut alerts = Alerts::new(AT_ONCE);
        assert_eq!(read(&mut alerts, &sample), []);
        sample.places[0].waiting = 2;
        let raised = alerts.read(&sample);
        assert_eq!(raised[0].text, "host/kv: 100% of its limit of 100 B are in use and 2 requests wait");
        sample.places[0].waiting = 0;
        assert_eq!(read(&mut alerts, &sample), []);
    }

    #[test]
    fn fragmentation_counts_where_it_wastes_enough() {
        let account = |idle: u64| AccountSample {
            live_bytes: Some(0),
            cached_bytes: Some(idle),
            external_fragmentation: Some(0.5),
            ..kv(0, 100)
        };
        let sample = |idle| Sample { places: vec![host(0, vec![account(idle)])], ..Sample::default() };
        let mut alerts = Alerts::new(AT_ONCE);
        assert_eq!(read(&mut alerts, &sample(2000)), [], "a thousand bytes are nothing");
        let raised = alerts.read(&sample(8 << 20));
        assert_eq!(raised[0].text, "host/kv: 50% of what is idle is scattered (4.00 MiB)");
    }

    #[test]
    fn lost_events_are_news_at_once_and_then_no_more() {
        let sample = |up_ms, dropped| {
            let recorder = RecorderSample { dropped, ..RecorderSample::default() };
            Sample { up_ms, recorder: Some(recorder), ..Sample::default() }
        };
        let usual =
            AlertSettings { calm: Duration::from_secs(30), after: Duration::from_secs(10), ..AT_ONCE };
        let mut alerts = Alerts::new(usual);
        assert_eq!(read(&mut alerts, &sample(0, 0)), []);
        assert_eq!(read(&mut alerts, &sample(1000, 7)).len(), 1);
        assert_eq!(read(&mut alerts, &sample(20_000, 7)).len(), 1);
        assert_eq!(read(&mut alerts, &sample(32_000, 7)).len(), 1);
        assert_eq!(read(&mut alerts, &sample(51_000, 7)).len(), 0, "none was lost for half a minute");
        assert_eq!(read(&mut alerts, &sample(52_000, 2)).len(), 1, "it was started again, and lost two");
        let silent = AlertSettings { drops: false, ..AT_ONCE };
        assert_eq!(read(&mut Alerts::new(silent), &sample(0, 7)), []);
    }

    #[test]
    fn what_is_not_known_raises_nothing_and_clears_nothing() {
        let known = |used| Sample {
            machine: MachineSample { total_bytes: Some(100), used_bytes: used, ..MachineSample::default() },
            ..Sample::default()
        };
        let mut alerts = Alerts::new(AT_ONCE);
        assert_eq!(read(&mut alerts, &known(None)), []);
        assert_eq!(read(&mut alerts, &known(Some(99))).len(), 1);
        assert_eq!(read(&mut alerts, &known(None)).len(), 1);
        assert_eq!(read(&mut alerts, &known(Some(10))).len(), 0);
    }
}
