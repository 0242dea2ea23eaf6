//! A device under trial, and the short words that checks are written in.

use std::fmt::Debug;
use std::ops::Deref;
use std::sync::Arc;

use super::{Failure, Options};
use crate::{
    Bytes, Device, DeviceError, Facts, Region, Request, SimDevice, SimSettings, Span, StorageMode, Stream,
};

/// Why a check ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It does not apply.
    Skipped(&'static str),
    /// It failed.
    Failed(Failure),
}

/// A failure at `step`.
pub(super) fn failed(step: impl Into<String>, why: impl Into<String>) -> Stop {
    Stop::Failed(Failure { step: step.into(), why: why.into() })
}

/// What must work.
pub(super) fn must<T>(step: &str, result: Result<T, DeviceError>) -> Result<T, Stop> {
    result.map_err(|error| failed(step, format!("it was refused: {error} ({error:?})")))
}

/// What must be so.
pub(super) fn so(step: &str, is: bool, why: impl FnOnce() -> String) -> Result<(), Stop> {
    if is { Ok(()) } else { Err(failed(step, why())) }
}

/// What must be refused, and how.
macro_rules! refused {
    ($step:expr, $call:expr, $pattern:pat) => {
        $crate::conformance::trial::refusal($step, $call, stringify!($pattern), |error| {
            matches!(error, $pattern)
        })?
    };
}
pub(super) use refused;

pub(super) fn refusal<T>(
    step: &str,
    result: Result<T, DeviceError>,
    expected: &str,
    fits: impl FnOnce(&DeviceError) -> bool,
) -> Result<(), Stop> {
    match result {
        Err(error) if fits(&error) => Ok(()),
        Err(error) => Err(failed(step, format!("expected {expected}, and it says {error:?}"))),
        Ok(_) => Err(failed(step, format!("expected {expected}, and it was accepted"))),
    }
}

/// A size as an index of a slice.
pub(super) fn index(n: u64) -> usize {
    Bytes::new(n).as_usize()
}

/// Bytes that differ from place to place and from seed to seed.
pub(super) fn pattern(bytes: usize, seed: u64) -> Vec<u8> {
    let byte = |at: u64| {
        let mixed = (at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed.wrapping_mul(0xd6e8_feb8_6659_fd93);
        (mixed ^ (mixed >> 29)).to_be_bytes()[3]
    };
    (0..bytes as u64).map(byte).collect()
}

/// A device and what the suite may do to it.
#[derive(Debug)]
pub struct Trial<'d> {
    /// The device.
    pub device: &'d Arc<dyn Device>,
    /// What may be expected and done.
    pub options: &'d Options,
}

impl<'d> Trial<'d> {
    /// A trial of this device.
    pub fn new(device: &'d Arc<dyn Device>, options: &'d Options) -> Self {
        Self { device, options }
    }

    pub(super) fn facts(&self) -> &Facts {
        self.device.facts()
    }

