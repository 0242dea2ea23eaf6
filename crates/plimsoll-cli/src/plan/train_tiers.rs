//! What can be trained on a machine.

use plimsoll::{Bytes, Place};
use plimsoll_plan::Lessons;
use plimsoll_plan::machine::Machine;
use plimsoll_plan::plan::{Choices as _, Lines, Site};
use plimsoll_plan::train::Training;
use plimsoll_plan::workload::TrainingChoices;

use super::tiers::Entry;

/// From small to large, each as its kind is usually trained.
const TRAININGS: [&str; 8] = [
    "llama-3.2-1b:lora:seq=2048",
    "sdxl:lora:rank=32,px=1024",
    "llama-3.2-3b:lora:seq=2048",
    "llama-3.1-8b:lora:seq=2048",
    "sd3.5-large:lora:rank=32,px=1024",
    "qwen3-14b:lora:seq=2048",
    "flux.1-dev:lora:rank=32,px=1024",
    "llama-3.1-70b:lora:seq=2048",
];

/// The largest that fit one GPU, or the processor's memory where there is none.
pub(super) fn of_training(machine: &Machine, lines: &Lines) -> Vec<Vec<Entry>> {
    let (lessons, room) = (Lessons::default(), lines.room());
    let site = Site { machine, lines, lessons: &lessons };
    let place = machine.gpus.first().map_or(Place::Host, |gpu| gpu.place);
    let best = |text: &&str| {
        let training = TrainingChoices::new(Training::parse(text).ok()?, true);
        let fitting = training.configurations(&site).into_iter().filter(|way| room.holds([&way.choice(1.0)]));
        let way = fitting.max_by(|a, b| a.worth.total_cmp(&b.worth))?;
        let needed: Bytes = way.need(place);
        let what = way.title.split(';').next().unwrap_or_default().to_owned();
        Some(Entry { what, needed_bytes: needed.get(), tokens_per_s: None })
    };
    vec![TRAININGS.iter().rev().filter_map(best).collect()]
}
