//! Runs the governor's stress test for so many seconds (60 unless told) and prints what came of it.

use std::time::Duration;

use plimsoll::governor::stress::{StressSettings, run};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(60), |text| text.parse())?;
    let settings = StressSettings { duration: Duration::from_secs(seconds), ..StressSettings::default() };
    let report = run(&settings)?;
    println!("{report:#?}");
    if report.passed() { Ok(()) } else { Err("the governor broke a promise; see the report".into()) }
}
