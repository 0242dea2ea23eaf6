//! The rows of the bench as a table.

use super::{BenchRow, stand};
use crate::draw::{Align, Pen, Style, Table};

/// Draws them.
pub(super) fn view(settings: &stand::Settings, rows: &[BenchRow], pen: &Pen) -> String {
    let columns = [
        ("work", Align::Left),
        ("ms", Align::Right),
        ("queries/s", Align::Right),
        ("GB/s", Align::Right),
        ("of the limit", Align::Right),
        ("recall@10", Align::Right),
    ];
    let mut table = Table::new(columns);
    for row in rows {
        table.row([
            row.work.as_str().into(),
            format!("{:.2}", row.ms).into(),
            format!("{:.0}", row.qps).into(),
            format!("{:.2}", row.gb_per_s).into(),
            format!("{:.0}%", row.bandwidth_fraction * 100.0).into(),
            format!("{:.3}", row.recall).into(),
        ]);
    }
    let said = format!(
        "{} vectors of {} numbers, {} threads; medians of {} turns; the limit is {}",
        settings.rows, settings.dimension, settings.threads, settings.turns, settings.limit
    );
    format!("{}\n{}", table.draw(pen), pen.paint(Style::Dim, &format!("{said}\n")))
}
