//! What an engine carries: its places, their accounts and pools.

use std::collections::BTreeMap;

use plimsoll_device::Place;

use super::{AccountSample, DeviceSample, EventSample, PlaceSample, RecorderSample, TagSample};
use crate::Engine;
use crate::ledger::{PlaceSnapshot, ShareSnapshot};
use crate::pool::PoolStats;
use crate::record::analysis::{evict_reason, pressure_level, refuse_reason};
use crate::record::{Event, Kind, Names, News};

/// Every place with a line.
pub(super) fn places(engine: &Engine, tags: usize) -> Vec<PlaceSample> {
    // Pools first: what they lease meanwhile is then charged already, so that no part is larger than its whole.
    let mut pools: BTreeMap<Place, BTreeMap<String, PoolStats>> = BTreeMap::new();
    for pool in engine.pools() {
        let stats = pool.stats();
        pools.entry(pool.place()).or_default().insert(pool.account().path().to_owned(), stats);
    }
    let snapshot = engine.snapshot();
    let none = BTreeMap::new();
    let place =
        |place: &PlaceSnapshot| place_sample(engine, place, pools.get(&place.place).unwrap_or(&none), tags);
    snapshot.places.iter().map(place).collect()
}

fn place_sample(
    engine: &Engine,
    place: &PlaceSnapshot,
    pools: &BTreeMap<String, PoolStats>,
    tags: usize,
) -> PlaceSample {
    let governor = engine.governor();
    let sum = |of: fn(&PoolStats) -> u64| pools.values().map(of).sum::<u64>();
    let (live, cached) = (sum(|stats| stats.live.get()), sum(|stats| stats.cached.get()));
    PlaceSample {
        place: place.place.to_string(),
        line_bytes: place.line.get(),
        carry_bytes: place.carry.get(),
        reserve_bytes: place.reserve.get(),
        charged_bytes: place.charged.get(),
        peak_bytes: place.peak.get(),
        unbacked_bytes: place.unbacked.get(),
        emergency_bytes: place.emergency.get(),
        emergency_used_bytes: place.emergency_used.get(),
        live_bytes: live,
        cached_bytes: cached,
        pending_bytes: sum(|stats| stats.pending.get()),
        waiting: governor.waiting(place.place) as u64,
        level: pressure_level(governor.level(place.place) as u64).to_owned(),
        internal_fragmentation: missing_from(sum(|stats| stats.requested.get()), live),
        external_fragmentation: missing_from(sum(|stats| stats.largest_free.get()), cached),
        exhausted_in_s: None,
        accounts: place
            .shares
            .iter()
            .map(|share| account_sample(share, pools.get(&share.path), tags))
            .collect(),
    }
}

fn account_sample(share: &ShareSnapshot, pool: Option<&PoolStats>, tags: usize) -> AccountSample {
    AccountSample {
        path: share.path.clone(),
        priority: share.priority,
        charged_bytes: share.charged.get(),
        own_bytes: share.own.get(),
        guaranteed_bytes: share.guaranteed.get(),
        soft_bytes: share.soft.get(),
        limit_bytes: share.limit.get(),
        peak_bytes: share.peak.get(),
        live_bytes: pool.map(|stats| stats.live.get()),
        cached_bytes: pool.map(|stats| stats.cached.get()),
        pending_bytes: pool.map(|stats| stats.pending.get()),
        internal_fragmentation: pool.and_then(|stats| missing_from(stats.requested.get(), stats.live.get())),
        external_fragmentation: pool
            .and_then(|stats| missing_from(stats.largest_free.get(), stats.cached.get())),
        leases: pool.map(|stats| stats.leases),
        hit_rate: pool.filter(|stats| stats.leases > 0).map(PoolStats::hit_rate),
        maps: pool.map(|stats| stats.maps),
        tags: pool.map_or_else(Vec::new, |stats| {
            let largest = stats.tags.iter().take(tags);
            let sample = |tag: &crate::pool::TagStats| TagSample {
                tag: tag.tag.name().to_owned(),
                live_bytes: tag.live.get(),
                leases: tag.leases,
            };
            largest.map(sample).collect()
        }),
    }
}

