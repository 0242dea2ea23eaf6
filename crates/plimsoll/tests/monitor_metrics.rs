//! The Prometheus text, and the dashboard that asks for it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod full_sample;

use std::collections::{BTreeMap, BTreeSet};

use full_sample::full_sample;
use plimsoll::monitor::metrics::{MetricKind, Unit, families, prometheus_text};
use plimsoll::monitor::{AccountSample, PlaceSample, Sample};
use serde_json::Value;

/// Reads the text as the format's description has it: help and type before the series of each family, each family
/// once, each series once. Gives back name → type, and series → value.
fn parse(text: &str) -> (BTreeMap<String, String>, BTreeMap<String, f64>) {
    let (mut types, mut series) = (BTreeMap::new(), BTreeMap::new());
    let mut open = String::new();
    assert!(text.ends_with('\n'));
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.is_empty());
            let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {name} ")).unwrap().to_owned();
            assert!(["gauge", "counter"].contains(&kind.as_str()));
            assert!(types.insert(name.to_owned(), kind).is_none(), "{name} comes twice");
            name.clone_into(&mut open);
            continue;
        }
        let (key, value) = line.rsplit_once(' ').unwrap();
        let name = key.split('{').next().unwrap();
        assert_eq!(name, open, "a series stands under its family");
        if let Some((_, labels)) = key.split_once('{') {
            check_labels(labels.strip_suffix('}').unwrap());
        }
        assert!(series.insert(key.to_owned(), value.parse().unwrap()).is_none(), "{key} comes twice");
    }
    (types, series)
}

/// `a="b",c="d"` with \\, \" and \n for backslash, quote and line end.
fn check_labels(text: &str) {
    let mut rest = text;
    loop {
        let (name, after) = rest.split_once("=\"").unwrap();
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        let mut letters = after.char_indices();
        let end = loop {
            match letters.next().unwrap() {
                (_, '\\') => assert!(matches!(letters.next().unwrap().1, '\\' | '"' | 'n')),
                (at, '"') => break at,
                _ => {}
            }
        };
        let Some(more) = after[end + 1..].strip_prefix(',') else {
            assert_eq!(&after[end + 1..], "");
            return;
        };
        rest = more;
    }
}

#[test]
fn the_text_is_well_formed_and_says_what_the_sample_says() {
    let (types, series) = parse(&prometheus_text(&full_sample()));
    let expect = [
        ("plimsoll_info{program=\"chat \\\"one\\\"\\\\\\n\",pid=\"42\",version=\"0.1.0\"}", 1.0),
        ("plimsoll_samples_total", 7.0),
        ("plimsoll_sample_timestamp_seconds", 1_700_000_000.25),
        ("plimsoll_machine_memory_available_bytes", 300.0),
        ("plimsoll_machine_swap_used_bytes", 0.0),
        ("plimsoll_machine_page_faults_per_second{kind=\"major\"}", 0.25),
        ("plimsoll_machine_stalled_ratio{kind=\"full\"}", 0.01),
        ("plimsoll_machine_system_level", 1.0),
        ("plimsoll_place_charged_bytes{place=\"host\"}", 800.0),
        ("plimsoll_place_pressure_level{place=\"host\"}", 2.0),
        ("plimsoll_place_fragmentation_ratio{place=\"host\",kind=\"external\"}", 0.2),
        ("plimsoll_account_own_bytes{place=\"host\",account=\"models/qwen\"}", 790.0),
        ("plimsoll_account_leases_total{place=\"host\",account=\"models/qwen\"}", 12.0),
        ("plimsoll_tag_live_bytes{place=\"host\",account=\"models/qwen\",tag=\"weights\"}", 400.0),
        ("plimsoll_device_busy_ratio{place=\"cuda:0\",device=\"NVIDIA H200\"}", 0.5),
        ("plimsoll_recorder_dropped_total", 3.0),
        ("plimsoll_health_ratio", 0.75),
        ("plimsoll_health_part_ratio{part=\"headroom\"}", 0.75),
        ("plimsoll_alert{alert=\"pressure\",subject=\"host\",severity=\"critical\"}", 1.0),
        ("plimsoll_alerts{severity=\"warning\"}", 0.0),
        ("plimsoll_alerts{severity=\"critical\"}", 1.0),
    ];
    for (key, value) in expect {
        let found = series.get(key).unwrap_or_else(|| panic!("{key} is not in {series:#?}"));
        assert!((found - value).abs() < 1e-9, "{key}: {found}");
    }
    assert_eq!(types["plimsoll_samples_total"], "counter");
    assert!(
        prometheus_text(&full_sample()).contains("plimsoll_machine_memory_size_bytes 18446744073709551615\n"),
        "exact"
    );
    assert!(!series.contains_key("plimsoll_health_part_ratio{part=\"stalls\"}"), "it is not known");
}

