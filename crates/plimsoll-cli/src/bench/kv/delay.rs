//! Whether moving blocks down holds up those who look for one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use plimsoll_device::Device;

use super::report::Target;
use super::stand::{Stand, TOKENS, layout, quantile};
use super::{KvArgs, KvBenchError, KvRow};

/// Blocks of the prompt that is looked for.
const PROMPT: u32 = 16;

pub(super) fn rows(args: &KvArgs, device: &Arc<dyn Device>) -> Result<Vec<KvRow>, KvBenchError> {
    let blocks = args.blocks().min(96);
    let stand = Stand::new(device, &layout(), blocks, |_, mut settings| {
        settings.threads = true;
        Ok(settings)
    })?;
    let asked = stand.chain(&(0..PROMPT * TOKENS).collect::<Vec<_>>());
    let held = stand.fill(&asked)?;
    let time = Duration::from_millis(if args.quick { 300 } else { 3_000 });
    let quiet = looks(&stand, &asked, time);
    let (stop, failed) = (AtomicBool::new(false), AtomicBool::new(false));
    let busy = thread::scope(|scope| {
        scope.spawn(|| {
            let mut from = 1_000_000;
            while !stop.load(Ordering::Relaxed) {
                from += PROMPT * TOKENS;
                let chain = stand.chain(&(from..from + PROMPT * TOKENS).collect::<Vec<_>>());
                if stand.fill(&chain).is_err() {
                    failed.store(true, Ordering::Relaxed);
                }
            }
        });
        let busy = looks(&stand, &asked, time);
        stop.store(true, Ordering::Relaxed);
        busy
    });
    let moved = stand.cache.stats().tiers[plimsoll_kv::tree::Tier::Warm].demoted;
    drop(held);
    if moved.is_zero() || failed.load(Ordering::Relaxed) {
        return Err(KvBenchError::Nothing("nothing was moved down".to_owned()));
    }
    Ok(vec![KvRow {
        what: "the slowest look of a hundred while blocks move down".to_owned(),
        value: busy,
        unit: "us",
        beside: format!("the same while nothing moves; {moved} went down"),
        peer: Some(quiet),
        target: Some(Target::AtMost(1_000.0)),
    }])
}

/// Looks for a prompt again and again; the 99th percentile in microseconds.
fn looks(stand: &Stand, chain: &plimsoll_kv::block::Chain, time: Duration) -> f64 {
    let mut times = Vec::new();
    let until = Instant::now() + time;
    while Instant::now() < until {
        let began = Instant::now();
        drop(stand.cache.seek(chain));
        times.push(began.elapsed().as_secs_f64() * 1e6);
        thread::sleep(Duration::from_micros(50));
    }
    quantile(&mut times, 0.99)
}
