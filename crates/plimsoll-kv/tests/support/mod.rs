//! An engine that computes nothing but can tell whether a block is right, and a store that fails on order.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use plimsoll::ledger::{LedgerSettings, LineSettings};
use plimsoll::{Bytes, Engine, Place};
use plimsoll_device::{HostDevice, HostSettings};
use plimsoll_kv::block::{BlockId, Chain, Root, Token};
use plimsoll_kv::cache::{Cache, CacheSettings, ColdSettings, Rate, Rates, Restored, Shared, Split};
use plimsoll_kv::engine::{LeasedPages, Pages};
use plimsoll_kv::layout::{Element, Layout};
use plimsoll_kv::store::{Expect, Found, Listed, Record, Room, Store, StoreError, Worth};
use plimsoll_kv::tree::Tiers;

pub const BLOCK_TOKENS: usize = 4;

pub fn layout() -> Layout {
    // 4 layers × 2 × 1024 × 4 tokens × 2 bytes: 64 KiB a block.
    Layout::uniform(4, 2, 512, Element::F16, 4)
}

pub fn root() -> Root {
    Root::of(b"a model", &layout()).build()
}

pub struct World {
    pub engine: Engine,
    pub cache: Cache<LeasedPages>,
    pub layout: Layout,
}

/// A cache of so many KiB under a ledger of its own. Restoring is taken to be cheap, so that everything is tried.
pub fn world(
    total_kib: u64,
    layout: &Layout,
    store: Option<Arc<dyn Store>>,
    tune: impl FnOnce(&mut CacheSettings),
) -> World {
    let total = Bytes::kib(total_kib);
    let split = Split::default();
    let ledger = LedgerSettings {
        places: vec![LineSettings::new(Place::Host, total), LineSettings::new(Place::Disk, total)],
        accounts: split.accounts("kv", total, Place::Host),
    };
    let device = HostDevice::open(HostSettings::default()).unwrap();
    let engine = Engine::with(&ledger, vec![Arc::new(device)]).unwrap();
    let pages =
        LeasedPages::new(layout.clone(), engine.account("kv/hot").unwrap().scratch(Place::Host).unwrap())
            .unwrap();
    let warm = engine.account("kv/warm").unwrap().scratch(Place::Host).unwrap();
    let mut settings = CacheSettings::new("kv", warm);
    if let Some(store) = store {
        settings = settings.cold(ColdSettings::new(store));
    }
    settings = settings.exact();
    settings.threads = false;
    settings.rates = Rates {
        tiers: Tiers([Rate::new(0.0, 1e12), Rate::new(0.0, 1e12), Rate::new(0.0, 1e12)]),
        token: 1.0,
    };
    tune(&mut settings);
    World { cache: Cache::open(pages, settings).unwrap(), engine, layout: layout.clone() }
}

/// What a block must hold: all of it follows from the tokens up to its end.
pub fn content(layout: &Layout, tokens: &[Token]) -> Vec<u8> {
    let mut seed = tokens.iter().fold(0x1234_5678_9abc_def0_u64, |seed, &token| {
        (seed ^ u64::from(token)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17)
    });
    let mut bytes = vec![0; layout.block_bytes()];
    for pair in bytes.chunks_exact_mut(2) {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Halves between 1 and 2: any of them can be quantized.
        let half = 0x3c00 | u16::try_from(seed >> 54).unwrap();
        pair.copy_from_slice(&half.to_le_bytes());
    }
    bytes
}

impl World {
    pub fn chain(&self, root: Root, tokens: &[Token]) -> Chain {
        let mut chain = Chain::new(root, self.layout.block_tokens as usize);
        chain.extend(tokens);
        chain
    }

    /// Serves a prompt as an engine does: what is stored is restored and checked, the rest computed and shared.
    /// Gives back how many blocks were restored, and all blocks.
    pub fn serve(&self, root: Root, tokens: &[Token]) -> (usize, Vec<Shared<LeasedPages>>) {
        let chain = self.chain(root, tokens);
        let mut blocks = Vec::new();
        if let Some(prefix) = self.cache.seek(&chain) {
            let Restored { blocks: restored, found } = prefix.restore(&chain).finish();
            assert!(restored.len() <= found);
            blocks = restored;
        }
        let restored = blocks.len();
        for (index, block) in blocks.iter().enumerate() {
            self.check(block, &tokens[..(index + 1) * self.layout.block_tokens as usize]);
        }
        for index in restored..chain.ids().len() {
            let upto = &tokens[..(index + 1) * self.layout.block_tokens as usize];
            let Ok(mut filling) = self.cache.fill() else { break };
            self.cache.pages().write(filling.page_mut(), 0, &content(&self.layout, upto)).unwrap();
            filling.push(chain.block(index)).unwrap();
            if self.layout.needs_snapshot() && index % 2 == 1 {
                filling.set_snapshot(&snapshot(&self.layout, upto)).unwrap();
            }
            let complete = filling.complete(Duration::from_millis(10)).unwrap();
            blocks.push(complete.share(&root, blocks.last()));
        }
        (restored, blocks)
    }

    /// A block holds what it must.
    pub fn check(&self, block: &Shared<LeasedPages>, tokens: &[Token]) {
        let bytes = self.cache.pages().bytes(block.page()).unwrap();
        assert!(bytes == content(&self.layout, tokens), "a block holds another's bytes");
        if let Some(state) = block.snapshot() {
            assert!(state == snapshot(&self.layout, tokens), "a snapshot is another's");
        }
    }

    pub fn tend(&self) {
        for _ in 0..1_000 {
            if !self.cache.tend() {
                return;
            }
        }
        panic!("there is always something to move");
    }

