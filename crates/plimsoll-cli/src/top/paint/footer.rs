//! The last line: what is unusual and the keys at the left, the recorder at the right.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::header;
use crate::top::app::{App, Page};
use crate::top::words::{count, left};

/// Draws it.
pub fn show(app: &App, area: Rect, buffer: &mut Buffer) {
    let look = app.look();
    let (recorder, style) = recorder(app);
    let width = usize::from(area.width);
    let room = width.saturating_sub(recorder.chars().count() + 2);
    let said = match header::notice(app) {
        Some(notice) => Span::styled(left(look, &notice, width), look.notice()),
        None => Span::styled(left(look, &keys(app), room), look.dim()),
    };
    buffer.set_line(
        area.x,
        area.y,
        &Line::from(vec![said, Span::raw("  "), Span::styled(recorder, style)]),
        area.width,
    );
}

fn keys(app: &App) -> String {
    let back = if app.page() == Page::Overview { "Enter open" } else { "Esc back" };
    format!("q quit  ? help  Tab panel  {back}  s sort: {}  Space freeze", app.sort().name())
}

/// What the recorder does; what it lost is never left out.
fn recorder(app: &App) -> (String, Style) {
    let look = app.look();
    let recorder = app.picture().newest().and_then(|sample| sample.recorder.as_ref());
    match recorder {
        None => (String::new(), Style::new()),
        Some(recorder) if recorder.dropped > 0 => (
            format!("DROPPED {} of {} events", count(recorder.dropped), count(recorder.events)),
            look.warning(),
        ),
        Some(recorder) if recorder.recordings > 0 => {
            (format!("recording, {} events", count(recorder.events)), look.accent())
        }
        Some(recorder) => (format!("{} events", count(recorder.events)), look.dim()),
    }
}