#[test]
fn names_follow_the_conventions() {
    for family in families(&full_sample()) {
        let name = family.name;
        assert!(
            name.starts_with("plimsoll_") && name.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
            "{name}"
        );
        assert!(family.help.ends_with('.'), "{name}");
        assert_eq!(family.kind == MetricKind::Counter, name.ends_with("_total"), "{name}");
        let ending = match family.unit {
            Unit::Bytes => "_bytes",
            Unit::BytesPerSecond => "_bytes_per_second",
            Unit::Seconds => "_seconds",
            Unit::Ratio => "_ratio",
            Unit::Count => continue,
        };
        assert!(name.ends_with(ending), "{name}");
    }
}

#[test]
fn what_is_not_known_has_no_series() {
    let (types, series) = parse(&prometheus_text(&Sample::default()));
    let names: Vec<&str> = types.keys().map(String::as_str).collect();
    assert_eq!(names, ["plimsoll_alerts", "plimsoll_info", "plimsoll_samples_total"]);
    assert!(series.keys().all(|key| !key.contains("machine")));
}

#[test]
fn labels_are_bounded() {
    let account = |number: usize| AccountSample {
        path: format!("{number}-{}", "x".repeat(500)),
        ..AccountSample::default()
    };
    let place = PlaceSample {
        place: "host".into(),
        accounts: (0..2000).map(account).collect(),
        ..PlaceSample::default()
    };
    let sample = Sample { places: vec![place], ..Sample::default() };
    let (_, series) = parse(&prometheus_text(&sample));
    let accounts = series.keys().filter(|key| key.starts_with("plimsoll_account_limit_bytes"));
    assert_eq!(accounts.clone().count(), 500);
    assert!(accounts.clone().all(|key| key.len() < 200));
}

/// Every metric name in a text of the dashboard.
fn names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("plimsoll_")).map(str::to_owned).collect()
}

#[test]
fn the_dashboard_loads_and_asks_only_for_what_there_is() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/grafana/plimsoll.json");
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!((&dashboard["title"], &dashboard["uid"]), (&"Plimsoll".into(), &"plimsoll".into()));
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 36);
    let known: BTreeSet<String> =
        families(&full_sample()).iter().map(|family| family.name.to_owned()).collect();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let mut asked = BTreeSet::new();
    for variable in variables {
        asked.extend(names_in(variable["definition"].as_str().unwrap_or_default()));
    }
    let variables: BTreeSet<&str> =
        variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "one id a panel");
        assert!(!panel["title"].as_str().unwrap().is_empty());
        let cell = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        for x in cell("x")..cell("x") + cell("w") {
            for y in cell("y")..cell("y") + cell("h") {
                assert!(x < 24 && cells.insert((x, y)), "{} overlaps or sticks out", panel["title"]);
            }
        }
        if panel["type"] == "row" {
            continue;
        }
        assert!(["timeseries", "stat", "table"].contains(&panel["type"].as_str().unwrap()));
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty());
        let mut letters = BTreeSet::new();
        for target in targets {
            assert!(letters.insert(target["refId"].as_str().unwrap()));
            assert_eq!(target["datasource"]["uid"], "${datasource}");
            let query = target["expr"].as_str().unwrap();
            let names = names_in(query);
            assert!(!names.is_empty(), "{query}");
            asked.extend(names);
            let balanced = |open, close| query.matches(open).count() == query.matches(close).count();
            assert!(balanced('(', ')') && balanced('{', '}') && balanced('[', ']'), "{query}");
            for variable in query.split('$').skip(1) {
                let name: String =
                    variable.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                assert!(variables.contains(name.as_str()) || name == "__rate_interval", "{query}");
            }
        }
    }
    let unknown: Vec<_> = asked.difference(&known).collect();
    assert!(unknown.is_empty(), "the dashboard asks for {unknown:?}");
    assert!(asked.len() >= 30, "and for most of what there is: {}", asked.len());
}

#[test]
fn sizes_of_a_real_machine_are_whole_numbers() {
    let (_, series) = parse(&prometheus_text(&plimsoll::monitor::Sampler::machine().sample()));
    let size = series.get("plimsoll_machine_memory_size_bytes");
    assert!(size.is_none_or(|size| *size > 0.0 && *size < 1e18 && size.fract() == 0.0));
}
