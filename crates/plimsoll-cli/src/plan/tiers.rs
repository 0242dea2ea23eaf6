//! `plimsoll plan tiers`: what fits comfortably on each machine of the catalogue.
//!
//! Comfortably means: all of it on the GPUs (or all on the processor, where there are none), under the usual lines, with
//! a cache in 16 bits, at 4 tokens a second or more.

use clap::ValueEnum;
use plimsoll::{Bytes, Place};
use plimsoll_plan::Lessons;
use plimsoll_plan::catalogue::tiers::{CONTEXTS, MACHINES, MODELS, schemes};
use plimsoll_plan::index::Index;
use plimsoll_plan::machine::Machine;
use plimsoll_plan::plan::{Choices as _, Configuration, LineWishes, Lines, Site};
use plimsoll_plan::workload::{LanguageModel, Usual};
use serde::Serialize;

use super::PlanError;
use crate::draw::{Align, Cell, Pen, Style, Table};
use crate::{CliError, Printer};

const EXAMPLES: &str = "\
Examples:
  plimsoll plan tiers
  plimsoll plan tiers --for llm --machine m3-max-128g --machine rtx-4090+64g
  plimsoll plan tiers --for index --json";

/// The least speed that is comfortable, in tokens a second.
const COMFORT: f64 = 4.0;
/// Models that a row names, largest first.
const NAMED: usize = 3;

/// What can be typed after `plan tiers`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct TiersArgs {
    /// Workloads of this sort
    #[arg(long = "for", value_name = "SORT", value_enum, default_value_t = Sort::Llm)]
    pub sort: Sort,
    /// Only this machine; may be repeated
    #[arg(long, value_name = "MACHINE")]
    pub machine: Vec<String>,
}

/// What a table of tiers is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// Language models
    Llm,
    /// Vector indexes of 768 numbers a vector
    Index,
    /// Training of adapters for language and image models
    Train,
}

/// What `plimsoll plan tiers --json` prints: one object.
#[derive(Clone, Debug, Serialize)]
struct TiersReport {
    sort: &'static str,
    columns: Vec<String>,
    machines: Vec<Tier>,
}

#[derive(Clone, Debug, Serialize)]
struct Tier {
    machine: String,
    title: String,
    memory_bytes: u64,
    line_bytes: u64,
    cells: Vec<Vec<Entry>>,
}

/// What a cell of the table holds, by machine and lines.
type Cells = Box<dyn Fn(&Machine, &Lines) -> Vec<Vec<Entry>>>;

/// Something that fits.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Entry {
    pub what: String,
    pub needed_bytes: u64,
    pub tokens_per_s: Option<(f64, f64)>,
}

/// Makes the table and prints it.
pub(super) fn run(args: &TiersArgs, printer: &Printer) -> Result<(), CliError> {
    let names: Vec<&str> = match args.machine.as_slice() {
        [] => MACHINES.to_vec(),
        named => named.iter().map(String::as_str).collect(),
    };
    let machines = names
        .iter()
        .map(|name| Machine::parse(name))
        .collect::<Result<Vec<_>, _>>()
        .map_err(PlanError::from)?;
    let (sort, columns, cells): (_, Vec<String>, Cells) = match args.sort {
        Sort::Llm => {
            let models = models()?;
            let columns = CONTEXTS.iter().map(|context| format!("context {}k", context >> 10)).collect();
            ("llm", columns, Box::new(move |machine, lines| of_models(machine, lines, &models)))
        }
        Sort::Index => {
            let columns = CODECS.iter().map(|codec| (*codec).to_owned()).collect();
            ("index", columns, Box::new(of_indexes))
        }
        Sort::Train => {
            let columns = vec!["LoRA, most that fits".to_owned()];
            ("train", columns, Box::new(super::train_tiers::of_training))
        }
    };
    let mut report = TiersReport { sort, columns, machines: Vec::new() };
    for (at, (machine, name)) in machines.iter().zip(&names).enumerate() {
        printer.progress("machines", at, machines.len());
        let lines = Lines::of(machine, &LineWishes::default());
        let place = machine.gpus.first().map_or(Place::Host, |gpu| gpu.place);
        let gpus = machine.gpus.iter().map(|gpu| lines.shareable(gpu.place));
        let line = if place == Place::Host {
            lines.shareable(place)
        } else {
            gpus.fold(Bytes::ZERO, Bytes::saturating_add)
        };
        report.machines.push(Tier {
            machine: (*name).to_owned(),
            title: machine.title.clone(),
            memory_bytes: machine.processor.memory.get(),
            line_bytes: line.get(),
            cells: cells(machine, &lines),
        });
    }
    printer.progress("machines", machines.len(), machines.len());
    printer.report(&report, view)
}

/// Each model at each context, to be put on any machine.
fn models() -> Result<Vec<Vec<(&'static str, LanguageModel)>>, PlanError> {
    let at = |context: &u64| {
        let model = |name: &&'static str| {
            let text = format!("{name},context={context},kv=f16,layers=all");
            let model = LanguageModel::parse(&text, &Usual::default()).map_err(PlanError::from)?;
            Ok((*name, model))
        };
        MODELS.iter().map(model).collect()
    };
    CONTEXTS.iter().map(at).collect()
}

