//! The profiles that ship add up; those that we started from do not, and the refusal shows why.
#![allow(clippy::unwrap_used, reason = "a profile that is not read fails its test")]

use std::path::{Path, PathBuf};

use plimsoll::ledger::LedgerSettings;
use plimsoll::settings::{Capacities, Problem, SettingsError, load};
use plimsoll::{Bytes, Place};

fn example(name: &str) -> LedgerSettings {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    load(&path, &Capacities::unknown()).unwrap()
}

fn refused(name: &str) -> SettingsError {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/fixtures", name].iter().collect();
    load(&path, &Capacities::unknown()).unwrap_err()
}

fn memory_lines(settings: &LedgerSettings) -> Bytes {
    let memory = settings.places.iter().filter(|line| line.place != Place::Disk);
    memory.map(|line| line.line).sum()
}

#[test]
fn the_shipped_profiles_add_up() {
    let production = example("production-128g.toml");
    assert_eq!(memory_lines(&production), Bytes::gib(120));
    let development = example("development-128g.toml");
    assert_eq!(memory_lines(&development), Bytes::gib(90));
    for settings in [production, development] {
        let gpu = settings.places.iter().find(|line| line.place == Place::Gpu(0)).unwrap();
        assert!(gpu.line <= Bytes::gib(96), "what every macOS lets the GPU use of 128 GiB");
        for name in ["models", "kv", "vectors", "documents", "features", "scratch", "training"] {
            assert!(settings.accounts.iter().any(|account| account.path == name), "{name}");
        }
        for account in &settings.accounts {
            for share in &account.shares {
                let line = settings.places.iter().find(|line| line.place == share.place).unwrap();
                assert!(share.limit <= line.shareable(), "{} on {}", account.path, share.place);
            }
        }
    }
}

#[test]
fn the_published_profile_is_refused_with_the_arithmetic() {
    let error = refused("published-123-of-120.toml");
    let Problem::Overcommitted(over) = &*error.problem else {
        panic!("{error}");
    };
    assert_eq!(over.sum, Bytes::new(123_000_000_000));
    assert_eq!(over.line, Bytes::new(120_000_000_000));
    assert_eq!(over.excess(), Bytes::new(3_000_000_000));
    assert_eq!(over.summands.iter().map(|part| part.bytes).sum::<Bytes>(), over.sum);
    let names: Vec<_> = over.summands.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names, ["models", "kv", "vectors", "documents", "features", "scratch", "(reserve)"]);
    let text = error.to_string();
    for part in [
        "published-123-of-120.toml:3:8: places.host.line:",
        "    45.00 GB  models",
        "+     8.00 GB  (reserve)",
        "123.00 GB  promised",
        "120.00 GB  line of host",
        "3.00 GB  too much",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    assert!(error.help().contains("lower guarantees by 3.00 GB"));
}

#[test]
fn so_is_its_sibling() {
    let error = refused("published-103-of-90.toml");
    let Problem::Overcommitted(over) = &*error.problem else {
        panic!("{error}");
    };
    assert_eq!((over.sum, over.line), (Bytes::new(103_000_000_000), Bytes::new(90_000_000_000)));
}
