//! Driving a trace through a pool, and what came out.

use std::time::Instant;

use serde::Serialize;

use super::{Action, ReplayError, Trace};

/// Anything that can serve a trace. Blocks have small numbers: a table by number is all that it needs.
pub trait Replayer {
    /// The block is asked for.
    fn alloc(&mut self, block: u32, bytes: u64, stream: u16) -> Result<(), ReplayError>;

    /// Its owner dropped it while `stream` may still use it. What it held stays held.
    fn free_requested(&mut self, block: u32, stream: u16);

    /// Nothing uses it any more. Comes without [`free_requested`](Self::free_requested) in some recordings.
    fn free_completed(&mut self, block: u32);

    /// The most that was backed at once.
    fn peak_reserved_bytes(&self) -> u64;

    /// How often something was backed or given back.
    fn map_events(&self) -> u64;

    /// Of these, what giving back cost: everything given back, and everything backed again below the highest that
    /// was backed before. The rest is growth that any pool has to pay once.
    fn exchange_events(&self) -> u64;
}

/// What a replay measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Events that were driven.
    pub events: u64,
    /// The most that was backed at once.
    pub peak_reserved_bytes: u64,
    /// How often something was backed or given back.
    pub map_events: u64,
    /// Of these, what giving back cost.
    pub exchange_events: u64,
    /// Wall time over events.
    pub ns_per_event: f64,
}

/// A replay's result, as it is printed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Events in the trace.
    pub events: u64,
    /// The most bytes between allocation and completed free.
    pub peak_live_bytes: u64,
    /// The most that was backed at once.
    pub peak_reserved_bytes: u64,
    /// Reserved peak over live peak.
    pub overhead: f64,
    /// What the recording allocator took from the driver at most; `null` where the recording does not tell.
    pub recorded_reserved_bytes: Option<u64>,
    /// Wall time over events.
    pub ns_per_event: f64,
    /// How often something was backed or given back.
    pub map_events: u64,
    /// Of these, what giving back cost (see [`Replayer::exchange_events`]).
    pub exchange_events: u64,
    /// The same trace through a plain best fit in one range that never gives back.
    pub best_fit_reserved_bytes: u64,
    /// Its peak over the live peak.
    pub best_fit_overhead: f64,
    /// The recording's peak over the live peak.
    pub recorded_overhead: Option<f64>,
    /// Frees of blocks that were live before the recording began; they are left out.
    pub unknown_frees: u64,
}

/// Drives a trace through a pool. Only the events are timed; reading the trace was done before.
#[expect(clippy::cast_precision_loss, reason = "nanoseconds per event are a measurement")]
pub fn replay(trace: &Trace, pool: &mut dyn Replayer) -> Result<Outcome, ReplayError> {
    let start = Instant::now();
    for (index, event) in trace.events.iter().enumerate() {
        match event.action {
            Action::Alloc => pool
                .alloc(event.block, event.bytes, event.stream)
                .map_err(|error| ReplayError { event: index, ..error })?,
            Action::FreeRequested => pool.free_requested(event.block, event.stream),
            Action::FreeCompleted => pool.free_completed(event.block),
            Action::Segment => {}
        }
    }
    let nanos = start.elapsed().as_nanos() as f64;
    Ok(Outcome {
        events: trace.facts.events,
        peak_reserved_bytes: pool.peak_reserved_bytes(),
        map_events: pool.map_events(),
        exchange_events: pool.exchange_events(),
        ns_per_event: nanos / (trace.events.len().max(1) as f64),
    })
}

/// Puts a trace's facts, a pool's outcome and the plain best fit's side by side.
pub fn report(trace: &Trace, ours: &Outcome, best_fit: &Outcome) -> Report {
    let live = trace.facts.peak_live_bytes;
    Report {
        events: trace.facts.events,
        peak_live_bytes: live,
        peak_reserved_bytes: ours.peak_reserved_bytes,
        overhead: over(ours.peak_reserved_bytes, live),
        recorded_reserved_bytes: trace.facts.recorded_reserved_bytes,
        ns_per_event: ours.ns_per_event,
        map_events: ours.map_events,
        exchange_events: ours.exchange_events,
        best_fit_reserved_bytes: best_fit.peak_reserved_bytes,
        best_fit_overhead: over(best_fit.peak_reserved_bytes, live),
        recorded_overhead: trace.facts.recorded_reserved_bytes.map(|bytes| over(bytes, live)),
        unknown_frees: trace.facts.odd.unknown_frees,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
fn over(reserved: u64, live: u64) -> f64 {
    if live == 0 { 1.0 } else { reserved as f64 / live as f64 }
}
