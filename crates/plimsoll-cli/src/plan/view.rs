//! A plan for people: each workload's parts, the lines drawn to scale, what would be different with other choices.

use std::fmt::Write as _;

use plimsoll::Bytes;

use super::report::{
    FormulaReport, LeftOutReport, NeedReport, PartReport, PlanReport, SpeedReport, WayReport, WorkloadReport,
};
use crate::draw::{Align, Cell, Pen, Style, Table, bar, wrap};

/// Parts below this stand in one row; `--explain` has them all.
pub(super) const SMALL: Bytes = Bytes::mib(1);
/// Columns beside the bars of parts.
const BESIDE_BAR: usize = 62;

/// Draws the report; with every formula if they are wanted.
pub fn view(report: &PlanReport, pen: &Pen, explain: bool) -> String {
    let mut out = verdict(report, pen);
    for workload in &report.workloads {
        out.push('\n');
        out.push_str(&draw_workload(report, workload, pen));
    }
    for left_out in &report.left_out {
        out.push('\n');
        out.push_str(&draw_left_out(report, left_out, pen));
    }
    out.push('\n');
    out.push_str(&lines(report, pen));
    if explain {
        out.push('\n');
        out.push_str(&formulas(report, pen));
    }
    out
}

fn verdict(report: &PlanReport, pen: &Pen) -> String {
    let (style, said) = match report.verdict {
        "fits" => (Style::Good, "it fits"),
        "fits-in-part" => (Style::Warn, "not all of it fits"),
        _ => (Style::Bad, "it does not fit"),
    };
    let mut notes = String::new();
    if !report.best {
        notes.push_str("; the search was cut short, something more useful may fit");
    }
    if report.learnt_runs > 0 {
        let _ = write!(notes, "; estimates learnt from {} runs", report.learnt_runs);
    }
    let title = pen.paint(Style::Bold, &report.machine.title);
    format!("{title}: {}{}\n", pen.paint(style, said), pen.paint(Style::Dim, &notes))
}

/// "39.6 GiB (42.5 GB)": memory is sold in the one, files in the other.
fn both(bytes: u64) -> String {
    const GB: u64 = 1_000_000_000;
    let size = Bytes::new(bytes).to_string();
    if bytes < GB {
        return size;
    }
    let tenths = (bytes + GB / 20) / (GB / 10);
    format!("{size} ({}.{} GB)", tenths / 10, tenths % 10)
}

fn draw_workload(report: &PlanReport, workload: &WorkloadReport, pen: &Pen) -> String {
    let mut out = format!("{}\n", pen.paint(Style::Bold, &workload.name));
    out.push_str(&indented(&workload.title, Style::Plain, pen));
    out.push_str(&draw_parts(report, &workload.parts, pen));
    if let Some(speed) = &workload.speed {
        out.push_str(&draw_speed(speed, pen));
    }
    for doubt in &workload.doubts {
        out.push_str(&indented(&format!("not sure: {doubt}"), Style::Warn, pen));
    }
    for way in &workload.trades {
        out.push_str(&indented(&trade(way), Style::Dim, pen));
    }
    out
}

fn draw_parts(report: &PlanReport, parts: &[PartReport], pen: &Pen) -> String {
    let columns = pen.width.saturating_sub(BESIDE_BAR).clamp(6, 30);
    let mut table = Table::new([
        ("  part", Align::Left),
        ("bytes", Align::Right),
        ("place", Align::Left),
        ("sure", Align::Left),
        ("of the line", Align::Left),
    ]);
    let (small, parts): (Vec<&PartReport>, Vec<&PartReport>) =
        parts.iter().partition(|part| part.bytes < SMALL.get());
    for part in parts {
        let name = match part.turn {
            Some(turn) => format!("  {} ({turn})", part.name),
            None => format!("  {}", part.name),
        };
        let line = report.place(&part.place).map_or(0, |place| place.line_bytes);
        let share = Bytes::new(part.bytes).ratio(Bytes::new(line));
        let cache = part.account == plimsoll_plan::plan::CACHE;
        table.row([
            name.into(),
            both(part.bytes).into(),
            part.place.as_str().into(),
            if cache { "if there is room".to_owned() } else { part.certainty_text.clone() }.into(),
            Cell::drawn(bar(pen, columns, share, if cache { Style::Dim } else { Style::Accent }), columns),
        ]);
    }
    if !small.is_empty() {
        let sum = small.iter().fold(Bytes::ZERO, |sum, part| sum.saturating_add(Bytes::new(part.bytes)));
        let name = format!("  {} more, each under {SMALL}", small.len());
        table.row([Cell::new(Style::Dim, name), Cell::new(Style::Dim, sum.to_string())]);
    }
    table.draw(pen)
}

fn draw_speed(speed: &SpeedReport, pen: &Pen) -> String {
    let range = |(low, high): (f64, f64)| format!("{} to {} tokens/s", rounded(low), rounded(high));
    let (decode, all) = (speed.decode_tokens_per_s, speed.decode_all_tokens_per_s);
    let all =
        if all.1 > decode.1 * 1.01 { format!(" a sequence ({} in all)", range(all)) } else { String::new() };
    let text = format!(
        "writes {}{all}, limited by {}; reads {}, limited by {}",
        range(decode),
        speed.decode_limited_by,
        range(speed.prefill_tokens_per_s),
        speed.prefill_limited_by
    );
    indented(&text, Style::Plain, pen)
}

