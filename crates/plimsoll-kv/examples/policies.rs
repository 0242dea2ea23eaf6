//! Every rule on every trace at many capacities, side by side.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss)]

use std::time::Instant;

use plimsoll_kv::replay::{RuleName, Trace, replay};

fn main() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/kv-traces");
    let names: Vec<RuleName> = std::env::args()
        .nth(1)
        .map_or(RuleName::ALL.to_vec(), |n| n.split(',').map(|n| n.parse().unwrap()).collect());
    for file in ["mooncake-conversation", "mooncake-synthetic", "agent-sessions"] {
        let start = Instant::now();
        let trace = Trace::open(format!("{folder}/{file}.jsonl.gz").as_ref()).unwrap();
        println!("{file}: {} blocks, read in {:?}", trace.blocks(), start.elapsed());
        for percent in [1, 2, 3, 5, 7, 10, 15, 20, 25, 30, 40] {
            print!("{percent:>3}%");
            for name in &names {
                let start = Instant::now();
                let outcome = replay(&trace, *name, (trace.blocks() * percent + 50) / 100, false);
                print!("  {name} {:.4} ({:.2}s)", outcome.hit_ratio(), start.elapsed().as_secs_f64());
            }
            println!();
        }
    }
}
