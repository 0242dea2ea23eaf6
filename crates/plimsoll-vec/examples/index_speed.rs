//! How fast an index answers that is in memory as a whole, in time that passes and in time of processors.
//!
//! ```console
//! $ cargo run --release -p plimsoll-vec --example scan_speed -- --codecs planes --write FOLDER
//! $ cargo run --release -p plimsoll-vec --example index_speed -- FOLDER planes
//! $ crates/bench-compare/peers/vec.py FOLDER turbovec
//! ```
//!
//! Searches `base.npy` by cosine for `queries.npy`, two threads, ten nearest, whole calls, caches as warm as they get: what peers
//! are measured with. Where others use the machine, time that passes says more of them than of us; so the time of processors is
//! told beside it (Linux, in ticks of a hundredth of a second, over all turns).

#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::path::Path;
use std::time::Instant;

use plimsoll::{Bytes, Engine, EngineAccount};
use plimsoll_vec::index::{Index, Search, Shape};
use plimsoll_vec::input::Input;
use plimsoll_vec::{Codec, Metric};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("a folder with base.npy and queries.npy is wanted")?;
    let codec: Codec = arguments.next().map_or(Ok(Codec::Planes), |name| name.parse())?;
    let folder = Path::new(&folder);
    let asked = queries(&folder.join("queries.npy"))?;
    let dimension = asked.0;
    let home = folder.join(format!("index-{codec}"));
    if !home.exists() {
        let metric = Metric::Cosine;
        let shape = Shape { dimension, metric, codec, originals: false, lists: None, reduced: None };
        Index::create(&home, shape, &account()?)?.build(&folder.join("base.npy"), None, |_| {})?;
    }
    let index = Index::open(&home, &account()?)?;
    let search = Search { threads: 2, ..Search::nearest(10) };
    let count = asked.1.len() / dimension;
    for (name, at_once, turns) in [("batch", count, 20), ("one query", 1, 400)] {
        let part = |turn: usize| &asked.1[turn * at_once % count * dimension..][..at_once * dimension];
        index.search(part(0), &search)?;
        let before = processors();
        let mut took = Vec::new();
        for turn in 0..turns {
            let began = Instant::now();
            index.search(part(turn), &search)?;
            took.push(began.elapsed().as_secs_f64() * 1e3);
        }
        let worked = processors().zip(before).map(|(now, before)| (now - before) / turns as f64);
        took.sort_by(f64::total_cmp);
        println!(
            "{codec}, {name}: median {:.2} ms, least {:.2} ms; of processors {:.2} ms",
            took[turns / 2],
            took[0],
            worked.unwrap_or(f64::NAN)
        );
    }
    Ok(())
}

fn account() -> Result<EngineAccount, Failure> {
    Ok(Engine::in_memory(Bytes::gib(2), "vec")?.account("vec")?)
}

/// All vectors of a file, and how many numbers each has.
fn queries(path: &Path) -> Result<(usize, Vec<f32>), Failure> {
    let account = account()?;
    let mut input = Input::open(path, &account.engine().streaming("vec")?, Bytes::mib(1))?;
    let dimension = input.facts().dimension;
    let (mut all, mut part) = (Vec::new(), vec![0.0; dimension]);
    while input.read(&mut part, &mut Vec::new())? > 0 {
        all.extend_from_slice(&part);
    }
    Ok((dimension, all))
}

/// Milliseconds that processors have worked for this program, where the system tells.
fn processors() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) * 10.0)
}