fn rounded(number: f64) -> String {
    if number >= 10.0 { format!("{number:.0}") } else { format!("{number:.1}") }
}

fn trade(way: &WayReport) -> String {
    let amount = Bytes::new(way.more_bytes.unsigned_abs());
    let cost = match way.more_bytes {
        0 => "takes the same".to_owned(),
        more if more > 0 => format!("takes {amount} more"),
        _ => format!("takes {amount} less"),
    };
    let fits = if way.fits { "fits".to_owned() } else { format!("lacks {}", needs(&way.short)) };
    format!("{}: {cost}, {fits}", way.change)
}

fn needs(needs: &[NeedReport]) -> String {
    let need = |need: &NeedReport| format!("{} on {}", Bytes::new(need.bytes), need.place);
    match needs {
        [] => "room beside the others".to_owned(),
        several => several.iter().map(need).collect::<Vec<_>>().join(", "),
    }
}

fn draw_left_out(report: &PlanReport, out: &LeftOutReport, pen: &Pen) -> String {
    let name = pen.paint(Style::Bold, &out.name);
    let Some(nearest) = &out.nearest else {
        return format!(
            "{name}  {}\n",
            pen.paint(Style::Bad, "cannot be run on this machine in any way that was asked for")
        );
    };
    let mut text = format!("{name}  {}\n", pen.paint(Style::Bad, "does not fit"));
    text.push_str(&indented(nearest, Style::Plain, pen));
    text.push_str(&draw_parts(report, &out.parts, pen));
    text.push_str(&indented(&format!("it lacks {}", needs(&out.short)), Style::Bad, pen));
    match out.ways.as_slice() {
        [] => text.push_str(&indented(
            "nothing near to it fits: take a smaller model, or a machine with more memory (`plimsoll plan tiers`)",
            Style::Plain,
            pen,
        )),
        ways => {
            for way in ways {
                text.push_str(&indented(&format!("would fit: {} ({})", way.change, way.title), Style::Good, pen));
            }
        }
    }
    text
}

fn lines(report: &PlanReport, pen: &Pen) -> String {
    let columns = pen.width.saturating_sub(BESIDE_BAR).clamp(6, 30);
    let mut table = Table::new([
        ("line", Align::Left),
        ("carries", Align::Right),
        ("needed", Align::Right),
        ("", Align::Left),
        ("headroom", Align::Right),
    ]);
    let used = report.places.iter().filter(|place| place.place != "disk" || place.needed_bytes > 0);
    for place in used {
        let share = Bytes::new(place.needed_bytes).ratio(Bytes::new(place.line_bytes));
        table.row([
            Cell::new(Style::Bold, place.place.as_str()),
            Bytes::new(place.line_bytes).to_string().into(),
            Bytes::new(place.needed_bytes).to_string().into(),
            Cell::drawn(bar(pen, columns, share, Style::of_fill(share)), columns),
            Bytes::new(place.headroom_bytes).to_string().into(),
        ]);
        if place.cache_bytes > 0 {
            let cache = Bytes::new(place.cache_bytes);
            table.note(pen.paint(Style::Dim, &format!("  caches may take {cache} of what is free")));
        }
    }
    table.draw(pen)
}

fn formulas(report: &PlanReport, pen: &Pen) -> String {
    let mut out = String::new();
    let rule = |out: &mut String, name: &str, formula: &FormulaReport| {
        let _ = writeln!(out, "  {} = {}", pen.paint(Style::Bold, name), formula.rule);
        let terms: Vec<String> =
            formula.terms.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        if !terms.is_empty() {
            out.push_str(&indented(&format!("  {}", terms.join(", ")), Style::Dim, pen));
        }
    };
    for workload in &report.workloads {
        let _ = writeln!(out, "{}", pen.paint(Style::Bold, &workload.name));
        for part in &workload.parts {
            let name = format!("{} on {}, {}", part.name, part.place, Bytes::new(part.bytes));
            rule(&mut out, &name, &part.formula);
        }
        if let Some(speed) = &workload.speed {
            rule(&mut out, "tokens/s written", &speed.decode_formula);
            rule(&mut out, "tokens/s read", &speed.prefill_formula);
        }
    }
    for left_out in &report.left_out {
        let _ = writeln!(out, "{} (does not fit)", pen.paint(Style::Bold, &left_out.name));
        for part in &left_out.parts {
            let name = format!("{} on {}, {}", part.name, part.place, Bytes::new(part.bytes));
            rule(&mut out, &name, &part.formula);
        }
    }
    out
}

/// Text below a workload, wrapped.
fn indented(text: &str, style: Style, pen: &Pen) -> String {
    let lines = wrap(text, pen.width.saturating_sub(4).max(20));
    let line = |(at, line): (usize, &String)| {
        format!("{}{}\n", if at == 0 { "  " } else { "    " }, pen.paint(style, line))
    };
    lines.iter().enumerate().map(line).collect()
}
