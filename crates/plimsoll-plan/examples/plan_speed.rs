//! How long a plan takes: `cargo run --release -p plimsoll-plan --example plan_speed`.
//!
//! Ten workloads are read from their texts, then planned for several machines. Choosing is the solver alone; the whole plan
//! also finds the ways to run each workload, with every buffer of theirs, on as many threads as there are cores, and
//! looks again between what was taken and what was not. Beside it stands how many combinations there are, which is what
//! trying everything would have to look at.

use std::error::Error;
use std::time::Instant;

use plimsoll_plan::Lessons;
use plimsoll_plan::machine::Machine;
use plimsoll_plan::plan::{LineWishes, Lines, Plan, Request, Site};
use plimsoll_plan::solve::{Choice, solve};
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
    println!("ten workloads on    choosing  whole plan   target   combinations  fits");
    for name in MACHINES {
        let machine = Machine::parse(name)?;
        let (wishes, lessons) = (LineWishes::default(), Lessons::default());
        let lines = Lines::of(&machine, &wishes);
        let site = Site { machine: &machine, lines: &lines, lessons: &lessons };
        let choices = |request: &Request| {
            let ways = request.workload.configurations(&site);
            let mut choices: Vec<Choice> = ways.iter().map(|way| way.choice(32.0)).collect();
            choices.push(Choice { needs: Vec::new(), value: -320.0 });
            choices
        };
        let choices: Vec<Vec<Choice>> = requests.iter().map(choices).collect();
        let combinations: f64 = choices.iter().map(|choices| choices.len() as f64).product();
        let (mut took, mut chose) = (Vec::new(), Vec::new());
        let mut fits = String::new();
        for _ in 0..ROUNDS {
            let began = Instant::now();
            let plan = Plan::make(&machine, &wishes, &lessons, &requests);
            took.push(began.elapsed().as_secs_f64() * 1e3);
            let began = Instant::now();
            let solution = solve(&lines.room(), &choices, 1e-3);
            chose.push(began.elapsed().as_secs_f64() * 1e3);
            assert!(solution.is_some(), "what is left out needs nothing");
            let proven = if plan.best { "" } else { ", not proven to be the best" };
            fits = format!("{} of {}{proven}", plan.planned.len(), requests.len());
        }
        for times in [&mut took, &mut chose] {
            times.sort_by(f64::total_cmp);
        }
        let (whole, choosing) = (took[ROUNDS / 2], chose[ROUNDS / 2]);
        println!("{name:17} {choosing:>8.1} ms {whole:>8.1} ms    50 ms {combinations:>14.1e}  {fits}");
    }
    Ok(())
}
