//! A cache to measure, and prompts for it.

use std::sync::Arc;
use std::time::Duration;

use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::{Bytes, Engine, Place};
use plimsoll_device::{Device, HostDevice, HostSettings};
use plimsoll_kv::block::{Chain, Root, Token};
use plimsoll_kv::cache::{Cache, CacheSettings, Rate, Rates, Shared};
use plimsoll_kv::engine::{LeasedPages, Pages};
use plimsoll_kv::layout::{Element, Layout};
use plimsoll_kv::tree::Tiers;

use super::KvBenchError;

/// Tokens of a block.
pub(super) const TOKENS: u32 = 16;

/// Blocks of 2 MiB: 32 layers of 8 heads of 128 halves, 16 tokens, as an 8B model has them.
pub(super) fn layout() -> Layout {
    Layout::uniform(32, 8, 128, Element::F16, TOKENS)
}

/// A cache and the ledger it stands in.
pub(super) struct Stand {
    pub engine: Engine,
    pub cache: Cache<LeasedPages>,
    pub root: Root,
    pattern: Vec<u8>,
}

impl Stand {
    /// A cache with room for so many blocks in each tier in memory.
    pub fn new(
        device: &Arc<dyn Device>,
        layout: &Layout,
        blocks: usize,
        tune: impl FnOnce(&Engine, CacheSettings) -> Result<CacheSettings, KvBenchError>,
    ) -> Result<Self, KvBenchError> {
        let place = device.facts().place;
        // A granule more for each pool, and what the disk of the cold tier may need.
        let room = Bytes::new((layout.block_bytes() * (blocks + 4)) as u64) + Bytes::mib(8);
        // Two prompts lie below that take turns above.
        let below = room + room;
        let (hot, warm, cold) = ("kv/hot", "kv/warm", "kv/cold");
        let account = |path, place, bytes| AccountSettings::new(path).share(place, Bytes::ZERO, bytes);
        let both = if place == Place::Host {
            AccountSettings::new("kv").share(Place::Host, Bytes::ZERO, room + below)
        } else {
            AccountSettings::new("kv").share(place, Bytes::ZERO, room).share(Place::Host, Bytes::ZERO, below)
        };
        let mut places = vec![
            LineSettings::new(Place::Host, room + below),
            LineSettings::new(Place::Disk, Bytes::gib(16)),
        ];
        let mut devices: Vec<Arc<dyn Device>> = vec![Arc::clone(device)];
        if place != Place::Host {
            places.push(LineSettings::new(place, room + Bytes::mib(64)));
            devices.push(Arc::new(HostDevice::open(HostSettings::default())?));
        }
        let ledger = LedgerSettings {
            places,
            accounts: vec![
                both.share(Place::Disk, Bytes::ZERO, Bytes::gib(16)),
                account(hot, place, room),
                account(warm, Place::Host, below),
                account(cold, Place::Disk, Bytes::gib(16)),
            ],
        };
        let engine = Engine::with(&ledger, devices)?;
        let pages = LeasedPages::new(layout.clone(), engine.account(hot)?.scratch(place)?)?;
        let mut settings = CacheSettings::new("kv", engine.account(warm)?.scratch(Place::Host)?);
        settings.threads = false;
        // Everything that is stored is restored: what that takes is what is measured.
        let fast = Rate::new(0.0, 1e15);
        settings.rates = Rates { tiers: Tiers([fast; 3]), token: 10.0 };
        let settings = tune(&engine, settings)?;
        let cache = Cache::open(pages, settings)?;
        let pattern = pattern(layout.block_bytes());
        Ok(Self { pattern, engine, cache, root: Root::of(b"bench", layout).build() })
    }

    pub fn chain(&self, tokens: &[Token]) -> Chain {
        let mut chain = Chain::new(self.root, self.cache.layout().block_tokens as usize);
        chain.extend(tokens);
        chain
    }

    /// Computes a prompt's blocks, as far as they are not stored, and shares them.
    pub fn fill(&self, chain: &Chain) -> Result<Vec<Shared<LeasedPages>>, KvBenchError> {
        let mut blocks: Vec<Shared<LeasedPages>> = Vec::with_capacity(chain.ids().len());
        for index in 0..chain.ids().len() {
            let mut filling = self.cache.fill()?;
            self.cache.pages().write(filling.page_mut(), 0, &self.pattern)?;
            // A block's tokens are as many as it has room for.
            let _ = filling.push(chain.block(index));
            let Ok(complete) = filling.complete(Duration::from_millis(100)) else {
                return Err(KvBenchError::Nothing("a block is not whole".to_owned()));
            };
            blocks.push(complete.share(&self.root, blocks.last()));
        }
        Ok(blocks)
    }
}

impl Stand {
    /// Everything leaves the warm tier, as when others want its memory.
    pub fn press_warm(&self) -> Result<(), KvBenchError> {
        let (path, place) = ("kv/warm", Place::Host);
        let account = self.engine.account(path)?;
        let book = self.engine.snapshot();
        let limit = book.place(place).and_then(|place| place.share(path).map(|share| share.limit));
        // Refused or granted, whoever could give has been asked for everything.
        drop(account.reserve(place, limit.unwrap_or(Bytes::ZERO)).now());
        Ok(())
    }
}

/// Halves like those of real keys and values: around zero, most of them small.
fn pattern(bytes: usize) -> Vec<u8> {
    let mut seed = 7_u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        #[expect(clippy::cast_precision_loss, reason = "a random number between 0 and 1")]
        let unit = (seed >> 40) as f32 / (1_u32 << 24) as f32;
        unit
    };
    let mut out = Vec::with_capacity(bytes);
    while out.len() < bytes {
        let sum = next() + next() + next() + next() - 2.0;
        out.extend_from_slice(&half::f16::from_f32(sum * 2.0).to_le_bytes());
    }
    out
}

/// Below which such a part of them lies.
pub(super) fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let at = ((values.len() as f64 - 1.0) * part) as usize;
    values.get(at).copied().unwrap_or(f64::NAN)
}

/// Bytes and seconds as GB/s.
pub(super) fn speed(bytes: usize, seconds: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a speed")]
    let bytes = bytes as f64;
    bytes / seconds / 1e9
}
