//! The usual score: each part by its own scale, and the worst of them counts.
//!
//! Two things are gates: while the system swaps, or a critical limit is crossed, the score is critical whatever else is
//! well. Swap that was used once and lies still costs nothing: what hurts is the traffic.

use super::{part, percent, rate, share, size};
use crate::monitor::{PartSample, PlaceSample, Sample};

/// At or above, the system is close to killing somebody.
const CRITICAL_USE: f64 = 0.95;
/// Below, all is well.
const EASY_USE: f64 = 0.85;
/// A part that is over its gate gives this at most.
const GATE: f64 = 0.1;
/// What a system may move to and from swap without anybody noticing, and what nobody can work with.
const CALM_SWAP: f64 = 256.0 * 1024.0;
const THRASHING: f64 = 8.0 * 1024.0 * 1024.0;
/// Shares of time in which tasks wait for memory: some of them, and all of them.
const SOME_STALLED: f64 = 0.4;
const FULL_STALLED: f64 = 0.1;

pub(super) fn score(sample: &Sample) -> (f64, Vec<PartSample>) {
    let mut parts = vec![headroom(sample), swapping(sample), stalls(sample), level(sample)];
    if !sample.places.is_empty() {
        parts.extend([lines(sample), fragmentation(sample), emergency(sample)]);
    }
    parts.push(trend(sample));
    let worst = parts.iter().filter_map(|part| part.score).fold(1.0, f64::min);
    (worst, parts)
}

/// `from` at the first value, `to` at the second, a line between them, and no further.
fn between(value: f64, (low, from): (f64, f64), (high, to): (f64, f64)) -> f64 {
    let way = ((value - low) / (high - low)).clamp(0.0, 1.0);
    from + (to - from) * way
}

fn headroom(sample: &Sample) -> PartSample {
    let machine = &sample.machine;
    let Some((available, total)) = machine.available_bytes.zip(machine.total_bytes) else {
        return part("headroom", None, "not told by this system".to_owned());
    };
    let used = share(total.saturating_sub(available), total).unwrap_or(1.0);
    let score = if used >= CRITICAL_USE { GATE } else { between(used, (EASY_USE, 1.0), (CRITICAL_USE, 0.4)) };
    part("headroom", Some(score), format!("{} of {} are available", size(available), size(total)))
}

fn swapping(sample: &Sample) -> PartSample {
    let machine = &sample.machine;
    let (into, out) = (machine.swap_in_bytes_per_s, machine.swap_out_bytes_per_s);
    if into.is_none() && out.is_none() {
        if machine.swap_total_bytes == Some(0) {
            return part("swapping", Some(1.0), "there is no swap".to_owned());
        }
        return part("swapping", None, "not known yet, or not told by this system".to_owned());
    }
    let (into, out) = (into.unwrap_or(0.0), out.unwrap_or(0.0));
    let moved = into + out;
    let score = if moved >= THRASHING { 0.0 } else { between(moved, (CALM_SWAP, 1.0), (THRASHING, GATE)) };
    // A gate: half of what nobody can work with is no way to work either.
    let score = if moved >= THRASHING / 2.0 { score.min(GATE) } else { score };
    let why = if moved > 0.0 {
        format!("{} come from swap, {} go there", rate(into), rate(out))
    } else {
        "nothing moves to or from swap".to_owned()
    };
    part("swapping", Some(score), why)
}

fn stalls(sample: &Sample) -> PartSample {
    let machine = &sample.machine;
    let (Some(some), full) = (machine.stalled_some, machine.stalled_full.unwrap_or(0.0)) else {
        return part("stalls", None, "not told by this system".to_owned());
    };
    let gate = full >= FULL_STALLED || some >= SOME_STALLED;
    let worse = (some / SOME_STALLED).max(full / FULL_STALLED);
    let score = if gate { GATE } else { between(worse, (0.02, 1.0), (1.0, 0.3)) };
    part(
        "stalls",
        Some(score),
        format!("some task waited for memory {} of the time, all did {}", percent(some), percent(full)),
    )
}

