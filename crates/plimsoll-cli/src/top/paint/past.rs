//! The past as graphs.

use plimsoll::Bytes;
use plimsoll::monitor::Sample;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::graph::Series;
use crate::top::app::App;
use crate::top::picture::{account, place};
use crate::top::words::{left, rate_or, size, size_or};

/// What is charged at the selected place, what the machine has left, and how often memory had to be fetched.
pub fn series(app: &App) -> Vec<Series> {
    let look = app.look();
    let picture = app.picture();
    let machine = picture.newest().map(|sample| sample.machine.clone()).unwrap_or_default();
    let mut all = Vec::with_capacity(3);
    if let Some(at) = app.shown_place() {
        all.push(charged(app, &at.place, None, at.line_bytes, at.charged_bytes));
    } else {
        all.push(Series {
            title: "used",
            now: size_or(look, machine.used_bytes),
            values: values(app, |sample| sample.machine.used_bytes.map(number)),
            most: machine.total_bytes.map_or(0.0, number),
            style: look.accent(),
        });
    }
    all.push(Series {
        title: "available",
        now: size_or(look, machine.available_bytes),
        values: values(app, |sample| sample.machine.available_bytes.map(number)),
        most: machine.total_bytes.map_or(0.0, number),
        style: Style::new(),
    });
    let faults =
        |sample: &Sample| match (sample.machine.minor_faults_per_s, sample.machine.major_faults_per_s) {
            (None, None) => None,
            (minor, major) => Some(minor.unwrap_or(0.0) + major.unwrap_or(0.0)),
        };
    let values = values(app, faults);
    all.push(Series {
        title: "faults",
        now: rate_or(look, values.last().copied().flatten()),
        most: values.iter().flatten().copied().fold(1.0, f64::max),
        values,
        style: Style::new(),
    });
    all
}

/// What was charged at a place, or to an account there.
pub fn charged(app: &App, at: &str, of: Option<&str>, most: u64, now: u64) -> Series {
    let value = |sample: &Sample| {
        let place = place(sample, at)?;
        let bytes = match of {
            None => place.charged_bytes,
            Some(path) => account(place, path)?.charged_bytes,
        };
        Some(number(bytes))
    };
    Series {
        title: "charged",
        now: size(now),
        values: values(app, value),
        most: number(most),
        style: app.look().accent(),
    }
}

fn values(app: &App, of: impl Fn(&Sample) -> Option<f64>) -> Vec<Option<f64>> {
    app.picture().past().map(of).collect()
}

/// Bytes as they are drawn: a ratio to one byte.
fn number(bytes: u64) -> f64 {
    Bytes::new(bytes).ratio(Bytes::new(1))
}

/// Beside each other: in one line each its name, its graph and its value; in more, the graph under these.
pub fn show_beside(app: &App, all: &[Series], area: Rect, buffer: &mut Buffer) {
    let Ok(count) = u16::try_from(all.len()) else { return };
    if count == 0 {
        return;
    }
    let wide = area.width / count;
    for (series, at) in all.iter().zip(0..count) {
        let part = Rect { x: area.x + at * wide, width: wide.saturating_sub(2), ..area };
        show(app, series, part, buffer);
    }
}

/// Under each other.
pub fn show_below(app: &App, all: &[Series], area: Rect, buffer: &mut Buffer) {
    let Ok(count) = u16::try_from(all.len()) else { return };
    if count == 0 {
        return;
    }
    let high = area.height / count;
    for (series, at) in all.iter().zip(0..count) {
        show(app, series, Rect { y: area.y + at * high, height: high, ..area }, buffer);
    }
}

/// One graph.
pub fn show(app: &App, series: &Series, area: Rect, buffer: &mut Buffer) {
    let look = app.look();
    let width = usize::from(area.width);
    if area.height == 0 || width < 8 {
        return;
    }
    let label = format!("{} ", series.title);
    if area.height == 1 {
        let room = width.saturating_sub(label.len());
        buffer.set_span(area.x, area.y, &Span::styled(label.clone(), look.dim()), area.width);
        if let Some(line) = series.draw(look, room, 1).first() {
            let from = area.x + u16::try_from(label.len()).unwrap_or(0);
            buffer.set_line(from, area.y, line, area.width);
        }
        return;
    }
    let now = left(look, &series.now, width.saturating_sub(label.len() + 1));
    let heading = Line::from(vec![Span::styled(format!(" {label}"), look.bold()), Span::raw(now)]);
    buffer.set_line(area.x, area.y, &heading, area.width);
    let lines = series.draw(look, width.saturating_sub(1), usize::from(area.height - 1));
    for (y, line) in (area.y + 1..area.bottom()).zip(&lines) {
        buffer.set_line(area.x + 1, y, line, area.width);
    }
}
