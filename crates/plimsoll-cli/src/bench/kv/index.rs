//! Finding a prefix among very many blocks, and what a block takes of memory.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use plimsoll::Bytes;
use plimsoll_device::{Device, HostDevice, HostSettings};
use plimsoll_kv::block::{BlockId, Chain, Token};
use plimsoll_kv::cache::ColdSettings;
use plimsoll_kv::codec::{Codec, Packing, Precision};
use plimsoll_kv::layout::{Element, Layout};
use plimsoll_kv::store::{Expect, Found, Listed, Record, Room, Store, StoreError, Worth};

use super::report::Target;
use super::stand::{Stand, TOKENS, quantile};
use super::{KvArgs, KvBenchError, KvRow};
use crate::bench::{median, resident};

/// Blocks of a prompt.
const PROMPT: usize = 1_000;

/// A store that tells of blocks and has no bytes of them.
struct Told(Vec<Listed>);

impl Store for Told {
    #[allow(clippy::unnecessary_literal_bound, reason = "as the trait says it")]
    fn name(&self) -> &str {
        "told"
    }

    fn put(&self, _: &[Record<'_>]) -> Result<(), StoreError> {
        Ok(())
    }

    fn read(&self, _: BlockId, _: &Expect<'_>, _: Range<usize>, _: &mut [u8]) -> Result<Found, StoreError> {
        Ok(Found::No)
    }

    fn remove(&self, _: &[BlockId]) -> Result<(), StoreError> {
        Ok(())
    }

    fn list(&self, tell: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
        self.0.iter().cloned().for_each(&mut *tell);
        Ok(())
    }

    fn room(&self) -> Room {
        Room::default()
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures")]
pub(super) fn rows(args: &KvArgs) -> Result<Vec<KvRow>, KvBenchError> {
    let device: Arc<dyn Device> = Arc::new(HostDevice::open(HostSettings::default())?);
    let layout = Layout::uniform(2, 1, 32, Element::F16, TOKENS);
    let prompts = args.indexed() / PROMPT;
    let empty = Stand::new(&device, &layout, 8, |_, settings| Ok(settings))?;
    let hashed = Instant::now();
    let chains: Vec<Chain> = (0..prompts).map(|prompt| empty.chain(&tokens(prompt))).collect();
    let hashing = hashed.elapsed().as_secs_f64() / prompts as f64;
    let told = Arc::new(Told(listed(&layout, &chains)?));
    let before = resident();
    let stand = Stand::new(&device, &layout, 8, |_, settings| {
        Ok(settings.cold(ColdSettings { settle: None, ..ColdSettings::new(told) }))
    })?;
    let taken = resident().saturating_sub(before);
    let blocks = stand.cache.stats().blocks;
    let mut times = Vec::new();
    // A stride that is prime to the number of prompts: each is looked for when it has long left the caches.
    for visit in 0..prompts * args.turns().min(4) {
        let chain = &chains[visit * 389 % prompts];
        let began = Instant::now();
        let prefix = stand.cache.seek(chain);
        times.push(began.elapsed().as_secs_f64() * 1e6);
        if prefix.is_none_or(|prefix| prefix.blocks() != PROMPT) {
            return Err(KvBenchError::Nothing("a prefix was not found whole".to_owned()));
        }
    }
    let p99 = quantile(&mut times, 0.99);
    let row = |what: String, value, unit, target| KvRow {
        what,
        value,
        unit,
        beside: String::new(),
        peer: None,
        target,
    };
    let found = format!("find a prefix of {PROMPT} blocks among {blocks}");
    Ok(vec![
        row(found, median(times), "us", Some(Target::AtMost(50.0))),
        row("  the slowest of a hundred".to_owned(), p99, "us", None),
        row(format!("  hash its {} tokens, once", PROMPT * TOKENS as usize), hashing * 1e6, "us", None),
        row(
            "index, a block, as it counts itself".to_owned(),
            stand.cache.stats().index_bytes_per_block,
            "bytes",
            Some(Target::AtMost(128.0)),
        ),
        row(
            "index, a block, as the process grew".to_owned(),
            taken as f64 / blocks.max(1) as f64,
            "bytes",
            Some(Target::AtMost(128.0)),
        ),
    ])
}

fn tokens(prompt: usize) -> Vec<Token> {
    let from = u32::try_from(prompt).unwrap_or(u32::MAX).wrapping_mul(0x9e37_79b1);
    (0..PROMPT * TOKENS as usize).map(|at| from.wrapping_add(u32::try_from(at).unwrap_or(0))).collect()
}

fn listed(layout: &Layout, chains: &[Chain]) -> Result<Vec<Listed>, KvBenchError> {
    let codec = Codec::new(layout, Precision::Four, Packing::None)
        .map_err(|error| KvBenchError::Nothing(error.to_string()))?;
    let sections: Vec<u32> = (0..layout.layers.len())
        .map(|layer| u32::try_from(codec.section_bytes(layer)).unwrap_or(u32::MAX))
        .collect();
    let one = |chain: &Chain, index: usize| Listed {
        id: chain.ids()[index],
        parent: index.checked_sub(1).map(|before| chain.ids()[before]),
        root: *chain.root(),
        tokens: TOKENS,
        form: codec.form().tag(),
        sections: sections.clone(),
        stored: Bytes::kib(4),
        worth: Worth { seconds: 0.01, uses: 1, used_at: 0 },
    };
    Ok(chains.iter().flat_map(|chain| (0..chain.ids().len()).map(move |index| one(chain, index))).collect())
}
