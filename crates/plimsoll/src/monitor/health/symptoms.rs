//! From what somebody notices to what causes it and what helps.

use serde::Serialize;

use super::{percent, rate, share, size};
use crate::Bytes;
use crate::monitor::Sample;

/// What somebody notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Symptom {
    /// Text is generated slowly.
    Slow,
    /// A model does not load.
    Load,
    /// The whole system hardly answers.
    Unresponsive,
}

/// One possible cause of a symptom.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// The cause: "the system swaps".
    pub cause: String,
    /// Whether it is so now; absent where that cannot be known.
    pub found: Option<bool>,
    /// What was measured.
    pub evidence: String,
    /// What helps.
    pub remedy: String,
}

/// The causes of a symptom, those that are found first.
pub fn findings(symptom: Symptom, sample: &Sample) -> Vec<Finding> {
    let mut findings = match symptom {
        Symptom::Slow => vec![swaps(sample), stalls(sample), crowded(sample), waits(sample)],
        Symptom::Load => fits(sample),
        Symptom::Unresponsive => vec![swaps(sample), full(sample), stalls(sample), lines(sample)],
    };
    findings.sort_by_key(|finding| match finding.found {
        Some(true) => 0,
        None => 1,
        Some(false) => 2,
    });
    findings
}

fn finding(cause: &str, found: Option<bool>, evidence: String, remedy: String) -> Finding {
    Finding { cause: cause.to_owned(), found, evidence, remedy }
}

const UNKNOWN: &str = "not told by this system, or not known yet";

fn swaps(sample: &Sample) -> Finding {
    let machine = &sample.machine;
    let moved = match (machine.swap_in_bytes_per_s, machine.swap_out_bytes_per_s) {
        (None, None) if machine.swap_total_bytes == Some(0) => Some((0.0, 0.0)),
        (None, None) => None,
        (into, out) => Some((into.unwrap_or(0.0), out.unwrap_or(0.0))),
    };
    let evidence = moved.map_or_else(
        || UNKNOWN.to_owned(),
        |(into, out)| format!("{} come from swap, {} go there", rate(into), rate(out)),
    );
    let over = machine
        .total_bytes
        .zip(machine.available_bytes)
        .map(|(total, available)| Bytes::new(total).fraction(0.15).get().saturating_sub(available));
    let by =
        over.filter(|over| *over > 0).map(|over| format!(" by {} or more", size(over))).unwrap_or_default();
    let remedy =
        format!("use less memory{by}: a smaller model, a shorter context or a stronger quantization");
    finding("the system swaps", moved.map(|(into, out)| into + out >= 256.0 * 1024.0), evidence, remedy)
}

fn stalls(sample: &Sample) -> Finding {
    let some = sample.machine.stalled_some;
    let evidence = some.map_or_else(
        || UNKNOWN.to_owned(),
        |some| format!("some task waited for memory {} of the time", percent(some)),
    );
    let remedy = "leave more memory to the page cache: lower the line of host, so that the model's file is not read again and again".to_owned();
    finding("tasks wait for memory", some.map(|some| some >= 0.1), evidence, remedy)
}

/// Weights on a device that others fill are moved to and fro by its driver.
fn crowded(sample: &Sample) -> Finding {
    let free = |device: &crate::monitor::DeviceSample| {
        let (free, total) = (device.free_bytes?, device.total_bytes?);
        Some((share(free, total)?, free, device.place.clone()))
    };
    let least = sample.devices.iter().filter_map(free).min_by(|a, b| a.0.total_cmp(&b.0));
    let evidence = least.as_ref().map_or_else(
        || "no device beside the host was asked".to_owned(),
        |(_, free, place)| format!("{place} has {} free", size(*free)),
    );
    let remedy = "put fewer layers on the GPU, or end the other programs that use it".to_owned();
    finding("a GPU's memory is full", least.map(|(share, ..)| share < 0.03), evidence, remedy)
}

fn waits(sample: &Sample) -> Finding {
    let waiting = sample.places.iter().map(|place| place.waiting).sum::<u64>();
    let known = sample.source.engine;
    let evidence =
        if known { format!("{waiting} requests wait for memory") } else { "no engine is watched".to_owned() };
    let most = sample.places.iter().max_by_key(|place| place.waiting).filter(|place| place.waiting > 0);
    let place = most.map_or("its place", |place| place.place.as_str());
    let remedy = format!("raise the line of {place}, or the limit of the account that waits");
    finding("requests wait for their line", known.then_some(waiting > 0), evidence, remedy)
}

