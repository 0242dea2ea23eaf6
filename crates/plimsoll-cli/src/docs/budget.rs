//! The account that a command works in, and who watches what other programs leave.

use std::time::Duration;

use plimsoll::governor::{PressureSettings, Watch};
use plimsoll::{Bytes, Engine, EngineAccount, Place};

use crate::CliError;
use crate::budget::half;

const ACCOUNT: &str = "docs";
/// Of memory that nobody said how much of it to take.
const MOST: Bytes = Bytes::mib(512);
/// From this share of the machine's memory in use on, reading stands still.
const PRESSED: f64 = 0.8;
const RELIEVED: f64 = 0.7;
const WATCH_EVERY: Duration = Duration::from_millis(250);

/// An account of so much memory; where nothing was said of half of what this machine has to use, and no more than is worth it.
pub(super) fn account(memory: Option<Bytes>) -> Result<EngineAccount, CliError> {
    Ok(engine(memory)?.account(ACCOUNT)?)
}

/// The same, and what asks the account to stand still while other programs are short of memory.
pub(super) fn watched(memory: Option<Bytes>) -> Result<(EngineAccount, Option<Watch>), CliError> {
    let engine = engine(memory)?;
    let settings =
        PressureSettings { warning_enter: PRESSED, warning_leave: RELIEVED, ..PressureSettings::default() };
    engine.governor().set_pressure(Place::Host, settings);
    let watch = engine.watch(WATCH_EVERY).ok();
    Ok((engine.account(ACCOUNT)?, watch))
}

fn engine(memory: Option<Bytes>) -> Result<Engine, CliError> {
    let memory = memory.unwrap_or_else(|| half().min(MOST));
    Ok(Engine::in_memory(memory, ACCOUNT)?)
}
