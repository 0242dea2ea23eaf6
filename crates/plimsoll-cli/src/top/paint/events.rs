//! Alerts that are raised, then what happened, the newest first.

use plimsoll::monitor::{AlertSample, EventSample, Severity};
use ratatui::text::{Line, Span};

use super::sheet::Sheet;
use crate::top::app::{App, Page, Panel};
use crate::top::look::Look;
use crate::top::words::{SIZE, clock, left, right, size};

/// Alerts and events; of one place and of one account (with those below it) where these are named.
pub fn sheet(app: &App, place: Option<&str>, account: Option<&str>, width: usize) -> Sheet {
    let look = app.look();
    let focused = app.page() == Page::Overview && app.panel() == Panel::Events;
    let alerts = app.picture().newest().map(|sample| sample.alerts.as_slice()).unwrap_or_default();
    let about = |alert: &&AlertSample| {
        let (of_place, of_account) = alert.subject.split_once('/').unwrap_or((&alert.subject, ""));
        place.is_none_or(|place| place == of_place) && account.is_none_or(|account| account == of_account)
    };
    let alerts = alerts.iter().filter(about);
    let mut rows: Vec<Line<'static>> = alerts.clone().map(|alert| alert_line(look, alert, width)).collect();
    let of = |event: &&EventSample| {
        place.is_none_or(|place| place == event.place)
            && account.is_none_or(|account| crate::top::picture::is_within(&event.account, account))
    };
    rows.extend(app.picture().events().filter(of).map(|event| event_line(look, event, width)));
    let raised = alerts.count();
    let raised = if raised > 0 { format!(", {raised} raised") } else { String::new() };
    Sheet {
        title: "alerts and events",
        more: raised,
        columns: Vec::new(),
        focused,
        rows,
        keep: None,
        first: if focused { app.scroll() } else { 0 },
        empty: "  nothing has happened yet",
    }
}

fn alert_line(look: Look, alert: &AlertSample, width: usize) -> Line<'static> {
    let (mark, style) = match alert.severity {
        Severity::Warning => ("! ", look.warning()),
        Severity::Critical => ("!!", look.critical()),
    };
    let word = match alert.severity {
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    };
    let text = format!("{mark} {word} for {}: {}: {}", clock(alert.for_ms), alert.subject, alert.text);
    Line::styled(left(look, &text, width), style)
}

fn event_line(look: Look, event: &EventSample, width: usize) -> Line<'static> {
    let style = match event.kind.as_str() {
        "refuse" | "fail" | "drop-events" => look.warning(),
        _ => ratatui::style::Style::new(),
    };
    let bytes = if event.bytes == 0 { String::new() } else { size(event.bytes) };
    let subject = match (event.place.as_str(), event.account.as_str()) {
        (place, "") => place.to_owned(),
        ("", account) => account.to_owned(),
        (place, account) => format!("{place}/{account}"),
    };
    let fixed = 2 + 9 + 10 + SIZE + 2;
    let rest = width.saturating_sub(fixed);
    let subject_width = (rest / 2).clamp(10, 30).min(rest);
    let detail = rest.saturating_sub(subject_width + 1);
    Line::from(vec![
        Span::styled(format!("  {} ", left(look, &clock(event.at_ms), 8)), look.dim()),
        Span::styled(format!("{} ", left(look, &event.kind, 9)), style),
        Span::raw(format!("{} ", right(look, &bytes, SIZE))),
        Span::raw(format!("{} ", left(look, &subject, subject_width))),
        Span::styled(left(look, &event.detail, detail), look.dim()),
    ])
}
