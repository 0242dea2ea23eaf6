//! What writing takes, said before it begins; and the line that holds it to that.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use plimsoll::governor::Charge;
use plimsoll::holding::Streaming;
use plimsoll::holding::cached::Hit;
use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::machine::Machine;
use plimsoll::{Bytes, Engine, Place};
use plimsoll_device::Device;
use plimsoll_kv::cache::{Cache, CacheSettings, ColdSettings};
use plimsoll_kv::engine::LeasedPages;
use plimsoll_kv::layout::{Element, Layout};
use plimsoll_kv::store::folder::{Folder, FolderSettings};
use plimsoll_llm::{Decoder, DeviceRoom, DeviceSplit, Shards};

use super::error::CACHE_LEAST;
use super::ground::{Ground, host_device};
use super::model::Model;
use super::report::Parts;
use super::{GenerateArgs, GenerateError};
use crate::budget::most_of;

/// Tokens of a block. A prefix is found in whole blocks.
const BLOCK_TOKENS: u32 = 16;
/// A read from the cache's folder that takes longer is given up, and its tokens are computed.
const PATIENCE: Duration = Duration::from_secs(30);
/// A layer is computed with while the next is read.
const SLOTS_LEAST: usize = 2;

/// What is needed for a context.
pub(super) struct Forecast {
    layout: Layout,
    /// What computes, and in whose memory weights and pages are.
    place: Place,
    /// What is left there to use, if that is known.
    usable: Option<Bytes>,
    /// What the host holds besides, where it does not compute.
    beside: Bytes,
    granule: u64,
    /// All weights.
    whole: Bytes,
    /// What an adapter takes of those.
    adapter: Bytes,
    /// What can be read when it is needed, and how many of those are to be in memory, if not all are.
    shards: Option<Shards>,
    slots: Option<usize>,
    /// How it is divided between a device and page-locked memory, where only some of its layers are to stay there.
    split: Option<DeviceSplit>,
    work: Bytes,
    cached: bool,
}

impl Forecast {
    pub(super) fn new(model: &Model, device: &Arc<dyn Device>, cached: bool) -> Self {
        let decoder = &model.decoder;
        let layout = decoder.layout(BLOCK_TOKENS, Element::F16);
        let tokenizer = Bytes::new(model.tokenizer.as_ref().map_or(0, |tokenizer| tokenizer.memory_bytes()));
        let (place, granule) = (device.facts().place, device.facts().granule.max(1));
        let whole = |bytes: u64| Bytes::new(bytes.checked_next_multiple_of(granule).unwrap_or(u64::MAX));
        let adapter = Bytes::new(decoder.adapter_bytes());
        if place == Place::Host {
            return Self {
                place,
                usable: Machine::read().usable(),
                beside: Bytes::ZERO,
                granule,
                whole: Bytes::new(decoder.bytes()),
                adapter,
                shards: decoder.has_files().then(|| decoder.shards()),
                slots: None,
                split: None,
                work: Bytes::new(decoder.working_bytes(&layout)).saturating_add(tokenizer),
                layout,
                cached,
            };
        }
        Self {
            place,
            usable: device.memory().ok().map(|memory| most_of(memory.free)),
            beside: tokenizer.saturating_add(adapter),
            granule,
            whole: whole(decoder.device_bytes()),
            adapter: Bytes::ZERO,
            shards: None,
            slots: None,
            split: None,
            work: whole(decoder.device_working_bytes(&layout)),
            layout,
            cached,
        }
    }

    /// Pages for so many tokens: whole blocks, in whole granules of the pool. One more of each, as a pool takes memory
    /// before it gives any back.
    fn pages(&self, tokens: usize) -> Bytes {
        let blocks = (tokens as u64).div_ceil(u64::from(self.layout.block_tokens)) + 1;
        let bytes = blocks.saturating_mul(self.layout.block_bytes() as u64);
        self.granules(bytes).saturating_add(Bytes::new(self.granule))
    }

