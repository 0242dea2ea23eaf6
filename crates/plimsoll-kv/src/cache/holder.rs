//! What the governor asks when others need the memory of a tier.

use std::sync::Arc;

use plimsoll::Bytes;
use plimsoll::governor::{Emergency, HolderKind, Offer, Shrink};
use plimsoll::pool::Pool;

use super::core::Core;
use crate::engine::Pages;
use crate::tree::Tier;

/// A tier in memory as the governor knows it.
pub(super) struct Holder<P: Pages> {
    core: Arc<Core<P>>,
    name: String,
    tier: Held,
}

/// Which.
#[derive(Clone, Copy)]
pub(super) enum Held {
    Hot,
    Warm,
}

impl<P: Pages> Holder<P> {
    pub fn new(core: &Arc<Core<P>>, tier: Held) -> Self {
        let what = match tier {
            Held::Hot => "hot",
            Held::Warm => "warm",
        };
        Self { core: Arc::clone(core), name: format!("{} {what}", core.settings.name), tier }
    }

    /// Gives up one copy, and says what it was counted as.
    fn give_up(&self) -> Option<Bytes> {
        match self.tier {
            Held::Hot => self.core.give_up_hot().map(|copy| {
                copy.forget();
                Bytes::new(self.core.page_bytes())
            }),
            Held::Warm => self.core.give_up_warm(f64::INFINITY),
        }
    }

    /// What is charged for the tier.
    fn charged(&self) -> Bytes {
        let pool: &Pool = &self.core.settings.warm.pool;
        match self.tier {
            Held::Hot => self.core.pages.account().charged(self.core.pages.place()),
            Held::Warm => pool.account().charged(pool.place()),
        }
    }

    /// Memory that no copy is in goes back.
    fn trim(&self) {
        match self.tier {
            Held::Hot => self.core.pages.trim(),
            // A device that fails to take memory back keeps it charged; that is for the pool to tell.
            Held::Warm => drop(self.core.settings.warm.pool.trim(Bytes::ZERO)),
        }
    }
}

impl<P: Pages> Shrink for Holder<P> {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> HolderKind {
        HolderKind::Holder
    }

    fn offer(&self) -> Offer {
        let tier = match self.tier {
            Held::Hot => Tier::Hot,
            Held::Warm => Tier::Warm,
        };
        let now = self.core.now();
        let mut state = self.core.state();
        Offer { bytes: Bytes::new(state.bytes[tier]), worth: state.least_worth(tier, now) }
    }

    fn shrink(&self, want: Bytes, _emergency: &Emergency) -> Bytes {
        let before = self.charged();
        let mut dropped = Bytes::ZERO;
        while dropped < want {
            let Some(bytes) = self.give_up() else { break };
            dropped += bytes;
        }
        self.trim();
        before.saturating_sub(self.charged())
    }
}
