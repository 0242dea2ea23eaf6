//! How a cache is set up.

use std::sync::Arc;
use std::time::Duration;

use plimsoll::holding::{Clock, WallClock};
use plimsoll::ledger::AccountSettings;
use plimsoll::pool::Pool;
use plimsoll::{Bytes, Place};

use super::Rates;
use crate::block::Root;
use crate::codec::{Packing, Precision};
use crate::gate::{Limits, Verdicts};
use crate::store::Store;

/// How many parts of a hundred each tier gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// The engine's own pages.
    pub hot: u8,
    /// Host memory.
    pub warm: u8,
    /// Disk.
    pub cold: u8,
}

impl Default for Split {
    fn default() -> Self {
        Self { hot: 60, warm: 30, cold: 10 }
    }
}

impl Split {
    /// Each tier's bytes of a total. What does not divide goes to the hot tier; parts that do not come to a hundred are
    /// taken in proportion.
    pub fn of(&self, total: Bytes) -> [Bytes; 3] {
        let sum = u64::from(self.hot) + u64::from(self.warm) + u64::from(self.cold);
        let part = |parts: u8| {
            let bytes = u128::from(total.get()) * u128::from(parts) / u128::from(sum.max(1));
            Bytes::new(u64::try_from(bytes).unwrap_or(u64::MAX))
        };
        let (warm, cold) = (part(self.warm), part(self.cold));
        [total.saturating_sub(warm + cold), warm, cold]
    }

    /// The accounts of a cache named `name`: `NAME/hot` on the engine's place, `NAME/warm` on the host, `NAME/cold` on
    /// disk, each guaranteed and limited to its part.
    pub fn accounts(&self, name: &str, total: Bytes, pages: Place) -> Vec<AccountSettings> {
        let [hot, warm, cold] = self.of(total);
        let parent = AccountSettings::new(name);
        let parent = if pages == Place::Host {
            parent.share(Place::Host, hot + warm, hot + warm)
        } else {
            parent.share(pages, hot, hot).share(Place::Host, warm, warm)
        };
        let child = |tier: &str, place, bytes| {
            AccountSettings::new(format!("{name}/{tier}")).share(place, bytes, bytes)
        };
        vec![
            parent.share(Place::Disk, cold, cold),
            child("hot", pages, hot),
            child("warm", Place::Host, warm),
            child("cold", Place::Disk, cold),
        ]
    }
}

/// The warm tier.
#[derive(Clone, Debug)]
pub struct WarmSettings {
    /// Host memory; its account is the tier's.
    pub pool: Pool,
    /// How blocks are kept in it. [`Precision::Native`] keeps every bit.
    pub precision: Precision,
}

/// The cold tier.
#[derive(Clone)]
pub struct ColdSettings {
    /// Where records are kept.
    pub store: Arc<dyn Store>,
    /// How blocks are kept in it.
    pub precision: Precision,
    /// Whether records are compressed where that pays.
    pub packing: Packing,
    /// Blocks are written so soon after they are complete, so that a process that is killed loses little. Without it,
    /// only what is evicted from memory is written.
    pub settle: Option<Duration>,
    /// A read that takes longer is given up, and its blocks are computed.
    pub patience: Duration,
}

impl ColdSettings {
    /// Four bits, uncompressed, written a second after completion, read within five.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            precision: Precision::Four,
            packing: Packing::None,
            settle: Some(Duration::from_secs(1)),
            patience: Duration::from_secs(5),
        }
    }
}

/// How a cache is set up.
#[derive(Clone)]
pub struct CacheSettings {
    /// What the governor and people call it.
    pub name: String,
    /// Host memory below the engine's pages. It also lends the cache its working memory, so there is always one.
    pub warm: WarmSettings,
    /// What is below that.
    pub cold: Option<ColdSettings>,
    /// What transfers and computing are taken to cost until they are measured.
    pub rates: Rates,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Whether blocks are moved by threads of the cache. Without them, whoever calls [`Cache::tend`](super::Cache::tend)
    /// does: for tests, and for engines with threads of their own.
    pub threads: bool,
}

impl CacheSettings {
    /// A cache with a warm tier of eight bits in this pool, and nothing below it.
    pub fn new(name: impl Into<String>, warm: Pool) -> Self {
        Self {
            name: name.into(),
            warm: WarmSettings { pool: warm, precision: Precision::Eight },
            cold: None,
            rates: Rates::default(),
            clock: Arc::new(WallClock::default()),
            threads: true,
        }
    }

    /// The same over a cold tier.
    #[must_use]
    pub fn cold(mut self, cold: ColdSettings) -> Self {
        self.cold = Some(cold);
        self
    }

    /// The same, with no coarser precision in any tier than was measured for this model and found good enough: what was
    /// never measured stays native. `plimsoll kv gate` measures.
    #[must_use]
    pub fn gated(mut self, verdicts: &Verdicts, root: &Root, limits: &Limits) -> Self {
        self.warm.precision = verdicts.allowed(root, self.warm.precision, limits);
        if let Some(cold) = &mut self.cold {
            cold.precision = verdicts.allowed(root, cold.precision, limits);
        }
        self
    }

    /// The same, keeping every bit of every block in all tiers.
    #[must_use]
    pub fn exact(mut self) -> Self {
        self.warm.precision = Precision::Native;
        if let Some(cold) = &mut self.cold {
            (cold.precision, cold.packing) = (Precision::Native, Packing::Planes);
        }
        self
    }
}
