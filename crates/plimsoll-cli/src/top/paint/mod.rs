//! Drawing: the state in, a screen of any size out.

mod accounts;
mod bar;
mod events;
mod footer;
mod graph;
mod header;
mod help;
mod overview;
mod pages;
mod past;
mod places;
mod pools;
mod sheet;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Text;
use ratatui::widgets::{Paragraph, Wrap};

use super::app::{App, Page};

/// The smallest screen on which something useful can be shown.
pub const LEAST: (u16, u16) = (40, 10);

/// Draws the whole screen.
pub fn draw(frame: &mut Frame, app: &App) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let text = format!(
            "plimsoll top needs {} columns and {} rows; here are {} and {}. Enlarge the window, or press q.",
            LEAST.0, LEAST.1, area.width, area.height
        );
        frame.render_widget(Paragraph::new(Text::from(text)).wrap(Wrap { trim: true }), area);
        return;
    }
    let header = header::height(area.width, area.height);
    let top = Rect { height: header, ..area };
    let body = Rect { y: area.y + header, height: area.height - header - 1, ..area };
    let bottom = Rect { y: area.bottom() - 1, height: 1, ..area };
    let buffer = frame.buffer_mut();
    header::show(app, top, buffer);
    footer::show(app, bottom, buffer);
    if app.shows_help() {
        help::show(app, body, buffer);
        return;
    }
    match app.page() {
        Page::Overview => overview::show(app, body, buffer),
        Page::Place => pages::show_place(app, body, buffer),
        Page::Account => pages::show_account(app, body, buffer),
        Page::Health => pages::show_health(app, body, buffer),
    }
}
