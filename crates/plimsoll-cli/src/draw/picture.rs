//! What pictures have in common: their size, heading, font and greys.

use plotters::coord::{CoordTranslate, Shift};
use plotters::prelude::*;

const SIZE: (u32, u32) = (900, 560);
const TITLE: u32 = 56;
/// A screen's own font without serifs; the picture brings none.
pub(crate) const FONT: &str = "system-ui, sans-serif";
/// What is written.
pub(crate) const INK: RGBColor = RGBColor(0x33, 0x33, 0x33);
/// Lines behind everything.
pub(crate) const FAINT: RGBColor = RGBColor(0xE4, 0xE4, 0xE4);
/// Axes, and what matters least.
pub(crate) const DIM: RGBColor = RGBColor(0x77, 0x77, 0x77);

type Area<'t> = DrawingArea<SVGBackend<'t>, Shift>;

/// Begins a picture with its heading: all of it, and what is left below.
pub(crate) fn begin<'t>(
    text: &'t mut String,
    title: &str,
) -> Result<(Area<'t>, Area<'t>), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let bold = FontDesc::new(FontFamily::Name(FONT), 23.0, FontStyle::Bold);
    root.draw_text(title, &bold.color(&INK), (24, 16))?;
    let (_, below) = root.split_vertically(TITLE);
    Ok((root, below))
}

/// Begins a chart below the heading, with room for labels of so many units at its left.
pub(crate) fn frame<'b, 't>(below: &'b Area<'t>, labels: u32) -> ChartBuilder<'b, 'b, SVGBackend<'t>> {
    let mut chart = ChartBuilder::on(below);
    chart.margin_left(14).margin_right(28).margin_top(10).margin_bottom(10);
    chart.x_label_area_size(48).y_label_area_size(labels);
    chart
}

/// Draws what lines and points are, in a corner of the chart.
pub(crate) fn legend<'a, 't: 'a, C: CoordTranslate>(
    chart: &mut ChartContext<'a, SVGBackend<'t>, C>,
    corner: SeriesLabelPosition,
) -> Result<(), Box<dyn std::error::Error>> {
    chart
        .configure_series_labels()
        .position(corner)
        .background_style(WHITE.mix(0.85))
        .label_font((FONT, 14).into_font().color(&INK))
        .draw()?;
    Ok(())
}