    /// What the cache works with: blocks on their way to the folder and from it.
    fn passing(&self) -> Bytes {
        let blocks = if self.cached { 16 } else { 2 };
        let least = if self.cached { 8 * self.granule } else { self.granule };
        self.granules((blocks * self.layout.block_bytes() as u64).max(least))
    }

    fn granules(&self, bytes: u64) -> Bytes {
        Bytes::new(bytes.checked_next_multiple_of(self.granule).unwrap_or(u64::MAX))
    }

    /// The part of it that is beside the pages: none where those are on a device.
    fn passing_there(&self) -> Bytes {
        if self.place == Place::Host { self.passing() } else { Bytes::ZERO }
    }

    /// Weights: all of them, or so many slots for those that are needed.
    fn weights(&self) -> Bytes {
        let Some((shards, slots)) = self.shards.zip(self.slots) else { return self.whole };
        let slots = self.granules(shards.bytes.saturating_mul(slots as u64));
        slots.saturating_add(Bytes::new(self.granule)).saturating_add(self.adapter)
    }

    /// How many slots there are to be, if not all weights are in memory.
    pub(super) const fn slots(&self) -> Option<(Shards, usize)> {
        match (self.shards, self.slots) {
            (Some(shards), Some(slots)) => Some((shards, slots)),
            _ => None,
        }
    }

    /// Everything for a context.
    pub(super) fn of(&self, tokens: usize) -> Parts {
        let (kv, weights) = (self.pages(tokens).saturating_add(self.passing_there()), self.weights());
        let sum = weights.saturating_add(kv).saturating_add(self.work);
        Parts { weights: weights.get(), kv: kv.get(), work: self.work.get(), sum: sum.get() }
    }

    /// The most out of some numbers for which a line carries a context.
    fn most(&mut self, line: Bytes, upto: usize, set: impl Fn(&mut Self, usize) -> usize) -> usize {
        let (mut fits, mut not) = (0, upto.saturating_add(1));
        while fits + 1 < not {
            let middle = fits + (not - fits) / 2;
            let tokens = set(self, middle);
            if self.of(tokens).sum <= line.get() {
                fits = middle;
            } else {
                not = middle;
            }
        }
        fits
    }

    /// Has as few layers as may be come from page-locked memory.
    fn divide(
        &mut self,
        line: Bytes,
        context: usize,
        decoder: &Decoder,
        ground: &Ground,
    ) -> Result<(), GenerateError> {
        if ground.pinned.is_none() {
            return Ok(());
        }
        let (place, need, away) = (self.place, Bytes::new(self.of(context).sum), ground.away);
        let kv = self.pages(context).saturating_add(self.passing_there());
        let room = DeviceRoom { bytes: line.saturating_sub(kv).get(), workings: 1, granule: self.granule };
        let split = decoder.split_within(&self.layout, &room);
        let split = split.map_err(|floor| GenerateError::Floor { context, kv, place, floor })?;
        let wanted = Bytes::new(split.pinned_bytes);
        if wanted > away {
            let layers = (split.come, split.layers);
            return Err(GenerateError::Away { place, need, line, layers, wanted, away });
        }
        self.whole = Bytes::new(split.device_bytes);
        self.work = Bytes::new(split.working_bytes);
        self.split = Some(split).filter(|split| split.come > 0);
        Ok(())
    }

    /// What page-locked memory is to have.
    fn away(&self) -> Bytes {
        Bytes::new(self.split.map_or(0, |split| split.pinned_bytes))
    }