/// What its recorder does.
pub(super) fn recorder(engine: &Engine) -> RecorderSample {
    let stats = engine.recorder().stats();
    RecorderSample {
        recordings: stats.recordings,
        events: stats.events,
        dropped: stats.dropped,
        threads: stats.threads,
    }
}

/// Devices beside the host, as they tell of themselves. One that does not answer has no numbers.
pub(super) fn devices(engine: &Engine) -> Vec<DeviceSample> {
    let beside = engine.devices().iter().filter(|device| device.facts().place != Place::Host);
    let sample = |device: &std::sync::Arc<dyn plimsoll_device::Device>| {
        let (facts, now) = (device.facts(), device.memory().ok());
        DeviceSample {
            place: facts.place.to_string(),
            name: facts.name.clone(),
            total_bytes: now.map(|now| now.total.get()),
            free_bytes: now.map(|now| now.free.get()),
            busy: None,
        }
    };
    beside.map(sample).collect()
}

/// Events that a sample has at most.
const MOST_EVENTS: usize = 32;
/// Of so many at most they are made: what happens again and again is told once, with how often.
const MOST_READ: usize = 4096;

/// What happened since the sample before.
pub(super) fn events(engine: &Engine, news: &mut News, up_ms: u64) -> Vec<EventSample> {
    let recorder = engine.recorder();
    let mut found: Vec<(Event, u64, u64)> = Vec::new();
    for (event, age_ns) in news.read(recorder, MOST_READ) {
        let alike = |one: &Event| (one.kind, one.source, one.tag, one.address);
        match found.iter().position(|(one, ..)| alike(one) == alike(&event)) {
            Some(at) => {
                let (before, _, times) = found.remove(at);
                // What a level is matters, not the sum of what it was.
                let sum = if event.kind == Kind::Pressure { 0 } else { before.bytes };
                let bytes = event.bytes.saturating_add(sum);
                found.push((Event { bytes, ..event }, age_ns, times + 1));
            }
            None => found.push((event, age_ns, 1)),
        }
    }
    if found.is_empty() {
        return Vec::new();
    }
    let names = recorder.names_now();
    let sample = |(event, age_ns, times): &(Event, u64, u64)| {
        let detail = detail(event, &names);
        let source = names.source(event.source);
        EventSample {
            at_ms: up_ms.saturating_sub(age_ns / 1_000_000),
            kind: event.kind.name().to_owned(),
            place: source.map_or_else(String::new, |source| source.place.to_string()),
            account: source.map_or_else(String::new, |source| source.account.clone()),
            bytes: event.bytes,
            detail: if *times > 1 { format!("{detail} ({times} times)") } else { detail },
        }
    };
    found[found.len().saturating_sub(MOST_EVENTS)..].iter().map(sample).collect()
}

/// What else there is to say of an event.
fn detail(event: &Event, names: &Names) -> String {
    match event.kind {
        Kind::Evict => format!("{}: {}", names.tag(event.tag), evict_reason(event.address)),
        Kind::Refuse => refuse_reason(event.address).to_owned(),
        Kind::Pressure => pressure_level(event.address).to_owned(),
        Kind::Demote | Kind::Promote => {
            let to = u16::try_from(event.address).ok().and_then(|number| names.source(number));
            to.map_or_else(String::new, |to| format!("to {} at {}", to.account, to.place))
        }
        Kind::Mark => names.tag(event.tag).to_owned(),
        _ => String::new(),
    }
}

/// 1 − part ÷ whole; absent where there is no whole.
#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn missing_from(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (1.0 - part as f64 / whole as f64).clamp(0.0, 1.0))
}
