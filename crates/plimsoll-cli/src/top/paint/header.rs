//! The top of the screen: who is watched, the machine's bar, and how short of memory it is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::bar::{Bar, Part};
use crate::top::app::{App, Link};
use crate::top::look::Look;
use crate::top::picture::MachineLoad;
use crate::top::words::{
    SIZE, about_or, clock, flow_or, left, percent_or, rate_or, right, size, size_or, time_of_day,
};

/// How many lines the header takes on a screen of this size.
pub fn height(width: u16, screen: u16) -> u16 {
    let legend = u16::try_from(6_usize.div_ceil(per_row(width))).unwrap_or(6);
    match screen {
        ..14 => 2 + legend.min(2),
        _ => 3 + legend,
    }
}

/// From here on the legend has room beside itself.
const ONE_ROW: u16 = 132;

fn per_row(width: u16) -> usize {
    match width {
        ..60 => 2,
        60..ONE_ROW => 3,
        _ => 6,
    }
}

/// Draws it.
pub fn show(app: &App, area: Rect, buffer: &mut Buffer) {
    let look = app.look();
    let width = usize::from(area.width);
    let mut lines = vec![title(app, width)];
    let sample = app.picture().newest();
    let load = sample.and_then(MachineLoad::of);
    lines.push(machine_bar(app, load.as_ref(), width));
    lines.extend(legend(look, load.as_ref(), area.width));
    let with_pressure = height(area.width, u16::MAX) == area.height;
    lines.truncate(usize::from(area.height - u16::from(with_pressure)));
    if with_pressure {
        lines.push(pressure(app, width));
    }
    for (y, line) in (area.y..area.bottom()).zip(&lines) {
        buffer.set_line(area.x, y, line, area.width);
    }
}

/// Who is watched at the left; its health, or what is unusual about the picture, at the right.
fn title(app: &App, width: usize) -> Line<'static> {
    let look = app.look();
    let dot = look.glyphs().dot;
    let sample = app.picture().newest();
    let who = match (sample, app.link().0) {
        (None, _) => "looking for a running engine".to_owned(),
        (Some(sample), _) if sample.source.engine => {
            let up = clock(sample.up_ms);
            format!("{} {} {dot} up {up}", sample.source.program, sample.source.pid)
        }
        (Some(_), _) => format!("this machine {dot} no engine"),
    };
    let health = sample.and_then(|sample| sample.health.as_ref());
    let mut right_side = match health {
        Some(health) => {
            let text = format!("health {} {:.2}", health.rating, health.score);
            vec![Span::styled(text, look.of_level(&health.rating))]
        }
        None => vec![Span::styled(format!("health {}", look.glyphs().absent), look.dim())],
    };
    if let Some(word) = unusual(app) {
        right_side.insert(0, Span::styled(format!("[{word}]"), look.notice()));
        right_side.insert(1, Span::raw("  "));
    }
    let used: usize = right_side.iter().map(Span::width).sum();
    let room = width.saturating_sub(used + 10);
    let mut spans = vec![Span::styled("plimsoll  ", look.bold()), Span::raw(left(look, &who, room))];
    spans.extend(right_side);
    Line::from(spans)
}

/// In a word, what is unusual: frozen, gone, or silent for longer than a sample takes.
fn unusual(app: &App) -> Option<&'static str> {
    if app.frozen_for().is_some() {
        return Some("FROZEN");
    }
    match app.link().0 {
        Link::Ended { .. } => Some("ENDED"),
        Link::Attached | Link::Machine if app.is_silent() => Some("SILENT"),
        _ => None,
    }
}

/// The same as a sentence, with what can be done about it.
pub fn notice(app: &App) -> Option<String> {
    let time = app.picture().newest().map(|sample| time_of_day(sample.at_unix_ms));
    let time = time.unwrap_or_else(|| "the start".to_owned());
    if let Some(since) = app.frozen_for() {
        let ago = about_or(app.look(), Some(since.as_secs_f64()));
        let gone = matches!(app.link().0, Link::Ended { .. });
        let gone = if gone { "; the engine has ended" } else { "" };
        return Some(format!("frozen since {time}, {ago} ago{gone}; Space goes on"));
    }
    let (link, since) = app.link();
    let ago = about_or(app.look(), Some(since.as_secs_f64()));
    match link {
        Link::Ended { why } => Some(format!("{why} {ago} ago; last picture of {time}; looking for it again")),
        Link::Attached | Link::Machine if app.is_silent() => {
            let silent = about_or(app.look(), Some(app.silent_for().as_secs_f64()));
            Some(format!("no sample for {silent}; the picture is of {time}"))
        }
        _ => None,
    }
}