    /// The line for a context: what was asked for, or else what is needed, or what the machine has. Where that is less than
    /// all weights need, they are read when they are needed, or come to a device. Too low a line is refused, and so is more than the machine has.
    pub(super) fn line(
        &mut self,
        asked: Option<Bytes>,
        tokens: usize,
        most: usize,
        (decoder, ground): (&Decoder, &Ground),
    ) -> Result<Bytes, GenerateError> {
        let need = Bytes::new(self.of(tokens).sum);
        let usable = self.usable;
        let line = asked.unwrap_or_else(|| usable.map_or(need, |usable| need.min(usable)));
        if let Some(shards) = self.shards.filter(|_| need > line) {
            let slots = self.most(line, shards.count, |this, slots| {
                this.slots = Some(slots);
                tokens
            });
            self.slots = Some(slots.max(SLOTS_LEAST));
        }
        if need > line && self.place != Place::Host {
            self.divide(line, tokens, decoder, ground)?;
        }
        let parts = self.of(tokens);
        let need = Bytes::new(parts.sum);
        if let Some(usable) = usable.filter(|usable| asked.is_none() && need > *usable) {
            return Err(GenerateError::Machine { need, usable, place: self.place });
        }
        if need > line {
            return Err(GenerateError::Line {
                context: tokens,
                need,
                line,
                weights: Bytes::new(parts.weights),
                kv: Bytes::new(parts.kv),
                work: self.work,
                fits: self.most(line, most, |_, tokens| tokens),
            });
        }
        match usable.filter(|usable| need > *usable) {
            Some(usable) => Err(GenerateError::Machine { need, usable, place: self.place }),
            None => Ok(line),
        }
    }
}

/// Everything that is charged while a text is written.
pub(super) struct Hold {
    engine: Engine,
    pub cache: Cache<LeasedPages>,
    decoder: Arc<Decoder>,
    place: Place,
    /// Weights that are all held; those that are read when they are needed are the decoder's leases.
    _weights: Option<Hit<Arc<Decoder>>>,
    _work: Vec<Charge>,
}

impl Hold {
    /// Opens the line and takes what is needed. Fields are dropped in their order: the cache, which writes what is to be
    /// kept, before what it is charged to.
    pub(super) fn open(
        args: &GenerateArgs,
        decoder: Decoder,
        ground: &Ground,
        forecast: &Forecast,
        (line, tokens): (Bytes, usize),
    ) -> Result<Self, GenerateError> {
        let engine = engine(args, ground, forecast, line, tokens)?;
        let place = forecast.place;
        let charge = |path: &str, place, bytes| -> Result<Charge, GenerateError> {
            Ok(engine.account(path)?.reserve(place, bytes).now()?.back())
        };
        let mut work = vec![charge("work", place, forecast.work)?];
        if !forecast.away().is_zero() {
            work.push(charge("weights", Place::Pinned, forecast.away())?);
        }
        let (decoder, weights, beside) = match forecast.slots() {
            None if place != Place::Host => {
                let weights = charge("weights", place, forecast.whole)?;
                let pinned = ground.pinned.as_ref();
                let decoder = match &forecast.split {
                    Some(split) => decoder.on_device_split(&ground.device, pinned, split)?,
                    None => decoder.on_device(&ground.device)?,
                };
                (Arc::new(decoder), None, weights)
            }
            None => {
                let (decoder, resident) = (Arc::new(decoder), engine.resident::<Arc<Decoder>>("weights")?);
                let name = decoder.path().to_string_lossy().into_owned();
                let load = Arc::clone(&decoder);
                let shard = resident.shard(&name, forecast.whole, move || Ok(Arc::clone(&load)));
                let none = charge("weights", place, Bytes::ZERO)?;
                (decoder, Some(shard.get()?), none)
            }
            Some((_, slots)) => {
                let pool = engine.account("weights")?.scratch(Place::Host)?;
                let ring = Streaming::pooled(&pool, "weights", Duration::ZERO).slots(slots);
                let adapter = charge("weights", place, forecast.adapter)?;
                (Arc::new(decoder.on_demand(&ring)?), None, adapter)
            }
        };
        work.extend([beside, charge("text", Place::Host, forecast.beside)?]);
        let pool = |path: &str, place| engine.account(path)?.scratch(place);
        let pages = LeasedPages::new(forecast.layout.clone(), pool("kv/hot", place)?)?;
        let settings = CacheSettings::new("kv", pool("kv/warm", Place::Host)?);
        let settings = match &args.cache {
            Some(folder) => settings.cold(cold(&engine, folder, args.cache_size)?),
            None => settings,
        };
        // Every bit is kept: a text is the same whether its prompt was computed or found.
        let cache = Cache::open(pages, settings.exact())?;
        Ok(Self { engine, cache, decoder, place, _weights: weights, _work: work })
    }

