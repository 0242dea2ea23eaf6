//! The weighted mean: five parts, of which those that are known share the weight.
//!
//! | part | weight | of |
//! |---|---|---|
//! | utilisation | 0.3 | the machine's memory in use: 1 between 70 and 90 %, u ÷ 0.7 below, falling to 0 at 100 % |
//! | fragmentation | 0.2 | 1 − the bytes of all pools that nobody can use ÷ what the pools hold |
//! | allocation efficiency | 0.2 | the share of leases for which no device had to back or take back memory |
//! | reclaim overhead | 0.15 | 1 − the share of time in which some task waited for memory |
//! | swap avoidance | 0.15 | 1 − the share of swap in use; 1 where there is none |
//!
//! What is wrong with it is kept as it is, because people compare scores: an idle machine loses 0.3, and a machine that
//! has failed in one part alone cannot fall below what the others give it.

use super::{part, percent, share};
use crate::monitor::{PartSample, Sample};

const WEIGHTS: [(&str, f64); 5] = [
    ("utilisation", 0.3),
    ("fragmentation", 0.2),
    ("allocation efficiency", 0.2),
    ("reclaim overhead", 0.15),
    ("swap avoidance", 0.15),
];

pub(super) fn score(sample: &Sample) -> (f64, Vec<PartSample>) {
    let parts =
        [utilisation(sample), fragmentation(sample), efficiency(sample), reclaim(sample), swap(sample)];
    let parts = WEIGHTS.iter().zip(parts).map(|((name, _), (score, why))| part(name, score, why));
    let parts: Vec<_> = parts.collect();
    let known = WEIGHTS.iter().zip(&parts).filter_map(|((_, weight), part)| Some((*weight, part.score?)));
    let (sum, weights) =
        known.fold((0.0, 0.0), |(sum, all), (weight, score)| (sum + weight * score, all + weight));
    (if weights > 0.0 { sum / weights } else { 1.0 }, parts)
}

type Part = (Option<f64>, String);

const UNKNOWN: &str = "not told by this system";

fn utilisation(sample: &Sample) -> Part {
    let machine = &sample.machine;
    let Some(used) = machine.used_bytes.zip(machine.total_bytes).and_then(|(used, total)| share(used, total))
    else {
        return (None, UNKNOWN.to_owned());
    };
    let score = match used {
        low if low < 0.7 => low / 0.7,
        high if high > 0.9 => (1.0 - high) / 0.1,
        _ => 1.0,
    };
    (Some(score), format!("{} of the memory is in use", percent(used)))
}

#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn fragmentation(sample: &Sample) -> Part {
    let wasted = sample.places.iter().map(super::worst::wasted).sum::<f64>();
    let held = sample.places.iter().map(|place| place.live_bytes + place.cached_bytes).sum::<u64>();
    if held == 0 {
        return (None, "no pool holds anything".to_owned());
    }
    let share = wasted / held as f64;
    (Some(1.0 - share), format!("{} of what pools hold cannot be used", percent(share)))
}

fn efficiency(sample: &Sample) -> Part {
    let accounts = sample.places.iter().flat_map(|place| &place.accounts);
    let counts = accounts.filter_map(|account| account.leases.zip(account.maps));
    let (leases, maps) = counts.fold((0, 0), |(a, b), (leases, maps)| (a + leases, b + maps));
    let Some(mapped) = share(maps, leases) else {
        return (None, "nothing was leased yet".to_owned());
    };
    (Some(1.0 - mapped), format!("{} of leases asked a device for memory", percent(mapped.min(1.0))))
}

fn reclaim(sample: &Sample) -> Part {
    let Some(stalled) = sample.machine.stalled_some else {
        return (None, UNKNOWN.to_owned());
    };
    (Some(1.0 - stalled), format!("some task waited for memory {} of the time", percent(stalled)))
}

fn swap(sample: &Sample) -> Part {
    match sample.machine.swap_used_bytes.zip(sample.machine.swap_total_bytes) {
        None => (None, UNKNOWN.to_owned()),
        Some((_, 0)) => (Some(1.0), "there is no swap".to_owned()),
        Some((used, total)) => {
            let used = share(used, total).unwrap_or(0.0);
            (Some(1.0 - used), format!("{} of swap is in use", percent(used)))
        }
    }
}
