//! One way to run a workload.

use plimsoll::{Bytes, Place};

use crate::Phases;
use crate::emit::{self, Launch, Program};
use crate::solve::{Choice, Need};
use crate::speed::Speed;
use crate::train::Training;
use crate::{Lessons, Part};

/// Parts of this account may be given up while the workload runs: they are promised nothing.
pub const CACHE: &str = "cache";

/// One way to run a workload: what it needs, what it is worth, and how fast it would be.
#[derive(Clone, Debug, PartialEq)]
pub struct Configuration {
    /// For people, short: "`Q4_K_M`, context 32k, f16 cache, all layers on cuda:0".
    pub title: String,
    /// What was chosen, or given by the user.
    pub knobs: Vec<Knob>,
    /// What it needs.
    pub phases: Phases,
    /// How useful it is, from 0 to 1.
    pub worth: f64,
    /// How fast it would be, where that can be said.
    pub speed: Option<Speed>,
    /// How another program would be told, where one could.
    pub launch: Option<Launch>,
    /// The training, where it is one.
    pub finetune: Option<Training>,
    /// What is not known, and how it was bridged.
    pub doubts: Vec<String>,
}

/// One thing that was chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Knob {
    /// "context", "quantization".
    pub name: &'static str,
    /// "32k", "`Q4_K_M`".
    pub value: String,
    /// The order among its values: more is better.
    pub rank: f64,
}

impl Knob {
    /// A knob at a value.
    pub fn new(name: &'static str, value: &str, rank: f64) -> Self {
        Self { name, value: value.to_owned(), rank }
    }
}

impl Configuration {
    /// With what earlier runs teach of its estimates.
    #[must_use]
    pub fn taught(mut self, workload: &str, lessons: &Lessons) -> Self {
        let teach = |parts: &mut Vec<Part>| {
            *parts = std::mem::take(parts).into_iter().map(|part| lessons.teach(workload, part)).collect();
        };
        teach(&mut self.phases.resident);
        self.phases.turns.iter_mut().for_each(|turn| teach(&mut turn.parts));
        self
    }

    /// What must be there for it at each place: the high end of every part, and of turns the worst. Caches need nothing.
    pub fn needs(&self) -> Vec<Need> {
        let places = self.phases.places();
        let need = |place| Need { place, bytes: self.need(place) };
        places.into_iter().map(need).filter(|need| !need.bytes.is_zero()).collect()
    }

    /// The same of one place.
    pub fn need(&self, place: Place) -> Bytes {
        let high = |parts: &[Part]| {
            let here = parts.iter().filter(|part| part.place == place && part.account != CACHE);
            here.fold(Bytes::ZERO, |sum, part| sum.saturating_add(part.certainty.high(part.bytes)))
        };
        let turns = self.phases.turns.iter().map(|turn| high(&turn.parts)).max().unwrap_or_default();
        high(&self.phases.resident).saturating_add(turns)
    }

    /// As the solver sees it, with the weight of its workload.
    pub fn choice(&self, weight: f64) -> Choice {
        Choice { needs: self.needs(), value: self.worth * weight }
    }

    /// What another program is told; `None` for one that does not run such workloads.
    pub fn text(&self, program: Program) -> Option<String> {
        match (&self.launch, &self.finetune) {
            (Some(launch), _) => launch.text(program),
            (None, Some(training)) => emit::finetune(training, program),
            (None, None) => None,
        }
    }

    /// The value of a knob.
    pub fn knob(&self, name: &str) -> Option<&Knob> {
        self.knobs.iter().find(|knob| knob.name == name)
    }
}
