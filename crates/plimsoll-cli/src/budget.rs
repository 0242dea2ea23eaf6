//! The memory that a command works in: how much where nothing was said, and an engine with one account for it.

use std::sync::Arc;

use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::machine::Machine;
use plimsoll::{Bytes, Engine, EngineError, Place};
use plimsoll_device::Device;

/// Half of what this machine has to use.
pub(crate) fn half() -> Bytes {
    Bytes::new(Machine::read().usable().unwrap_or(Bytes::gib(1)).get() / 2)
}

/// Of a device's free memory nine tenths.
pub(crate) fn most_of(free: Bytes) -> Bytes {
    Bytes::new(free.get() / 10 * 9)
}

/// An engine in which one account may have all of these lines.
pub(crate) fn engine(
    account: &str,
    shares: &[(Place, Bytes)],
    devices: Vec<Arc<dyn Device>>,
) -> Result<Engine, EngineError> {
    let all =
        |account: AccountSettings, (place, line): &(Place, Bytes)| account.share(*place, Bytes::ZERO, *line);
    let plan = LedgerSettings {
        places: shares.iter().map(|(place, line)| LineSettings::new(*place, *line)).collect(),
        accounts: vec![shares.iter().fold(AccountSettings::new(account), all)],
    };
    Engine::with(&plan, devices)
}
