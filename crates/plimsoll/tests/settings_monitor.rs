//! The section `[monitor]`, in both formats, and what is refused in it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use plimsoll::monitor::health::Scoring;
use plimsoll::monitor::{MonitorSettings, Thresholds};
use plimsoll::settings::{Capacities, SettingsError, load, load_monitor};

fn with<T>(ending: &str, text: &str, read: impl Fn(&std::path::Path) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("plan.{ending}"));
    std::fs::write(&path, text).unwrap();
    read(&path)
}

fn toml(section: &str) -> Result<MonitorSettings, SettingsError> {
    with("toml", &format!("[places.host]\nline = \"1GiB\"\n{section}"), load_monitor)
}

#[test]
fn every_key_is_read_in_both_formats() {
    let from_toml = toml(
        "[monitor]\npressure = \"80%,90%\"\nfragmentation = \"off\"\nswap = 0.2\ndrops = false\nafter = \"500ms\"\n\
         calm = \"2m\"\nscore = \"weighted\"\nhistory = 50\n",
    )
    .unwrap();
    assert_eq!(from_toml.alerts.pressure, Thresholds { warning: Some(0.8), critical: Some(0.9) });
    assert_eq!(from_toml.alerts.fragmentation, Thresholds::OFF);
    assert_eq!(from_toml.alerts.swap, Thresholds { warning: Some(0.2), critical: None });
    assert!(!from_toml.alerts.drops);
    assert_eq!(
        (from_toml.alerts.after, from_toml.alerts.calm),
        (Duration::from_millis(500), Duration::from_mins(2))
    );
    assert_eq!((from_toml.scoring, from_toml.history), (Scoring::Weighted, 50));
    let yaml = "places:\n  host: { line: 1GiB }\nmonitor:\n  pressure: 80%,90%\n  fragmentation: \"off\"\n  swap: 0.2\n  \
                drops: false\n  after: 500ms\n  calm: 2m\n  score: weighted\n  history: 50\n";
    assert_eq!(with("yaml", yaml, load_monitor).unwrap(), from_toml);
}

#[test]
fn without_the_section_all_is_as_usual() {
    assert_eq!(toml("").unwrap(), MonitorSettings::default());
}

#[test]
fn a_mistake_is_refused_by_both_readers_with_its_place() {
    for (line, part) in [
        ("pressure = \"0.9,0.8\"", "a warning share"),
        ("pressure = true", "a warning share"),
        ("swap = 7", "a warning share"),
        ("after = 10", "such as \"10s\""),
        ("after = \"10\"", "such as \"10s\""),
        ("calm = \"-1s\"", "such as \"10s\""),
        ("score = \"best\"", "\"worst\" or \"weighted\""),
        ("history = 0", "from 1 to 100000"),
        ("drops = 1", "true or false"),
        ("presure = 0.9", "`pressure`"),
    ] {
        let section = format!("[monitor]\n{line}\n");
        let error = toml(&section).unwrap_err();
        assert_eq!(error.at.unwrap().line, 4, "{error}");
        let told = format!("{error} {}", error.help());
        assert!(told.contains(part), "{line}: {told}");
        let text = format!("[places.host]\nline = \"1GiB\"\n{section}");
        assert!(with("toml", &text, |path| load(path, &Capacities::default())).is_err(), "{line}");
    }
    assert!(with("toml", "monitor = 3\n[places.host]\nline = \"1GiB\"\n", load_monitor).is_err());
    assert!(load_monitor("no-such-file.toml".as_ref()).is_err());
}
