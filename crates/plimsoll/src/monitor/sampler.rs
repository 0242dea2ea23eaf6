//! One sample at a time.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::health::{self, Past};
use super::probe::{self, LinuxProbe, Probe, Reading};
use super::rates::Rate;
use super::trend::Trend;
use super::{
    Alerts, Clocks, DeviceSample, MachineSample, MonitorSettings, PlaceSample, Sample, SourceSample, engine,
};
use crate::machine::Root;
use crate::record::News;
use crate::{Bytes, Engine};

/// Reads everything once a call, and keeps what rates, trends and alerts need from the calls before.
///
/// # What it does not do
/// It starts no thread ([`Monitor`](super::Monitor) does) and changes nothing: it reads the ledger, the pools, the
/// devices and the system.
///
/// # Who owns what
/// It holds a handle of the engine, so an engine stays open while a sampler of it lives.
pub struct Sampler {
    probe: Box<dyn Probe>,
    engine: Option<Engine>,
    settings: MonitorSettings,
    clocks: Clocks,
    program: String,
    taken: u64,
    rates: Rates,
    available: Trend,
    charged: BTreeMap<String, Trend>,
    alerts: Alerts,
    past: Past,
    gpus: Option<Box<dyn Gpus>>,
    news: News,
}

/// Something that knows of GPUs without opening them: a vendor's library, where there is one. How busy they are no system
/// tells for all, and for a neural engine macOS has no counter.
pub trait Gpus: Send {
    /// Every GPU that it knows, as it is now.
    fn read(&mut self) -> Vec<DeviceSample>;
}

impl Gpus for Box<dyn Gpus> {
    fn read(&mut self) -> Vec<DeviceSample> {
        (**self).read()
    }
}

impl<F: FnMut() -> Vec<DeviceSample> + Send> Gpus for F {
    fn read(&mut self) -> Vec<DeviceSample> {
        self()
    }
}

#[derive(Default)]
struct Rates {
    minor_faults: Rate,
    major_faults: Rate,
    swapped_in: Rate,
    swapped_out: Rate,
}

impl Sampler {
    /// The machine alone.
    pub fn machine() -> Self {
        Self::new(probe::system(), None)
    }

    /// An engine and its machine.
    pub fn of(engine: &Engine) -> Self {
        Self::new(probe::system(), Some(engine.clone()))
    }

    /// A Linux machine whose files lie below a folder: for tests.
    pub fn at(root: Root) -> Self {
        Self::new(Box::new(LinuxProbe::new(root)), None)
    }

    fn new(probe: Box<dyn Probe>, engine: Option<Engine>) -> Self {
        let settings = MonitorSettings::default();
        Self {
            probe,
            engine,
            clocks: Clocks::system(),
            program: program(),
            taken: 0,
            rates: Rates::default(),
            available: Trend::over(settings.trend),
            charged: BTreeMap::new(),
            alerts: Alerts::new(settings.alerts),
            past: Past::over(settings.past),
            gpus: None,
            news: News::default(),
            settings,
        }
    }

    /// Under this name instead of the program's own.
    #[must_use]
    pub fn named(mut self, program: &str) -> Self {
        program.clone_into(&mut self.program);
        self
    }

    /// With these thresholds and lengths instead of the usual ones. Starts trends and alerts again.
    #[must_use]
    pub fn settings(mut self, settings: MonitorSettings) -> Self {
        self.available = Trend::over(settings.trend);
        self.charged.clear();
        self.alerts = Alerts::new(settings.alerts);
        self.past = Past::over(settings.past);
        self.settings = settings;
        self
    }

    /// With other clocks than the machine's.
    #[must_use]
    pub fn clocks(mut self, clocks: Clocks) -> Self {
        self.clocks = clocks;
        self
    }

    /// With someone who knows of GPUs: of those that the engine has, how busy they are, and of all others everything.
    #[must_use]
    pub fn gpus(mut self, gpus: impl Gpus + 'static) -> Self {
        self.gpus = Some(Box::new(gpus));
        self
    }

