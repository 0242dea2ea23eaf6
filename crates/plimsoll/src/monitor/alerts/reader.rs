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
    alarms: BTreeMap<&'static str, BTreeMap<String, Alarm>>,
    dropped: Option<u64>,
}

/// What is put together while a sample is read.
struct Reading {
    now: Duration,
    raised: Vec<AlertSample>,
}

/// Bytes of which a share is lost, and that share.
type Lossy = (u64, Option<f64>);

impl Alerts {
    /// Nothing raised yet.
    pub const fn new(settings: AlertSettings) -> Self {
        Self { settings, alarms: BTreeMap::new(), dropped: None }
    }

    /// Takes in a sample; the alerts that are raised now, most severe first.
    pub fn read(&mut self, sample: &Sample) -> Vec<AlertSample> {
        let mut reading = Reading { now: Duration::from_millis(sample.up_ms), raised: Vec::new() };
        self.machine(sample, &mut reading);
        let mut subject = String::new();
        for place in &sample.places {
            self.place(place, &mut reading);
            for account in &place.accounts {
                subject.clear();
                subject.extend([&place.place, "/", &account.path]);
                self.account(place, account, &subject, &mut reading);
            }
        }
        if let Some(recorder) = &sample.recorder {
            self.drops(recorder, &mut reading);
        }
        // A sort that keeps the order of equals: machine, places, accounts.
        reading.raised.sort_by_key(|alert| std::cmp::Reverse(alert.severity));
        reading.raised
    }

    /// One value; words are found only for what is raised, since most never is.
    fn watch(
        &mut self,
        reading: &mut Reading,
        (name, subject): (&'static str, &str),
        value: Option<f64>,
        says: impl FnOnce() -> String,
    ) {
        let rule = self.rule(name);
        let alarms = self.alarms.entry(name).or_default();
        // Most values are calm and were before: nothing is kept of these, and nothing is looked for when all are.
        let alarm = match alarms.get_mut(subject) {
            Some(alarm) => alarm,
            None if value.is_some_and(|value| rule.is_crossed_by(value)) => {
                alarms.entry(subject.to_owned()).or_default()
            }
            None => return,
        };
        alarm.read(value, reading.now, &rule);
        if alarm.is_at_rest() {
            alarms.remove(subject);
            return;
        }
        let (Some(severity), Some(since)) = (alarm.severity(), alarm.raised_at()) else { return };
        let threshold = match severity {
            Severity::Warning => rule.thresholds.warning,
            Severity::Critical => rule.thresholds.critical,
        };
        let lasted = reading.now.saturating_sub(since).as_millis();
        reading.raised.push(AlertSample {
            name: name.to_owned(),
            subject: subject.to_owned(),
            severity,
            value: value.unwrap_or_default(),
            threshold: threshold.unwrap_or_default(),
            for_ms: u64::try_from(lasted).unwrap_or(u64::MAX),
            text: format!("{subject}: {}", says()),
        });
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
                let thresholds = Thresholds { warning, critical: None };
                Rule { thresholds, after: Duration::ZERO, calm, band: 0.0 }
            }
        }
    }

    fn machine(&mut self, sample: &Sample, reading: &mut Reading) {
        let machine = &sample.machine;
        let of = |bytes: Option<u64>| bytes.map_or_else(|| "an unknown size".to_owned(), size);
        let used = machine.used_bytes.zip(machine.total_bytes).and_then(|(used, total)| share(used, total));
        self.watch(reading, ("pressure", "machine"), used, || {
            format!("{} of {} are in use", percent(used), of(machine.total_bytes))
        });
        let swapped = machine.swap_used_bytes.zip(machine.swap_total_bytes);
        let swap = swapped.map(|(used, total)| share(used, total).unwrap_or(0.0));
        self.watch(reading, ("swap", "machine"), swap, || {
            format!("{} of {} of swap are in use", percent(swap), of(machine.swap_total_bytes))
        });
    }

    fn place(&mut self, place: &PlaceSample, reading: &mut Reading) {
        // Idle pool memory goes back when somebody asks for it, so it presses nobody.
        let used = share(place.charged_bytes.saturating_sub(place.cached_bytes), place.carry_bytes);
        self.watch(reading, ("pressure", &place.place), used, || {
            format!("{} of the line's {} are in use", percent(used), size(place.carry_bytes))
        });
        // With a single pool its account says it already.
        if place.accounts.iter().filter(|account| account.live_bytes.is_some()).count() > 1 {
            let live = (place.live_bytes, place.internal_fragmentation);
            let idle = (place.cached_bytes, place.external_fragmentation);
            self.fragmentation(&place.place, live, idle, reading);
        }
    }

    fn account(
        &mut self,
        place: &PlaceSample,
        account: &AccountSample,
        subject: &str,
        reading: &mut Reading,
    ) {
        let used = account.charged_bytes.saturating_sub(account.cached_bytes.unwrap_or(0));
        // A cache is at its limit for as long as it is any good. It is news while somebody waits.
        let value = if place.waiting > 0 { share(used, account.limit_bytes) } else { Some(0.0) };
        self.watch(reading, ("pressure", subject), value, || {
            let requests = if place.waiting == 1 { "request waits" } else { "requests wait" };
            let used = percent(share(used, account.limit_bytes));
            let limit = size(account.limit_bytes);
            format!("{used} of its limit of {limit} are in use and {} {requests}", place.waiting)
        });
        if let (Some(live), Some(cached)) = (account.live_bytes, account.cached_bytes) {
            let live = (live, account.internal_fragmentation);
            let idle = (cached, account.external_fragmentation);
            self.fragmentation(subject, live, idle, reading);
        }
    }

    /// The worse of what is wasted inside leases and between them. Little waste is no matter, however large its share.
    fn fragmentation(&mut self, subject: &str, live: Lossy, idle: Lossy, reading: &mut Reading) {
        let least = self.settings.least_waste;
        let counts = |(bytes, share): Lossy, what: &'static str| {
            let wasted = Bytes::new(bytes).fraction(share?);
            Some((share?, wasted, what)).filter(|_| wasted >= least)
        };
        let kinds =
            [counts(live, "of what is leased is rounding"), counts(idle, "of what is idle is scattered")];
        let worst = kinds.into_iter().flatten().max_by(|a, b| a.0.total_cmp(&b.0));
        let value = worst.map_or(0.0, |(share, ..)| share);
        self.watch(reading, ("fragmentation", subject), Some(value), || {
            worst.map_or_else(
                || "fragmentation is low".to_owned(),
                |(share, wasted, what)| format!("{} {what} ({wasted})", percent(Some(share))),
            )
        });
    }

    #[expect(clippy::cast_precision_loss, reason = "a count for people")]
    fn drops(&mut self, recorder: &RecorderSample, reading: &mut Reading) {
        let before = self.dropped.replace(recorder.dropped);
        // A recorder that was started again counts from nothing.
        let more = recorder.dropped.checked_sub(before.unwrap_or(0)).unwrap_or(recorder.dropped);
        self.watch(reading, ("drops", "recorder"), Some(more as f64), || {
            format!("{} events were lost, {more} of them since the last sample", recorder.dropped)
        });
    }
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
