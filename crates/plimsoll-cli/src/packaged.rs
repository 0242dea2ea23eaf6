//! The files under `packaging/` start this program as it can be started.

use clap::Parser as _;
use plimsoll::Bytes;
use plimsoll_serve::Limits;
use plimsoll_serve::http::files_wanted;

use crate::args::{Args, CommandArgs};
use crate::serve::ServeArgs;

const UNIT: &str = include_str!("../../../packaging/plimsoll.service");
const PLIST: &str = include_str!("../../../packaging/com.plimsoll.serve.plist");

/// The values of a key of the unit.
fn of_unit(key: &str) -> Vec<&'static str> {
    let values = UNIT.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    values.map(|value| value.trim_start_matches('-')).collect()
}

/// What stands in the plist between a key's element and its end.
fn of_plist(key: &str, element: &str) -> &'static str {
    let (_, behind) = PLIST.split_once(&format!("<key>{key}</key>")).expect("the key is there");
    let (_, behind) = behind.split_once(&format!("<{element}>")).expect("it has that form");
    behind.split_once(&format!("</{element}>")).expect("it ends").0
}

/// The flags of a `serve` or `doctor`.
fn flags<'w>(words: impl Iterator<Item = &'w str>) -> ServeArgs {
    let words: Vec<&str> = words.collect();
    assert!(words[0].ends_with("/plimsoll"), "{words:?}");
    match Args::try_parse_from(&words).unwrap_or_else(|error| panic!("{error}")).command {
        CommandArgs::Serve(serve) => *serve,
        CommandArgs::Doctor(doctor) => doctor.serve,
        other => panic!("{other:?}"),
    }
}

fn seconds(text: &str) -> u64 {
    text.parse().expect("a number")
}

#[test]
fn the_unit_starts_it_and_leaves_it_time_and_room() {
    let serve = flags(of_unit("ExecStart")[0].split_whitespace());
    let doctor = flags(of_unit("ExecStartPre")[0].split_whitespace());
    assert_eq!((doctor.line, &doctor.model, &doctor.cache), (serve.line, &serve.model, &serve.cache));
    let line = serve.line.expect("a line");
    let limit =
        |key: &str| of_unit(key)[0].strip_suffix('G').and_then(|text| text.parse().ok()).map(Bytes::gib);
    assert!(limit("MemoryHigh").expect("a size") > line && limit("MemoryMax") > limit("MemoryHigh"));
    assert!(seconds(of_unit("TimeoutStopSec")[0]) > serve.drain_seconds.expect("said") + 10);
    assert!(seconds(of_unit("LimitNOFILE")[0]) >= files_wanted(Limits::default().connections));
}

#[test]
fn the_plist_starts_it_and_leaves_it_time() {
    let words = of_plist("ProgramArguments", "array").split("<string>").skip(1);
    let serve = flags(words.map(|word| word.split_once("</string>").expect("it ends").0));
    assert!(serve.line.is_some() && serve.models.is_some());
    assert!(seconds(of_plist("ExitTimeOut", "integer")) > serve.drain_seconds.expect("said") + 10);
    assert!(seconds(of_plist("NumberOfFiles", "integer")) >= files_wanted(Limits::default().connections));
}
