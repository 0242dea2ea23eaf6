//! Places: what each carries, and its line.

use plimsoll::monitor::PlaceSample;
use ratatui::text::{Line, Span};

use super::bar::{Bar, Part};
use super::sheet::{Cell, Column, Sheet, filling, fitted, numbers, row, words};
use crate::top::app::{App, Page, Panel};
use crate::top::look::Look;
use crate::top::picture::Load;
use crate::top::words::{SIZE, about_or, count, percent_or, size};

const COLUMNS: [Column; 11] = [
    words("place", 12, 0),
    numbers("charged", SIZE, 0),
    filling("", 8),
    numbers("line", SIZE, 1),
    words("level", 8, 2),
    numbers("peak", SIZE, 3),
    numbers("cached", SIZE, 6),
    numbers("pending", SIZE, 5),
    numbers("waiting", 7, 4),
    numbers("frag", 4, 7),
    numbers("full in", 7, 4),
];

/// The places of an engine.
pub fn sheet(app: &App, width: usize) -> Sheet {
    let look = app.look();
    let columns = fitted(&COLUMNS, width);
    let places = app.picture().newest().map(|sample| sample.places.as_slice()).unwrap_or_default();
    let selected = app.shown_place().map(|place| place.place.as_str());
    let focused = app.page() == Page::Overview && app.panel() == Panel::Places;
    let rows = places.iter().map(|place| {
        let is_selected = selected == Some(place.place.as_str());
        line(look, &columns, place, is_selected, focused)
    });
    Sheet {
        title: "places",
        more: String::new(),
        focused,
        rows: rows.collect(),
        keep: places.iter().position(|place| selected == Some(place.place.as_str())),
        columns,
        first: 0,
        empty: "  none: no engine is watched",
    }
}

fn line(look: Look, columns: &[Column], place: &PlaceSample, selected: bool, focused: bool) -> Line<'static> {
    row(look, columns, |column| match column.title {
        "place" => marked(look, &place.place, selected, focused),
        "charged" => size(place.charged_bytes).into(),
        "" => Cell::Drawn(bar(look, place, column.width)),
        "line" => size(place.line_bytes).into(),
        "level" => Cell::Text(place.level.clone(), look.of_level(&place.level)),
        "peak" => size(place.peak_bytes).into(),
        "cached" => size(place.cached_bytes).into(),
        "pending" => size(place.pending_bytes).into(),
        "waiting" if place.waiting > 0 => Cell::Text(count(place.waiting), look.warning()),
        "waiting" => count(place.waiting).into(),
        "frag" => percent_or(look, place.external_fragmentation).into(),
        _ => about_or(look, place.exhausted_in_s).into(),
    })
}

/// A name with the marker before it when it is selected.
pub fn marked(look: Look, name: &str, selected: bool, focused: bool) -> Cell {
    let style = match (selected, focused) {
        (true, true) => look.bold().patch(look.accent()),
        (true, false) => look.bold(),
        (false, _) => ratatui::style::Style::new(),
    };
    let marker = if selected { look.glyphs().marker } else { ' ' };
    Cell::Text(format!("{marker} {name}"), style)
}

/// A place's bar: its whole width is the line. What reserves and others leave of it is marked where it is less.
pub fn bar(look: Look, place: &PlaceSample, width: usize) -> Vec<Span<'static>> {
    let glyphs = look.glyphs();
    let carry =
        (place.carry_bytes < place.line_bytes).then_some((place.carry_bytes, glyphs.line, look.bold()));
    let marks: Vec<_> = carry.into_iter().collect();
    let parts = parts(look, Load::of_place(place), &place.level);
    let free = (glyphs.free, look.dim());
    Bar { whole: place.line_bytes, left: &parts, right: &[], free, marks: &marks }.draw(width)
}

/// What is charged, in its three parts.
pub fn parts(look: Look, load: Load, level: &str) -> [Part; 3] {
    let glyphs = look.glyphs();
    let style = look.of_fill(level);
    [
        Part { bytes: load.in_use, glyph: glyphs.in_use, style },
        Part { bytes: load.cached, glyph: glyphs.cached, style },
        Part { bytes: load.pending, glyph: glyphs.pending, style },
    ]
}
