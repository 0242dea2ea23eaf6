//! A small engine for scenarios: one account, one simulated device, and a ledger that must balance at the end.

#![allow(dead_code, reason = "each scenario uses its part")]

use std::sync::Arc;
use std::time::Duration;

use plimsoll::governor::{Account, Governor};
use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::pool::{Pool, PoolSettings};
use plimsoll::{Bytes, Place};
use plimsoll_device::sim::SimSettings;
use plimsoll_device::{Capabilities, SimDevice};

pub const PLACE: Place = Place::Sim(0);

/// One account that may have the whole line of a simulated device.
pub struct Bench {
    pub governor: Governor,
    pub account: Account,
    pub device: Arc<SimDevice>,
}

impl Bench {
    /// A line of so much on a device of twice that, unified, with real bytes and growable ranges.
    pub fn new(line: Bytes) -> Self {
        Self::with(line, SimSettings { unified: true, ..SimSettings::default() })
    }

    /// The same on a device without growable ranges.
    pub fn slabs(line: Bytes) -> Self {
        let capabilities =
            Capabilities { growable_ranges: false, shared: true, private: true, managed: true };
        Self::with(line, SimSettings { unified: true, capabilities, ..SimSettings::default() })
    }

    pub fn with(line: Bytes, mut settings: SimSettings) -> Self {
        settings.total = Bytes::new(line.get() * 2);
        settings.place = PLACE;
        let device = Arc::new(SimDevice::new(settings).expect("the settings are sound"));
        let governor = Governor::open(&LedgerSettings {
            places: vec![LineSettings::new(PLACE, line)],
            accounts: vec![
                AccountSettings::new("work").share(PLACE, Bytes::ZERO, line),
                AccountSettings::new("other").share(PLACE, Bytes::ZERO, line),
            ],
        })
        .expect("the accounts add up");
        let account = governor.account("work").expect("it was just made");
        Self { governor, account, device }
    }

    pub fn pool(&self) -> Pool {
        self.pool_with(PoolSettings { fence_deadline: Duration::from_millis(20), ..Self::settings() })
    }

    pub fn pool_with(&self, settings: PoolSettings) -> Pool {
        Pool::new(&self.account, self.device.clone(), settings).expect("the range can be reserved")
    }

    /// A simulated device with real bytes has real addresses, so the range is kept modest.
    pub fn settings() -> PoolSettings {
        PoolSettings { span: Some(Bytes::mib(160)), ..PoolSettings::default() }
    }

    pub fn charged(&self) -> Bytes {
        self.account.charged(PLACE)
    }

    /// At the end of every scenario: nothing is charged and nothing is held on the device.
    pub fn assert_balanced(&self) {
        assert_eq!(self.charged(), Bytes::ZERO, "the ledger balances");
        assert_eq!(self.device.used(), Bytes::ZERO, "the device has everything back");
        assert!(self.governor.snapshot().is_clear());
    }
}
