//! Where training happens: an engine whose line is what was said, and a stage in it.

use plimsoll::pool::Pool;
use plimsoll::{Bytes, Engine, EngineAccount, EngineError, Place};
use plimsoll_tensor::{Dtype, Stage};

use super::TrainError;
use crate::backends::Backends;
use crate::budget::{engine, half, most_of};
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
        let line = line.unwrap_or(most_of(free));
        let devices = vec![backends.device(Place::Host)?, device];
        let shares = [(Place::Host, half()), (place, line)];
        let engine = engine(ACCOUNT, &shares, devices).map_err(TrainError::from)?;
        let pool = pool(&engine, place)?;
        let stage = Stage::gpu(pool.clone()).map_err(|error| TrainError::Tune(error.into()))?;
        Ok(Self { engine, pool, stage, line })
    }

    /// How numbers are kept that flow there: as singles on the host, in 16 bits on a GPU.
    pub(crate) fn dtype(&self) -> Dtype {
        if self.pool.place() == Place::Host { Dtype::F32 } else { Dtype::Bf16 }
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
