//! What the governor asks when others need the memory of a tier.

use std::sync::Arc;

use plimsoll::Bytes;
use plimsoll::governor::{Emergency, HolderKind, Offer, Shrink};

use super::core::Core;
use crate::engine::Pages;
use crate::tree::Tier;

/// The hot tier as the governor knows it.
pub(super) struct HotHolder<P: Pages> {
    core: Arc<Core<P>>,
    name: String,
}

/// The warm tier as the governor knows it.
pub(super) struct WarmHolder<P: Pages> {
    core: Arc<Core<P>>,
    name: String,
}

impl<P: Pages> HotHolder<P> {
    pub fn new(core: &Arc<Core<P>>) -> Self {
        Self { core: Arc::clone(core), name: format!("{} hot", core.settings.name) }
    }
}

impl<P: Pages> WarmHolder<P> {
    pub fn new(core: &Arc<Core<P>>) -> Self {
        Self { core: Arc::clone(core), name: format!("{} warm", core.settings.name) }
    }
}

impl<P: Pages> Core<P> {
    fn offer(&self, tier: Tier) -> Offer {
        let now = self.now();
        let mut state = self.state();
        Offer { bytes: Bytes::new(state.bytes[tier]), worth: state.least_worth(tier, now) }
    }
}

impl<P: Pages> Shrink for HotHolder<P> {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> HolderKind {
        HolderKind::Holder
    }

    fn offer(&self) -> Offer {
        self.core.offer(Tier::Hot)
    }

    fn shrink(&self, want: Bytes, _emergency: &Emergency) -> Bytes {
        let (account, place) = (self.core.pages.account(), self.core.pages.place());
        let before = account.charged(place);
        let mut dropped = 0;
        while dropped < want.get() {
            let Some(copy) = self.core.give_up_hot() else { break };
            copy.forget();
            dropped += self.core.page_bytes();
        }
        self.core.pages.trim();
        before.saturating_sub(account.charged(place))
    }
}

impl<P: Pages> Shrink for WarmHolder<P> {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> HolderKind {
        HolderKind::Holder
    }

    fn offer(&self) -> Offer {
        self.core.offer(Tier::Warm)
    }

    fn shrink(&self, want: Bytes, _emergency: &Emergency) -> Bytes {
        let pool = &self.core.settings.warm.pool;
        let before = pool.account().charged(pool.place());
        let mut dropped = Bytes::ZERO;
        while dropped < want {
            let Some(bytes) = self.core.give_up_warm(f64::INFINITY) else { break };
            dropped += bytes;
        }
        // A device that fails to take memory back keeps it charged; that is for the pool to tell.
        let _ = pool.trim(Bytes::ZERO);
        before.saturating_sub(pool.account().charged(pool.place()))
    }
}
