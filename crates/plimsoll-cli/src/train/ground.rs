//! Where training happens: an engine whose line is what was said, and a stage in it.

use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::machine::Machine;
use plimsoll::pool::Pool;
use plimsoll::{Bytes, Engine, EngineAccount, EngineError, Place};
use plimsoll_tensor::Stage;

use super::TrainError;
use crate::backends::Backends;
use crate::{CliError, Printer};

const ACCOUNT: &str = "train";

/// An engine, its account's pool at a place, and a stage over that.
pub(crate) struct Ground {
    pub(crate) engine: Engine,
    pub(crate) pool: Pool,
    pub(crate) stage: Stage,
    pub(crate) line: Bytes,
}

impl Ground {
    /// At a place, below a line: half of the host's memory or nine tenths of what a device has free, unless said.
    pub(crate) fn new(place: Place, line: Option<Bytes>, threads: Option<usize>) -> Result<Self, CliError> {
        let threads = threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        if place == Place::Host {
            let line = line.unwrap_or_else(half);
            let engine = Engine::in_memory(line, ACCOUNT).map_err(TrainError::from)?;
            let pool = pool(&engine, place)?;
            let stage = Stage::host(pool.clone(), threads);
            return Ok(Self { engine, pool, stage, line });
        }
        let backends = Backends::new(Printer::notice());
        let device = backends.device(place)?;
        let free = device.memory().map_err(|error| TrainError::from(EngineError::from(error)))?.free;
        let line = line.unwrap_or(Bytes::new(free.get() / 10 * 9));
        let host = half();
        let account = AccountSettings::new(ACCOUNT).share(Place::Host, Bytes::ZERO, host);
        let plan = LedgerSettings {
            places: vec![LineSettings::new(Place::Host, host), LineSettings::new(place, line)],
            accounts: vec![account.share(place, Bytes::ZERO, line)],
        };
        let devices = vec![backends.device(Place::Host)?, device];
        let engine = Engine::with(&plan, devices).map_err(TrainError::from)?;
        let pool = pool(&engine, place)?;
        let stage = Stage::gpu(pool.clone()).map_err(|error| TrainError::Tune(error.into()))?;
        Ok(Self { engine, pool, stage, line })
    }

    /// The account that it is charged to.
    pub(crate) fn account(&self) -> Result<EngineAccount, TrainError> {
        Ok(self.engine.account(ACCOUNT)?)
    }

    /// What is charged there now, and the most that was at once.
    pub(crate) fn charged(&self) -> [Bytes; 2] {
        let place = self.pool.place();
        let snapshot = self.engine.snapshot();
        snapshot.place(place).map_or([Bytes::ZERO; 2], |at| [at.charged, at.peak])
    }
}

fn pool(engine: &Engine, place: Place) -> Result<Pool, CliError> {
    let account = engine.account(ACCOUNT).map_err(TrainError::from)?;
    Ok(account.scratch(place).map_err(TrainError::from)?)
}

fn half() -> Bytes {
    let places = Machine::read().places();
    let usable = places.into_iter().find(|facts| facts.place == Place::Host).map(|facts| facts.usable);
    Bytes::new(usable.unwrap_or(Bytes::gib(1)).get() / 2)
}
