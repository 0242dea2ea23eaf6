//! `plimsoll bench serve --mixed`: the program under its own load, looked at from outside.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]
#![cfg(target_os = "linux")]

mod program;

use program::report;

#[test]
fn a_mixed_load_stays_below_the_line_and_is_answered() {
    let load = ["bench", "serve", "--mixed", "0.1", "--clients", "2", "--line", "192MiB"];
    let report = report(&load);
    let rows = report["rows"].as_array().unwrap();
    let value = |work: &str| {
        let row = rows.iter().find(|row| row["work"] == work);
        row.and_then(|row| row["value"].as_f64()).unwrap_or_else(|| panic!("no {work} in {report}"))
    };
    let line = report["line_bytes"].as_f64().unwrap();
    assert!(value("the load would like") > 2.5 * line);
    let had = value("the program had at most");
    assert!(had > 1e6 && had <= line, "{had} of {line}");
    assert!(value("of 6 samples above the line") < 0.5);
    assert!(value("answered with anything else") < 0.5);
    assert!(value("turns answered") > 0.0 && value("searches") > 0.0 && value("documents taken in") > 0.0);
}
