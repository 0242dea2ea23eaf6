//! What to do: sentences that name the account, the action and the numbers.
//!
//! Nothing is said without its reason in the sample or in the past: no advice is better than advice in general.

use std::collections::BTreeSet;
use std::time::Duration;

use super::past::used;
use super::worst::time;
use super::{Past, percent, rate, size};
use crate::Bytes;
use crate::monitor::{AccountSample, PlaceSample, Sample};

/// What is below this is not worth a sentence.
const LEAST: u64 = 16 << 20;
/// Bytes that a device has not let go for so long will not go by themselves.
const STUCK: Duration = Duration::from_secs(30);

pub(super) fn advice(sample: &Sample, past: &Past) -> Vec<String> {
    // In the order of use: what hurts now, who is held up, what is wasted, what may be set better.
    let mut advice: Vec<String> = swap(sample).into_iter().collect();
    advice.extend(headroom(sample));
    for place in &sample.places {
        advice.extend(emergency(place));
        advice.extend(waiting(place));
        advice.extend(stuck(place, past));
    }
    for place in &sample.places {
        advice.extend(idle(place));
        advice.extend(fragmentation(place));
        advice.extend(guarantees(place, past));
    }
    let lost = sample.recorder.as_ref().filter(|recorder| recorder.dropped > 0);
    advice.extend(lost.map(|recorder| {
        format!(
            "recorder: {} events were lost; record for a shorter time, or give its rings more room",
            recorder.dropped
        )
    }));
    advice
}

/// The account whose bytes are the first to go: lowest priority among those above their guarantee, then the one that
/// is furthest above it.
fn expendable<'p>(place: &'p PlaceSample, but: Option<&AccountSample>) -> Option<(&'p AccountSample, u64)> {
    let leaves = leaves(place).filter(|account| but.is_none_or(|but| but.path != account.path));
    let above = leaves.filter_map(|account| {
        let above = used(account).saturating_sub(account.guaranteed_bytes);
        (above >= LEAST).then_some((account, above))
    });
    above.min_by_key(|(account, above)| (account.priority, std::cmp::Reverse(*above)))
}

/// Accounts that have no children here.
fn leaves(place: &PlaceSample) -> impl Iterator<Item = &AccountSample> {
    let parent =
        |account: &'_ AccountSample| account.path.rsplit_once('/').map(|(parent, _)| parent.to_owned());
    let parents: BTreeSet<String> = place.accounts.iter().filter_map(parent).collect();
    place.accounts.iter().filter(move |account| !parents.contains(&account.path))
}

fn swap(sample: &Sample) -> Option<String> {
    let machine = &sample.machine;
    let (into, out) =
        (machine.swap_in_bytes_per_s.unwrap_or(0.0), machine.swap_out_bytes_per_s.unwrap_or(0.0));
    let moved = into + out;
    if moved < 256.0 * 1024.0 {
        return None;
    }
    let host = sample.places.iter().find(|place| place.place == "host");
    let what = match host.and_then(|host| expendable(host, None)) {
        Some((account, above)) => format!(
            "shrink {} ({} above its guarantee) or lower the line of host, now {}",
            account.path,
            size(above),
            size(host.map_or(0, |host| host.line_bytes)),
        ),
        None => match machine.process_bytes {
            Some(own) if sample.source.engine => {
                format!("lower the line of host; this process has {} in memory", size(own))
            }
            _ => "end a program, or use a smaller model, a shorter context or a stronger quantization"
                .to_owned(),
        },
    };
    Some(format!("machine: it swaps ({} in, {} out): {what}", rate(into), rate(out)))
}

fn headroom(sample: &Sample) -> Option<String> {
    let machine = &sample.machine;
    let (available, total) = machine.available_bytes.zip(machine.total_bytes)?;
    let wanted = Bytes::new(total).fraction(0.15).get();
    if available >= wanted {
        return machine.exhausted_in_s.filter(|seconds| *seconds < 1800.0).map(|seconds| {
            format!(
                "machine: its memory is full in {} if it goes on like this: find what grows",
                time(seconds)
            )
        });
    }
    let free = size(wanted - available);
    let host = sample.places.iter().find(|place| place.place == "host");
    Some(match host.and_then(|host| expendable(host, None)) {
        Some((account, above)) => format!(
            "machine: {} of {} are available; free {free}, first of {}, which is {} above its guarantee",
            size(available),
            size(total),
            account.path,
            size(above)
        ),
        None => format!(
            "machine: {} of {} are available; free {free}: end a program or use a smaller model",
            size(available),
            size(total)
        ),
    })
}

fn emergency(place: &PlaceSample) -> Option<String> {
    (place.emergency_used_bytes > 0).then(|| {
        format!(
            "{}: {} of its emergency reserve of {} are taken; if that stays so, raise `emergency` or lower guarantees",
            place.place, size(place.emergency_used_bytes), size(place.emergency_bytes)
        )
    })
}