/// Ours from the left, others' from the right: where they meet, memory is gone; others beyond the line take what
/// the plan promised.
fn machine_bar(app: &App, load: Option<&MachineLoad>, width: usize) -> Line<'static> {
    let look = app.look();
    let glyphs = look.glyphs();
    let total = size_or(look, load.map(|load| load.total));
    let label = format!("memory {} ", right(look, &total, SIZE));
    let Some(load) = load else {
        return Line::from(format!("{label}the system does not tell"));
    };
    let level = app.picture().place("host").map_or("normal", |place| place.level.as_str());
    let ours = look.of_fill(level);
    let left_parts = [
        Part { bytes: load.ours.in_use, glyph: glyphs.in_use, style: ours },
        Part { bytes: load.ours.cached, glyph: glyphs.cached, style: ours },
        Part { bytes: load.ours.pending, glyph: glyphs.pending, style: ours },
    ];
    let others = [Part { bytes: load.others.unwrap_or(0), glyph: glyphs.others, style: look.dim() }];
    let line: Vec<_> = load.line.iter().map(|&line| (line, glyphs.line, look.bold())).collect();
    let free = (glyphs.free, look.dim());
    let bar = Bar { whole: load.total, left: &left_parts, right: &others, free, marks: &line };
    let mut spans = vec![Span::raw(label.clone())];
    spans.extend(bar.draw(width.saturating_sub(label.len())));
    Line::from(spans)
}

fn legend(look: Look, load: Option<&MachineLoad>, width: u16) -> Vec<Line<'static>> {
    let glyphs = look.glyphs();
    // Without a line nothing is charged here: what is not known to be ours is absent, not 0.
    let ours = load.filter(|load| load.line.is_some()).map(|load| load.ours);
    let items = [
        (glyphs.in_use, "in use", ours.map(|ours| ours.in_use), look.accent()),
        (glyphs.cached, "cached", ours.map(|ours| ours.cached), look.accent()),
        (glyphs.pending, "pending", ours.map(|ours| ours.pending), look.accent()),
        (glyphs.free, "free", load.and_then(|load| load.free), look.dim()),
        (glyphs.others, "others", load.and_then(|load| load.others), look.dim()),
        (glyphs.line, "line", load.and_then(|load| load.line), look.bold()),
    ];
    let per_row = per_row(width);
    let wide = usize::from(width) / per_row;
    let item = |&(glyph, name, bytes, style): &(char, &'static str, Option<u64>, Style)| {
        let value = right(look, &size_or(look, bytes), SIZE.min(wide.saturating_sub(9)));
        let blank = " ".repeat(wide.saturating_sub(10 + SIZE).min(3));
        vec![Span::styled(glyph.to_string(), style), Span::raw(format!(" {name:<7}{value}{blank}"))]
    };
    let rows = items.chunks(per_row).map(|row| {
        let mut spans = Vec::new();
        for one in row {
            let drawn = item(one);
            let used: usize = drawn.iter().map(Span::width).sum();
            spans.extend(drawn);
            spans.push(Span::raw(" ".repeat(wide.saturating_sub(used))));
        }
        Line::from(spans)
    });
    rows.collect()
}

/// How short of memory the machine is; what has no room is left out from the end.
fn pressure(app: &App, width: usize) -> Line<'static> {
    let look = app.look();
    let Some(sample) = app.picture().newest() else { return Line::default() };
    let machine = &sample.machine;
    let swap = match (machine.swap_used_bytes, machine.swap_total_bytes) {
        (_, Some(0)) => "none".to_owned(),
        (used, total) => {
            let used = size_or(look, used);
            total.map_or(used.clone(), |total| format!("{used} of {}", size(total)))
        }
    };
    let soon = machine.exhausted_in_s.is_some_and(|seconds| seconds < 600.0);
    let stalled = machine.stalled_full.is_some_and(|full| full > 0.05);
    let swapping = machine.swap_out_bytes_per_s.is_some_and(|rate| rate > 0.0);
    let level = machine.system_level.clone();
    let plain = Style::new();
    let warn = |on: bool| if on { look.warning() } else { plain };
    let mut items = vec![
        ("swap", left(look, &swap, 24), warn(swapping)),
        ("stalled", right(look, &percent_or(look, machine.stalled_some), 4), warn(stalled)),
        ("major faults", right(look, &rate_or(look, machine.major_faults_per_s), 8), plain),
        ("full in", right(look, &about_or(look, machine.exhausted_in_s), 7), warn(soon)),
    ];
    if let Some(level) = level {
        items.insert(1, ("system", left(look, &level, 8), look.of_level(&level)));
    }
    items.extend([
        ("out", right(look, &flow_or(look, machine.swap_out_bytes_per_s), SIZE + 2), warn(swapping)),
        ("in", right(look, &flow_or(look, machine.swap_in_bytes_per_s), SIZE + 2), plain),
        ("this process", right(look, &size_or(look, machine.process_bytes), SIZE), plain),
        ("page cache", right(look, &size_or(look, machine.cached_bytes), SIZE), plain),
        ("all stalled", right(look, &percent_or(look, machine.stalled_full), 4), warn(stalled)),
    ]);
    let mut spans = Vec::new();
    let mut used = 0;
    for (name, value, style) in items {
        let wide = name.len() + 1 + Span::raw(value.as_str()).width();
        if used + wide > width {
            break;
        }
        spans.extend([Span::styled(format!("{name} "), look.dim()), Span::styled(value, style)]);
        spans.push(Span::raw("  "));
        used += wide + 2;
    }
    Line::from(spans)
}
