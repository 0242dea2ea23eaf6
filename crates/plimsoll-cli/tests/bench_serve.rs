//! `plimsoll bench serve`: the program under its own load, looked at from outside, and texts at once.
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

#[test]
fn texts_at_once_stand_beside_the_decoder_alone() {
    let report = report(&["bench", "serve", "--crowd", "3", "--quick"]);
    let rows = report["rows"].as_array().unwrap();
    let values = |work: &str| -> Vec<f64> {
        let rows = rows.iter().filter(|row| row["work"].as_str().is_some_and(|text| text.contains(work)));
        rows.map(|row| row["value"].as_f64().unwrap()).collect()
    };
    let (alone, written, shares) =
        (values("steps of 3"), values("3 texts at once"), values("of the decoder's"));
    assert_eq!((alone.len(), written.len(), shares.len()), (1, 2, 2), "{report}");
    for (written, share) in written.iter().zip(shares) {
        assert!(alone[0] > 0.0 && (written / alone[0] - share).abs() < 1e-9, "{report}");
    }
}
