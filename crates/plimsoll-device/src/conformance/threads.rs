//! Many threads at once.

use std::thread;

use super::Check;
use super::trial::{Held, Stop, Trial, failed, must, pattern};
use crate::{Bytes, Stream};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "many threads use one device", run: regions },
    Check { name: "many threads share one range", run: range },
];

const ROUNDS: u64 = 12;

/// Runs `work` with each number on a thread of its own; the first failure counts.
fn together(trial: &Trial<'_>, work: impl Fn(u64) -> Result<(), Stop> + Sync) -> Result<(), Stop> {
    let threads = trial.options.threads.max(2) as u64;
    thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = (0..threads).map(|n| scope.spawn(move || work(n))).collect();
        running
            .into_iter()
            .map(|thread| {
                let panicked = |_| Err(failed("working on many threads", "the device panicked"));
                thread.join().unwrap_or_else(panicked)
            })
            .fold(Ok(()), Result::and)
    })
}

fn regions(trial: &Trial<'_>) -> Result<(), Stop> {
    let device = trial.device;
    let modes = trial.modes()?;
    together(trial, |n| {
        let own = must("opening a stream", device.stream())?;
        for round in 0..ROUNDS {
            let mode = modes[usize::try_from(n + round).unwrap_or(0) % modes.len()];
            let bytes = 1000 + 4097 * (n + round);
            let (source, target) = (trial.allocate(bytes, mode)?, trial.allocate(bytes, mode)?);
            let wanted = pattern(source.bytes().as_usize(), n * 1000 + round);
            // Every other round on a stream that all threads share.
            let stream = if round % 2 == 0 { own } else { Stream(0) };
            must("uploading", device.upload(stream, &wanted, source.whole()))?;
            must("copying", device.copy(stream, source.whole(), target.whole()))?;
            source.give_back()?;
            let mut found = vec![0; wanted.len()];
            must("downloading", device.download(stream, target.whole(), &mut found))?;
            trial.same("with other threads at work", &found, &wanted)?;
            trial.settle(stream)?;
            must("asking for memory", device.memory())?;
        }
        Ok(())
    })
}

fn range(trial: &Trial<'_>) -> Result<(), Stop> {
    let facts = trial.facts();
    if !facts.capabilities.growable_ranges {
        return Err(Stop::Skipped("the device has no growable ranges"));
    }
    let (device, granule) = (trial.device, facts.granule);
    let threads = trial.options.threads.max(2) as u64;
    let mode = trial.any_mode()?;
    let range: Held<'_> =
        trial.hold(must("reserving", device.reserve(Bytes::new(2 * threads * granule), mode))?);
    together(trial, |n| {
        let stream = must("opening a stream", device.stream())?;
        // Neighbouring threads have neighbouring granules.
        for round in 0..ROUNDS {
            let at = (2 * n + round % 2) * granule;
            must("backing", device.commit(&range, at..at + granule))?;
            let span = range.part(at + 10, at + granule)?;
            let wanted = pattern(span.bytes().as_usize().min(10_000), n * 1000 + round);
            let span = range.part(span.offset(), span.offset() + wanted.len() as u64)?;
            must("uploading", device.upload(stream, &wanted, span))?;
            trial.settle(stream)?;
            let mut found = vec![0; wanted.len()];
            must("downloading", device.download(stream, span, &mut found))?;
            trial.same("in a range that threads share", &found, &wanted)?;
            must("giving back", device.decommit(&range, at..at + granule))?;
        }
        Ok(())
    })
}
