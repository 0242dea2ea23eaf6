//! Every mistake is a typed error that names line, column and key, in TOML and in YAML.

use plimsoll::ledger::Bound;
use plimsoll::settings::{Capacities, Format, Problem, SettingsError, parse};
use plimsoll::{Bytes, ParseBytesError, Place};

fn toml(text: &str) -> SettingsError {
    let capacities = Capacities::unknown().with(Place::Host, Bytes::gib(16));
    match parse("plan.toml", text, Format::Toml, &capacities) {
        Err(error) => error,
        Ok(settings) => panic!("accepted:\n{text}\n{settings:?}"),
    }
}

fn yaml(text: &str) -> SettingsError {
    let capacities = Capacities::unknown().with(Place::Host, Bytes::gib(16));
    match parse("plan.yaml", text, Format::Yaml, &capacities) {
        Err(error) => error,
        Ok(settings) => panic!("accepted:\n{text}\n{settings:?}"),
    }
}

#[track_caller]
fn begins(error: &SettingsError, start: &str) {
    let text = error.to_string();
    assert!(text.starts_with(start), "{text}");
    assert!(error.help().len() > 10, "no help for {text}");
}

#[test]
fn sizes() {
    let line = |value: &str| toml(&format!("[places.host]\nline = {value}\n"));
    let error = line("8");
    begins(&error, "plan.toml:2:8: places.host.line: \"8\" has no unit");
    assert_eq!(*error.problem, Problem::Size(ParseBytesError::NoUnit("8".into())));
    begins(&line("\"8\""), "plan.toml:2:8: places.host.line: \"8\" has no unit");
    begins(&line("8.5"), "plan.toml:2:8: places.host.line: \"8.5\" has no unit");
    begins(&line("-8"), "plan.toml:2:8: places.host.line: \"-8\" is negative");
    begins(&line("\"-8GiB\""), "plan.toml:2:8: places.host.line: \"-8GiB\" is negative");
    begins(&line("\"99999999TiB\""), "plan.toml:2:8: places.host.line: \"99999999TiB\" is more than 16 EiB");
    begins(&line("\"8 gigs\""), "plan.toml:2:8: places.host.line: \"8 gigs\" has the unit \"gigs\"");
    begins(&line("true"), "plan.toml:2:8: places.host.line: true stands where a size");
    begins(&line("1979-05-27"), "plan.toml:2:8: places.host.line: a date stands where");
    begins(&line("\"101%\""), "plan.toml:2:8: places.host.line: \"101%\" is more than 100%");
    begins(&line("\"-1%\""), "plan.toml:2:8: places.host.line: \"-1%\" is not a percentage");
    begins(&line("\"0%\""), "plan.toml:2:8: places.host.line: a line of zero bytes");
    begins(&line("inf"), "plan.toml:2:8: places.host.line: \"inf\" has no unit");
}

#[test]
fn keys_and_places() {
    let error = toml("[places.host]\nline = \"8GiB\"\nreserv = \"1GiB\"\n");
    begins(&error, "plan.toml:3:1: places.host.reserv: unknown key");
    assert!(error.help().contains("did you mean `reserve`?"), "{}", error.help());
    begins(&toml("[place.host]\nline = \"8GiB\"\n"), "plan.toml:1:2: place: unknown key");
    begins(&toml("[places.gpu]\nline = \"8GiB\"\n"), "plan.toml:1:9: places.gpu: \"gpu\" is not a place");
    begins(
        &toml("[places.\"cuda:0\"]\nline = \"75%\"\n"),
        "plan.toml:2:8: places.\"cuda:0\".line: \"75%\" of what?",
    );
    begins(&toml("[places.host]\nreserve = \"1GiB\"\n"), "plan.toml:1:9: places.host: `line` is missing");
    begins(&toml(""), "plan.toml:1:1: `places.host.line` is missing");
    begins(&toml("[places]\n"), "plan.toml:1:1: places: `places.host.line` is missing");
    begins(
        &toml("[places.\"gpu:0\"]\nline = \"1GiB\"\n[places.\"gpu:00\"]\nline = \"1GiB\"\n"),
        "plan.toml:3:9: places.\"gpu:00\": gpu:0 is given twice",
    );
    begins(&toml("[places.host]\nline = \"1GiB\"\nline = \"2GiB\"\n"), "plan.toml:3:1: not valid TOML: ");
    begins(&toml("[places.host\n"), "plan.toml:1:13: not valid TOML: ");
    begins(
        &toml("[places.host]\nline = \"1GiB\"\nreserve = \"50%\"\nemergency = \"512MiB\"\n"),
        "plan.toml:2:8: places.host: reserve (512.00 MiB) and emergency (512.00 MiB) leave nothing",
    );
}

