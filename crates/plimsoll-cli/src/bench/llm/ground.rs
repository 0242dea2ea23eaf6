//! Where a model is measured: the host, or a device that has its weights and pages.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll::{Bytes, Place};
use plimsoll_device::{Device, DeviceError, Region, Request, StorageMode, Stream};
use plimsoll_kv::layout::Layout;
use plimsoll_llm::{Decoder, DeviceSplit, OwnPages, PageTable};

use super::LlmBenchError;
use crate::bench::memory::Reading;
use crate::bench::there::There;

/// What is copied at a time, where it fits.
const COPIED: Bytes = Bytes::gib(1);
/// Copies for a figure.
const COPIES: u32 = 8;
const LONGEST: Duration = Duration::from_mins(1);

/// Where it is measured, and how fast bytes can be read there.
pub(super) enum Ground {
    Host(Reading),
    /// And two regions that are copied between, where how fast it reads is of matter.
    Device(Box<There>, Option<Copies>),
}

impl Ground {
    /// On the host, by so many threads.
    pub(super) fn host(decoder: Decoder, threads: usize) -> Result<(Arc<Decoder>, Self), LlmBenchError> {
        let bytes = decoder.step_bytes();
        let reading = Reading::new(bytes, threads).ok_or(LlmBenchError::Memory { bytes })?;
        Ok((Arc::new(decoder), Self::Host(reading)))
    }

    /// On a device, in most of what it has free.
    pub(super) fn device(decoder: Decoder, place: Place) -> Result<(Arc<Decoder>, Self), LlmBenchError> {
        let (decoder, device, there) = There::bring(decoder, place)?;
        let copies = Copies::open(&device)?;
        Ok((decoder, Self::Device(Box::new(there), Some(copies))))
    }

    /// Divided between a device and page-locked memory.
    pub(super) fn divided(
        decoder: Decoder,
        devices: (&Arc<dyn Device>, &Arc<dyn Device>),
        split: &DeviceSplit,
    ) -> Result<(Arc<Decoder>, Self), LlmBenchError> {
        let (decoder, there) = There::divide(decoder, devices, split)?;
        Ok((decoder, Self::Device(Box::new(there), None)))
    }

    /// Pages of a sequence.
    pub(super) fn pages(&self, layout: &Layout) -> Box<dyn PageTable> {
        match self {
            Self::Host(_) => Box::new(OwnPages::new(layout)),
            Self::Device(there, _) => there.pages(layout),
        }
    }

    /// Bytes a second that can be read now.
    pub(super) fn rate(&mut self) -> Result<f64, LlmBenchError> {
        match self {
            Self::Host(reading) => Ok(reading.rate()),
            Self::Device(_, copies) => Ok(copies.as_ref().map_or(Ok(0.0), Copies::rate)?),
        }
    }
}

/// Two regions of a device, which are copied between.
pub(super) struct Copies {
    device: Arc<dyn Device>,
    stream: Stream,
    /// None only while they are being given back.
    regions: Option<[Region; 2]>,
}

impl Copies {
    fn open(device: &Arc<dyn Device>) -> Result<Self, DeviceError> {
        let bytes = COPIED.min(Bytes::new(device.memory()?.free.get() / 8));
        let region = || device.allocate(Request::new(bytes, StorageMode::Private));
        let stream = device.stream()?;
        let one = region()?;
        let other = match region() {
            Ok(other) => other,
            Err(error) => {
                drop(device.free(one));
                return Err(error);
            }
        };
        Ok(Self { device: Arc::clone(device), stream, regions: Some([one, other]) })
    }

    /// What copies within the device read and write a second.
    fn rate(&self) -> Result<f64, DeviceError> {
        let Some([one, other]) = &self.regions else { return Ok(0.0) };
        let mut took = Duration::ZERO;
        // The first one is warm-up.
        for times in [1, COPIES] {
            let began = Instant::now();
            for _ in 0..times {
                self.device.copy(self.stream, one.whole(), other.whole())?;
            }
            self.device.wait(self.device.fence(self.stream)?, LONGEST)?;
            took = began.elapsed();
        }
        #[expect(clippy::cast_precision_loss, reason = "a count, for a rate")]
        let bytes = (2 * u64::from(COPIES) * one.bytes().get()) as f64;
        Ok(bytes / took.as_secs_f64())
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        for region in self.regions.take().into_iter().flatten() {
            // A device that cannot take it back keeps it until it is closed.
            drop(self.device.free(region));
        }
    }
}
