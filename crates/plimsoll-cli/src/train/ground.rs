//! Where training happens: an engine whose line is what was said, and a stage in it.

use plimsoll::pool::Pool;
use plimsoll::{Bytes, Engine, EngineAccount, EngineError, Place};
use plimsoll_llm::tune::Stages;
use plimsoll_tensor::{Dtype, Stage};

use super::TrainError;
use crate::backends::Backends;
use crate::budget::{engine, half, most_of};
use crate::{CliError, Printer};

const ACCOUNT: &str = "train";

/// An engine, its account's pool at a place, and stages: over that, and over page-locked memory of the host for what a GPU
/// does not need at once.
pub(crate) struct Ground {
    pub(crate) engine: Engine,
    pub(crate) pool: Pool,
    pub(crate) stages: Stages,
    pub(crate) line: Bytes,
    /// The most that may be elsewhere.
    pub(crate) away: Bytes,
}

/// What a ground may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed {
    pub(crate) line: Option<Bytes>,
    pub(crate) away: Option<Bytes>,
    pub(crate) threads: Option<usize>,
}

impl Ground {
    /// At a place, below a line: half of the host's memory or nine tenths of what a device has free, unless said. Beside a
    /// GPU of CUDA as much page-locked memory as was said, or half of the host's.
    pub(crate) fn new(place: Place, allowed: Allowed) -> Result<Self, CliError> {
        let Allowed { line, away, threads } = allowed;
        let threads = threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        if place == Place::Host {
            let line = line.unwrap_or_else(half);
            let engine = Engine::in_memory(line, ACCOUNT).map_err(TrainError::from)?;
            let pool = pool(&engine, place)?;
            let stages = Stages::from(&Stage::host(pool.clone(), threads));
            return Ok(Self { engine, pool, stages, line, away: Bytes::ZERO });
        }
        let backends = Backends::new(Printer::notice());
        let device = backends.device(place)?;
        let free = device.memory().map_err(|error| TrainError::from(EngineError::from(error)))?.free;
        let line = line.unwrap_or(most_of(free));
        let away = if matches!(place, Place::Cuda(_)) { away.unwrap_or_else(half) } else { Bytes::ZERO };
        let mut devices = vec![backends.device(Place::Host)?, device];
        let mut shares = vec![(Place::Host, half()), (place, line)];
        if !away.is_zero() {
            devices.push(backends.device(Place::Pinned)?);
            shares.push((Place::Pinned, away));
        }
        let engine = engine(ACCOUNT, &shares, devices).map_err(TrainError::from)?;
        let pool = self::pool(&engine, place)?;
        let here = Stage::gpu(pool.clone()).map_err(|error| TrainError::Tune(error.into()))?;
        let elsewhere = || self::pool(&engine, Place::Pinned).map(|pool| Stage::host(pool, threads));
        let stages = Stages { here, away: (!away.is_zero()).then(elsewhere).transpose()? };
        Ok(Self { engine, pool, stages, line, away })
    }

    /// How numbers are kept that flow there: as singles on the host, in 16 bits on a GPU.
    pub(crate) fn dtype(&self) -> Dtype {
        if self.pool.place() == Place::Host { Dtype::F32 } else { Dtype::Bf16 }
    }

    /// The account that it is charged to.
    pub(crate) fn account(&self) -> Result<EngineAccount, TrainError> {
        Ok(self.engine.account(ACCOUNT)?)
    }

    /// Stages like these that need no memory.
    pub(crate) fn dry(&self) -> Stages {
        let dry = Stages::dry();
        Stages { away: dry.away.filter(|_| self.stages.away.is_some()), ..dry }
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
