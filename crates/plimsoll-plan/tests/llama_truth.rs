//! Predictions of llama.cpp's buffers, held against what it says itself.

use plimsoll_plan::llama::truth::{self, Check, Row};

/// What a dry run prints of sizes is rounded to six places of a MiB.
const ROUNDING: f64 = 1e-6;

fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A file of the shared data; nothing where that is not at hand.
fn shared(name: &str) -> Option<String> {
    let path = format!("{}/../../../shared/data/plan-truth/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path);
    if text.is_err() {
        println!("skipped: {path} is not there");
    }
    text.ok()
}

fn checked(rows: &[Row]) -> Check {
    let check = truth::check(rows);
    for remark in &check.remarks {
        println!("line {}, {}: {}", remark.line, remark.name, remark.text);
    }
    check
}

#[test]
fn dry_runs_of_more_than_fifty_models_on_the_processor_come_out_to_the_byte() {
    let rows = truth::dry_runs(&fixture("llama_dryrun.csv"));
    let check = checked(&rows);
    assert!(rows.len() > 400, "{} rows", rows.len());
    assert_eq!((check.cache.rows, check.cache.within), (rows.len(), rows.len()));
    assert_eq!(check.compute.rows, rows.len());
    assert!(check.compute.max_over < ROUNDING && check.compute.max_under < ROUNDING, "{:?}", check.compute);
}

#[test]
fn dry_runs_with_simulated_gpus_come_out_to_the_byte() {
    let rows = truth::dry_runs(&fixture("llama_dryrun_gpus.csv"));
    let check = checked(&rows);
    assert_eq!(check.compute.rows, rows.len());
    assert!(check.compute.max_over < ROUNDING && check.compute.max_under < ROUNDING, "{:?}", check.compute);
}

#[test]
fn shared_dry_runs_are_within_three_percent_and_never_under() {
    let Some(text) = shared("llamacpp_dryrun.csv") else { return };
    let check = checked(&truth::dry_runs(&text));
    assert!(check.compute.rows >= 70, "{:?}", check.compute);
    assert!(check.compute.max_over <= 0.03 && check.compute.max_under <= 0.005, "{:?}", check.compute);
    assert_eq!(check.cache.within, check.cache.rows);
}

#[test]
fn caches_in_shared_logs_agree() {
    let Some(text) = shared("llamacpp_logs.csv") else { return };
    let check = checked(&truth::logs(&text));
    println!("{:?} {:?} {:?}", check.cache, check.gpu, check.fork);
    assert!(check.cache.rows >= 80 && check.cache.share() >= 0.98, "{:?}", check.cache);
}
