//! A small ledger for the scenarios of the holdings.
#![allow(dead_code, clippy::unwrap_used, reason = "each scenario uses its part, and cannot go on without it")]

use plimsoll::governor::Governor;
use plimsoll::holding::Site;
use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::{Bytes, Place};

/// A ledger with a line and one account, "work", that may use all of it.
pub struct Yard {
    pub governor: Governor,
}

impl Yard {
    pub fn of(line: Bytes) -> Self {
        Self::with(line, &[("work", Bytes::ZERO, line)])
    }

    /// Accounts as (path, guaranteed, limit).
    pub fn with(line: Bytes, accounts: &[(&str, Bytes, Bytes)]) -> Self {
        let accounts = accounts
            .iter()
            .map(|&(path, guaranteed, limit)| {
                AccountSettings::new(path).share(Place::Host, guaranteed, limit)
            })
            .collect();
        let settings = LedgerSettings { places: vec![LineSettings::new(Place::Host, line)], accounts };
        let governor = Governor::open(&settings).unwrap();
        Self { governor }
    }

    pub fn site(&self, path: &str) -> Site {
        Site::new(&self.governor.account(path).unwrap(), Place::Host)
    }

    pub fn work(&self) -> Site {
        self.site("work")
    }

    pub fn charged(&self, path: &str) -> Bytes {
        self.governor.account(path).unwrap().charged(Place::Host)
    }

    /// Everything came back.
    #[track_caller]
    pub fn balances_to_zero(&self, paths: &[&str]) {
        assert!(self.governor.snapshot().is_clear());
        for path in paths {
            assert_eq!(self.charged(path), Bytes::ZERO, "{path} still has something");
        }
    }
}
