//! 64 threads, 1,000 tenants, ten times more wanted than the line carries.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

use std::time::Duration;

use plimsoll::Bytes;
use plimsoll::governor::stress::{StressSettings, run};

#[test]
fn never_over_the_line_nobody_starves_and_every_refusal_is_explained() {
    let report = run(&StressSettings {
        line: Bytes::mib(64),
        duration: Duration::from_secs(2),
        // Far beyond what it takes, so that a slow machine does not decide the test.
        patience: Duration::from_mins(1),
        ..StressSettings::default()
    })
    .unwrap();
    assert!(report.passed(), "{report:#?}");
    assert!(report.refusals > 0 && report.granted > Bytes::mib(64), "it was not tight: {report:#?}");
}