    /// The model, for as long as its weights are held.
    pub(super) fn decoder(&self) -> &Arc<Decoder> {
        &self.decoder
    }

    /// The most that was charged so far, where it is computed.
    pub(super) fn measured(&self) -> Parts {
        let book = self.engine.snapshot();
        let there = book.place(self.place);
        let peak = |path: &str| there.and_then(|there| there.share(path)).map_or(0, |share| share.peak.get());
        let sum = there.map_or(0, |there| there.peak.get());
        Parts { weights: peak("weights"), kv: peak("kv"), work: peak("work"), sum }
    }
}

fn engine(
    args: &GenerateArgs,
    ground: &Ground,
    forecast: &Forecast,
    line: Bytes,
    tokens: usize,
) -> Result<Engine, GenerateError> {
    // What the line has beyond the need is the pages': they keep more of what was computed.
    let spare = line.saturating_sub(Bytes::new(forecast.of(tokens).sum));
    let (hot, warm) = (forecast.pages(tokens).saturating_add(spare), forecast.passing());
    let (place, there) = (forecast.place, forecast.place != Place::Host);
    let account = |path: &str, bytes| AccountSettings::new(path).share(place, bytes, bytes);
    let mut kv = account("kv", hot.saturating_add(forecast.passing_there()));
    let mut cold = AccountSettings::new("kv/cold");
    let mut places = vec![LineSettings::new(place, line)];
    let mut devices = vec![Arc::clone(&ground.device)];
    let mut weights = account("weights", forecast.weights());
    if let Some(pinned) = ground.pinned.as_ref().filter(|_| forecast.split.is_some()) {
        places.push(LineSettings::new(Place::Pinned, forecast.away()));
        devices.push(Arc::clone(pinned));
        weights = weights.share(Place::Pinned, forecast.away(), forecast.away());
    }
    if there {
        places.push(LineSettings::new(Place::Host, warm.saturating_add(forecast.beside)));
        devices.push(host_device()?);
        kv = kv.share(Place::Host, warm, warm);
    }
    if args.cache.is_some() {
        places.push(LineSettings::new(Place::Disk, args.cache_size));
        kv = kv.share(Place::Disk, args.cache_size, args.cache_size);
        cold = cold.share(Place::Disk, args.cache_size, args.cache_size);
    }
    let on_host = |path: &str, bytes| AccountSettings::new(path).share(Place::Host, bytes, bytes);
    let accounts = vec![
        weights,
        account("work", forecast.work),
        on_host("text", forecast.beside),
        kv,
        account("kv/hot", hot),
        on_host("kv/warm", warm),
        cold,
    ];
    Ok(Engine::with(&LedgerSettings { places, accounts }, devices)?)
}

fn cold(engine: &Engine, folder: &Path, size: Bytes) -> Result<ColdSettings, GenerateError> {
    if size < CACHE_LEAST {
        return Err(GenerateError::CacheSize { size });
    }
    let account = Some((*engine.account("kv/cold")?).clone());
    let (store, _) = Folder::open(&FolderSettings { account, ..FolderSettings::new(folder, size) })?;
    Ok(ColdSettings { patience: PATIENCE, ..ColdSettings::new(Arc::new(store)) })
}