/// For each context the largest models that fit, each in its best quantization.
fn of_models(
    machine: &Machine,
    lines: &Lines,
    models: &[Vec<(&'static str, LanguageModel)>],
) -> Vec<Vec<Entry>> {
    let (lessons, room) = (Lessons::default(), lines.room());
    let site = Site { machine, lines, lessons: &lessons };
    let best = |name: &str, model: &LanguageModel| {
        let offered: Vec<&str> = schemes(name).iter().map(|scheme| scheme.name()).collect();
        let fits = |way: &Configuration| {
            let scheme = way.knob("quantization").is_some_and(|knob| offered.contains(&knob.value.as_str()));
            let quick = way.speed.as_ref().is_none_or(|speed| speed.decode.middle() >= COMFORT);
            scheme && quick && room.holds([&way.choice(1.0)])
        };
        let ways = model.configurations(&site).into_iter().filter(fits);
        let rank = |way: &Configuration| way.knob("quantization").map_or(0.0, |knob| knob.rank);
        ways.max_by(|a, b| rank(a).total_cmp(&rank(b)))
    };
    let column = |models: &Vec<(&'static str, LanguageModel)>| {
        let found = models.iter().rev().filter_map(|(name, model)| Some((*name, best(name, model)?)));
        found.map(|(name, way)| entry(name, &way)).collect()
    };
    models.iter().map(column).collect()
}

fn entry(name: &str, way: &Configuration) -> Entry {
    let scheme = way.knob("quantization").map(|knob| knob.value.clone()).unwrap_or_default();
    let needs = way.needs().iter().fold(Bytes::ZERO, |sum, need| sum.saturating_add(need.bytes));
    Entry {
        what: format!("{name} {scheme}"),
        needed_bytes: needs.get(),
        tokens_per_s: way.speed.as_ref().map(|speed| (speed.decode.low, speed.decode.high)),
    }
}

const CODECS: [&str; 4] = ["f32", "int8", "int4", "binary"];

/// For each codec the most vectors that fit, by halving.
fn of_indexes(machine: &Machine, lines: &Lines) -> Vec<Vec<Entry>> {
    let place = machine.gpus.first().map_or(Place::Host, |gpu| gpu.place);
    let room = lines.room();
    let need = |vectors: u64, codec: &str| {
        let index = Index::parse(&format!("{vectors}x768:{codec},ivf,originals=disk,on={place}")).ok()?;
        let configuration = Configuration {
            title: String::new(),
            knobs: Vec::new(),
            phases: index.phases(),
            worth: 1.0,
            speed: None,
            launch: None,
            finetune: None,
            doubts: Vec::new(),
        };
        let mut choice = configuration.choice(1.0);
        // Originals are on disk, whatever its size.
        choice.needs.retain(|need| need.place != Place::Disk);
        let fits = room.holds([&choice]);
        Some((fits, configuration.need(place)))
    };
    let most = |codec: &&str| {
        let (mut low, mut high) = (1_u64, 1 << 40);
        while low + low / 100 + 1 < high {
            let middle = low.midpoint(high);
            if need(middle, codec).is_some_and(|(fits, _)| fits) { low = middle } else { high = middle }
        }
        let Some((true, bytes)) = need(low, codec) else { return Vec::new() };
        let millions = low / 1_000_000;
        let what = if millions > 0 { format!("{millions} M vectors") } else { format!("{low} vectors") };
        vec![Entry { what, needed_bytes: bytes.get(), tokens_per_s: None }]
    };
    CODECS.iter().map(most).collect()
}

fn view(report: &TiersReport, pen: &Pen) -> String {
    let columns = report.columns.iter().map(|column| (column.as_str(), Align::Left));
    let heads = [("machine", Align::Left), ("line", Align::Right)];
    let mut table = Table::new(heads.into_iter().chain(columns));
    for tier in &report.machines {
        let rows = tier.cells.iter().map(Vec::len).max().unwrap_or(0).clamp(1, NAMED);
        for row in 0..rows {
            let mut cells = if row == 0 {
                vec![
                    Cell::new(Style::Bold, tier.machine.as_str()),
                    Bytes::new(tier.line_bytes).to_string().into(),
                ]
            } else {
                vec![Cell::default(), Cell::default()]
            };
            for column in &tier.cells {
                cells.push(match column.get(row) {
                    Some(entry) => shown(entry).into(),
                    None if row == 0 => Cell::new(Style::Dim, "nothing"),
                    None => Cell::default(),
                });
            }
            table.row(cells);
        }
    }
    let note = "All of it on the GPUs, or on the processor where there are none; under the usual lines. Estimated: \
                sizes by the rules of each quantization, speeds by bandwidth and compute.\n";
    table.draw(pen) + &pen.paint(Style::Dim, note)
}

fn shown(entry: &Entry) -> String {
    let speed =
        entry.tokens_per_s.map(|(low, high)| format!(", {low:.0} to {high:.0} t/s")).unwrap_or_default();
    format!("{}: {}{speed}", entry.what, Bytes::new(entry.needed_bytes))
}
