//! Any settings, written as TOML or as YAML, read back as themselves; any text is read or refused, never a panic.

use std::collections::{BTreeMap, BTreeSet};

use plimsoll::governor::Governor;
use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings, ShareSettings};
use plimsoll::settings::{Capacities, Format, parse, to_toml, to_yaml};
use plimsoll::{Bytes, Place};
use proptest::prelude::*;

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        Just(Place::Host),
        Just(Place::Pinned),
        Just(Place::Disk),
        Just(Place::Remote),
        any::<u16>().prop_map(Place::Cuda),
        (0_u16..3).prop_map(Place::Gpu),
        (0_u16..3).prop_map(Place::Sim),
    ]
}

fn account(places: Vec<LineSettings>) -> impl Strategy<Value = AccountSettings> {
    let shares = prop::collection::vec(any::<(bool, u16, u64, Option<u64>)>(), places.len());
    let names = "[a-zA-Z0-9_.é-]{1,8}(/[a-z]{1,4}){0,2}";
    let tags = prop::collection::vec(any::<String>(), 0..3);
    (names, any::<u8>(), tags, any::<bool>(), shares).prop_map(move |(path, priority, tags, lend, shares)| {
        let shares = places.iter().zip(shares).filter(|(_, (taken, ..))| *taken);
        let shares = shares.map(|(line, (_, small, large, predicted))| {
            // So small that any number of them fits the smallest line.
            let guaranteed = Bytes::new(u64::from(small));
            let limit = Bytes::new(large).min(line.line).max(Bytes::mib(64)).max(guaranteed);
            ShareSettings { place: line.place, guaranteed, limit, predicted: predicted.map(Bytes::new) }
        });
        AccountSettings { path, priority, tags, lend, shares: shares.collect() }
    })
}

fn settings() -> impl Strategy<Value = LedgerSettings> {
    let line = (1_u64 << 30..u64::MAX, 0_u64..1 << 28, 0_u64..1 << 28);
    prop::collection::btree_map(place(), line, 1..4).prop_flat_map(|lines: BTreeMap<_, _>| {
        let places: Vec<_> = lines
            .into_iter()
            .map(|(place, (line, reserve, emergency))| LineSettings {
                place,
                line: Bytes::new(line),
                reserve: Bytes::new(reserve),
                emergency: Bytes::new(emergency),
            })
            .collect();
        let accounts = prop::collection::vec(account(places.clone()), 0..8);
        accounts.prop_map(move |mut accounts| {
            let mut seen = BTreeSet::new();
            accounts.retain(|account| seen.insert(account.path.clone()));
            accounts.sort_by(|a, b| a.path.cmp(&b.path));
            LedgerSettings { places: places.clone(), accounts }
        })
    })
}

proptest! {
    #[test]
    fn both_formats_read_back(settings in settings().prop_filter("adds up", |settings| Governor::open(settings).is_ok())) {
        let none = Capacities::unknown();
        let toml = to_toml(&settings);
        prop_assert_eq!(parse("t", &toml, Format::Toml, &none), Ok(settings.clone()), "{}", toml);
        let yaml = to_yaml(&settings);
        prop_assert_eq!(parse("y", &yaml, Format::Yaml, &none), Ok(settings.clone()), "{}", yaml);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]{}=:.,\"'#a-c0-9%\n -]{0,60}") {
        let _ = parse("t", &text, Format::Toml, &Capacities::unknown());
        let _ = parse("y", &text, Format::Yaml, &Capacities::unknown());
    }

    #[test]
    fn any_damage_to_a_good_file_is_read_or_refused(at in 0_usize..400, letter in any::<char>()) {
        let good = "[places.host]\nline = \"75%\"\nreserve = \"1GiB\"\n[accounts.kv]\npriority = 3\n\
                    host = { guaranteed = \"1GiB\", limit = \"2GiB\" }\n";
        let capacities = Capacities::unknown().with(Place::Host, Bytes::gib(16));
        let damaged: String = good.chars().enumerate().map(|(i, c)| if i == at % good.len() { letter } else { c }).collect();
        if let Err(error) = parse("t", &damaged, Format::Toml, &capacities) {
            prop_assert!(!error.to_string().is_empty() && !error.help().is_empty());
        }
    }
}

#[test]
fn what_people_write_in_either_format() {
    let toml = "[places.host]\nline = \"75%\"\nreserve = \"10%\"\n[accounts.kv]\npriority = 3\n\
                host = { guaranteed = \"25%\" }\n";
    let yaml = "places:\n  host:\n    line: 75%\n    reserve: 10%\naccounts:\n  kv:\n    priority: 3\n    \
                host: { guaranteed: 25% }\n";
    let capacities = Capacities::unknown().with(Place::Host, Bytes::gib(16));
    let settings = parse("t", toml, Format::Toml, &capacities).unwrap();
    assert_eq!(settings, parse("y", yaml, Format::Yaml, &capacities).unwrap());
    let line = settings.places[0];
    assert_eq!(line.line, Bytes::gib(12));
    assert_eq!(line.emergency, Bytes::mib(192), "a sixty-fourth of the line");
    let share = settings.accounts[0].shares[0];
    assert_eq!(share.guaranteed, Bytes::gib(3));
    assert_eq!(share.limit, line.shareable());
    assert!(settings.accounts[0].lend);
}

#[test]
fn a_key_with_a_colon_needs_no_quotes_in_yaml() {
    let yaml = "places:\n  cuda:0: { line: 20GiB }\n";
    let settings = parse("y", yaml, Format::Yaml, &Capacities::unknown()).unwrap();
    assert_eq!(settings.places[0].place, Place::Cuda(0));
}

#[test]
fn deep_nesting_is_refused() {
    for depth in [100, 10_000] {
        let toml = format!("a = {}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse("t", &toml, Format::Toml, &Capacities::unknown()).is_err());
        let yaml = format!("a: {}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse("y", &yaml, Format::Yaml, &Capacities::unknown()).is_err());
    }
}