/// Requests wait: either an account is at its limit, or the line is full.
fn waiting(place: &PlaceSample) -> Option<String> {
    if place.waiting == 0 {
        return None;
    }
    let wait = if place.waiting == 1 {
        "1 request waits".to_owned()
    } else {
        format!("{} requests wait", place.waiting)
    };
    let near = |account: &&AccountSample| {
        account.limit_bytes > 0 && used(account) >= Bytes::new(account.limit_bytes).fraction(0.98).get()
    };
    let full = place.accounts.iter().filter(near).max_by_key(|account| account.priority);
    let free = place.carry_bytes.saturating_sub(place.charged_bytes);
    Some(match (full, expendable(place, full)) {
        (Some(full), _) if free >= LEAST => format!(
            "{}: it is at its limit of {} on {} and {wait}; raise its limit: {} of the line are free",
            full.path,
            size(full.limit_bytes),
            place.place,
            size(free)
        ),
        (Some(full), Some((other, above))) => format!(
            "{}: it is at its limit of {} on {} and {wait}; shrink {} (priority {}, {} above its guarantee) and raise the limit",
            full.path,
            size(full.limit_bytes),
            place.place,
            other.path,
            other.priority,
            size(above)
        ),
        (Some(full), None) => format!(
            "{}: it is at its limit of {} on {} and {wait}; raise its limit and the line of {}",
            full.path,
            size(full.limit_bytes),
            place.place,
            place.place
        ),
        (None, Some((other, above))) => format!(
            "{}: the line of {} is full and {wait}; shrink {} (priority {}, {} above its guarantee)",
            place.place,
            size(place.line_bytes),
            other.path,
            other.priority,
            size(above)
        ),
        (None, None) => format!(
            "{}: {wait} and nobody is above its guarantee; raise the line of {} or ask for less",
            place.place,
            size(place.line_bytes)
        ),
    })
}

fn stuck(place: &PlaceSample, past: &Past) -> Vec<String> {
    let of = |account: &AccountSample| {
        let pending = account.pending_bytes.filter(|pending| *pending >= LEAST)?;
        let since = past.pending_for(place, account)?;
        (since >= STUCK).then(|| {
            format!(
                "{}: {} on {} were dropped {} ago and the device still has them; check that its streams are waited for",
                account.path, size(pending), place.place, time(since.as_secs_f64())
            )
        })
    };
    place.accounts.iter().filter_map(of).collect()
}

/// Idle pool memory matters where somebody else could use it.
fn idle(place: &PlaceSample) -> Vec<String> {
    let pressed = place.level != "normal" && !place.level.is_empty();
    let tight = place.charged_bytes >= Bytes::new(place.carry_bytes).fraction(0.85).get();
    let of = |account: &AccountSample| {
        let idle = account.cached_bytes?;
        let much = idle >= LEAST && idle >= Bytes::new(place.carry_bytes).fraction(0.05).get();
        (much && (pressed || tight || place.waiting > 0)).then(|| {
            format!("{}: trim its pool on {}: {} in it are idle", account.path, place.place, size(idle))
        })
    };
    place.accounts.iter().filter_map(of).collect()
}

fn fragmentation(place: &PlaceSample) -> Vec<String> {
    let mut advice = Vec::new();
    for account in &place.accounts {
        let wasted = |share: Option<f64>, bytes: Option<u64>| {
            Some((share?, Bytes::new(bytes?).fraction(share?).get()))
                .filter(|(share, wasted)| *share >= 0.3 && *wasted >= LEAST)
        };
        if let Some((share, bytes)) = wasted(account.external_fragmentation, account.cached_bytes) {
            advice.push(format!(
                "{}: compact its pool on {}, or lease fewer different sizes: {} of its idle memory ({}) is scattered",
                account.path, place.place, percent(share), size(bytes)
            ));
        }
        if let Some((share, bytes)) = wasted(account.internal_fragmentation, account.live_bytes) {
            advice.push(format!(
                "{}: lease larger blocks on {}: {} of what it leases ({}) is rounding",
                account.path,
                place.place,
                percent(share),
                size(bytes)
            ));
        }
    }
    advice
}

/// A guarantee that nobody came near for the whole window could serve others. What is lowered leaves a quarter beside
/// the most that was used.
fn guarantees(place: &PlaceSample, past: &Past) -> Vec<String> {
    if !past.is_full() {
        return Vec::new();
    }
    let of = |account: &AccountSample| {
        if account.guaranteed_bytes < LEAST {
            return None;
        }
        let most = past.most(place, account)?;
        let needed = most.saturating_add(most / 4);
        let spare = account.guaranteed_bytes.checked_sub(needed)?;
        let worth = spare >= LEAST && spare >= account.guaranteed_bytes / 4;
        worth.then(|| {
            format!(
                "{}: lower its guarantee on {} by {}: of {} it used at most {} in {}",
                account.path,
                place.place,
                size(spare),
                size(account.guaranteed_bytes),
                size(most),
                time(past.seen().as_secs_f64())
            )
        })
    };
    leaves(place).filter_map(of).collect()
}
