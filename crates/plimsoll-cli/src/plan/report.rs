//! A plan as a report; this is the schema of `plimsoll plan --json`.

use plimsoll::{Bytes, Place};
use plimsoll_plan::machine::Machine;
use plimsoll_plan::plan::{Configuration, LeftOut, Plan, Planned, Way};
use plimsoll_plan::solve::Need;
use plimsoll_plan::speed::{Range, Speed};
use plimsoll_plan::{Certainty, Formula, Lessons, Part};
use serde::Serialize;

/// What `plimsoll plan --json` prints: one object. Sizes are whole numbers of bytes, shares are of 1.
///
/// * `verdict` is `fits`, `fits-in-part` (some workloads are left out) or `does-not-fit`.
/// * `places[].needed_bytes` counts the high end of every part but caches, and of turns the worst; `headroom_bytes` is
///   what then is left to share.
/// * `workloads[].parts[]` has every part, with `turn` naming when it is there (`null`: all along).
/// * `left_out[].short` says what is missing for the way that comes nearest; `ways` what would fit instead.
#[derive(Clone, Debug, Serialize)]
pub struct PlanReport {
    /// The program's version.
    pub version: &'static str,
    /// What it was planned for.
    pub machine: MachineReport,
    /// Whether it fits.
    pub verdict: &'static str,
    /// Whether nothing more useful fits, as far as was looked.
    pub best: bool,
    /// How many earlier runs the estimates learnt from.
    pub learnt_runs: usize,
    /// How long solving took.
    pub solved_ms: f64,
    /// The lines.
    pub places: Vec<PlaceReport>,
    /// What is carried.
    pub workloads: Vec<WorkloadReport>,
    /// What is not.
    pub left_out: Vec<LeftOutReport>,
}

/// The machine.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct MachineReport {
    pub name: String,
    pub title: String,
    pub unified: bool,
    pub memory_bytes: u64,
}

/// A place and its line.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct PlaceReport {
    pub place: String,
    pub usable_bytes: u64,
    pub line_bytes: u64,
    pub shareable_bytes: u64,
    pub needed_bytes: u64,
    pub headroom_bytes: u64,
    /// What caches may have besides, if it is there.
    pub cache_bytes: u64,
}

/// A workload that is carried.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct WorkloadReport {
    pub name: String,
    pub priority: u8,
    pub title: String,
    pub knobs: Vec<KnobReport>,
    pub parts: Vec<PartReport>,
    pub worth: f64,
    pub speed: Option<SpeedReport>,
    pub doubts: Vec<String>,
    pub trades: Vec<WayReport>,
}

/// Something that was chosen.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct KnobReport {
    pub name: &'static str,
    pub value: String,
}

/// A part.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct PartReport {
    pub name: String,
    pub place: String,
    pub account: &'static str,
    pub turn: Option<&'static str>,
    pub bytes: u64,
    pub low_bytes: u64,
    pub high_bytes: u64,
    /// `exact`, `bounded` or `estimated`.
    pub certainty: &'static str,
    /// The same for people.
    #[serde(skip)]
    pub certainty_text: String,
    pub formula: FormulaReport,
}

/// How fast it would be.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct SpeedReport {
    /// Of one sequence, and of all together.
    pub decode_tokens_per_s: (f64, f64),
    pub decode_all_tokens_per_s: (f64, f64),
    pub decode_limited_by: String,
    pub decode_formula: FormulaReport,
    pub prefill_tokens_per_s: (f64, f64),
    pub prefill_limited_by: String,
    pub prefill_formula: FormulaReport,
}

/// How a figure came about.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct FormulaReport {
    pub rule: String,
    pub terms: Vec<(String, String)>,
}

/// A workload that is not carried.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct LeftOutReport {
    pub name: String,
    pub priority: u8,
    pub nearest: Option<String>,
    pub parts: Vec<PartReport>,
    pub short: Vec<NeedReport>,
    pub ways: Vec<WayReport>,
}

/// So much of a place.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct NeedReport {
    pub place: String,
    pub bytes: u64,
}

/// Another way to run a workload.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct WayReport {
    pub change: String,
    pub title: String,
    pub fits: bool,
    pub short: Vec<NeedReport>,
    pub worth: f64,
    pub worth_here: f64,
    pub more_bytes: i64,
}

