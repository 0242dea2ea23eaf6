//! One opened GPU: its context, whether it is lost, and how its driver's answers become errors.

use std::sync::atomic::AtomicU64;

use plimsoll_device::{Bytes, DeviceError, Lost};

use crate::driver::{Code, Driver, Location, Probe};

#[derive(Debug)]
pub(crate) struct Gpu {
    pub(crate) driver: Box<dyn Driver>,
    pub(crate) probe: Probe,
    /// Who may use what is mapped on it: itself, and the GPUs that reach it.
    pub(crate) reached_by: Vec<Location>,
    pub(crate) lost: Lost,
    /// All its memory, as it tells once it is opened; the driver keeps some for itself.
    pub(crate) total: Bytes,
    pub(crate) granule: u64,
    /// Managed memory that was given out: it takes room only when it is touched, so the driver does not tell.
    pub(crate) managed: AtomicU64,
}

impl Gpu {
    pub(crate) fn new(
        driver: Box<dyn Driver>,
        probe: Probe,
        reached_by: Vec<Location>,
    ) -> Result<Self, Code> {
        driver.enter()?;
        let (_, total) = driver.memory()?;
        let granule = if probe.ranges { driver.granule(Location::Gpu(probe.device))? } else { 1 << 21 };
        Ok(Self {
            driver,
            probe,
            reached_by,
            lost: Lost::default(),
            total: Bytes::new(total),
            granule,
            managed: AtomicU64::new(0),
        })
    }

    pub(crate) fn here(&self) -> Location {
        Location::Gpu(self.probe.device)
    }

    /// Makes its context current; an error when it is lost. First in everything that calls the driver.
    pub(crate) fn enter(&self) -> Result<(), DeviceError> {
        self.lost.check(&self.probe.name)?;
        self.told("entering the context", self.driver.enter())
    }

    /// The driver's answer; one after which nothing works any more makes the GPU lost.
    pub(crate) fn told<T>(&self, what: &'static str, answer: Result<T, Code>) -> Result<T, DeviceError> {
        answer.map_err(|code| {
            if code.is_fatal() {
                self.lost.set(format!("{what}: {code}"));
            }
            match self.lost.check(&self.probe.name) {
                Err(lost) => lost,
                Ok(()) => DeviceError::System { what, why: code.to_string() },
            }
        })
    }

    /// The same for what takes memory.
    pub(crate) fn gave<T>(
        &self,
        what: &'static str,
        asked: Bytes,
        answer: Result<T, Code>,
    ) -> Result<T, DeviceError> {
        match answer {
            Err(Code::OUT_OF_MEMORY) => {
                let free = self.driver.memory().map_or(0, |(free, _)| free);
                Err(DeviceError::OutOfMemory {
                    device: self.probe.name.clone(),
                    asked,
                    free: Bytes::new(free),
                })
            }
            answer => self.told(what, answer),
        }
    }
}
