//! `plimsoll plan --compare`: what was predicted beside what a recording measured.

use std::path::Path;

use plimsoll::Bytes;
use plimsoll::machine::Machine;
use plimsoll::record::Prediction;
use plimsoll::record::analysis::{Measure, StudySettings};
use plimsoll::settings::{Capacities, load};
use serde::Serialize;

use super::PlanError;
use super::args::AskArgs;
use crate::draw::{Align, Cell, Pen, Style, Table};
use crate::recording::{measured_as, open};
use crate::{CliError, Printer};

/// What `plimsoll plan --compare --json` prints: one object.
#[derive(Clone, Debug, Serialize)]
struct CompareReport {
    recording: String,
    /// Parts, in the order of the plan.
    parts: Vec<Compared>,
    /// All of them together, by place.
    places: Vec<Compared>,
}

#[derive(Clone, Debug, Serialize)]
struct Compared {
    account: Option<String>,
    place: String,
    predicted_bytes: u64,
    measured_bytes: u64,
    /// Measured over predicted, less one.
    difference: Option<f64>,
    /// `charged`, or `placed` where the recording does not tell what was charged.
    measure: &'static str,
}

pub(super) fn run(recording: &Path, args: &AskArgs, printer: &Printer) -> Result<(), CliError> {
    let mut recorded = open(recording)?;
    if let Some(plan) = &args.plan {
        let settings = load(plan, &Capacities::from(&Machine::read()))?;
        let predictions = settings.predictions().map(|(account, place, bytes)| Prediction {
            account: Some(account.to_owned()),
            place,
            bytes,
        });
        recorded.predict(predictions.collect::<Vec<_>>());
    }
    let study = recorded.study(&StudySettings { points: 1, largest: 0, ..StudySettings::default() })?;
    if study.predictions.is_empty() {
        return Err(PlanError::NothingPredicted(recording.to_owned()).into());
    }
    let compared = |check: &plimsoll::record::analysis::PredictionCheck| Compared {
        account: check.prediction.account.clone(),
        place: check.prediction.place.to_string(),
        predicted_bytes: check.prediction.bytes.get(),
        measured_bytes: check.measured,
        difference: check.difference(),
        measure: measured_as(check.measure),
    };
    let parts: Vec<Compared> = study.predictions.iter().map(compared).collect();
    let report =
        CompareReport { recording: recording.display().to_string(), places: places(&parts, &study), parts };
    printer.report(&report, view)
}

/// The places: the sum of what was predicted there beside the measured peak, which is no sum of peaks.
fn places(parts: &[Compared], study: &plimsoll::record::analysis::Study) -> Vec<Compared> {
    let mut places: Vec<Compared> = Vec::new();
    for part in parts.iter().filter(|part| part.account.is_some()) {
        match places.iter_mut().find(|place| place.place == part.place) {
            Some(place) => place.predicted_bytes = place.predicted_bytes.saturating_add(part.predicted_bytes),
            None => places.push(Compared { account: None, ..part.clone() }),
        }
    }
    for place in &mut places {
        let found = study.summary.places.iter().find(|summary| summary.place.to_string() == place.place);
        let (measured, measure) =
            found.map_or((0, measured_as(Measure::Placed)), |summary| match &summary.charged {
                Some(charged) => (charged.bytes, measured_as(Measure::Charged)),
                None => (summary.placed.bytes, measured_as(Measure::Placed)),
            });
        let ratio = Bytes::new(measured).ratio(Bytes::new(place.predicted_bytes));
        (place.measured_bytes, place.measure) = (measured, measure);
        place.difference = (place.predicted_bytes > 0).then_some(ratio - 1.0);
    }
    places
}

fn view(report: &CompareReport, pen: &Pen) -> String {
    let mut table = Table::new([
        ("part", Align::Left),
        ("place", Align::Left),
        ("predicted", Align::Right),
        ("measured", Align::Right),
        ("difference", Align::Right),
    ]);
    let difference = |compared: &Compared| {
        compared.difference.map_or(Cell::default(), |difference| {
            let style = match difference {
                over if over > 0.02 => Style::Bad,
                under if under < -0.2 => Style::Warn,
                _ => Style::Good,
            };
            Cell::new(style, format!("{:+.1}%", difference * 100.0))
        })
    };
    for compared in report.parts.iter().chain(&report.places) {
        let name = compared.account.as_deref();
        table.row([
            name.map_or_else(|| Cell::new(Style::Bold, "all of it"), Into::into),
            compared.place.as_str().into(),
            Bytes::new(compared.predicted_bytes).to_string().into(),
            Bytes::new(compared.measured_bytes).to_string().into(),
            difference(compared),
        ]);
    }
    table.draw(pen)
}
