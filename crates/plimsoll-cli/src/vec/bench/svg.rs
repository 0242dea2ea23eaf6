//! Recall against queries a second as a picture: a line for each codec in lists, a point for each that looks at all.

use std::error::Error;

use plotters::prelude::*;

use super::BenchRow;
use crate::draw::picture::{DIM, FAINT, FONT, INK, begin, frame, legend};

/// Colours that people who see colours differently tell apart too (Okabe and Ito).
const COLORS: [RGBColor; 8] = [
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x56, 0xB4, 0xE9),
    RGBColor(0x8A, 0x8A, 0x2E),
    DIM,
];

/// Draws the rows that are of batches in memory.
pub(super) fn draw(rows: &[BenchRow]) -> Result<String, String> {
    let mut text = String::new();
    picture(&mut text, &series(rows)).map_err(|error| error.to_string())?;
    Ok(text)
}

type Series = (String, Vec<(f64, f64)>);

/// By what stands before the batch: the codec, and whether it is in lists.
fn series(rows: &[BenchRow]) -> Vec<Series> {
    let mut all: Vec<Series> = Vec::new();
    for row in rows.iter().filter(|row| row.work.contains("batch") && !row.work.contains("budget")) {
        let (name, _) = row.work.split_once(',').unwrap_or((&row.work, ""));
        let again = if row.work.contains("again") { ", looked at again" } else { "" };
        let name = format!("{name}{again}");
        let point = (row.recall, row.qps);
        match all.iter_mut().find(|(other, _)| *other == name) {
            Some((_, points)) => points.push(point),
            None => all.push((name, vec![point])),
        }
    }
    all
}

fn picture(text: &mut String, series: &[Series]) -> Result<(), Box<dyn Error>> {
    let (root, below) = begin(text, "Queries a second for what is found")?;
    let points = || series.iter().flat_map(|(_, points)| points);
    let from = points().map(|at| at.0).fold(1.0, f64::min) - 0.02;
    let least = points().map(|at| at.1).fold(f64::INFINITY, f64::min).clamp(1e-3, 1e12) * 0.8;
    let most = points().map(|at| at.1).fold(least * 2.0, f64::max) * 1.3;
    let mut chart = frame(&below, 70).build_cartesian_2d(from..1.005, (least..most).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(DIM)
        .x_desc("recall of the ten nearest")
        .y_desc("queries a second")
        .x_label_formatter(&|share| format!("{share:.2}"))
        .y_label_formatter(&|rate| format!("{rate:.0}"))
        .label_style((FONT, 15).into_font().color(&INK))
        .axis_desc_style((FONT, 16).into_font().color(&INK))
        .draw()?;
    for ((name, points), color) in series.iter().zip(COLORS.iter().cycle()) {
        let style = color.stroke_width(if points.len() > 1 { 3 } else { 2 });
        let legend = move |(x, y)| PathElement::new([(x, y), (x + 22, y)], style);
        chart
            .draw_series(LineSeries::new(points.iter().copied(), style))?
            .label(name.as_str())
            .legend(legend);
        chart.draw_series(points.iter().map(|&at| Circle::new(at, 4, color.filled())))?;
    }
    legend(&mut chart, SeriesLabelPosition::LowerLeft)?;
    drop(chart);
    root.present()?;
    drop(below);
    drop(root);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_lines_and_what_looks_at_all_is_a_point() {
        let row = |work: &str, qps, recall| BenchRow {
            work: work.to_owned(),
            engine: "plimsoll",
            qps,
            ms: 1.0,
            gb_per_s: 1.0,
            bandwidth_fraction: 0.5,
            recall,
        };
        let rows = [
            row("f32, one query", 10.0, 1.0),
            row("f32, batch 100", 100.0, 1.0),
            row("ivf int4, batch 100, 1 of 64 lists, 4× looked at again", 9000.0, 0.6),
            row("ivf int4, batch 100, 2 of 64 lists, 4× looked at again", 5000.0, 0.9),
        ];
        let found = series(&rows);
        assert_eq!(found[0], ("f32".to_owned(), vec![(1.0, 100.0)]));
        assert_eq!(found[1], ("ivf int4, looked at again".to_owned(), vec![(0.6, 9000.0), (0.9, 5000.0)]));
        let text = draw(&rows).unwrap();
        assert!(text.starts_with("<svg") && text.contains("ivf int4, looked at again"));
        assert_eq!(text.matches("<circle").count(), 3);
        assert!(draw(&[]).is_ok());
    }
}
