//! Hits over capacity as a picture. The capacity's axis is logarithmic: a cache is bought by doubling it.

use std::collections::BTreeMap;
use std::error::Error;

use plotters::prelude::*;

use super::ReplayRow;
use crate::draw::picture::{DIM, FAINT, FONT, INK, begin, frame};

/// Colours that people who see colours differently tell apart too (Okabe and Ito).
fn color(policy: &str) -> RGBColor {
    match policy {
        "plimsoll" => RGBColor(0xD5, 0x5E, 0x00),
        "plimsoll+hints" => RGBColor(0xE6, 0x9F, 0x00),
        "lru" => RGBColor(0x00, 0x72, 0xB2),
        "lfu" => RGBColor(0x8A, 0x8A, 0x2E),
        "arc" => RGBColor(0x00, 0x9E, 0x73),
        "s3-fifo" => RGBColor(0xCC, 0x79, 0xA7),
        _ => DIM,
    }
}

/// Draws the rows.
pub(super) fn draw(rows: &[ReplayRow], title: &str) -> Result<String, String> {
    let mut text = String::new();
    picture(&mut text, rows, title).map_err(|error| error.to_string())?;
    Ok(text)
}

fn picture(text: &mut String, rows: &[ReplayRow], title: &str) -> Result<(), Box<dyn Error>> {
    let (root, below) = begin(text, &format!("Blocks found at the front of a prompt: {title}"))?;
    let capacities = || rows.iter().map(|row| row.capacity);
    let least = capacities().fold(f64::INFINITY, f64::min) * 0.9;
    let most = capacities().fold(0.0, f64::max) * 1.1;
    let highest = rows.iter().map(|row| row.hit_blocks).fold(0.05, f64::max) * 1.05;
    let mut chart = frame(&below, 58).build_cartesian_2d((least..most).log_scale(), 0.0..highest)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(DIM)
        .x_desc("capacity, of the trace's different blocks")
        .y_desc("found")
        .x_label_formatter(&|share| format!("{}%", (share * 1e4).round() / 1e2))
        .y_label_formatter(&|share| format!("{:.0}%", share * 100.0))
        .label_style((FONT, 15).into_font().color(&INK))
        .axis_desc_style((FONT, 16).into_font().color(&INK))
        .draw()?;
    for (policy, points) in lines(rows) {
        let width = if policy == "plimsoll" { 3 } else { 2 };
        let style = color(policy).stroke_width(width);
        let legend = move |(x, y)| PathElement::new([(x, y), (x + 22, y)], style);
        if policy == "belady" {
            let dashes = DashedLineSeries::new(points.iter().copied(), 5, 4, style);
            chart.draw_series(dashes)?.label("belady (bound)").legend(legend);
        } else {
            chart.draw_series(LineSeries::new(points.iter().copied(), style))?.label(policy).legend(legend);
        }
        chart.draw_series(points.iter().map(|&at| Circle::new(at, 3, color(policy).filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .margin(12)
        .legend_area_size(30)
        .label_font((FONT, 16).into_font().color(&INK))
        .background_style(WHITE)
        .draw()?;
    drop(chart);
    root.present()?;
    Ok(())
}

/// Each policy's points from left to right, in the order in which the policies first appear.
fn lines(rows: &[ReplayRow]) -> Vec<(&'static str, Vec<(f64, f64)>)> {
    let mut order: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut lines: Vec<(&'static str, Vec<(f64, f64)>)> = Vec::new();
    for row in rows {
        let next = lines.len();
        let line = *order.entry(row.policy).or_insert(next);
        if line == next {
            lines.push((row.policy, Vec::new()));
        }
        lines[line].1.push((row.capacity, row.hit_blocks));
    }
    for (_, points) in &mut lines {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    lines
}
