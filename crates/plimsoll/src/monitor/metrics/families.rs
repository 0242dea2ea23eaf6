//! Which metrics there are, and where in a sample each is found.
//!
//! Labels are bounded: places and accounts come from a plan and tags are the few largest of each account; beyond
//! [`MOST_ACCOUNTS`] accounts of a place, or [`LONGEST`] letters, they are cut.

use super::{Family, MetricKind, Point, Unit, Value};
use crate::monitor::{AccountSample, PlaceSample, Sample, Severity};

const MOST_ACCOUNTS: usize = 500;
const LONGEST: usize = 128;

type Labels = Vec<(&'static str, String)>;

/// Every metric of a sample that has a value, in a fixed order.
pub fn families(sample: &Sample) -> Vec<Family> {
    let mut families = watched(sample);
    families.extend(machine(sample));
    families.extend(places(sample));
    families.extend(accounts(sample));
    families.extend(devices(sample));
    families.extend(recorder(sample));
    families.extend(verdicts(sample));
    families.retain(|family| !family.points.is_empty());
    families
}

fn label(value: &str) -> String {
    value.chars().take(LONGEST).collect()
}

fn gauge(name: &'static str, help: &'static str, unit: Unit, points: Vec<Point>) -> Family {
    Family { name, help, kind: MetricKind::Gauge, unit, points }
}

fn counter(name: &'static str, help: &'static str, points: Vec<Point>) -> Family {
    Family { name, help, kind: MetricKind::Counter, unit: Unit::Count, points }
}

fn one(value: Option<impl Into<Value>>) -> Vec<Point> {
    value.into_iter().map(|value| Point { labels: Vec::new(), value: value.into() }).collect()
}

/// A point with a label for each kind that is known.
fn kinds(base: &Labels, kinds: [(&str, Option<f64>); 2]) -> Vec<Point> {
    let known = kinds.into_iter().filter_map(|(kind, value)| Some((kind, value?)));
    let point = |(kind, value): (&str, f64)| {
        let mut labels = base.clone();
        labels.push(("kind", kind.to_owned()));
        Point { labels, value: value.into() }
    };
    known.map(point).collect()
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are below 2^53")]
fn watched(sample: &Sample) -> Vec<Family> {
    let time = (sample.at_unix_ms > 0).then(|| sample.at_unix_ms as f64 / 1000.0);
    let labels = vec![
        ("program", label(&sample.source.program)),
        ("pid", sample.source.pid.to_string()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let info = Point { labels, value: 1_u64.into() };
    vec![
        gauge("plimsoll_info", "Who is watched. Always 1.", Unit::Count, vec![info]),
        counter("plimsoll_samples_total", "Samples taken.", one(Some(sample.number))),
        gauge(
            "plimsoll_sample_timestamp_seconds",
            "When the last sample was taken, since 1970.",
            Unit::Seconds,
            one(time),
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn machine(sample: &Sample) -> Vec<Family> {
    use Unit::{Bytes, BytesPerSecond, Count, Ratio, Seconds};
    let machine = &sample.machine;
    vec![
        gauge(
            "plimsoll_machine_memory_size_bytes",
            "What this process may use of the machine's memory.",
            Bytes,
            one(machine.total_bytes),
        ),
        gauge(
            "plimsoll_machine_memory_available_bytes",
            "What of it could be taken without swapping.",
            Bytes,
            one(machine.available_bytes),
        ),
        gauge(
            "plimsoll_machine_memory_used_bytes",
            "The size less what is available.",
            Bytes,
            one(machine.used_bytes),
        ),
        gauge(
            "plimsoll_machine_memory_cached_bytes",
            "File pages that the system would give up.",
            Bytes,
            one(machine.cached_bytes),
        ),
        gauge("plimsoll_machine_swap_size_bytes", "Swap space.", Bytes, one(machine.swap_total_bytes)),
        gauge("plimsoll_machine_swap_used_bytes", "Swap in use.", Bytes, one(machine.swap_used_bytes)),
        gauge(
            "plimsoll_machine_swap_in_bytes_per_second",
            "Read from swap.",
            BytesPerSecond,
            one(machine.swap_in_bytes_per_s),
        ),
        gauge(
            "plimsoll_machine_swap_out_bytes_per_second",
            "Written to swap.",
            BytesPerSecond,
            one(machine.swap_out_bytes_per_s),
        ),
        gauge(
            "plimsoll_machine_page_faults_per_second",
            "Page faults: minor ones need no disk, major ones do.",
            Count,
            kinds(
                &Vec::new(),
                [("minor", machine.minor_faults_per_s), ("major", machine.major_faults_per_s)],
            ),
        ),
        gauge(
            "plimsoll_machine_stalled_ratio",
            "Share of the last ten seconds in which some task, or all, waited for memory.",
            Ratio,
            kinds(&Vec::new(), [("some", machine.stalled_some), ("full", machine.stalled_full)]),
        ),
        gauge(
            "plimsoll_machine_system_level",
            "The system's own judgement: 0 normal, 1 warning, 2 critical.",
            Count,
            one(machine.system_level.as_deref().and_then(level)),
        ),
        gauge(
            "plimsoll_machine_exhausted_seconds",
            "Time until nothing is available, if the trend goes on.",
            Seconds,
            one(machine.exhausted_in_s),
        ),
        gauge(
            "plimsoll_process_resident_bytes",
            "What the watched process has in memory.",
            Bytes,
            one(machine.process_bytes),
        ),
    ]
}

fn level(name: &str) -> Option<u64> {
    ["normal", "warning", "critical"].iter().position(|known| *known == name).map(|level| level as u64)
}

fn places(sample: &Sample) -> Vec<Family> {
    let labels = |place: &PlaceSample| vec![("place", label(&place.place))];
    let each = |of: fn(&PlaceSample) -> Option<Value>| {
        let known = sample.places.iter().filter_map(|place| Some((place, of(place)?)));
        known.map(|(place, value)| Point { labels: labels(place), value }).collect::<Vec<_>>()
    };
    let bytes = |name, help, of| gauge(name, help, Unit::Bytes, each(of));
    let fragmentation = sample.places.iter().flat_map(|place| {
        kinds(
            &labels(place),
            [("internal", place.internal_fragmentation), ("external", place.external_fragmentation)],
        )
    });
    vec![
        bytes("plimsoll_place_line_bytes", "The most that the place may carry.", |place| {
            Some(place.line_bytes.into())
        }),
        bytes("plimsoll_place_carry_bytes", "What accounts may have now.", |place| {
            Some(place.carry_bytes.into())
        }),
        bytes("plimsoll_place_reserve_bytes", "Left to the system.", |place| {
            Some(place.reserve_bytes.into())
        }),
        bytes("plimsoll_place_charged_bytes", "Everything charged.", |place| {
            Some(place.charged_bytes.into())
        }),
        bytes("plimsoll_place_peak_bytes", "The most ever charged.", |place| Some(place.peak_bytes.into())),
        bytes("plimsoll_place_unbacked_bytes", "Charged with nothing behind it yet.", |place| {
            Some(place.unbacked_bytes.into())
        }),
        bytes("plimsoll_place_emergency_bytes", "The emergency reserve.", |place| {
            Some(place.emergency_bytes.into())
        }),
        bytes("plimsoll_place_emergency_used_bytes", "What of the emergency reserve is taken.", |place| {
            Some(place.emergency_used_bytes.into())
        }),
        bytes("plimsoll_place_live_bytes", "Leased from pools.", |place| Some(place.live_bytes.into())),
        bytes("plimsoll_place_cached_bytes", "Idle in pools.", |place| Some(place.cached_bytes.into())),
        bytes("plimsoll_place_pending_bytes", "Dropped, and a device may still use it.", |place| {
            Some(place.pending_bytes.into())
        }),
        gauge(
            "plimsoll_place_waiting_requests",
            "Requests that wait.",
            Unit::Count,
            each(|place| Some(place.waiting.into())),
        ),
        gauge(
            "plimsoll_place_pressure_level",
            "The governor's level: 0 normal, 1 warning, 2 critical.",
            Unit::Count,
            each(|place| level(&place.level).map(Value::Whole)),
        ),
        gauge(
            "plimsoll_place_fragmentation_ratio",
            "Internal: what rounding takes of leases. External: how scattered idle memory is.",
            Unit::Ratio,
            fragmentation.collect(),
        ),
        gauge(
            "plimsoll_place_exhausted_seconds",
            "Time until the line is reached, if the trend goes on.",
            Unit::Seconds,
            each(|place| place.exhausted_in_s.map(Value::Real)),
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn accounts(sample: &Sample) -> Vec<Family> {
    let all: Vec<(Labels, &AccountSample)> = sample
        .places
        .iter()
        .flat_map(|place| {
            let labels = |account: &AccountSample| {
                vec![("place", label(&place.place)), ("account", label(&account.path))]
            };
            place.accounts.iter().take(MOST_ACCOUNTS).map(move |account| (labels(account), account))
        })
        .collect();
    let each = |of: fn(&AccountSample) -> Option<Value>| {
        let known = all.iter().filter_map(|(labels, account)| Some((labels, of(account)?)));
        known.map(|(labels, value)| Point { labels: labels.clone(), value }).collect::<Vec<_>>()
    };
    let bytes = |name, help, of| gauge(name, help, Unit::Bytes, each(of));
    let fragmentation = all.iter().flat_map(|(labels, account)| {
        kinds(
            labels,
            [("internal", account.internal_fragmentation), ("external", account.external_fragmentation)],
        )
    });
    let tags = |of: fn(&crate::monitor::TagSample) -> u64| {
        let tags = all.iter().flat_map(|(labels, account)| account.tags.iter().map(move |tag| (labels, tag)));
        let point = |(labels, tag): (&Labels, &crate::monitor::TagSample)| {
            let mut labels = labels.clone();
            labels.push(("tag", label(&tag.tag)));
            Point { labels, value: of(tag).into() }
        };
        tags.map(point).collect::<Vec<_>>()
    };
    vec![
        bytes("plimsoll_account_charged_bytes", "Charged to the account and its children.", |account| {
            Some(account.charged_bytes.into())
        }),
        bytes("plimsoll_account_own_bytes", "Charged to the account itself.", |account| {
            Some(account.own_bytes.into())
        }),
        bytes("plimsoll_account_guaranteed_bytes", "What it can always have.", |account| {
            Some(account.guaranteed_bytes.into())
        }),
        bytes("plimsoll_account_soft_bytes", "Where its adaptive share stands.", |account| {
            Some(account.soft_bytes.into())
        }),
        bytes("plimsoll_account_limit_bytes", "The most that it may have.", |account| {
            Some(account.limit_bytes.into())
        }),
        bytes("plimsoll_account_peak_bytes", "The most that it ever had.", |account| {
            Some(account.peak_bytes.into())
        }),
        bytes("plimsoll_account_live_bytes", "Leased from its pool.", |account| {
            account.live_bytes.map(Value::Whole)
        }),
        bytes("plimsoll_account_cached_bytes", "Idle in its pool.", |account| {
            account.cached_bytes.map(Value::Whole)
        }),
        bytes("plimsoll_account_pending_bytes", "Dropped, and a device may still use it.", |account| {
            account.pending_bytes.map(Value::Whole)
        }),
        gauge(
            "plimsoll_account_fragmentation_ratio",
            "Internal: what rounding takes of leases. External: how scattered idle memory is.",
            Unit::Ratio,
            fragmentation.collect(),
        ),
        gauge(
            "plimsoll_account_hit_ratio",
            "Share of leases that threads' caches served.",
            Unit::Ratio,
            each(|account| account.hit_rate.map(Value::Real)),
        ),
        counter(
            "plimsoll_account_leases_total",
            "Leases so far.",
            each(|account| account.leases.map(Value::Whole)),
        ),
        counter(
            "plimsoll_account_maps_total",
            "How often a device backed memory or took it back.",
            each(|account| account.maps.map(Value::Whole)),
        ),
        gauge(
            "plimsoll_tag_live_bytes",
            "Leased under a tag; the largest tags of each account.",
            Unit::Bytes,
            tags(|tag| tag.live_bytes),
        ),
        counter(
            "plimsoll_tag_leases_total",
            "Leases so far under a tag; the largest tags of each account.",
            tags(|tag| tag.leases),
        ),
    ]
}

fn devices(sample: &Sample) -> Vec<Family> {
    let each = |of: fn(&crate::monitor::DeviceSample) -> Option<Value>| {
        let known = sample.devices.iter().filter_map(|device| Some((device, of(device)?)));
        let point = |(device, value): (&crate::monitor::DeviceSample, Value)| {
            let labels = vec![("place", label(&device.place)), ("device", label(&device.name))];
            Point { labels, value }
        };
        known.map(point).collect::<Vec<_>>()
    };
    vec![
        gauge(
            "plimsoll_device_memory_size_bytes",
            "The device's memory.",
            Unit::Bytes,
            each(|device| device.total_bytes.map(Value::Whole)),
        ),
        gauge(
            "plimsoll_device_memory_free_bytes",
            "What of it is free, whoever uses the rest.",
            Unit::Bytes,
            each(|device| device.free_bytes.map(Value::Whole)),
        ),
        gauge(
            "plimsoll_device_busy_ratio",
            "Share of time in which the device worked.",
            Unit::Ratio,
            each(|device| device.busy.map(Value::Real)),
        ),
    ]
}

fn recorder(sample: &Sample) -> Vec<Family> {
    let recorder = sample.recorder.as_ref();
    vec![
        gauge(
            "plimsoll_recorder_recordings",
            "Recordings that run.",
            Unit::Count,
            one(recorder.map(|recorder| recorder.recordings)),
        ),
        gauge(
            "plimsoll_recorder_threads",
            "Threads that have a ring.",
            Unit::Count,
            one(recorder.map(|recorder| recorder.threads)),
        ),
        counter(
            "plimsoll_recorder_events_total",
            "Events so far.",
            one(recorder.map(|recorder| recorder.events)),
        ),
        counter(
            "plimsoll_recorder_dropped_total",
            "Events that were lost for want of room.",
            one(recorder.map(|recorder| recorder.dropped)),
        ),
    ]
}

fn verdicts(sample: &Sample) -> Vec<Family> {
    let health = sample.health.as_ref();
    let parts = health.into_iter().flat_map(|health| &health.parts).filter_map(|part| {
        Some(Point { labels: vec![("part", label(&part.name))], value: part.score?.into() })
    });
    let severities = [(Severity::Warning, "warning"), (Severity::Critical, "critical")];
    let name =
        |severity| severities.iter().find(|(known, _)| *known == severity).map_or("", |(_, name)| name);
    let alerts = sample.alerts.iter().map(|alert| {
        let labels = vec![
            ("alert", label(&alert.name)),
            ("subject", label(&alert.subject)),
            ("severity", name(alert.severity).to_owned()),
        ];
        Point { labels, value: 1_u64.into() }
    });
    let counts = severities.iter().map(|(severity, name)| {
        let count = sample.alerts.iter().filter(|alert| alert.severity == *severity).count();
        Point { labels: vec![("severity", (*name).to_owned())], value: (count as u64).into() }
    });
    vec![
        gauge(
            "plimsoll_health_ratio",
            "How well things stand, 0 to 1.",
            Unit::Ratio,
            one(health.map(|health| health.score)),
        ),
        gauge("plimsoll_health_part_ratio", "One part of the health.", Unit::Ratio, parts.collect()),
        gauge("plimsoll_alert", "An alert that is raised. Always 1.", Unit::Count, alerts.collect()),
        gauge("plimsoll_alerts", "Alerts that are raised.", Unit::Count, counts.collect()),
    ]
}
