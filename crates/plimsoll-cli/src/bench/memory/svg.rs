//! The host's figures as a picture.
//!
//! Both axes are logarithmic: a first cache is twenty times as fast as memory and as much smaller than it as a
//! postcard than a library, and both matter.

use std::error::Error;
use std::ops::Range;

use plimsoll::Bytes;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::report::{HostPoint, HostReport, MemoryReport};
use super::{MemoryError, Operation};

const WIDTH: u32 = 1000;
const TITLE: u32 = 64;
const PANEL: u32 = 380;
/// A screen's own font without serifs; the picture brings none.
const FONT: &str = "system-ui, sans-serif";
const INK: RGBColor = RGBColor(0x33, 0x33, 0x33);
const FAINT: RGBColor = RGBColor(0xE4, 0xE4, 0xE4);
const DIM: RGBColor = RGBColor(0x77, 0x77, 0x77);

/// Colours that people who see colours differently tell apart too (Okabe and Ito).
const fn color(operation: Operation) -> RGBColor {
    match operation {
        Operation::Read => RGBColor(0x00, 0x72, 0xB2),
        Operation::Write => RGBColor(0xD5, 0x5E, 0x00),
        Operation::Copy => RGBColor(0x00, 0x9E, 0x73),
        Operation::Triad => RGBColor(0xCC, 0x79, 0xA7),
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws the host's figures, a panel for one thread and one for all.
pub fn draw(report: &MemoryReport) -> Result<String, MemoryError> {
    let mut text = String::new();
    picture(&mut text, report).map_err(|error| MemoryError::Picture(error.to_string()))?;
    Ok(text)
}

fn picture(text: &mut String, report: &MemoryReport) -> Result<(), Box<dyn Error>> {
    let panels: Vec<_> = report.host.iter().filter(|host| !host.points.is_empty()).collect();
    let height = TITLE + PANEL * u32::try_from(panels.len())?;
    let root = SVGBackend::with_string(text, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let name = report.cpu.name.as_deref().unwrap_or("unknown processor");
    let bold = FontDesc::new(FontFamily::Name(FONT), 25.0, FontStyle::Bold);
    root.draw_text(&format!("Memory of {name}"), &bold.color(&INK), (24, 16))?;
    let runs = panels.iter().flat_map(|host| &host.points).map(|point| point.figure.runs).min().unwrap_or(0);
    let counted = format!("bytes counted as STREAM does, best of {runs} runs, {}", report.cpu.instructions);
    root.draw_text(&counted, &(FONT, 17).into_font().color(&DIM), (24, 44))?;
    let (_, below) = root.split_vertically(TITLE);
    // Both panels have the same axes, so that the eye can compare them.
    let points = || panels.iter().flat_map(|host| &host.points);
    let x = spread(points().map(|point| log2(point.working_set_bytes)), 0.3, 0.3);
    // Below the lines there is room for the names of the caches.
    let y = spread(points().map(height_of), 0.35, 0.12);
    for (area, host) in below.split_evenly((panels.len(), 1)).iter().zip(&panels) {
        panel(area, host, &report.cpu.caches_of(host.threads), (&x, &y))?;
    }
    root.present()?;
    Ok(())
}

/// Gigabytes a second as a power of ten.
fn height_of(point: &HostPoint) -> f64 {
    point.figure.best_bytes_per_s.log10() - 9.0
}

fn panel(
    area: &Area<'_>,
    host: &HostReport,
    caches: &[(u8, u64)],
    (x, y): (&Range<f64>, &Range<f64>),
) -> Result<(), Box<dyn Error>> {
    let what = if host.threads == 1 { "one thread".to_owned() } else { format!("{} threads", host.threads) };
    let mut chart = ChartBuilder::on(area)
        .margin_left(14)
        .margin_right(24)
        .margin_top(34)
        .margin_bottom(8)
        .x_label_area_size(48)
        .y_label_area_size(58)
        .build_cartesian_2d(
            Axis { marks: sizes(x), range: x.clone(), write: size },
            Axis { marks: rates(y), range: y.clone(), write: rate },
        )?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(DIM)
        .x_desc("working set (all arrays together)")
        .y_desc("GB/s")
        .label_style((FONT, 15).into_font().color(&INK))
        .axis_desc_style((FONT, 16).into_font().color(&INK))
        .draw()?;
    let heading = FontDesc::new(FontFamily::Name(FONT), 19.0, FontStyle::Bold);
    area.draw_text(&what, &heading.color(&INK), (24, 10))?;
    let label = (FONT, 15).into_font().color(&DIM).pos(Pos::new(HPos::Right, VPos::Bottom));
    for &(level, bytes) in caches {
        let at = log2(bytes);
        if !x.contains(&at) {
            continue;
        }
        let dashes = [(at, y.start), (at, y.end)];
        chart.draw_series(DashedLineSeries::new(dashes, 4, 4, DIM.stroke_width(1)))?;
        let (px, py) = chart.backend_coord(&(at, y.start));
        let (left, top) = area.get_base_pixel();
        let size = Bytes::new(bytes).to_string().replace(".00", "");
        area.draw_text(&format!("L{level} {size}"), &label, (px - left - 5, py - top - 6))?;
    }
    for operation in Operation::ALL {
        let points = host.points.iter().filter(|point| point.operation == operation);
        let points: Vec<_> = points.map(|point| (log2(point.working_set_bytes), height_of(point))).collect();
        let style = color(operation).stroke_width(2);
        chart
            .draw_series(LineSeries::new(points.iter().copied(), style))?
            .label(operation.name())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], style));
        chart.draw_series(points.iter().map(|&at| Circle::new(at, 3, color(operation).filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .margin(10)
        .legend_area_size(30)
        .label_font((FONT, 16).into_font().color(&INK))
        .background_style(WHITE)
        .draw()?;
    Ok(())
}

/// The smallest and the largest with a little room around them.
fn spread(values: impl Iterator<Item = f64>, below: f64, above: f64) -> Range<f64> {
    let (least, most) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), v| (least.min(v), most.max(v)));
    least - below..most + above
}

/// An axis of powers, with the marks that it is given.
struct Axis {
    range: Range<f64>,
    marks: Vec<f64>,
    write: fn(f64) -> String,
}

impl Ranged for Axis {
    type ValueType = f64;
    type FormatOption = NoDefaultFormatting;

    #[expect(clippy::cast_possible_truncation, reason = "a pixel of a small picture")]
    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (value - self.range.start) / (self.range.end - self.range.start);
        from + (share * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Only whole marks: there are no fainter lines between them.
        if hint.weight().allow_light_points() { Vec::new() } else { self.marks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        (self.write)(*value)
    }
}

/// Every second power of two, in powers.
fn sizes(range: &Range<f64>) -> Vec<f64> {
    (0..64).step_by(2).map(f64::from).filter(|power| range.contains(power)).collect()
}

/// 1, 2, 5, 10, 20, 50, … GB/s as powers of ten.
fn rates(range: &Range<f64>) -> Vec<f64> {
    let decade = |power: i32| [1.0, 2.0, 5.0].map(|step: f64| step.log10() + f64::from(power));
    (-4..8).flat_map(decade).filter(|mark| range.contains(mark)).collect()
}

fn rate(power: f64) -> String {
    let rate = 10_f64.powf(power);
    if rate > 0.99 { format!("{rate:.0}") } else { format!("{}", (rate * 1e4).round() / 1e4) }
}

#[expect(clippy::cast_precision_loss, reason = "a place on an axis")]
fn log2(bytes: u64) -> f64 {
    (bytes.max(1) as f64).log2()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mark between 0 and 63")]
fn size(power: f64) -> String {
    Bytes::new(1 << (power.round() as u32).min(63)).to_string().replace(".00", "")
}