    /// What is charged fits, in every account and on every line.
    pub fn holds(&self) {
        for place in &self.engine.snapshot().places {
            assert!(place.charged <= place.line, "{} over its line", place.place);
        }
    }
}

pub fn snapshot(layout: &Layout, tokens: &[Token]) -> Vec<u8> {
    let bytes = usize::try_from(layout.snapshot_bytes).unwrap();
    content(layout, tokens).into_iter().cycle().skip(8).take(bytes).collect()
}

pub fn tokens(from: u32, count: usize) -> Vec<Token> {
    (from..).take(count).collect()
}

/// What a store in memory was told, and what is to go wrong with it.
#[derive(Default)]
pub struct Faults {
    pub put_fails: AtomicBool,
    pub put_panics: AtomicBool,
    pub read_fails: AtomicBool,
    pub read_panics: AtomicBool,
    pub read_waits_ms: AtomicU64,
    /// Every read finds a damaged record.
    pub damaged: AtomicBool,
    /// Blocks may come without those before them, as into a store that another one stands behind.
    pub any_order: AtomicBool,
    pub reads: AtomicU64,
    pub puts: AtomicU64,
}

struct Kept {
    listed: Listed,
    tokens: Vec<Token>,
    sections: Vec<Vec<u8>>,
    order: u64,
}

/// A store in memory.
#[derive(Default)]
pub struct MemoryStore {
    pub faults: Faults,
    pub capacity: u64,
    kept: Mutex<(u64, BTreeMap<BlockId, Kept>)>,
}

impl MemoryStore {
    pub fn new(capacity: u64) -> Arc<Self> {
        Arc::new(Self { capacity, ..Self::default() })
    }

    fn used(kept: &BTreeMap<BlockId, Kept>) -> u64 {
        kept.values().map(|kept| kept.listed.stored.get()).sum()
    }

    fn failure() -> StoreError {
        let source = std::io::Error::from_raw_os_error(5);
        StoreError::System { doing: "reading", path: "memory".into(), source }
    }
}

impl Store for MemoryStore {
    #[allow(clippy::unnecessary_literal_bound, reason = "as the trait says it")]
    fn name(&self) -> &str {
        "memory"
    }

    fn put(&self, records: &[Record<'_>]) -> Result<(), StoreError> {
        self.faults.puts.fetch_add(1, Ordering::Relaxed);
        assert!(!self.faults.put_panics.load(Ordering::Relaxed), "ordered");
        if self.faults.put_fails.load(Ordering::Relaxed) {
            return Err(Self::failure());
        }
        let mut kept = self.kept.lock().unwrap();
        for record in records {
            assert!(
                self.faults.any_order.load(Ordering::Relaxed)
                    || record.parent.is_none_or(|parent| kept.1.contains_key(&parent)),
                "a block comes before its parent"
            );
            let stored: usize = record.sections.iter().map(|section| section.len()).sum();
            let used = Self::used(&kept.1);
            if used + stored as u64 > self.capacity {
                let bytes = Bytes::new;
                return Err(StoreError::Full {
                    name: "memory".to_owned(),
                    used: bytes(used),
                    capacity: bytes(self.capacity),
                    asked: bytes(stored as u64),
                });
            }
            kept.0 += 1;
            let order = kept.0;
            let listed = Listed {
                id: record.id,
                parent: record.parent,
                root: *record.root,
                tokens: u32::try_from(record.tokens.len()).unwrap(),
                form: record.form,
                sections: record
                    .sections
                    .iter()
                    .map(|section| u32::try_from(section.len()).unwrap())
                    .collect(),
                stored: Bytes::new(stored as u64),
                worth: Worth { ..record.worth },
            };
            let sections = record.sections.iter().map(|section| section.to_vec()).collect();
            kept.1.entry(record.id).or_insert(Kept {
                listed,
                tokens: record.tokens.to_vec(),
                sections,
                order,
            });
        }
        Ok(())
    }

    fn read(
        &self,
        id: BlockId,
        expect: &Expect<'_>,
        sections: Range<usize>,
        into: &mut [u8],
    ) -> Result<Found, StoreError> {
        self.faults.reads.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(self.faults.read_waits_ms.load(Ordering::Relaxed)));
        assert!(!self.faults.read_panics.load(Ordering::Relaxed), "ordered");
        if self.faults.read_fails.load(Ordering::Relaxed) {
            return Err(Self::failure());
        }
        if self.faults.damaged.load(Ordering::Relaxed) {
            return Ok(Found::No);
        }
        let kept = self.kept.lock().unwrap();
        let Some(record) = kept.1.get(&id) else { return Ok(Found::No) };
        let same = record.listed.parent == expect.parent
            && record.listed.root == *expect.root
            && record.tokens == expect.tokens
            && record.listed.form == expect.form;
        if !same {
            return Ok(Found::No);
        }
        let bytes: Vec<u8> = record.sections[sections].concat();
        into.copy_from_slice(&bytes);
        Ok(Found::Yes)
    }

    fn remove(&self, ids: &[BlockId]) -> Result<(), StoreError> {
        let mut kept = self.kept.lock().unwrap();
        for id in ids {
            kept.1.remove(id);
        }
        Ok(())
    }

    fn list(&self, tell: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
        let kept = self.kept.lock().unwrap();
        let mut all: Vec<&Kept> = kept.1.values().collect();
        all.sort_by_key(|kept| kept.order);
        for kept in all {
            tell(kept.listed.clone());
        }
        Ok(())
    }

    fn room(&self) -> Room {
        let kept = self.kept.lock().unwrap();
        let used = Bytes::new(Self::used(&kept.1));
        Room { capacity: Bytes::new(self.capacity), used, blocks: kept.1.len() as u64, ..Room::default() }
    }
}
