//! A checked configuration for people: each line with its accounts, drawn to scale.

use plimsoll::Bytes;

use super::{CheckReport, LineReport};
use crate::draw::{Align, Cell, Pen, Style, Table, share_bar};

/// Columns that names and numbers take.
const BESIDE_BAR: usize = 50;

/// Draws the report.
pub fn view(report: &CheckReport, pen: &Pen) -> String {
    let mut out = format!("{} {}\n", report.file, pen.paint(Style::Good, "adds up"));
    for line in &report.places {
        out.push('\n');
        out.push_str(&draw_line(report, line, pen));
    }
    let legend = format!(
        "\n{} guaranteed  {} may be borrowed, up to the limit\n",
        pen.either("█", "#"),
        pen.either("░", "-")
    );
    out + &pen.paint(Style::Dim, &legend)
}

fn draw_line(report: &CheckReport, line: &LineReport, pen: &Pen) -> String {
    let columns = pen.width.saturating_sub(BESIDE_BAR).clamp(8, 60);
    let whole = Bytes::new(line.line_bytes);
    let machine = match line.usable_bytes {
        Some(usable) => format!("of {} usable here", Bytes::new(usable)),
        None => "this machine does not tell its size".to_owned(),
    };
    let place = pen.paint(Style::Bold, &line.place);
    let heading = format!("{place}  line {whole}  {}\n", pen.paint(Style::Dim, &machine));
    let mut table = Table::new([
        ("  account", Align::Left),
        ("guaranteed", Align::Right),
        ("limit", Align::Right),
        ("", Align::Left),
        ("priority", Align::Right),
    ]);
    let drawn = |guaranteed: u64, limit: u64| {
        let share = |bytes| Bytes::new(bytes).ratio(whole);
        Cell::drawn(share_bar(pen, columns, share(guaranteed), share(limit)), columns)
    };
    for share in &line.accounts {
        let depth = share.account.matches('/').count();
        let account = report.accounts.iter().find(|account| account.account == share.account);
        let name = share.account.rsplit('/').next().unwrap_or_default();
        let below = report.accounts.iter().any(|parent| {
            let rest = share.account.strip_prefix(parent.account.as_str());
            rest.is_some_and(|rest| rest.starts_with('/'))
        });
        let name =
            if below { format!("{}  /{name}", "  ".repeat(depth)) } else { format!("  {}", share.account) };
        table.row([
            name.into(),
            amount(share.guaranteed_bytes).into(),
            amount(share.limit_bytes).into(),
            drawn(share.guaranteed_bytes, share.limit_bytes),
            account.map(|account| account.priority.to_string()).unwrap_or_default().into(),
        ]);
    }
    let aside = [
        ("  reserve", line.reserve_bytes),
        ("  emergency", line.emergency_bytes),
        ("  not promised", line.unpromised_bytes),
    ];
    for (name, bytes) in aside.into_iter().filter(|&(_, bytes)| bytes > 0) {
        table.row([Cell::new(Style::Dim, name), Cell::new(Style::Dim, amount(bytes))]);
    }
    heading + &table.draw(pen)
}

fn amount(bytes: u64) -> String {
    if bytes == 0 { "-".to_owned() } else { Bytes::new(bytes).to_string() }
}
