//! The engine: a plan, the devices it is carried out on, and the accounts that workloads ask.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use plimsoll_device::{Bytes, Device, DeviceError, HostDevice, HostSettings, Place};

use crate::governor::{Account, Ask, Governor, Watch};
use crate::ledger::{AccountSettings, LedgerError, LedgerSettings, LedgerSnapshot, LineSettings};
use crate::machine::Machine;
use crate::pool::{LeaseError, Pool, PoolSettings};
use crate::pressure::{DeviceSource, system_source};
use crate::record::{ActiveRecording, Operation, RecordSettings, Recorder, RecordingError, SpooledRecording};
use crate::runs::{Ledgered, Run, predictions};
use crate::settings::{self, Capacities, RunsSettings, SettingsError};

/// Lines, accounts and devices, opened together: what does not add up is refused here and not under load.
///
/// # What it does not do
/// It starts no workload and no thread (but see [`watch`](Self::watch)), and picks no back end: whoever opens it
/// passes the devices it was built with.
///
/// # Who owns what
/// The engine owns the governor and one [`Pool`] for each account and place that was asked for. Handles are
/// cheap to clone; leases and charges stay valid when the last handle is gone.
///
/// # Example
/// ```
/// use plimsoll::{Bytes, Engine, Place};
/// let engine = Engine::in_memory(Bytes::mib(64), "work")?;
/// let work = engine.account("work")?;
/// let lease = work.scratch(Place::Host)?.lease(Bytes::mib(4))?;
/// assert!(work.charged(Place::Host) >= lease.bytes());
/// # Ok::<(), plimsoll::EngineError>(())
/// ```
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    governor: Governor,
    devices: Vec<Arc<dyn Device>>,
    pools: Mutex<BTreeMap<(String, Place), Pool>>,
    predictions: Vec<(String, Place, Bytes)>,
    run: Mutex<Option<Ledgered>>,
}

impl Drop for Inner {
    /// A run that nobody ended ends here. Nobody is left to be told that its file could not be written.
    fn drop(&mut self) {
        let run = self.run.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(run) = run {
            let _ = run.add(&run.run(&self.governor.snapshot()));
        }
    }
}

