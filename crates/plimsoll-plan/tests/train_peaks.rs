//! Predicted peaks of training steps beside measured ones.

use plimsoll_plan::train::truth::{self, Comparison};

fn print(comparison: &Comparison) {
    for row in &comparison.rows {
        let training = &row.row.training;
        println!(
            "{:26} {:?} batch {} {:?} checkpointing {}: {} of {} ({:+.2}%)",
            training.name,
            training.shape,
            training.batch,
            training.optimizer,
            training.checkpointing,
            row.walk.peak.bytes,
            row.row.peak,
            row.off * 100.0
        );
        if let Some(reserved) = row.row.reserved {
            println!("{:26} reserved {} of {reserved}", "", row.walk.reserved_bytes);
        }
    }
    let said = |name: &str, summary: &truth::Summary| {
        println!(
            "{name:30} {} rows, off by at most {:.2}%, {:.2}% in the middle, under by at most {:.2}%",
            summary.rows,
            summary.max_abs * 100.0,
            summary.median_abs * 100.0,
            summary.max_under * 100.0
        );
    };
    said("this planner", &comparison.summary());
    for (name, summary) in comparison.rivals() {
        said(name, &summary);
    }
}

/// Every row must be read, and its counts of parameters be those of the libraries.
fn holds(text: &str) {
    let comparison = truth::compare(text);
    print(&comparison);
    assert_eq!(comparison.skipped, [], "every row is read");
    let summary = comparison.summary();
    assert!(
        summary.max_abs <= 0.01 && summary.median_abs <= 0.001 && summary.max_under <= 0.01,
        "{summary:?}"
    );
    for (name, rival) in comparison.rivals() {
        assert!(rival.max_abs > 0.5, "{name} is as good: {rival:?}");
    }
    for row in &comparison.rows {
        let (walk, training) = (&row.walk, &row.row.training);
        assert_eq!(Some(walk.parameters), row.row.parameters, "{}", training.name);
        assert_eq!(Some(walk.trained), row.row.trained, "{}", training.name);
        assert_eq!(walk.peak.by_kind.iter().sum::<u64>(), walk.peak.bytes, "parts add up to the peak");
    }
}

#[test]
fn peaks_measured_for_this_project_are_met() {
    holds(include_str!("fixtures/train_peaks.csv"));
}

#[test]
fn the_shared_peaks_are_met() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/plan-truth/train_peaks_h200.csv");
    match std::fs::read_to_string(path) {
        Ok(text) => holds(&text),
        Err(error) => println!("skipped: {path}: {error}"),
    }
}
