//! Making a plan and writing it down.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use plimsoll_plan::Lessons;
use plimsoll_plan::emit::Program;
use plimsoll_plan::plan::{LineWishes, Plan, Request};
use plimsoll_plan::workload::{Sort, Workload};

use super::PlanError;
use super::args::AskArgs;
use super::report::PlanReport;
use super::{here, svg, view};
use crate::{CliError, Printer};

/// Priorities by kind: what people wait for comes before what can be done later.
const PRIORITIES: [(Sort, u8); 5] =
    [(Sort::Model, 7), (Sort::Index, 6), (Sort::Image, 5), (Sort::Documents, 4), (Sort::Training, 3)];

pub(super) fn run(args: &AskArgs, printer: &Printer) -> Result<(), CliError> {
    if args.is_empty() {
        return Err(PlanError::NothingToPlan.into());
    }
    let requests = requests(args)?;
    let mut wishes = LineWishes::default();
    for line in &args.line {
        wishes.add(line).map_err(PlanError::from)?;
    }
    let machine = here::machine(args.machine.as_deref(), printer)?;
    let runs = if args.no_runs { None } else { args.runs.clone().or_else(usual_runs) };
    let lessons = lessons(runs.as_deref())?;
    let began = Instant::now();
    let plan = Plan::make(&machine, &wishes, &lessons, &requests);
    let solved_ms = began.elapsed().as_secs_f64() * 1e3;
    let report = PlanReport::new(&plan, &machine, &lessons, solved_ms);
    if let Some(program) = args.program {
        printer.data(&told(&plan, program)?)?;
    } else {
        printer.report(&report, |report, pen| view::view(report, pen, args.explain))?;
    }
    if let Some(file) = &args.svg {
        write(file, &svg::draw(&report))?;
    }
    if !plan.fits() {
        let names: Vec<&str> = plan.left_out.iter().map(|out| out.name.as_str()).collect();
        return Err(PlanError::DoesNotFit { names: names.join(", "), written: args.output.is_some() }.into());
    }
    if let Some(file) = &args.output {
        let heading = format!("Made by `plimsoll plan` for {}.\n{}", machine.title, titles(&plan));
        write(file, &plan.toml(&heading, runs.as_deref()))?;
        Printer::remark(&format!(
            "{} is the plan; `plimsoll config check {}` checks it",
            file.display(),
            file.display()
        ));
    }
    Ok(())
}

fn titles(plan: &Plan) -> String {
    let line =
        |planned: &plimsoll_plan::plan::Planned| format!("{}: {}", planned.name, planned.configuration.title);
    plan.planned.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Everything that is asked for, each with a name of its own.
fn requests(args: &AskArgs) -> Result<Vec<Request>, PlanError> {
    let usual = args.usual();
    let lists = [
        (Sort::Model, &args.model),
        (Sort::Index, &args.index),
        (Sort::Image, &args.image),
        (Sort::Documents, &args.documents),
        (Sort::Training, &args.train),
    ];
    let (mut requests, mut taken) = (Vec::new(), BTreeSet::new());
    for (sort, texts) in lists {
        let priority = PRIORITIES.iter().find(|(of, _)| *of == sort).map_or(1, |(_, priority)| *priority);
        for text in texts {
            let workload = Workload::parse(sort, text, &usual)?;
            let name = workload.name();
            let mut unique = name.clone();
            let mut number = 2;
            while !taken.insert(unique.clone()) {
                unique = format!("{name}-{number}");
                number += 1;
            }
            requests.push(Request { name: unique, priority, workload: workload.into_choices() });
        }
    }
    Ok(requests)
}

/// What another program is told of each workload that it can run.
fn told(plan: &Plan, program: Program) -> Result<String, PlanError> {
    let texts: Vec<String> =
        plan.planned.iter().filter_map(|planned| planned.configuration.text(program)).collect();
    if texts.is_empty() {
        return Err(PlanError::NothingForProgram(program));
    }
    Ok(texts.join("\n"))
}

/// Where runs are kept unless a plan says otherwise: below the user's own state folder.
fn usual_runs() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state"));
    Some(state.or_else(home)?.join("plimsoll/runs.jsonl"))
}

fn lessons(runs: Option<&Path>) -> Result<Lessons, PlanError> {
    let Some(file) = runs else { return Ok(Lessons::default()) };
    let unreadable = |source| PlanError::Unreadable { path: file.to_owned(), source };
    let read = plimsoll::runs::read(file).map_err(unreadable)?;
    if read.passed_over > 0 {
        Printer::remark(&format!(
            "{} lines of {} are no runs and were passed over",
            read.passed_over,
            file.display()
        ));
    }
    Ok(Lessons::of(&read.runs))
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    std::fs::write(path, text).map_err(|source| CliError::Write { path: path.to_owned(), source })
}
