//! Losses as a picture: a point for each step, and a line through their means.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use super::TrainError;
use super::report::LoraReport;
use crate::CliError;
use crate::draw::picture::{DIM, FAINT, FONT, INK, begin, frame, legend};

const LINE: RGBColor = RGBColor(0x00, 0x72, 0xB2);
/// How many steps the line takes the mean of.
const WINDOW: usize = 10;

/// Draws them into a file.
pub(super) fn write(path: &Path, report: &LoraReport) -> Result<(), CliError> {
    let mut text = String::new();
    picture(&mut text, report).map_err(|error| TrainError::Picture(error.to_string()))?;
    std::fs::write(path, text).map_err(|source| CliError::Write { path: path.to_owned(), source })
}

fn picture(text: &mut String, report: &LoraReport) -> Result<(), Box<dyn Error>> {
    let (root, below) = begin(text, "What each step's predictions cost")?;
    let points: Vec<(f64, f64)> =
        report.steps.iter().map(|one| (f64::from(one.step), f64::from(one.loss))).collect();
    let looked: Vec<f64> = [report.before, report.after].into_iter().flatten().map(f64::from).collect();
    let losses = || points.iter().map(|at| at.1).chain(looked.iter().copied());
    let most = losses().fold(0.1, f64::max) * 1.05;
    let least = losses().fold(most, f64::min) * 0.95;
    let first = points.first().map_or(0.0, |at| at.0 - 1.0);
    let end = points.last().map_or(1.0, |at| at.0);
    let mut chart = frame(&below, 60).build_cartesian_2d(first..end.max(first + 1.0), least..most)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(DIM)
        .x_desc("step")
        .y_desc("loss")
        .x_label_formatter(&|step| format!("{step:.0}"))
        .y_label_formatter(&|loss| format!("{loss:.2}"))
        .label_style((FONT, 15).into_font().color(&INK))
        .axis_desc_style((FONT, 16).into_font().color(&INK))
        .draw()?;
    chart.draw_series(points.iter().map(|&at| Circle::new(at, 2, LINE.mix(0.35).filled())))?;
    #[expect(clippy::cast_precision_loss, reason = "a window")]
    let means = points.windows(WINDOW.min(points.len().max(1))).map(|window| {
        let sum: f64 = window.iter().map(|at| at.1).sum();
        (window.last().map_or(0.0, |at| at.0), sum / window.len() as f64)
    });
    chart
        .draw_series(LineSeries::new(means, LINE.stroke_width(3)))?
        .label(format!("mean of {WINDOW} steps"))
        .legend(|(x, y)| PathElement::new([(x, y), (x + 22, y)], LINE.stroke_width(3)));
    let held: Vec<(f64, f64)> = [(first, report.before), (end, report.after)]
        .into_iter()
        .filter_map(|(at, loss)| loss.map(|loss| (at, f64::from(loss))))
        .collect();
    if !held.is_empty() {
        let mark = |at| TriangleMarker::new(at, 7, INK.filled());
        chart
            .draw_series(held.into_iter().map(mark))?
            .label("what is not learned from")
            .legend(|(x, y)| TriangleMarker::new((x + 11, y), 7, INK.filled()));
    }
    legend(&mut chart, SeriesLabelPosition::UpperRight)?;
    drop(chart);
    root.present()?;
    drop(below);
    drop(root);
    Ok(())
}