fn full(sample: &Sample) -> Finding {
    let machine = &sample.machine;
    let both = machine.available_bytes.zip(machine.total_bytes);
    let evidence = both.map_or_else(
        || UNKNOWN.to_owned(),
        |(available, total)| format!("{} of {} are available", size(available), size(total)),
    );
    let missing =
        both.map(|(available, total)| Bytes::new(total).fraction(0.15).get().saturating_sub(available));
    let by = missing
        .filter(|missing| *missing > 0)
        .map(|missing| format!(" by {}", size(missing)))
        .unwrap_or_default();
    let remedy = format!("on unified memory put fewer layers on the GPU; lower the line of host{by}");
    finding("the memory is full", missing.map(|missing| missing > 0), evidence, remedy)
}

/// Lines that leave the system nothing.
fn lines(sample: &Sample) -> Finding {
    let host = sample.places.iter().find(|place| place.place == "host").zip(sample.machine.total_bytes);
    let evidence = host.map_or_else(
        || "no engine with a line of host is watched".to_owned(),
        |(host, total)| format!("the line of host is {} of {}", size(host.line_bytes), size(total)),
    );
    let found = host.and_then(|(host, total)| Some(share(host.line_bytes, total)? > 0.9));
    let to = host.map(|(_, total)| format!(" to {} or less", size(Bytes::new(total).fraction(0.75).get())));
    let remedy = format!("lower the line of host{}", to.unwrap_or_default());
    finding("the line leaves the system too little", found, evidence, remedy)
}

/// What would fit now: at each place, what is free, and the account that could have most of it.
fn fits(sample: &Sample) -> Vec<Finding> {
    let mut findings = Vec::new();
    for place in &sample.places {
        let free = place.carry_bytes.saturating_sub(place.charged_bytes);
        let idle = place.cached_bytes;
        let room = free + idle;
        let best = place
            .accounts
            .iter()
            .map(|account| (account.limit_bytes.saturating_sub(account.charged_bytes), account));
        let best = best.max_by_key(|(left, _)| *left);
        let fits = best.map_or(room, |(left, _)| left.min(room));
        let evidence = format!("{} of the line are free and {} idle in pools", size(free), size(idle));
        let whose = best.map(|(_, account)| format!(" in account {}", account.path)).unwrap_or_default();
        let remedy = format!(
            "a model of at most {} would fit{whose}; for a larger one lower what others are guaranteed, or raise the line",
            size(fits)
        );
        let tight = room < place.carry_bytes / 2;
        findings.push(finding(
            &format!("{} has too little room", place.place),
            Some(tight),
            evidence,
            remedy,
        ));
    }
    if sample.places.is_empty() {
        let machine = &sample.machine;
        let both = machine.available_bytes.zip(machine.total_bytes);
        let evidence = both.map_or_else(
            || UNKNOWN.to_owned(),
            |(available, total)| format!("{} of {} are available", size(available), size(total)),
        );
        // What leaves the system the part that it needs to live.
        let room =
            both.map(|(available, total)| available.saturating_sub(Bytes::new(total).fraction(0.1).get()));
        let remedy = room.map_or_else(
            || "find out how much memory is free, and choose a file well below that".to_owned(),
            |room| {
                // A context and its buffers take about a fifth of what the weights take.
                format!("a model file of at most {} would fit beside its context; choose a smaller model or a stronger quantization", size(Bytes::new(room).fraction(0.8).get()))
            },
        );
        let tight = both.map(|(available, total)| available < total / 2);
        findings.push(finding("the machine has too little room", tight, evidence, remedy));
    }
    for device in &sample.devices {
        let Some((free, total)) = device.free_bytes.zip(device.total_bytes) else { continue };
        let evidence = format!("{} of {} are free", size(free), size(total));
        let remedy = format!(
            "at most {} of weights and context fit on {} now; leave the other layers on the host, or end what else uses it",
            size(Bytes::new(free).fraction(0.9).get()),
            device.place
        );
        findings.push(finding(
            &format!("{} is used by others", device.place),
            Some(free < total / 2),
            evidence,
            remedy,
        ));
    }
    findings
}
