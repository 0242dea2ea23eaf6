//! A report of a recording that is made up, to look at the page:
//! `cargo run -p plimsoll-cli --no-default-features --example report_sample -- OUT.html 100000`.

use std::time::Instant;

#[path = "../../plimsoll/tests/recordings/mod.rs"]
mod recordings;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap_or_else(|| "report.html".to_owned());
    let events = args.next().map_or(Ok(100_000), |events| events.parse())?;
    let recording = recordings::synthetic(events, 7);
    let began = Instant::now();
    let page = plimsoll_cli::report::render(&recording)?;
    println!("{path}: {} bytes, {:.2} s for {events} events", page.len(), began.elapsed().as_secs_f64());
    std::fs::write(path, page)?;
    Ok(())
}
