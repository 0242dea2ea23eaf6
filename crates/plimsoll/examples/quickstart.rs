//! Leases, reservations and refusals on one account: `cargo run -p plimsoll --example quickstart`.

use plimsoll::{Bytes, Engine, Place};
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::in_memory(Bytes::mib(64), "work")?; // or Engine::open("plan.toml")
    let work = engine.account("work")?;
    let pool = work.scratch(Place::Host)?;

    let mut rows = pool.lease(Bytes::mib(4))?; // yours until it is dropped
    rows.write(0, b"rows")?;

    let seat = engine.reserve("work", Bytes::mib(32))?.within(Duration::from_secs(1)).wait()?;
    println!("{} charged, of which {} reserved", work.charged(Place::Host), seat.bytes());

    if let Err(refusal) = engine.reserve("work", Bytes::mib(48))?.now() {
        println!("{refusal}"); // what was asked, what is free, who holds the rest, and what to do
    }
    drop((rows, seat)); // what was leased and reserved goes back
    Ok(())
}
