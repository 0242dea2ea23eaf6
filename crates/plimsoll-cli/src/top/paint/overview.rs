//! Everything at once, laid out for the size there is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::sheet::Sheet;
use super::{accounts, events, past, places, pools};
use crate::top::app::{App, Link, Panel};
use crate::top::words::left;

/// From here on there is room for two columns.
const TWO_COLUMNS: u16 = 150;

/// Draws it.
pub fn show(app: &App, area: Rect, buffer: &mut Buffer) {
    let engine = app.picture().newest().is_some_and(|sample| sample.source.engine);
    if !engine {
        alone(app, area, buffer);
    } else if area.width >= TWO_COLUMNS && area.height >= 24 {
        wide(app, area, buffer);
    } else {
        narrow(app, area, buffer);
    }
}

/// One column: each panel below the other, pools and tags beside each other.
fn narrow(app: &App, area: Rect, buffer: &mut Buffer) {
    let look = app.look();
    let width = usize::from(area.width);
    let pools_width = (area.width * 7 / 10).max(57).min(area.width);
    let tags_width = (area.width - pools_width).saturating_sub(1);
    let tags_beside = tags_width >= 22;
    let places = places::sheet(app, width);
    let accounts = accounts::sheet(app, width);
    let pools = pools::sheet(app, if tags_beside { usize::from(pools_width) } else { width });
    let tags = pools::tag_sheet(app, None, usize::from(tags_width));
    let events = events::sheet(app, None, None, width);

    let spacious = area.height >= 30;
    let mut rooms = Rooms::new(area.height);
    let places_room = rooms.take(wish(&places, 4).max(2));
    let accounts_least = rooms.take(3);
    let events_least = rooms.take(3);
    let pools_least = rooms.take(if area.height >= 14 { 3 } else { 0 });
    let past_room = rooms.take(if spacious { 5 } else { u16::from(area.height >= 12) });
    let accounts_more =
        rooms.take(wish(&accounts, 40).saturating_sub(accounts_least).min((rooms.left * 3).div_ceil(4)));
    let both = wish(&pools, 12).max(if tags_beside { wish(&tags, 8) } else { 0 });
    let pools_more = rooms.take(both.saturating_sub(pools_least).min(rooms.left * 2 / 3));
    let events_room = events_least + rooms.take(rooms.left);

    let mut stack = Stack { area };
    places.show(look, stack.next(places_room), buffer);
    accounts.show(look, stack.next(accounts_least + accounts_more), buffer);
    let row = stack.next(pools_least + pools_more);
    // Without room for both, tags stand in for pools when they have the keys.
    if tags_beside {
        pools.show(look, Rect { width: pools_width, ..row }, buffer);
        tags.show(look, Rect { x: row.x + pools_width + 1, width: tags_width, ..row }, buffer);
    } else if app.panel() == Panel::Tags {
        pools::tag_sheet(app, None, width).show(look, row, buffer);
    } else {
        pools.show(look, row, buffer);
    }
    past::show_beside(app, &past::series(app), stack.next(past_room), buffer);
    events.show(look, stack.next(events_room), buffer);
}

/// Two columns: what there is at the left, what happens at the right.
fn wide(app: &App, area: Rect, buffer: &mut Buffer) {
    let look = app.look();
    let left_width = area.width * 3 / 5;
    let right_width = area.width - left_width - 2;
    let (width, beside) = (usize::from(left_width), usize::from(right_width));
    let places = places::sheet(app, width);
    let accounts = accounts::sheet(app, width);
    let pools = pools::sheet(app, width);
    let mut rooms = Rooms::new(area.height);
    let places_room = rooms.take(wish(&places, 8) + 1);
    let pools_least = rooms.take(wish(&pools, 14).min(area.height / 3));
    let accounts_room = rooms.take(wish(&accounts, u16::MAX).saturating_add(1));
    let pools_room = pools_least + rooms.take(rooms.left);
    let mut stack = Stack { area: Rect { width: left_width, ..area } };
    places.show(look, stack.next(places_room), buffer);
    accounts.show(look, stack.next(accounts_room), buffer);
    pools.show(look, stack.next(pools_room), buffer);

    let tags = pools::tag_sheet(app, None, beside);
    let mut rooms = Rooms::new(area.height);
    let past_room = rooms.take(area.height / 3);
    let tags_room = rooms.take((wish(&tags, 12) + 1).min(area.height / 3));
    let mut stack = Stack { area: Rect { x: area.x + left_width + 2, width: right_width, ..area } };
    past::show_below(app, &past::series(app), stack.next(past_room), buffer);
    tags.show(look, stack.next(tags_room), buffer);
    events::sheet(app, None, None, beside).show(look, stack.next(rooms.left), buffer);
}

/// The machine without an engine: what is known of it, and how an engine would come to be seen.
fn alone(app: &App, area: Rect, buffer: &mut Buffer) {
    let look = app.look();
    let width = usize::from(area.width);
    let mut stack = Stack { area };
    let said: &[&str] = if app.link().0 == &Link::Looking {
        &[" Looking for a running engine."]
    } else {
        &[
            " No engine is running for this user, so this is the machine alone.",
            " An engine is seen as soon as its program publishes it:",
            "     let shown = engine.publish(\"my-service\", Duration::from_secs(1))?;",
            " Others: plimsoll top --list, plimsoll top --attach PID or PATH.",
        ]
    };
    let _ = stack.next(1);
    for text in said {
        let line = Line::styled(left(look, text, width), look.dim());
        let at = stack.next(1);
        if at.height > 0 {
            buffer.set_line(at.x, at.y, &line, at.width);
        }
    }
    let _ = stack.next(1);
    let graphs = (stack.area.height / 2).clamp(1, 8);
    past::show_beside(app, &past::series(app), stack.next(graphs), buffer);
    let _ = stack.next(1);
    let rest = stack.area;
    events::sheet(app, None, None, width).show(look, rest, buffer);
}

fn wish(sheet: &Sheet, most: u16) -> u16 {
    u16::try_from(sheet.wishes()).unwrap_or(most).min(most)
}

/// Lines that are not given to a panel yet.
struct Rooms {
    left: u16,
}

impl Rooms {
    const fn new(left: u16) -> Self {
        Self { left }
    }

    fn take(&mut self, lines: u16) -> u16 {
        let given = lines.min(self.left);
        self.left -= given;
        given
    }
}

/// Panels below each other.
pub struct Stack {
    /// What is left.
    pub area: Rect,
}

impl Stack {
    /// The next so many lines.
    pub fn next(&mut self, lines: u16) -> Rect {
        let height = lines.min(self.area.height);
        let taken = Rect { height, ..self.area };
        self.area.y += height;
        self.area.height -= height;
        taken
    }
}
