//! One place, one account, or the health, on a page of its own.

use plimsoll::monitor::{AccountSample, PlaceSample};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::overview::Stack;
use super::{accounts, events, past, places, pools};
use crate::draw::wrap;
use crate::top::app::App;
use crate::top::look::Look;
use crate::top::order::Row;
use crate::top::words::{SIZE, about_or, count, left, percent_or, right, size, size_or};

type Fact = (&'static str, String);

/// The selected place.
pub fn show_place(app: &App, area: Rect, buffer: &mut Buffer) {
    let look = app.look();
    let Some(place) = app.shown_place() else {
        return gone(app, area, buffer);
    };
    let width = usize::from(area.width);
    let mut stack = Stack { area };
    let title = format!(" {}", device_name(app, place));
    line(&mut stack, buffer, &Line::styled(left(look, &title, width), look.bold().patch(look.accent())));
    let mut spans = vec![Span::raw(" ")];
    spans.extend(places::bar(look, place, width.saturating_sub(2)));
    line(&mut stack, buffer, &Line::from(spans));
    for row in facts(look, &place_facts(app, place), width) {
        line(&mut stack, buffer, &row);
    }
    let graph = past::charged(app, &place.place, None, place.line_bytes, place.charged_bytes);
    let accounts = accounts::sheet(app, width);
    let high = if stack.area.height >= 24 { 6 } else { 1 };
    past::show(app, &graph, stack.next(high), buffer);
    let wish = u16::try_from(accounts.wishes()).unwrap_or(u16::MAX);
    let room = wish.min(stack.area.height.saturating_sub(4)).max(3);
    accounts.show(look, stack.next(room), buffer);
    events::sheet(app, Some(&place.place), None, width).show(look, stack.area, buffer);
}

/// The selected account at the selected place.
pub fn show_account(app: &App, area: Rect, buffer: &mut Buffer) {
    let look = app.look();
    let found = app.shown_place().zip(app.shown_account());
    let found = found.and_then(|(place, path)| Some((place, crate::top::picture::account(place, path)?)));
    let Some((place, account)) = found else {
        return gone(app, area, buffer);
    };
    let width = usize::from(area.width);
    let mut stack = Stack { area };
    let title = format!(" {} at {}", account.path, place.place);
    line(&mut stack, buffer, &Line::styled(left(look, &title, width), look.bold().patch(look.accent())));
    let of = Row { account, depth: 0 };
    let mut spans = vec![Span::raw(" ")];
    spans.extend(accounts::bar(look, place, &of, account.limit_bytes, width.saturating_sub(2)));
    line(&mut stack, buffer, &Line::from(spans));
    for row in facts(look, &account_facts(look, account), width) {
        line(&mut stack, buffer, &row);
    }
    let path = account.path.as_str();
    let graph = past::charged(app, &place.place, Some(path), account.limit_bytes, account.charged_bytes);
    let high = if stack.area.height >= 20 { 6 } else { 1 };
    past::show(app, &graph, stack.next(high), buffer);
    let tags = pools::tag_sheet(app, Some(path), width);
    let wish = u16::try_from(tags.wishes()).unwrap_or(u16::MAX);
    tags.show(look, stack.next(wish.min(stack.area.height / 2)), buffer);
    events::sheet(app, Some(&place.place), Some(path), width).show(look, stack.area, buffer);
}

/// How well things stand.
pub fn show_health(app: &App, area: Rect, buffer: &mut Buffer) {
    let look = app.look();
    let width = usize::from(area.width);
    let mut stack = Stack { area };
    let health = app.picture().newest().and_then(|sample| sample.health.clone());
    let Some(health) = health else {
        let text = left(look, " Health is not known yet.", width);
        return line(&mut stack, buffer, &Line::from(text));
    };
    let title = format!(" health {} {:.2}", health.rating, health.score);
    let mut lines = vec![Line::styled(title, look.bold().patch(look.of_level(&health.rating)))];
    for part in &health.parts {
        let score = part.score.map_or_else(|| look.glyphs().absent.to_owned(), |score| format!("{score:.2}"));
        lines.push(Line::from(vec![
            Span::raw(format!("  {} {}  ", left(look, &part.name, 18), right(look, &score, 4))),
            Span::styled(left(look, &part.why, width.saturating_sub(27)), look.dim()),
        ]));
    }
    lines.push(Line::default());
    lines.push(Line::styled(" what to do", look.bold()));
    if health.advice.is_empty() {
        lines.push(Line::from("  nothing"));
    }
    for advice in &health.advice {
        for (at, text) in wrap(advice, width.saturating_sub(4)).into_iter().enumerate() {
            let mark = if at == 0 { "- " } else { "  " };
            lines.push(Line::from(left(look, &format!("  {mark}{text}"), width)));
        }
    }
    let first = app.scroll().min(lines.len().saturating_sub(usize::from(area.height)));
    for one in lines.into_iter().skip(first) {
        line(&mut stack, buffer, &one);
    }
}

fn gone(app: &App, area: Rect, buffer: &mut Buffer) {
    let text = left(app.look(), " It is no longer there; Esc goes back.", usize::from(area.width));
    buffer.set_line(area.x, area.y, &Line::from(text), area.width);
}

fn line(stack: &mut Stack, buffer: &mut Buffer, line: &Line<'_>) {
    let at = stack.next(1);
    if at.height > 0 {
        buffer.set_line(at.x, at.y, line, at.width);
    }
}

fn device_name(app: &App, place: &PlaceSample) -> String {
    let devices = app.picture().newest().map(|sample| sample.devices.as_slice()).unwrap_or_default();
    let device = devices.iter().find(|device| device.place == place.place);
    device.map_or_else(|| place.place.clone(), |device| format!("{}: {}", place.place, device.name))
}

fn place_facts(app: &App, place: &PlaceSample) -> Vec<Fact> {
    let look = app.look();
    let load = crate::top::picture::Load::of_place(place);
    let mut facts = vec![
        ("charged", size(load.charged)),
        ("line", size(place.line_bytes)),
        ("peak", size(place.peak_bytes)),
        ("in use", size(load.in_use)),
        ("can carry", size(place.carry_bytes)),
        ("level", place.level.clone()),
        ("cached", size(load.cached)),
        ("reserve", size(place.reserve_bytes)),
        ("waiting", count(place.waiting)),
        ("pending", size(load.pending)),
        ("emergency", size(place.emergency_bytes)),
        ("full in", about_or(look, place.exhausted_in_s)),
        ("not backed", size(place.unbacked_bytes)),
        ("of it used", size(place.emergency_used_bytes)),
        ("fragmentation", fragmentation(look, place.external_fragmentation, place.internal_fragmentation)),
    ];
    let devices = app.picture().newest().map(|sample| sample.devices.as_slice()).unwrap_or_default();
    if let Some(device) = devices.iter().find(|device| device.place == place.place) {
        facts.extend([
            ("device memory", size_or(look, device.total_bytes)),
            ("device free", size_or(look, device.free_bytes)),
            ("device busy", percent_or(look, device.busy)),
        ]);
    }
    facts
}

fn account_facts(look: Look, account: &AccountSample) -> Vec<Fact> {
    let number = |number: Option<u64>| number.map_or_else(|| look.glyphs().absent.to_owned(), count);
    vec![
        ("charged", size(account.charged_bytes)),
        ("guaranteed", size(account.guaranteed_bytes)),
        ("limit", size(account.limit_bytes)),
        ("its own", size(account.own_bytes)),
        ("share now", size(account.soft_bytes)),
        ("peak", size(account.peak_bytes)),
        ("pool live", size_or(look, account.live_bytes)),
        ("priority", account.priority.to_string()),
        ("leases", number(account.leases)),
        ("pool cached", size_or(look, account.cached_bytes)),
        ("hit rate", percent_or(look, account.hit_rate)),
        ("maps", number(account.maps)),
        ("pool pending", size_or(look, account.pending_bytes)),
        ("", String::new()),
        (
            "fragmentation",
            fragmentation(look, account.external_fragmentation, account.internal_fragmentation),
        ),
    ]
}

/// Outside and inside leases.
fn fragmentation(look: Look, external: Option<f64>, internal: Option<f64>) -> String {
    format!("{}, {} in", percent_or(look, external), percent_or(look, internal))
}

/// Facts in as many columns as there is room for, read from left to right.
fn facts(look: Look, facts: &[Fact], width: usize) -> Vec<Line<'static>> {
    const NAME: usize = 14;
    let columns = match width {
        ..56 => 1,
        _ => 3,
    };
    let wide = width / columns;
    let value = SIZE.min(wide.saturating_sub(3));
    let name = NAME.min(wide.saturating_sub(value + 2));
    let rows = facts.chunks(columns).map(|row| {
        let mut spans = Vec::with_capacity(columns * 2);
        for (what, fact) in row {
            let rest = wide.saturating_sub(name + value + 2);
            spans.push(Span::styled(format!(" {} ", left(look, what, name)), look.dim()));
            let style = if *what == "level" { look.of_level(fact) } else { Style::new() };
            spans.push(Span::styled(right(look, fact, value), style));
            spans.push(Span::raw(" ".repeat(rest)));
        }
        Line::from(spans)
    });
    rows.collect()
}
