//! The account that a command works in: everything it takes is inside it.

use plimsoll::machine::Machine;
use plimsoll::{Bytes, Engine, EngineAccount, Place};

use crate::CliError;

/// An account of so much memory; half of what this machine has to use where nothing was said.
pub(super) fn account(memory: Option<Bytes>) -> Result<EngineAccount, CliError> {
    let memory = memory.unwrap_or_else(|| {
        let usable = Machine::read()
            .places()
            .into_iter()
            .find(|facts| facts.place == Place::Host)
            .map(|facts| facts.usable);
        Bytes::new(usable.unwrap_or(Bytes::gib(1)).get() / 2)
    });
    let engine = Engine::in_memory(memory, "vec").map_err(plimsoll_vec::index::VecError::from)?;
    Ok(engine.account("vec").map_err(plimsoll_vec::index::VecError::from)?)
}
