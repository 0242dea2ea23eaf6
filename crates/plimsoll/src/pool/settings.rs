//! What a pool may be told, and what it assumes when it is not.

use std::time::Duration;

use plimsoll_device::{Bytes, StorageMode};

use super::arena::Slack;

/// How a pool behaves. The defaults suit host and GPU memory; nothing needs to be set for a first result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// How the pool's memory may be reached. Default: [`StorageMode::Shared`] where the device is unified,
    /// [`StorageMode::Private`] elsewhere.
    pub mode: Option<StorageMode>,
    /// The address range that the pool grows in, on devices that have growable ranges. Addresses cost
    /// nothing; default: four times the device's memory, at least 64 GiB.
    pub span: Option<Bytes>,
    /// The most that one thread's cache of free blocks may keep; a quarter of it for any one size. It is called
    /// in whenever memory is short. Default: 1/128 of the device's memory, from 16 to 512 MiB.
    pub thread_cache: Option<Bytes>,
    /// How much idle backed memory the pool may keep before it moves idle granules instead of taking new ones.
    /// Less saves memory, more saves calls to the device.
    pub slack: Slack,
    /// How long the pool waits for a fence where waiting is its last resort. After that, what waits is
    /// *poisoned*: it stays charged until the fence signals after all or the device is gone. Default 10 s.
    pub fence_deadline: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            mode: None,
            span: None,
            thread_cache: None,
            slack: Slack::MEASURED,
            fence_deadline: Duration::from_secs(10),
        }
    }
}

impl PoolSettings {
    /// What one thread's cache may keep, on a device with so much memory.
    pub(super) fn thread_cache_for(&self, total: Bytes) -> Bytes {
        let usual = Bytes::new(total.get() / 128).clamp(Bytes::mib(16), Bytes::mib(512));
        self.thread_cache.unwrap_or(usual)
    }
}
