//! Transfers that a device does: within itself, to and from the host, and to another device.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll::{Bytes, Place};
use plimsoll_device::{Device, DeviceError, Region, Request, Span, StorageMode, Stream};

use super::report::{BareFigure, DeviceReport, LeftOut, Transfer, TransferRow};
use super::{Figure, Plan, host, progress::Progress};

/// One way between memories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// From one part of the device's memory to another.
    Within,
    /// From ordinary memory of the host.
    Up,
    /// To ordinary memory of the host.
    Down,
    /// From page-locked memory of the host.
    UpPinned,
    /// To page-locked memory of the host.
    DownPinned,
    /// To another device, by its place.
    Across(Place),
    /// The host writes memory that it shares with the device.
    InPlace,
}

/// The system's or the driver's own calls, measured beside ours in the same run.
pub trait Bare {
    /// The call that serves this route, `None` where there is none to compare with.
    fn name(&self, route: Route) -> Option<&'static str>;

    /// Moves so many bytes so many times, waits until all are there, and says how long it took.
    fn time(&mut self, route: Route, bytes: Bytes, times: u32) -> Result<Duration, DeviceError>;
}

/// `memcpy`, which is all that the host's memory needs.
#[derive(Debug, Default)]
pub struct Memcpy {
    from: Vec<u8>,
    into: Vec<u8>,
}

impl Bare for Memcpy {
    fn name(&self, _: Route) -> Option<&'static str> {
        Some("memcpy")
    }

    fn time(&mut self, _: Route, bytes: Bytes, times: u32) -> Result<Duration, DeviceError> {
        self.from.resize(bytes.as_usize(), 1);
        self.into.resize(bytes.as_usize(), 2);
        let began = Instant::now();
        for _ in 0..times {
            self.into.copy_from_slice(std::hint::black_box(&self.from));
            std::hint::black_box(&mut self.into);
        }
        Ok(began.elapsed())
    }
}

/// A device with what it is measured against.
pub struct Measured {
    /// The device.
    pub device: Arc<dyn Device>,
    /// Page-locked host memory that it reaches.
    pub pinned: Option<Arc<dyn Device>>,
    /// Other devices that it copies to.
    pub peers: Vec<Arc<dyn Device>>,
    /// The same by other means.
    pub bare: Option<Box<dyn Bare>>,
}

impl Measured {
    /// What there is to measure.
    pub fn routes(&self) -> Vec<Route> {
        let mut routes = vec![Route::Within, Route::Up, Route::Down];
        if self.pinned.is_some() {
            routes.extend([Route::UpPinned, Route::DownPinned]);
        }
        routes.extend(self.peers.iter().map(|peer| Route::Across(peer.facts().place)));
        if self.device.facts().capabilities.shared {
            routes.push(Route::InPlace);
        }
        routes
    }

    /// Measures every route. One that fails is left out with the reason, and the others go on.
    pub(super) fn measure(
        &mut self,
        plan: &Plan,
        progress: &Progress,
        left_out: &mut Vec<LeftOut>,
    ) -> DeviceReport {
        let facts = self.device.facts().clone();
        let place = facts.place.to_string();
        let mut rows = Vec::new();
        for route in self.routes() {
            progress.say(format!("{place}: {}", transfer(route).name()));
            match self.row(route, plan) {
                Ok(row) => rows.extend(row),
                Err(error) => {
                    let what = format!("{place}, {}", transfer(route).name());
                    left_out.push(match &error {
                        DeviceError::Unsupported { .. } => LeftOut::absent(what, error.to_string()),
                        _ => LeftOut::failed(what, &error),
                    });
                }
            }
            progress.step(1);
        }
        DeviceReport { place, name: facts.name, rows }
    }

    fn row(&mut self, route: Route, plan: &Plan) -> Result<Option<TransferRow>, DeviceError> {
        let bytes = self.bytes(plan)?;
        let mut ours = Ours::prepare(self, route, bytes)?;
        let warm_up = ours.time(1)?;
        let times = u32::try_from(host::repeated(1, warm_up, plan.run_at_least)).unwrap_or(u32::MAX);
        let bare_name = self.bare.as_ref().and_then(|bare| bare.name(route));
        let (mut took, mut bare_took) = (Vec::new(), Vec::new());
        for _ in 0..plan.runs {
            took.push(ours.time(times)?);
            if let (Some(bare), Some(_)) = (&mut self.bare, bare_name) {
                if bare_took.is_empty() {
                    bare.time(route, bytes, 1)?;
                }
                bare_took.push(bare.time(route, bytes, times)?);
            }
        }
        let here = self.device.facts().place.to_string();
        let (from, to) = match route {
            Route::Within => (here.clone(), here),
            Route::Up | Route::InPlace => ("pageable".to_owned(), here),
            Route::Down => (here, "pageable".to_owned()),
            Route::UpPinned => (Place::Pinned.to_string(), here),
            Route::DownPinned => (here, Place::Pinned.to_string()),
            Route::Across(place) => (here, place.to_string()),
        };
        let counted_bytes = if route == Route::Within { bytes.get() * 2 } else { bytes.get() };
        let moved = counted_bytes * u64::from(times);
        let bare = bare_name.zip(Figure::of(moved, bare_took));
        Ok(Figure::of(moved, took).map(|figure| TransferRow {
            transfer: transfer(route),
            from,
            to,
            counted_bytes,
            figure,
            bare: bare.map(|(name, figure)| BareFigure { name, figure }),
        }))
    }

