//! How long a plan takes: `cargo run --release -p plimsoll-plan --example plan_speed`.
//!
//! Ten workloads are read from their texts, then planned for several machines. What is timed is the plan alone: finding
//! the ways to run each workload, with every buffer of theirs, and choosing among them. Beside it stands how many
//! combinations there are, which is what trying everything would have to look at.

use std::error::Error;
use std::time::Instant;

use plimsoll_plan::Lessons;
use plimsoll_plan::machine::Machine;
use plimsoll_plan::plan::{LineWishes, Lines, Plan, Request, Site};
use plimsoll_plan::workload::{Sort, Usual, Workload};

const WORKLOADS: [(Sort, &str); 10] = [
    (Sort::Model, "qwen3-14b,context=32k"),
    (Sort::Model, "llama-3.1-8b,context=16k,parallel=4"),
    (Sort::Model, "gpt-oss-20b,context=32k"),
    (Sort::Model, "gemma-3-12b,context=16k"),
    (Sort::Model, "qwen3-0.6b,context=8k"),
    (Sort::Index, "5Mx768,ivf,originals=disk"),
    (Sort::Index, "1Mx384,flat"),
    (Sort::Documents, "2GiB,chunk=512,model=nomic-embed-text-v1.5"),
    (Sort::Image, "sdxl,1024x1024"),
    (Sort::Training, "llama-3.2-1b:lora:seq=1024,checkpointing"),
];
const MACHINES: [&str; 4] = ["m3-max-128g", "rtx-4090+64g", "2x rtx-3090+128g", "cpu-64g"];
const ROUNDS: usize = 15;

#[expect(clippy::cast_precision_loss, reason = "numbers for people")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut requests = Vec::new();
    for (at, (sort, text)) in WORKLOADS.iter().enumerate() {
        let workload = Workload::parse(*sort, text, &Usual::default())?;
        requests.push(Request { name: format!("w{at}"), priority: 5, workload: workload.into_choices() });
    }
    println!(
        "{:20} {:>9} {:>9} {:>8} {:>14}  fits",
        "ten workloads on", "median", "worst", "target", "combinations"
    );
    for name in MACHINES {
        let machine = Machine::parse(name)?;
        let (wishes, lessons) = (LineWishes::default(), Lessons::default());
        let lines = Lines::of(&machine, &wishes);
        let site = Site { machine: &machine, lines: &lines, lessons: &lessons };
        let ways = requests.iter().map(|request| request.workload.configurations(&site).len() as f64 + 1.0);
        let combinations: f64 = ways.product();
        let mut took = Vec::new();
        let mut fits = String::new();
        for _ in 0..ROUNDS {
            let began = Instant::now();
            let plan = Plan::make(&machine, &wishes, &lessons, &requests);
            took.push(began.elapsed().as_secs_f64() * 1e3);
            let proven = if plan.best { "" } else { ", not proven to be the best" };
            fits = format!("{} of {}{proven}", plan.planned.len(), requests.len());
        }
        took.sort_by(f64::total_cmp);
        let (median, worst) = (took[ROUNDS / 2], took[ROUNDS - 1]);
        println!("{name:20} {median:>6.1} ms {worst:>6.1} ms    50 ms {combinations:>14.1e}  {fits}");
    }
    Ok(())
}