#[test]
fn accounts() {
    let account = |text: &str| toml(&format!("[places.host]\nline = \"8GiB\"\n{text}\n"));
    let error = account("[accounts.kv]\nhost = { guaranteed = \"3GiB\", limit = \"2GiB\" }");
    begins(&error, "plan.toml:4:1: accounts.kv.host: 3.00 GiB is guaranteed and the limit is 2.00 GiB");
    assert_eq!(error.help(), "raise `limit` to 3.00 GiB or lower `guaranteed` to 2.00 GiB");
    begins(
        &account("[accounts.kv]\nhost = { limit = \"9GiB\" }"),
        "plan.toml:4:1: accounts.kv.host: the limit is 9.00 GiB and the line of host is 8.00 GiB",
    );
    begins(
        &account("[accounts.kv]\nhost = { guarantee = \"3GiB\" }"),
        "plan.toml:4:10: accounts.kv.host.guarantee: unknown key",
    );
    begins(
        &account("[accounts.kv]\n\"cuda:0\" = { limit = \"3GiB\" }"),
        "plan.toml:4:1: accounts.kv.\"cuda:0\": a share of cuda:0, which has no line",
    );
    begins(
        &account("[accounts.kv]\npriority = 256"),
        "plan.toml:4:12: accounts.kv.priority: 256 is not a priority",
    );
    begins(
        &account("[accounts.kv]\npriority = \"high\""),
        "plan.toml:4:12: accounts.kv.priority: the text \"high\"",
    );
    begins(&account("[accounts.kv]\nlend = 1"), "plan.toml:4:8: accounts.kv.lend: the number 1 stands where");
    begins(
        &account("[accounts.kv]\ntags = [1]"),
        "plan.toml:4:9: accounts.kv.tags: the number 1 stands where",
    );
    begins(
        &account("[accounts.kv]\nhost = \"3GiB\""),
        "plan.toml:4:8: accounts.kv.host: the text \"3GiB\" stands",
    );
    begins(
        &account("[accounts.models.qwen]\npriority = 1"),
        "plan.toml:3:18: accounts.models.qwen: unknown key",
    );
    begins(
        &account("[accounts.\"a//b\"]"),
        "plan.toml:3:11: accounts.\"a//b\": \"a//b\" cannot be an account's name",
    );
    begins(&account("[accounts.\"a b\"]"), "plan.toml:3:11: accounts.\"a b\": ");
    begins(&account("[accounts.\"\"]"), "plan.toml:3:11: accounts.\"\": \"\" cannot be");
    begins(
        &toml("accounts = 3\n[places.host]\nline = \"1GiB\"\n"),
        "plan.toml:1:12: accounts: the number 3 stands",
    );
}

#[test]
fn sums_count_reserves_and_the_tree() {
    let text = "[places.host]\nline = \"10GiB\"\nreserve = \"1GiB\"\nemergency = \"1GiB\"\n\
                [accounts.\"models/a\"]\nhost = { guaranteed = \"4GiB\" }\n\
                [accounts.\"models/b\"]\nhost = { guaranteed = \"3GiB\" }\n\
                [accounts.kv]\nhost = { guaranteed = \"2GiB\" }\n";
    let error = toml(text);
    let Problem::Overcommitted(over) = &*error.problem else { panic!("{error}") };
    let parts: Vec<_> = over.summands.iter().map(|part| (part.name.as_str(), part.bytes)).collect();
    let gib = Bytes::gib;
    assert_eq!(parts, [("models/*", gib(7)), ("kv", gib(2)), ("(reserve)", gib(1)), ("(emergency)", gib(1))]);
    assert_eq!(over.excess(), gib(1));
    // Children are served out of their parent's guarantee, so they are not counted again.
    let nested = text.replace("[accounts.kv]", "[accounts.models]").replace("\"2GiB\"", "\"7GiB\"");
    assert!(parse("plan", &nested, Format::Toml, &Capacities::unknown()).is_ok());
    let tight = nested.replace("\"7GiB\" }", "\"6GiB\" }");
    let error = toml(&tight);
    let Problem::Overcommitted(over) = &*error.problem else { panic!("{error}") };
    assert_eq!(over.bound, Bound::Guarantee("models".into()));
    let limited = nested.replace("guaranteed = \"7GiB\" }", "limit = \"6GiB\" }");
    let error = toml(&limited);
    let Problem::Overcommitted(over) = &*error.problem else { panic!("{error}") };
    assert_eq!((&over.bound, over.excess()), (&Bound::Limit("models".into()), gib(1)));
    // A sum beyond 2⁶⁴ is too much and no overflow.
    let huge = text.replace("\"4GiB\"", "\"16777215TiB\"").replace("\"3GiB\"", "\"16777215TiB\"");
    assert!(matches!(*toml(&huge).problem, Problem::Overcommitted(_)));
}

#[test]
fn the_same_in_yaml() {
    begins(&yaml("places:\n  host:\n    line: 8\n"), "plan.yaml:3:11: places.host.line: \"8\" has no unit");
    begins(
        &yaml("places:\n  host: { line: 8GiB, lime: 1 }\n"),
        "plan.yaml:2:23: places.host.lime: unknown key",
    );
    begins(
        &yaml("places:\n  hosts:\n    line: 8GiB\n"),
        "plan.yaml:2:3: places.hosts: \"hosts\" is not a place",
    );
    begins(&yaml("places:\n  host:\n    line: 101%\n"), "plan.yaml:3:11: places.host.line: \"101%\" is more");
    begins(&yaml("places:\n  host:\n    line:\n"), "plan.yaml:3:9: places.host.line: nothing stands where");
    begins(
        &yaml("places:\n  host: { line: 8GiB }\naccounts:\n  kv:\n    host: { guaranteed: 9GiB }\n"),
        "plan.yaml:2:17: places.host.line: the guarantees do not fit the line of host:",
    );
    for malformed in [
        "",
        "- 1",
        "places: {",
        "places:\n  host: {line: 1GiB}\n  host: {line: 1GiB}\n",
        "places: !!binary x",
        "a: &a [*a]",
        "? {a: b}\n: c\n",
        "places:\n\thost: 1\n",
        "1: 2",
        "---\na: 1\n---\nb: 2\n",
    ] {
        let error = yaml(malformed);
        assert!(error.at.is_some() && !error.help().is_empty(), "{malformed:?}");
    }
}

#[test]
fn a_file_that_cannot_be_read() {
    let load = |name: &str| plimsoll::settings::load(name.as_ref(), &Capacities::unknown()).unwrap_err();
    begins(&load("/does/not/exist.toml"), "/does/not/exist.toml: cannot be read: ");
    begins(&load("plan.ini"), "plan.ini: the name does not tell the format");
}