impl PlanReport {
    /// The report of a plan for a machine.
    pub fn new(plan: &Plan, machine: &Machine, lessons: &Lessons, solved_ms: f64) -> Self {
        let verdict = match (plan.planned.is_empty(), plan.fits()) {
            (_, true) => "fits",
            (false, false) => "fits-in-part",
            (true, false) => "does-not-fit",
        };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            machine: MachineReport {
                name: machine.name.clone(),
                title: machine.title.clone(),
                unified: machine.unified,
                memory_bytes: machine.processor.memory.get(),
            },
            verdict,
            best: plan.best,
            learnt_runs: lessons.runs(),
            solved_ms,
            places: plan.lines.lines.iter().map(|line| place(plan, machine, line.place)).collect(),
            workloads: plan.planned.iter().map(workload).collect(),
            left_out: plan.left_out.iter().map(left_out).collect(),
        }
    }

    /// A place's line.
    pub fn place(&self, name: &str) -> Option<&PlaceReport> {
        self.places.iter().find(|place| place.place == name)
    }
}

fn place(plan: &Plan, machine: &Machine, place: Place) -> PlaceReport {
    let caches = plan.planned.iter().flat_map(|planned| &planned.configuration.phases.resident);
    let caches = caches.filter(|part| part.place == place && part.account == plimsoll_plan::plan::CACHE);
    let line = plan.lines.line(place).map_or(Bytes::ZERO, |line| line.line);
    PlaceReport {
        place: place.to_string(),
        usable_bytes: machine.usable(place).unwrap_or(line).get(),
        line_bytes: line.get(),
        shareable_bytes: plan.lines.shareable(place).get(),
        needed_bytes: plan.needed(place).get(),
        headroom_bytes: plan.headroom(place).get(),
        cache_bytes: caches.fold(Bytes::ZERO, |sum, part| sum.saturating_add(part.bytes)).get(),
    }
}

fn workload(planned: &Planned) -> WorkloadReport {
    let configuration = &planned.configuration;
    WorkloadReport {
        name: planned.name.clone(),
        priority: planned.priority,
        title: configuration.title.clone(),
        knobs: configuration
            .knobs
            .iter()
            .map(|knob| KnobReport { name: knob.name, value: knob.value.clone() })
            .collect(),
        parts: parts(configuration),
        worth: configuration.worth,
        speed: configuration.speed.as_ref().map(speed),
        doubts: configuration.doubts.clone(),
        trades: planned.trades.iter().map(way).collect(),
    }
}

fn left_out(out: &LeftOut) -> LeftOutReport {
    LeftOutReport {
        name: out.name.clone(),
        priority: out.priority,
        nearest: out.least.as_ref().map(|least| least.title.clone()),
        parts: out.least.as_ref().map(parts).unwrap_or_default(),
        short: out.short.iter().map(need).collect(),
        ways: out.ways.iter().map(way).collect(),
    }
}

fn parts(configuration: &Configuration) -> Vec<PartReport> {
    let phases = &configuration.phases;
    let resident = phases.resident.iter().map(|found| part(found, None));
    let turns =
        phases.turns.iter().flat_map(|turn| turn.parts.iter().map(|found| part(found, Some(turn.name))));
    resident.chain(turns).collect()
}

fn part(part: &Part, turn: Option<&'static str>) -> PartReport {
    PartReport {
        name: part.name.clone(),
        place: part.place.to_string(),
        account: part.account,
        turn,
        bytes: part.bytes.get(),
        low_bytes: part.certainty.low(part.bytes).get(),
        high_bytes: part.certainty.high(part.bytes).get(),
        certainty: match part.certainty {
            Certainty::Exact => "exact",
            Certainty::Bounded(..) => "bounded",
            Certainty::Estimated(_) => "estimated",
        },
        certainty_text: part.certainty.to_string(),
        formula: formula(&part.formula),
    }
}

fn formula(formula: &Formula) -> FormulaReport {
    let terms = formula.terms.iter().map(|term| (term.name.clone(), term.value.clone())).collect();
    FormulaReport { rule: formula.rule.clone(), terms }
}

fn speed(speed: &Speed) -> SpeedReport {
    let range = |range: Range| (range.low, range.high);
    SpeedReport {
        decode_tokens_per_s: range(speed.decode),
        decode_all_tokens_per_s: range(speed.decode_all),
        decode_limited_by: speed.decode_roof.to_string(),
        decode_formula: formula(&speed.decode_formula),
        prefill_tokens_per_s: range(speed.prefill),
        prefill_limited_by: speed.prefill_roof.to_string(),
        prefill_formula: formula(&speed.prefill_formula),
    }
}

fn need(need: &Need) -> NeedReport {
    NeedReport { place: need.place.to_string(), bytes: need.bytes.get() }
}

fn way(way: &Way) -> WayReport {
    WayReport {
        change: way.change.clone(),
        title: way.title.clone(),
        fits: way.fits,
        short: way.short.iter().map(need).collect(),
        worth: way.worth.0,
        worth_here: way.worth.1,
        more_bytes: i64::try_from(way.more_bytes).unwrap_or(if way.more_bytes < 0 {
            i64::MIN
        } else {
            i64::MAX
        }),
    }
}