/// Why an engine could not be opened, or cannot give what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The configuration file.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Lines and accounts that do not add up, or an account that is not there.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A device could not be opened.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A pool could not be opened, or a lease was refused.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// A reservation was refused.
    #[error(transparent)]
    Refused(#[from] crate::governor::Refusal),
    /// There is nothing to allocate from at that place.
    #[error("there is no device at {place}; this engine has {have}. Open it with a back end for that place")]
    NoDevice {
        /// The place that was asked for.
        place: Place,
        /// The places that have one.
        have: String,
    },
    /// A watch could not be started.
    #[error("the thread that follows memory pressure could not be started: {0}")]
    Watch(#[from] std::io::Error),
    /// Two devices claim one place.
    #[error("two devices are at {0}; each place has one")]
    TwoDevices(Place),
    /// An account that may carry nothing there.
    #[error("{account} has no share at {place}; it has {have}. Give it one in the plan")]
    NoShare {
        /// Which account.
        account: String,
        /// The place that was asked for.
        place: Place,
        /// Where it has shares.
        have: String,
    },
    /// An account that may carry nothing anywhere.
    #[error("{0} has no share of any place; give it one in the plan")]
    NoShares(String),
    /// The account's place must be named.
    #[error("{account} has shares at {have}; say which place is meant")]
    WhichPlace {
        /// Which account.
        account: String,
        /// Where it has shares.
        have: String,
    },
}

impl Engine {
    /// Opens a plan (TOML or YAML) on this machine's memory.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, EngineError> {
        let plan = settings::load(path.as_ref(), &Capacities::from(&Machine::read()))?;
        let engine = Self::with(&plan, vec![Arc::new(HostDevice::open(HostSettings::default())?)])?;
        if let Some(runs) = settings::load_runs(path.as_ref())? {
            engine.keep_runs(runs);
        }
        Ok(engine)
    }

    /// Opens lines and accounts on these devices. A place without a device (disk, say) can be charged, not
    /// allocated from.
    pub fn with(plan: &LedgerSettings, devices: Vec<Arc<dyn Device>>) -> Result<Self, EngineError> {
        for (index, device) in devices.iter().enumerate() {
            let place = device.facts().place;
            if devices[..index].iter().any(|other| other.facts().place == place) {
                return Err(EngineError::TwoDevices(place));
            }
        }
        let governor = Governor::open(plan)?;
        let inner = Inner {
            governor,
            devices,
            pools: Mutex::new(BTreeMap::new()),
            predictions: predictions(plan),
            run: Mutex::new(None),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// From here on the plan's predictions are to be kept beside what was measured, when the last handle goes or
    /// [`end_run`](Self::end_run) is called. [`open`](Self::open) does this for a plan that says where.
    pub fn keep_runs(&self, settings: RunsSettings) {
        let run = Ledgered::new(settings, self.inner.predictions.clone());
        *self.inner.run.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(run);
    }

    /// Ends the run: what each account was predicted and what it had at most is added to the plan's file of runs, and
    /// given back. `None` if no runs are kept, or this one has been ended.
    pub fn end_run(&self) -> std::io::Result<Option<Run>> {
        let run = self.inner.run.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let Some(kept) = run else { return Ok(None) };
        let run = kept.run(&self.snapshot());
        kept.add(&run)?;
        Ok(Some(run))
    }

    /// With the plan's predictions before those that the settings bring.
    fn predicting(&self, settings: RecordSettings) -> RecordSettings {
        let predict = |settings: RecordSettings, (account, place, bytes): &(String, Place, Bytes)| {
            settings.predict(*place, Some(account), *bytes)
        };
        self.inner.predictions.iter().fold(settings, predict)
    }

    /// An engine on host memory with one account that may have the whole line: for trying things out.
    pub fn in_memory(line: Bytes, account: &str) -> Result<Self, EngineError> {
        let plan = LedgerSettings {
            places: vec![LineSettings::new(Place::Host, line)],
            accounts: vec![AccountSettings::new(account).share(Place::Host, Bytes::ZERO, line)],
        };
        Self::with(&plan, vec![Arc::new(HostDevice::open(HostSettings::default())?)])
    }

    /// An account by its path: `models/qwen`.
    pub fn account(&self, path: &str) -> Result<EngineAccount, EngineError> {
        let account = self.inner.governor.account(path)?;
        Ok(EngineAccount { engine: self.clone(), account })
    }

    /// Asks for bytes on an account's only place. Nothing happens until [`Ask::now`] or [`Ask::within`].
    pub fn reserve(&self, path: &str, bytes: Bytes) -> Result<Ask, EngineError> {
        let account = self.account(path)?;
        Ok(account.reserve(account.place()?, bytes))
    }

    /// Everything that is charged, at one instant.
    pub fn snapshot(&self) -> LedgerSnapshot {
        self.inner.governor.snapshot()
    }

    /// Who grants and refuses.
    pub fn governor(&self) -> &Governor {
        &self.inner.governor
    }

    /// Begins to write down every lease and its end, in memory, until the recording is finished.
    ///
    /// ```
    /// # use plimsoll::{Bytes, Engine, Place};
    /// # let engine = Engine::in_memory(Bytes::mib(64), "work")?;
    /// let recording = engine.record();
    /// {
    ///     let _scope = plimsoll::record::scope("attention");
    ///     let _scores = engine.account("work")?.scratch(Place::Host)?.lease(Bytes::mib(4))?;
    /// }
    /// let recording = recording.finish();
    /// assert!(recording.facts().events >= 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record(&self) -> ActiveRecording {
        self.record_with(RecordSettings::default())
    }

    /// The same with settings. What the plan predicted goes into it too.
    pub fn record_with(&self, settings: RecordSettings) -> ActiveRecording {
        self.inner.governor.record_with(self.predicting(settings))
    }

    /// The same into a file, written as it comes: for recordings that are larger than they should be in memory.
    pub fn record_to(
        &self,
        path: &Path,
        settings: RecordSettings,
    ) -> Result<SpooledRecording, RecordingError> {
        self.inner.governor.record_to(path, self.predicting(settings))
    }

    /// Watches what this thread leases from here on, and says what that was when it is finished.
    pub fn operation(&self, name: &str) -> Operation {
        Operation::begin(name, self.record())
    }

    /// What writes down what happens here: its numbers, marks, and what threads did last.
    pub fn recorder(&self) -> &Arc<Recorder> {
        self.inner.governor.recorder()
    }

    /// Follows the system's memory pressure on the host's line, on a thread of its own, until the watch is
    /// dropped.
    pub fn watch(&self, every: Duration) -> std::io::Result<Watch> {
        self.inner.governor.watch(Place::Host, system_source(), every)
    }

    /// Follows what others leave us of a device's memory, on a thread of its own, until the watch is dropped: for a GPU
    /// that other processes use too. [`DeviceSource`] says what is made of it.
    pub fn watch_device(&self, place: Place, every: Duration) -> Result<Watch, EngineError> {
        let device = Arc::clone(self.device(place)?);
        let snapshot = self.snapshot();
        let line = snapshot.place(place).map_or(Bytes::ZERO, |found| found.line);
        Ok(self.inner.governor.watch(place, Box::new(DeviceSource::new(device, line)), every)?)
    }

    /// The pools that were asked for so far, by account and place.
    pub(crate) fn pools(&self) -> Vec<Pool> {
        let pools = self.inner.pools.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        pools.values().cloned().collect()
    }

    /// The devices that it was opened with.
    pub(crate) fn devices(&self) -> &[Arc<dyn Device>] {
        &self.inner.devices
    }

    fn device(&self, place: Place) -> Result<&Arc<dyn Device>, EngineError> {
        self.inner.devices.iter().find(|device| device.facts().place == place).ok_or_else(|| {
            let have: Vec<Place> = self.inner.devices.iter().map(|device| device.facts().place).collect();
            EngineError::NoDevice { place, have: listed(&have) }
        })
    }

    fn places_of(&self, path: &str) -> Vec<Place> {
        let snapshot = self.snapshot();
        let has = |place: &&crate::ledger::PlaceSnapshot| place.share(path).is_some();
        snapshot.places.iter().filter(has).map(|place| place.place).collect()
    }

    fn pool(&self, account: &Account, place: Place) -> Result<Pool, EngineError> {
        let mut pools = self.inner.pools.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let key = (account.path().to_owned(), place);
        if let Some(pool) = pools.get(&key) {
            return Ok(pool.clone());
        }
        let device = self.device(place)?;
        let places = self.places_of(account.path());
        if !places.contains(&place) {
            let account = account.path().to_owned();
            return Err(EngineError::NoShare { account, place, have: listed(&places) });
        }
        let pool = Pool::new(account, Arc::clone(device), PoolSettings::default())?;
        pools.insert(key, pool.clone());
        Ok(pool)
    }
}

fn listed(places: &[Place]) -> String {
    if places.is_empty() {
        return "none".to_owned();
    }
    places.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// An account with the engine that it is in: reads as the [`Account`], and opens holdings.
#[derive(Clone)]
pub struct EngineAccount {
    engine: Engine,
    account: Account,
}

impl EngineAccount {
    /// The account's pool of temporaries at a place; the same one each time.
    pub fn scratch(&self, place: Place) -> Result<Pool, EngineError> {
        self.engine.pool(&self.account, place)
    }

    /// The only place that it has a share of.
    pub fn place(&self) -> Result<Place, EngineError> {
        let account = || self.account.path().to_owned();
        let places = self.engine.places_of(self.account.path());
        match places.as_slice() {
            [place] => Ok(*place),
            [] => Err(EngineError::NoShares(account())),
            several => Err(EngineError::WhichPlace { account: account(), have: listed(several) }),
        }
    }

    /// The engine.
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }
}

impl Deref for EngineAccount {
    type Target = Account;

    fn deref(&self) -> &Account {
        &self.account
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<Place> = self.inner.devices.iter().map(|device| device.facts().place).collect();
        f.debug_struct("Engine").field("devices", &places).finish_non_exhaustive()
    }
}

impl fmt::Debug for EngineAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.account.fmt(f)
    }
}
