//! wgpu's device and queue, with every way in which they fail turned into an error.
//!
//! wgpu tells of errors by callbacks, and panics where it cannot: the loss of a device that it notices while it
//! waits is one. Nothing of that reaches the caller: whatever cannot be laid at a caller's feet makes the device
//! lost, because wgpu drops work that it refuses and the bytes would silently be wrong.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use plimsoll_device::{DeviceError, Lost};
use wgpu::{PollError, PollType, SubmissionIndex};

/// What everything of one device shares.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    pub(crate) name: String,
    pub(crate) lost: Arc<Lost>,
}

impl Core {
    pub(crate) fn new(device: wgpu::Device, queue: wgpu::Queue, name: String) -> Self {
        let lost = Arc::new(Lost::default());
        let told = Arc::clone(&lost);
        device.set_device_lost_callback(move |reason, message| {
            told.set(match reason {
                wgpu::DeviceLostReason::Destroyed => "it was given up".to_owned(),
                wgpu::DeviceLostReason::Unknown => format!("the driver says: {message}"),
            });
        });
        let told = Arc::clone(&lost);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            told.set(format!("work was refused ({error})"));
        }));
        Self { device, queue, name, lost }
    }

    /// An error when the device is gone.
    pub(crate) fn check(&self) -> Result<(), DeviceError> {
        self.lost.check(&self.name)
    }

    /// Something to record work with.
    pub(crate) fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }

    /// Hands work to the GPU.
    pub(crate) fn submit(&self, work: wgpu::CommandBuffer) -> Result<SubmissionIndex, DeviceError> {
        self.check()?;
        let index = self.guarded(|| self.queue.submit([work]))?;
        self.check()?;
        Ok(index)
    }

    /// Looks, without waiting, at what the GPU has finished.
    pub(crate) fn look(&self) -> Result<(), DeviceError> {
        self.check()?;
        let _ = self.guarded(|| self.device.poll(PollType::Poll))?;
        self.check()
    }

    /// Waits until the GPU has finished a submission; false when the time was not enough.
    pub(crate) fn wait(
        &self,
        index: &SubmissionIndex,
        at_most: Option<Duration>,
    ) -> Result<bool, DeviceError> {
        self.wait_until(PollType::Wait { submission_index: Some(index.clone()), timeout: at_most })
    }

    /// Waits until the GPU has finished all that was handed in.
    pub(crate) fn finish(&self) -> Result<(), DeviceError> {
        self.wait_until(PollType::wait_indefinitely()).map(drop)
    }

    fn wait_until(&self, until: PollType) -> Result<bool, DeviceError> {
        self.check()?;
        let waited = self.guarded(|| self.device.poll(until))?;
        self.check()?;
        match waited {
            Ok(_) => Ok(true),
            Err(PollError::Timeout) => Ok(false),
            Err(error @ PollError::WrongSubmissionIndex(..)) => {
                self.lost.set(format!("a submission was not accepted ({error})"));
                self.check().map(|()| false)
            }
        }
    }

    /// What wgpu makes of a request that may be too much for the device, or wrong.
    pub(crate) fn attempt<T>(&self, what: impl FnOnce() -> T) -> Result<T, wgpu::Error> {
        let scopes =
            [wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Validation, wgpu::ErrorFilter::Internal]
                .map(|filter| self.device.push_error_scope(filter));
        let made = what();
        // Scopes end in the reverse order of their beginnings.
        let mut error = None;
        for scope in scopes.into_iter().rev() {
            error = error.or(pollster::block_on(scope.pop()));
        }
        error.map_or(Ok(made), Err)
    }

    fn guarded<T>(&self, what: impl FnOnce() -> T) -> Result<T, DeviceError> {
        catch_unwind(AssertUnwindSafe(what)).map_err(|panic| {
            let why = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            self.lost.set(format!("wgpu gave up ({why})"));
            DeviceError::Lost { device: self.name.clone(), why: why.to_owned() }
        })
    }
}
