//! A packing as a picture: steps to the right, offsets upwards.

use std::fmt::Write as _;

use plimsoll::Bytes;
use plimsoll_tensor::pack::Layout;

use super::table::Table;
use crate::report::esc;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 480.0;
const MARGIN: f64 = 24.0;
const HEADING: f64 = 44.0;
/// Colours that people who see colours differently tell apart too (Okabe and Ito).
const COLORS: [&str; 7] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a8a2e"];

/// Draws where each buffer stands; the line is the bound, and the capacity where there is one.
#[expect(clippy::cast_precision_loss, reason = "places of a picture")]
pub(super) fn draw(name: &str, table: &Table, layout: &Layout, capacity: Option<Bytes>) -> String {
    let begin = table.buffers.iter().map(|buffer| buffer.lower).min().unwrap_or(0);
    let end = table.buffers.iter().map(|buffer| buffer.upper).max().unwrap_or(1);
    let top = layout.height.max(capacity.unwrap_or_default()).get().max(1) as f64;
    let across = (WIDTH - 2.0 * MARGIN) / (end.saturating_sub(begin).max(1) as f64);
    let x = |step: u64| MARGIN + (step - begin) as f64 * across;
    let y = |offset: u64| HEADING + HEIGHT * (1.0 - offset as f64 / top);
    let full = HEADING + HEIGHT + MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {full}\" width=\"{WIDTH}\" \
         height=\"{full}\" font-family=\"system-ui, sans-serif\" font-size=\"14\" fill=\"#333\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{MARGIN}\" y=\"28\">{}: {} buffers, {} high, {} at once</text>\n",
        esc(name),
        table.buffers.len(),
        layout.height,
        layout.bound
    );
    for (at, (buffer, offset)) in table.buffers.iter().zip(&layout.offsets).enumerate() {
        let above = offset.get() + buffer.size.get();
        let _ = writeln!(
            out,
            "<rect x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{:.2}\" fill=\"{}\" stroke=\"#fff\" \
             stroke-width=\"0.3\"><title>{}: {} at {}</title></rect>",
            x(buffer.lower),
            y(above),
            x(buffer.upper) - x(buffer.lower),
            y(offset.get()) - y(above),
            COLORS[at % COLORS.len()],
            esc(&table.ids[at]),
            buffer.size,
            offset.get()
        );
    }
    for (line, color) in [(Some(layout.bound), "#333"), (capacity, "#c00")] {
        let Some(line) = line else { continue };
        let _ = writeln!(
            out,
            "<line x1=\"{MARGIN}\" x2=\"{:.1}\" y1=\"{:.2}\" y2=\"{:.2}\" stroke=\"{color}\"/>",
            WIDTH - MARGIN,
            y(line.get()),
            y(line.get())
        );
    }
    out.push_str("</svg>\n");
    out
}