    /// An allocation that must work.
    pub(super) fn allocate(&self, bytes: u64, mode: StorageMode) -> Result<Held<'_>, Stop> {
        let request = Request::new(Bytes::new(bytes), mode);
        let region = must(&format!("allocating {bytes} bytes as {mode:?}"), self.device.allocate(request))?;
        Ok(self.hold(region))
    }

    /// A region that is given back when the check ends, however it ends.
    pub(super) fn hold(&self, region: Region) -> Held<'_> {
        Held { device: self.device.as_ref(), region: Some(region) }
    }

    /// The modes that the device offers. What its facts promise must be among them.
    pub(super) fn modes(&self) -> Result<Vec<StorageMode>, Stop> {
        let can = self.facts().capabilities;
        let mut offered = Vec::new();
        for (mode, promised) in [
            (StorageMode::Shared, can.shared),
            (StorageMode::Private, can.private),
            (StorageMode::Managed, can.managed),
        ] {
            match self.device.allocate(Request::new(Bytes::new(64), mode)) {
                Ok(region) => {
                    drop(self.hold(region));
                    offered.push(mode);
                }
                Err(DeviceError::Unsupported { .. }) if !promised => {}
                Err(error) => {
                    return Err(failed(format!("allocating 64 bytes as {mode:?}"), error.to_string()));
                }
            }
        }
        so("looking for a storage mode", !offered.is_empty(), || "the device offers none".to_owned())?;
        Ok(offered)
    }

    /// The mode that checks use where any will do.
    pub(super) fn any_mode(&self) -> Result<StorageMode, Stop> {
        Ok(self.modes()?[0])
    }

    /// A mode in which the host can read what the device wrote without asking a stream.
    pub(super) fn shared(&self) -> Result<StorageMode, Stop> {
        let offered = self.modes()?.contains(&StorageMode::Shared);
        offered.then_some(StorageMode::Shared).ok_or(Stop::Skipped("the device has no shared memory"))
    }

    /// Waits for all that is on a stream.
    pub(super) fn settle(&self, stream: Stream) -> Result<(), Stop> {
        let fence = must("putting a fence on a stream", self.device.fence(stream))?;
        must("waiting for a fence", self.device.wait(fence, self.options.patience))
    }

    /// Puts bytes somewhere, in every mode, and waits until they are there.
    pub(super) fn put(&self, target: Span<'_>, bytes: &[u8]) -> Result<(), Stop> {
        must("uploading", self.device.upload(Stream(0), bytes, target))?;
        self.settle(Stream(0))
    }

    /// Takes bytes from somewhere, in every mode.
    pub(super) fn get(&self, source: Span<'_>) -> Result<Vec<u8>, Stop> {
        let mut bytes = vec![0; source.bytes().as_usize()];
        must("downloading", self.device.download(Stream(0), source, &mut bytes))?;
        Ok(bytes)
    }

    /// Bytes that must be what was put there, where the device keeps any.
    pub(super) fn same(&self, step: &str, found: &[u8], wanted: &[u8]) -> Result<(), Stop> {
        if !self.options.contents {
            return Ok(());
        }
        let differs = found.iter().zip(wanted).position(|(found, wanted)| found != wanted);
        match differs {
            None => so(step, found.len() == wanted.len(), || {
                format!("{} bytes instead of {}", found.len(), wanted.len())
            }),
            Some(at) => Err(failed(
                step,
                format!("byte {at} of {} is {:#04x} instead of {:#04x}", wanted.len(), found[at], wanted[at]),
            )),
        }
    }

    /// What a span holds must be this.
    pub(super) fn holds(&self, step: &str, span: Span<'_>, wanted: &[u8]) -> Result<(), Stop> {
        self.same(step, &self.get(span)?, wanted)
    }

    /// A region of another device.
    pub(super) fn foreign() -> Result<Region, Stop> {
        let other = must("making another device", SimDevice::new(SimSettings::default()))?;
        let request = Request::new(Bytes::kib(4), StorageMode::Shared);
        must("allocating on another device", other.allocate(request))
    }
}

/// A region that goes back to its device when this is dropped.
#[derive(Debug)]
pub struct Held<'d> {
    device: &'d dyn Device,
    region: Option<Region>,
}

impl Held<'_> {
    /// A part of it, which must be within.
    pub(super) fn part(&self, start: u64, end: u64) -> Result<Span<'_>, Stop> {
        must(&format!("taking bytes {start}..{end} of a region"), self.span(start..end))
    }

    /// Gives it back now, which must work.
    pub(super) fn give_back(mut self) -> Result<(), Stop> {
        match self.region.take() {
            Some(region) => {
                must("giving a region back", self.device.free(region).map_err(|refused| refused.error))
            }
            None => Ok(()),
        }
    }
}

impl Deref for Held<'_> {
    type Target = Region;

    fn deref(&self) -> &Region {
        match &self.region {
            Some(region) => region,
            None => unreachable!("a region is only taken by what consumes this"),
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(region) = self.region.take() {
            let _ = self.device.free(region);
        }
    }
}

/// A shorter way to say what a debug value was.
pub(super) fn was(what: impl Debug) -> impl FnOnce() -> String {
    move || format!("it is {what:?}")
}
