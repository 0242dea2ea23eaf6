//! An engine with something to look at: `cargo run -p plimsoll --example engine_at_work`, and `plimsoll top` beside it.
//!
//! A few threads lease under tags, fill a cache until it must give things up, keep weights, use a simulated GPU whose
//! work takes time, and now and then ask for what they cannot have. It takes some 60 MiB and ends by Ctrl-C or after
//! `--seconds N`.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::pool::{Lease, LeaseRequest, Tag};
use plimsoll::{Bytes, Engine, Place};
use plimsoll_device::sim::{Contents, SimDevice, SimSettings};
use plimsoll_device::{Device, HostDevice, HostSettings, Stream};

const GPU: Place = Place::Sim(0);

type Done = Result<(), Box<dyn Error + Send + Sync>>;

fn main() -> Result<(), Box<dyn Error>> {
    let seconds = seconds()?;
    let settings = SimSettings {
        total: Bytes::mib(64),
        fence_delay: Duration::from_millis(700),
        contents: Contents::Hollow,
        ..SimSettings::default()
    };
    let gpu = Arc::new(SimDevice::new(settings)?);
    let host = Arc::new(HostDevice::open(HostSettings::default())?);
    let devices: Vec<Arc<dyn Device>> = vec![host, Arc::clone(&gpu) as Arc<dyn Device>];
    let engine = Engine::with(&plan(), devices)?;
    let shown = engine.publish("engine_at_work", Duration::from_secs(1))?;
    println!("shown at {}; look at it with `plimsoll top`, end it with Ctrl-C", shown.path().display());

    let stop = AtomicBool::new(false);
    let began = Instant::now();
    thread::scope(|scope| {
        let workers = [
            scope.spawn(|| weights(&engine, &stop)),
            scope.spawn(|| attention(&engine, &stop)),
            scope.spawn(|| features(&engine, &stop)),
            scope.spawn(|| documents(&engine, &stop)),
            scope.spawn(|| train(&engine, &gpu, &stop)),
        ];
        let over = || seconds.is_some_and(|seconds| began.elapsed() >= seconds);
        while !over() && workers.iter().all(|worker| !worker.is_finished()) {
            thread::sleep(Duration::from_millis(100));
        }
        stop.store(true, Ordering::Relaxed);
        for worker in workers {
            match worker.join() {
                Ok(done) => done.map_err(|error| error as Box<dyn Error>)?,
                Err(_) => return Err("a worker panicked".into()),
            }
        }
        Ok(())
    })
}

fn plan() -> LedgerSettings {
    let mib = Bytes::mib;
    let account = |path: &str, guaranteed, limit| {
        AccountSettings::new(path).share(Place::Host, mib(guaranteed), mib(limit))
    };
    LedgerSettings {
        places: vec![
            LineSettings::new(Place::Host, mib(72)).reserve(mib(4)).emergency(mib(1)),
            LineSettings::new(GPU, mib(48)),
        ],
        accounts: vec![
            account("models", 16, 24).priority(9),
            account("models/chat", 10, 16).priority(9),
            account("models/embed", 4, 8).priority(8),
            account("kv", 12, 28).priority(5).share(GPU, mib(8), mib(24)),
            account("features", 4, 32).priority(1),
            account("documents", 2, 10).priority(2),
            AccountSettings::new("train").priority(3).share(GPU, mib(16), mib(40)),
        ],
    }
}

/// `--seconds N`; without it there is no end.
fn seconds() -> Result<Option<Duration>, Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    match (args.next().as_deref(), args.next()) {
        (None, _) => Ok(None),
        (Some("--seconds"), Some(seconds)) => Ok(Some(Duration::from_secs(seconds.parse()?))),
        _ => Err("usage: engine_at_work [--seconds N]".into()),
    }
}

/// Loaded once and kept; every now and then a model is exchanged.
fn weights(engine: &Engine, stop: &AtomicBool) -> Done {
    let chat = engine.account("models/chat")?.scratch(Place::Host)?;
    let embed = engine.account("models/embed")?.scratch(Place::Host)?;
    let layer = Tag::new("weights");
    let keep = chat.lease_with(LeaseRequest::new(Bytes::mib(10)).tag(layer))?;
    for round in 0_u64.. {
        let second = embed.lease_with(LeaseRequest::new(Bytes::mib(3 + round % 3)).tag(layer))?;
        if rest(stop, 9_000) {
            break;
        }
        drop(second);
        if rest(stop, 2_000) {
            break;
        }
    }
    drop(keep);
    Ok(())
}

