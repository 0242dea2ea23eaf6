//! Accounts as a tree of bars, all on the scale of their place's line, so that a child's bar is part of its parent's.

use plimsoll::monitor::PlaceSample;
use ratatui::text::{Line, Span};

use super::bar::Bar;
use super::places::{marked, parts};
use super::sheet::{Cell, Column, Sheet, filling, fitted, numbers, row, words};
use crate::top::app::{App, Page, Panel};
use crate::top::look::Look;
use crate::top::order::{self, Row};
use crate::top::picture::Load;
use crate::top::words::{SIZE, percent_or, size};

const COLUMNS: [Column; 10] = [
    words("account", 20, 0),
    numbers("charged", SIZE, 0),
    filling("", 8),
    numbers("guaranteed", SIZE, 2),
    numbers("limit", SIZE, 1),
    numbers("full", 4, 3),
    numbers("peak", SIZE, 4),
    numbers("own", SIZE, 6),
    numbers("share now", SIZE, 7),
    numbers("priority", 8, 5),
];

/// The accounts of the selected place.
pub fn sheet(app: &App, width: usize) -> Sheet {
    let look = app.look();
    let columns = fitted(&COLUMNS, width);
    let focused = match app.page() {
        Page::Overview => app.panel() == Panel::Accounts,
        page => page == Page::Place,
    };
    let place = app.shown_place();
    let rows = place.map(|place| order::rows(place, app.sort())).unwrap_or_default();
    let selected = |row: &Row| app.shown_account() == Some(row.account.path.as_str());
    let lines = rows.iter().zip(place.into_iter().cycle());
    let lines = lines.map(|(row, place)| line(look, &columns, place, row, selected(row), focused));
    Sheet {
        title: "accounts",
        more: place.map(|place| format!(" of {}", place.place)).unwrap_or_default(),
        focused,
        keep: rows.iter().position(selected),
        rows: lines.collect(),
        columns,
        first: 0,
        empty: "  none",
    }
}

fn line(
    look: Look,
    columns: &[Column],
    place: &PlaceSample,
    of: &Row,
    selected: bool,
    focused: bool,
) -> Line<'static> {
    let account = of.account;
    row(look, columns, |column| match column.title {
        "account" => {
            let indent = "  ".repeat(of.depth.saturating_sub(1));
            let branch = if of.depth > 0 { look.glyphs().branch } else { "" };
            marked(look, &format!("{indent}{branch}{}", of.name()), selected, focused)
        }
        "charged" => size(account.charged_bytes).into(),
        "" => Cell::Drawn(bar(look, place, of, place.line_bytes, column.width)),
        "guaranteed" => size(account.guaranteed_bytes).into(),
        "limit" => size(account.limit_bytes).into(),
        "full" => percent_or(look, share(account.charged_bytes, account.limit_bytes)).into(),
        "peak" => size(account.peak_bytes).into(),
        "own" => size(account.own_bytes).into(),
        "share now" => size(account.soft_bytes).into(),
        _ => account.priority.to_string().into(),
    })
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| plimsoll::Bytes::new(part).ratio(plimsoll::Bytes::new(whole)))
}

/// An account's bar on a scale, with its guarantee and its limit marked.
pub fn bar(look: Look, place: &PlaceSample, of: &Row, whole: u64, width: usize) -> Vec<Span<'static>> {
    let glyphs = look.glyphs();
    let account = of.account;
    let parts = parts(look, Load::of_account(place, account), "normal");
    let mut marks = Vec::with_capacity(2);
    if account.guaranteed_bytes > 0 {
        marks.push((account.guaranteed_bytes, glyphs.guarantee, look.bold()));
    }
    marks.push((account.limit_bytes, glyphs.line, look.bold()));
    let free = (glyphs.free, look.dim());
    Bar { whole, left: &parts, right: &[], free, marks: &marks }.draw(width)
}