/// The system's own level.
fn level(sample: &Sample) -> PartSample {
    let score = match sample.machine.system_level.as_deref() {
        Some("normal") => Some(1.0),
        Some("warning") => Some(0.6),
        Some("critical") => Some(GATE),
        _ => None,
    };
    let why = sample.machine.system_level.as_ref();
    let why =
        why.map_or_else(|| "this system has none".to_owned(), |level| format!("the system says {level}"));
    part("system level", score, why)
}

/// A line that is full was planned to be; one at which requests wait is too low, or too much is asked of it.
fn lines(sample: &Sample) -> PartSample {
    let of = |place: &PlaceSample| {
        let used = place.charged_bytes.saturating_sub(place.cached_bytes);
        let used = share(used, place.carry_bytes).unwrap_or(0.0);
        let score = match (place.level.as_str(), place.waiting) {
            ("critical", _) => GATE,
            ("warning", 0) => 0.6,
            (_, 0) => 1.0,
            _ => 0.5,
        };
        let waiting = match place.waiting {
            0 => String::new(),
            1 => ", 1 request waits".to_owned(),
            many => format!(", {many} requests wait"),
        };
        let pressed = match place.level.as_str() {
            "warning" | "critical" => format!(", pressure is {}", place.level),
            _ => String::new(),
        };
        (score, format!("{} carries {} of its line{waiting}{pressed}", place.place, percent(used)))
    };
    let worst = sample.places.iter().map(of).min_by(|a, b| a.0.total_cmp(&b.0));
    let (score, why) = worst.unwrap_or((1.0, "there is no line".to_owned()));
    part("lines", Some(score), why)
}

/// What nobody can use of a place's pools: rounding inside leases, and idle memory that is scattered.
#[expect(clippy::cast_precision_loss, reason = "a share for people")]
pub(super) fn wasted(place: &PlaceSample) -> f64 {
    place.live_bytes as f64 * place.internal_fragmentation.unwrap_or(0.0)
        + place.cached_bytes as f64 * place.external_fragmentation.unwrap_or(0.0)
}

/// By what it takes of the line: a scattered megabyte is no matter. Bad placement slows and never kills, so it is never
/// critical by itself.
#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn fragmentation(sample: &Sample) -> PartSample {
    let shares = sample.places.iter().map(|place| (wasted(place) / place.carry_bytes.max(1) as f64, place));
    let worst = shares.max_by(|a, b| a.0.total_cmp(&b.0));
    let Some((share, place)) = worst else {
        return part("fragmentation", None, "there is no line".to_owned());
    };
    let score = between(share, (0.05, 1.0), (0.5, 0.3));
    part(
        "fragmentation",
        Some(score),
        format!("{} of {}'s line is held and cannot be used", percent(share), place.place),
    )
}

fn emergency(sample: &Sample) -> PartSample {
    let of = |place: &PlaceSample| share(place.emergency_used_bytes, place.emergency_bytes);
    let used = sample
        .places
        .iter()
        .filter_map(of)
        .fold(None, |most: Option<f64>, used| Some(most.map_or(used, |most| most.max(used))));
    let Some(used) = used else {
        return part("emergency reserve", None, "there is none".to_owned());
    };
    let score = if used > 0.0 { between(used, (0.0, 0.5), (1.0, GATE)) } else { 1.0 };
    part("emergency reserve", Some(score), format!("{} of it is taken", percent(used)))
}

fn trend(sample: &Sample) -> PartSample {
    let places = sample.places.iter().filter_map(|place| Some((place.exhausted_in_s?, place.place.as_str())));
    let machine = sample.machine.exhausted_in_s.map(|seconds| (seconds, "the machine"));
    let soonest = places.chain(machine).min_by(|a, b| a.0.total_cmp(&b.0));
    let Some((seconds, what)) = soonest else {
        return part("trend", Some(1.0), "nothing is about to run out".to_owned());
    };
    let score = between(seconds, (30.0, 0.3), (1800.0, 1.0));
    part("trend", Some(score), format!("{what} is full in {} if it goes on like this", time(seconds)))
}

pub(super) fn time(seconds: f64) -> String {
    match seconds {
        short if short < 120.0 => format!("{short:.0} s"),
        minutes if minutes < 7200.0 => format!("{:.0} minutes", minutes / 60.0),
        hours => format!("{:.1} hours", hours / 3600.0),
    }
}
