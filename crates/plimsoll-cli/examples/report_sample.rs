//! A recording that is made up, as a page to look at, or as a file to try commands on:
//! `cargo run -p plimsoll-cli --no-default-features --example report_sample -- OUT.html 100000`.

use std::path::PathBuf;
use std::time::Instant;

#[path = "../../plimsoll/tests/recordings/mod.rs"]
mod recordings;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let path = PathBuf::from(args.next().unwrap_or_else(|| "report.html".to_owned()));
    let events = args.next().map_or(Ok(100_000), |events| events.parse())?;
    let recording = recordings::synthetic(events, 7);
    let began = Instant::now();
    if path.extension().is_some_and(|extension| extension == "html") {
        std::fs::write(&path, plimsoll_cli::report::render(&recording)?)?;
    } else {
        recording.save(&path)?;
    }
    let (bytes, seconds) = (std::fs::metadata(&path)?.len(), began.elapsed().as_secs_f64());
    println!("{}: {bytes} bytes, {seconds:.2} s for {events} events", path.display());
    Ok(())
}
