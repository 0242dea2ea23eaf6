//! What a charge and its release cost: alone, with a second thread on the same governor, and in deeper trees.

use std::time::Instant;

use plimsoll::governor::{Account, Governor};
use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::{Bytes, Place};

const ROUNDS: u32 = 2_000_000;

fn churn(account: &Account) -> Result<f64, Box<dyn std::error::Error + Send + Sync>> {
    let began = Instant::now();
    for _ in 0..ROUNDS {
        drop(account.reserve(Place::Host, Bytes::kib(4)).now()?);
    }
    Ok(began.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS))
}

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let share = |path: &str| AccountSettings::new(path).share(Place::Host, Bytes::ZERO, Bytes::gib(8));
    let governor = Governor::open(&LedgerSettings {
        places: vec![LineSettings::new(Place::Host, Bytes::gib(8))],
        accounts: ["a", "b", "c/d/e/f"].map(share).into(),
    })?;
    let [a, b, deep] = [governor.account("a")?, governor.account("b")?, governor.account("c/d/e/f")?];
    churn(&a)?;
    println!("charge + release, one thread:           {:6.1} ns", churn(&a)?);
    println!("charge + release, one thread, 4 levels: {:6.1} ns", churn(&deep)?);
    let (first, second) = std::thread::scope(|scope| {
        let other = scope.spawn(|| churn(&b));
        (churn(&a), other.join())
    });
    let second = second.map_err(|_| "a thread panicked")??;
    println!("charge + release, two threads, each:    {:6.1} ns", first?.max(second));
    Ok(())
}