/// Sequences that grow block by block and end: leases of two kinds, and a wish that is too large now and then.
fn attention(engine: &Engine, stop: &AtomicBool) -> Done {
    let pool = engine.account("kv")?.scratch(Place::Host)?;
    let (blocks, draft) = (Tag::new("attention"), Tag::new("draft"));
    let mut held: VecDeque<Lease> = VecDeque::new();
    for round in 0_usize.. {
        let tag = if round.is_multiple_of(5) { draft } else { blocks };
        let wish = LeaseRequest::new(Bytes::kib(192)).tag(tag);
        match pool.lease_with(wish) {
            Ok(lease) => held.push_back(lease),
            Err(_) => held.truncate(held.len() / 2),
        }
        // The load breathes: between a third and all of what there may be.
        let most = 40 + (round / 3) % 90;
        while held.len() > most {
            held.pop_front();
        }
        if round % 200 == 199 {
            // Too much for any state of the account: refused, and seen to be.
            drop(pool.lease(Bytes::mib(64)));
        }
        if rest(stop, 60) {
            break;
        }
    }
    Ok(())
}

/// A cache that takes what is left and gives it up when others need it.
fn features(engine: &Engine, stop: &AtomicBool) -> Done {
    let cache = engine.cached::<u64, Vec<u8>>("features")?;
    for round in 0_u64.. {
        // A hot fifth, and a long tail.
        let key = if round % 3 == 0 { round % 20 } else { 20 + round.wrapping_mul(7_919) % 400 };
        let size = 64 << 10 << (key % 3);
        // Refused is no failure here: the value was used, and is not kept.
        drop(cache.get_or_insert_with(&key, || vec![1; size]));
        if rest(stop, 25) {
            break;
        }
    }
    Ok(())
}

/// Chunks that come in, are read and go.
fn documents(engine: &Engine, stop: &AtomicBool) -> Done {
    let pool = engine.account("documents")?.scratch(Place::Host)?;
    let tags = [Tag::new("parse"), Tag::new("embed"), Tag::new("index")];
    for round in 0_u64.. {
        let batch: Vec<Lease> = tags
            .iter()
            .zip([1_536, 768 + 64 * (round % 9), 320])
            .filter_map(|(&tag, kib)| pool.lease_with(LeaseRequest::new(Bytes::kib(kib)).tag(tag)).ok())
            .collect();
        if rest(stop, 350) {
            break;
        }
        drop(batch);
        if rest(stop, 150) {
            break;
        }
    }
    Ok(())
}

/// Steps on a device that is behind: what is dropped stays pending until its work is done.
fn train(engine: &Engine, gpu: &SimDevice, stop: &AtomicBool) -> Done {
    let pool = engine.account("train")?.scratch(GPU)?;
    let cache = engine.account("kv")?.scratch(GPU)?;
    let (weights, activations) = (Tag::new("parameters"), Tag::new("activations"));
    let parameters = pool.lease_with(LeaseRequest::new(Bytes::mib(12)).tag(weights))?;
    let blocks = cache.lease_with(LeaseRequest::new(Bytes::mib(6)).tag(Tag::new("attention")))?;
    for round in 0_u64.. {
        let wish = LeaseRequest::new(Bytes::mib(1 + round % 5)).tag(activations);
        let held: Vec<Lease> = (0..3).filter_map(|_| pool.lease_with(wish).ok()).collect();
        for mut lease in held {
            lease.fill(Stream(0), 1)?;
        }
        if rest(stop, 250) {
            break;
        }
        gpu.advance(Duration::from_millis(250));
    }
    gpu.signal_all();
    drop((parameters, blocks));
    Ok(())
}

/// Sleeps so many milliseconds; whether it is time to stop.
fn rest(stop: &AtomicBool, ms: u64) -> bool {
    let until = Instant::now() + Duration::from_millis(ms);
    while !stop.load(Ordering::Relaxed) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        thread::sleep(left.min(Duration::from_millis(100)));
    }
    true
}
