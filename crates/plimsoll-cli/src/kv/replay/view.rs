//! A replay's report for people.

use std::path::Path;

use plimsoll::Bytes;

use super::ReplayRow;
use crate::draw::{Align, Cell, Pen, Style, Table, bar};

/// Columns beside the bar.
const BESIDE_BAR: usize = 56;

/// The trace's name without its endings.
pub(super) fn title(trace: &Path) -> String {
    let name = trace.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    name.trim_end_matches(".gz").trim_end_matches(".jsonl").to_owned()
}

/// Draws the rows, a group for each capacity.
pub(super) fn view(rows: &[ReplayRow], different: usize, pen: &Pen) -> String {
    let Some(first) = rows.first() else {
        return String::new();
    };
    let columns = pen.width.saturating_sub(BESIDE_BAR).clamp(8, 40);
    let mut table = Table::new([
        ("capacity", Align::Right),
        ("policy", Align::Left),
        ("hits, blocks", Align::Right),
        ("tokens", Align::Right),
        ("", Align::Left),
    ]);
    let mut before = None;
    for row in rows {
        let group = before.replace(row.capacity_blocks) != Some(row.capacity_blocks);
        let capacity = if group { percent(row.capacity) } else { String::new() };
        let style = match row.policy {
            "plimsoll" => Style::Accent,
            "belady" => Style::Dim,
            _ => Style::Plain,
        };
        table.row([
            capacity.into(),
            Cell::new(style, row.policy),
            Cell::new(style, percent(row.hit_blocks)),
            Cell::new(style, percent(row.hit_tokens)),
            Cell::drawn(bar(pen, columns, row.hit_blocks, style), columns),
        ]);
        for tier in &row.tiers {
            let (moved, written) = (Bytes::new(tier.moved_bytes), Bytes::new(tier.written_bytes));
            table.note(format!("{}: {moved} found, {written} written", tier.tier));
        }
    }
    let heading = format!(
        "{} requests for {} blocks, {different} of them different; {} tokens",
        first.requests, first.blocks, first.tokens
    );
    pen.paint(Style::Dim, &heading) + "\n" + &table.draw(pen)
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.095 { format!("{percent:.3}%") } else { format!("{percent:.1}%") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capacity_is_said_once() {
        let row = |policy, hit_blocks| ReplayRow {
            policy,
            capacity: 0.05,
            capacity_blocks: 50,
            hit_blocks,
            hit_tokens: hit_blocks,
            requests: 3,
            blocks: 9,
            tokens: 70,
            tiers: Vec::new(),
        };
        let pen = Pen { color: false, unicode: true, width: 80 };
        let text = view(&[row("plimsoll", 0.5), row("lru", 0.25)], 1000, &pen);
        assert_eq!(text.matches("  5.0%").count(), 1, "{text}");
        assert!(text.contains("50.0%") && text.contains("25.0%"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert_eq!(title("/a/b/c.jsonl.gz".as_ref()), "c");
    }
}