    /// What one transfer moves: an eighth of what is free on the device at most.
    fn bytes(&self, plan: &Plan) -> Result<Bytes, DeviceError> {
        let free = self.device.memory()?.free;
        let most = Bytes::new(free.get() / 8).min(self.device.facts().max_allocation).min(plan.copied);
        Ok(most.get().checked_ilog2().map_or(most, |bits| Bytes::new(1 << bits)))
    }
}

const fn transfer(route: Route) -> Transfer {
    match route {
        Route::Within | Route::UpPinned | Route::DownPinned | Route::Across(_) => Transfer::Copy,
        Route::Up => Transfer::Upload,
        Route::Down => Transfer::Download,
        Route::InPlace => Transfer::Write,
    }
}

/// How long a transfer may last at most before the device counts as one that hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// A route through [`Device`], with the memory that it needs.
struct Ours {
    device: Arc<dyn Device>,
    stream: Stream,
    route: Route,
    /// The region on the device, then the other side of a copy, each with the device that it goes back to.
    regions: Vec<(Arc<dyn Device>, Region)>,
    /// The other side of a transfer from or to the host.
    host: Vec<u8>,
}

impl Ours {
    fn prepare(measured: &Measured, route: Route, bytes: Bytes) -> Result<Self, DeviceError> {
        let device = &measured.device;
        let mode = match route {
            Route::InPlace => StorageMode::Shared,
            _ if device.facts().capabilities.private => StorageMode::Private,
            _ => StorageMode::Shared,
        };
        let other = match route {
            Route::Within => Some((device, mode)),
            Route::UpPinned | Route::DownPinned => {
                measured.pinned.as_ref().map(|pinned| (pinned, StorageMode::Shared))
            }
            Route::Across(place) => {
                measured.peers.iter().find(|peer| peer.facts().place == place).map(|peer| (peer, mode))
            }
            Route::Up | Route::Down | Route::InPlace => None,
        };
        let host = if other.is_none() { vec![0x5A; bytes.as_usize()] } else { Vec::new() };
        let stream = device.stream()?;
        let mut ours = Self { device: Arc::clone(device), stream, route, regions: Vec::new(), host };
        for (device, mode) in std::iter::once((device, mode)).chain(other) {
            let region = device.allocate(Request::new(bytes, mode))?;
            ours.regions.push((Arc::clone(device), region));
        }
        Ok(ours)
    }

    fn time(&mut self, times: u32) -> Result<Duration, DeviceError> {
        let stream = self.stream;
        let spans: Vec<Span<'_>> = self.regions.iter().map(|(_, region)| region.whole()).collect();
        let device = &self.device;
        let began = Instant::now();
        for _ in 0..times {
            match (self.route, spans.as_slice()) {
                (Route::UpPinned, &[here, there]) => device.copy(stream, there, here)?,
                (_, &[here, there]) => device.copy(stream, here, there)?,
                (Route::Down, &[here]) => device.download(stream, here, &mut self.host)?,
                (Route::InPlace, &[here]) => device.write(here, &self.host)?,
                (_, &[here]) => device.upload(stream, &self.host, here)?,
                _ => {}
            }
        }
        device.wait(device.fence(stream)?, PATIENCE)?;
        Ok(began.elapsed())
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        for (device, region) in self.regions.drain(..) {
            // A device that is lost keeps nothing, and one that refuses says so at the next call.
            let _kept = device.free(region);
        }
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_device::{HostDevice, HostSettings, SimDevice, SimSettings};

    use super::*;

    fn measured(device: impl Device + 'static) -> Measured {
        Measured { device: Arc::new(device), pinned: None, peers: Vec::new(), bare: None }
    }

    fn measure(measured: &mut Measured) -> (DeviceReport, Vec<LeftOut>) {
        let mut left_out = Vec::new();
        let report = measured.measure(&Plan::smoke(), &Progress::silent(), &mut left_out);
        (report, left_out)
    }

    #[test]
    fn the_host_stands_beside_memcpy() {
        let mut host = measured(HostDevice::open(HostSettings::default()).unwrap());
        host.bare = Some(Box::<Memcpy>::default());
        let (report, left_out) = measure(&mut host);
        assert!(left_out.is_empty(), "{left_out:?}");
        assert_eq!(report.rows.len(), host.routes().len());
        for row in &report.rows {
            let bare = row.bare.as_ref().unwrap();
            assert!(bare.name == "memcpy" && bare.figure.best_bytes_per_s > 0.0);
            assert!(row.figure.best_bytes_per_s > 0.0);
        }
        let copy = &report.rows[0];
        assert_eq!((copy.from.as_str(), copy.to.as_str()), ("host", "host"));
        assert_eq!(copy.counted_bytes, 2 * Plan::smoke().copied.get(), "read and written");
    }

    #[test]
    fn a_route_that_fails_is_left_out_and_memory_comes_back() {
        let device = Arc::new(SimDevice::new(SimSettings::default()).unwrap());
        let mut sim = measured(SimDevice::new(SimSettings::default()).unwrap());
        sim.device = device.clone();
        // It cannot copy to a device that it does not reach.
        let other = SimSettings { place: Place::Sim(1), ..SimSettings::default() };
        sim.peers = vec![Arc::new(SimDevice::new(other).unwrap())];
        let free = device.memory().unwrap().free;
        let (report, left_out) = measure(&mut sim);
        assert_eq!(report.rows.len(), sim.routes().len() - 1);
        assert!(
            left_out.len() == 1 && left_out[0].failed && left_out[0].why.contains("another device"),
            "{left_out:?}"
        );
        assert_eq!(device.memory().unwrap().free, free);
    }
}
