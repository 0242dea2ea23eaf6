//! Where training happens: an engine whose lines are what was said, and stages in it.

use std::sync::Arc;

use plimsoll::pool::Pool;
use plimsoll::{Bytes, Engine, EngineAccount, EngineError, Place};
use plimsoll_llm::tune::{Stages, Team, TuneError, Tuner};
use plimsoll_tensor::{DeviceTogether, Dtype, Share, Stage, Together};

use super::TrainError;
use crate::backends::Backends;
use crate::budget::{engine, half, most_of};
use crate::{CliError, Printer};

const ACCOUNT: &str = "train";

/// A place that computes: its account's pool, and stages over that and over page-locked memory of the host for what a GPU
/// does not need at once.
pub(crate) struct Spot {
    pub(crate) pool: Pool,
    pub(crate) stages: Stages,
    /// Its place among those that learn together, if it is not alone.
    together: Option<Arc<dyn Together>>,
}

/// An engine, and the places in it that compute.
pub(crate) struct Ground {
    pub(crate) engine: Engine,
    pub(crate) spots: Vec<Spot>,
    /// The line of each place.
    pub(crate) line: Bytes,
    /// The most that may be elsewhere, of all of them.
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
    /// At one place or several, below a line each: half of the host's memory or nine tenths of what a device has free, unless
    /// said. Beside GPUs of CUDA as much page-locked memory as was said, or half of the host's.
    pub(crate) fn new(places: &[Place], allowed: Allowed) -> Result<Self, CliError> {
        let threads = allowed.threads;
        let threads = threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        match places {
            [] | [Place::Host] => Self::host(allowed, threads),
            _ => Self::devices(places, allowed, threads),
        }
    }

    fn host(allowed: Allowed, threads: usize) -> Result<Self, CliError> {
        let line = allowed.line.unwrap_or_else(half);
        let engine = Engine::in_memory(line, ACCOUNT).map_err(TrainError::from)?;
        let pool = pool(&engine, Place::Host)?;
        let stages = Stages::from(&Stage::host(pool.clone(), threads));
        Ok(Self { engine, spots: vec![Spot { pool, stages, together: None }], line, away: Bytes::ZERO })
    }

    fn devices(places: &[Place], allowed: Allowed, threads: usize) -> Result<Self, CliError> {
        let backends = Backends::new(Printer::notice());
        let together = if places.len() > 1 { backends.group(places)? } else { Vec::new() };
        let mut devices = vec![backends.device(Place::Host)?];
        let mut free = Bytes::new(u64::MAX);
        for place in places {
            let device = backends.device(*place)?;
            let memory = device.memory().map_err(|error| TrainError::from(EngineError::from(error)))?;
            free = free.min(memory.free);
            devices.push(device);
        }
        let line = allowed.line.unwrap_or(most_of(free));
        let cuda = places.iter().all(|place| matches!(place, Place::Cuda(_)));
        let away = if cuda { allowed.away.unwrap_or_else(half) } else { Bytes::ZERO };
        let mut shares = vec![(Place::Host, half())];
        shares.extend(places.iter().map(|place| (*place, line)));
        if !away.is_zero() {
            devices.push(backends.device(Place::Pinned)?);
            shares.push((Place::Pinned, away));
        }
        let engine = engine(ACCOUNT, &shares, devices).map_err(TrainError::from)?;
        let elsewhere = (!away.is_zero()).then(|| pool(&engine, Place::Pinned)).transpose()?;
        let mut together = together.into_iter();
        let mut spots = Vec::new();
        for (number, place) in places.iter().enumerate() {
            let pool = pool(&engine, *place)?;
            let here = Stage::gpu(pool.clone()).map_err(|error| TrainError::Tune(error.into()))?;
            let away = elsewhere.as_ref().map(|pool| Stage::host(pool.clone(), threads));
            let member = together.next();
            let together = member.map(|member| Arc::new(DeviceTogether::new(member)) as Arc<dyn Together>);
            let share = Share { place: number, members: places.len() };
            spots.push(Spot { pool, stages: Stages { here, away, share }, together });
        }
        Ok(Self { engine, spots, line, away })
    }

    /// How numbers are kept that flow there: as singles on the host, in 16 bits on a GPU.
    pub(crate) fn dtype(&self) -> Dtype {
        if self.place(0) == Place::Host { Dtype::F32 } else { Dtype::Bf16 }
    }

    /// Whether things may be elsewhere.
    pub(crate) fn has_away(&self) -> bool {
        !self.away.is_zero()
    }

    /// Stages like one of these that need no memory.
    pub(crate) fn dry(&self) -> Stages {
        let dry = Stages::dry();
        let share = self.spots.first().map_or(Share::ALL, |spot| spot.stages.share);
        Stages { away: dry.away.filter(|_| self.has_away()), share, ..dry }
    }

    /// The share that each spot has of the optimizer's states: its own, if they are divided.
    pub(crate) fn shares(&self, divided: bool) -> Vec<Share> {
        let share = |spot: &Spot| if divided { spot.stages.share } else { Share::ALL };
        self.spots.iter().map(share).collect()
    }

    /// A training on every spot, each with its share of the optimizer's states, and all of them as one.
    pub(crate) fn team(
        &self,
        divided: bool,
        of: impl Fn(&Stages, Share) -> Result<Tuner, TuneError>,
    ) -> Result<Team, TuneError> {
        let mut members = Vec::new();
        for (spot, share) in self.spots.iter().zip(self.shares(divided)) {
            let tuner = of(&spot.stages, share)?;
            match &spot.together {
                None => return Ok(tuner.into()),
                Some(together) => members.push((tuner, Arc::clone(together))),
            }
        }
        Team::of(members)
    }

    /// What is charged to a spot's line beside its tensors, once what an earlier plan left idle has gone back.
    pub(crate) fn beside(&self, spot: usize, tuner: &Tuner) -> Bytes {
        let _ = self.spots[spot].pool.trim(Bytes::ZERO);
        self.charged(spot)[0].saturating_sub(tuner.stage().live())
    }

    /// The account that it is charged to.
    pub(crate) fn account(&self) -> Result<EngineAccount, TrainError> {
        Ok(self.engine.account(ACCOUNT)?)
    }

    fn place(&self, spot: usize) -> Place {
        self.spots[spot].pool.place()
    }

    /// What is charged at a spot now, and the most that was at once.
    pub(crate) fn charged(&self, spot: usize) -> [Bytes; 2] {
        let snapshot = self.engine.snapshot();
        snapshot.place(self.place(spot)).map_or([Bytes::ZERO; 2], |at| [at.charged, at.peak])
    }
}

fn pool(engine: &Engine, place: Place) -> Result<Pool, CliError> {
    let account = engine.account(ACCOUNT).map_err(TrainError::from)?;
    Ok(account.scratch(place).map_err(TrainError::from)?)
}