    /// Everything, now.
    pub fn sample(&mut self) -> Sample {
        let up = self.clocks.up();
        self.taken += 1;
        let reading = self.probe.read();
        let machine = self.machine_sample(&reading, up);
        let mut places =
            self.engine.as_ref().map_or_else(Vec::new, |open| engine::places(open, self.settings.tags));
        for place in &mut places {
            self.foretell(place, up);
        }
        let mut sample = Sample {
            schema: Sample::SCHEMA,
            number: self.taken,
            source: SourceSample {
                program: self.program.clone(),
                pid: std::process::id(),
                engine: self.engine.is_some(),
            },
            at_unix_ms: self.clocks.unix_ms(),
            up_ms: u64::try_from(up.as_millis()).unwrap_or(u64::MAX),
            machine,
            places,
            recorder: self.engine.as_ref().map(engine::recorder),
            devices: self.devices(),
            ..Sample::default()
        };
        if let Some(open) = &self.engine {
            sample.events = engine::events(open, &mut self.news, sample.up_ms);
        }
        sample.alerts = self.alerts.read(&sample);
        self.past.read(&sample);
        sample.health = Some(health::assess(&sample, &self.past, self.settings.scoring));
        sample
    }

    fn devices(&mut self) -> Vec<DeviceSample> {
        let mut devices = self.engine.as_ref().map_or_else(Vec::new, engine::devices);
        for mut told in self.gpus.as_mut().map_or_else(Vec::new, Gpus::read) {
            told.busy = told.busy.filter(|share| share.is_finite()).map(|share| share.clamp(0.0, 1.0));
            match devices.iter_mut().find(|own| own.place == told.place) {
                Some(own) => own.busy = told.busy,
                None => devices.push(told),
            }
        }
        devices
    }

    /// How many samples are worth keeping.
    pub(super) const fn history_length(&self) -> usize {
        self.settings.history
    }

    fn machine_sample(&mut self, reading: &Reading, up: Duration) -> MachineSample {
        let pressure = reading.pressure.unwrap_or_default();
        let get = |bytes: Option<Bytes>| bytes.map(Bytes::get);
        let (total, available) = (get(pressure.total), get(pressure.available));
        self.available.push(up, available);
        MachineSample {
            total_bytes: total,
            available_bytes: available,
            used_bytes: total.zip(available).map(|(total, available)| total.saturating_sub(available)),
            cached_bytes: get(reading.cached),
            swap_total_bytes: get(reading.swap_total),
            swap_used_bytes: reading
                .swap_total
                .zip(reading.swap_free)
                .map(|(total, free)| total.saturating_sub(free).get()),
            swap_out_bytes_per_s: self.rates.swapped_out.read(reading.swapped_out_bytes, up),
            swap_in_bytes_per_s: self.rates.swapped_in.read(reading.swapped_in_bytes, up),
            minor_faults_per_s: self.rates.minor_faults.read(reading.minor_faults, up),
            major_faults_per_s: self.rates.major_faults.read(reading.major_faults, up),
            stalled_some: pressure.some_avg10.map(|percent| percent / 100.0),
            stalled_full: pressure.full_avg10.map(|percent| percent / 100.0),
            system_level: pressure.level.map(|level| probe::level_name(level).to_owned()),
            process_bytes: get(reading.process),
            exhausted_in_s: self.available.seconds_until(0),
        }
    }

    fn foretell(&mut self, place: &mut PlaceSample, up: Duration) {
        let window = self.settings.trend;
        let trend = self.charged.entry(place.place.clone()).or_insert_with(|| Trend::over(window));
        trend.push(up, Some(place.charged_bytes));
        place.exhausted_in_s = trend.seconds_until(place.carry_bytes);
    }
}

/// The program's own name, as it was started.
fn program() -> String {
    let started = std::env::args_os().next().map(std::path::PathBuf::from);
    let name = started.as_deref().and_then(std::path::Path::file_stem);
    name.map_or_else(|| "plimsoll".to_owned(), |name| name.to_string_lossy().into_owned())
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampler")
            .field("program", &self.program)
            .field("engine", &self.engine)
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}
