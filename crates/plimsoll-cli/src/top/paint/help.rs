//! What keys do and what marks mean.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::top::app::App;

const KEYS: [(&str, &str); 9] = [
    ("up down, j k", "select; scroll tags, events and pages"),
    ("Enter, right", "open the selected place or account"),
    ("Esc, left", "back"),
    ("Tab", "next panel; Shift-Tab the one before"),
    ("s", "sort accounts: name, charged, fullest, priority"),
    ("Space", "freeze the screen; again to go on"),
    ("h", "health in parts, and what to do"),
    ("?", "this help; any key closes it"),
    ("q, Ctrl-C", "quit; Ctrl-Z puts it to sleep"),
];

/// Draws it.
pub fn show(app: &App, area: Rect, buffer: &mut Buffer) {
    let look = app.look();
    let glyphs = look.glyphs();
    let mut lines = vec![Line::styled(" keys", look.bold())];
    lines.extend(KEYS.map(|(key, what)| {
        Line::from(vec![Span::styled(format!("  {key:<14}"), look.accent()), Span::raw(what)])
    }));
    lines.push(Line::styled(" marks", look.bold()));
    let marks = [
        (glyphs.in_use, "charged and in use: leases, and what is held without a pool"),
        (glyphs.cached, "idle in pools"),
        (glyphs.pending, "dropped, a device may still use it"),
        (glyphs.others, "used by others, from the right end"),
        (glyphs.line, "the line; on accounts, the limit"),
        (glyphs.guarantee, "what an account is guaranteed"),
    ];
    lines.extend(marks.map(|(glyph, what)| Line::from(format!("  {glyph} {what}"))));
    lines.push(Line::styled(
        format!(" {} is what the system does not tell. frag: 1 - largest free / free.", glyphs.absent),
        look.dim(),
    ));
    for (y, line) in (area.y..area.bottom()).zip(&lines) {
        buffer.set_line(area.x, y, line, area.width);
    }
}
