//! Pools of the selected place, and its largest tags.

use super::places::marked;
use super::sheet::{Cell, Column, Sheet, filling, fitted, numbers, row};
use crate::top::app::{App, Page, Panel};
use crate::top::order;
use crate::top::picture::tags;
use crate::top::words::{SIZE, count, percent_or, size_or};

const POOLS: [Column; 9] = [
    filling("pool", 12),
    numbers("live", SIZE, 0),
    numbers("cached", SIZE, 1),
    numbers("pending", SIZE, 3),
    numbers("frag", 4, 2),
    numbers("hits", 4, 2),
    numbers("within", 6, 5),
    numbers("leases", 12, 4),
    numbers("maps", 9, 6),
];

/// The pools: an account's own, not those below it.
pub fn sheet(app: &App, width: usize) -> Sheet {
    let look = app.look();
    let columns = fitted(&POOLS, width);
    let focused = app.page() == Page::Overview && app.panel() == Panel::Pools;
    let rows = app.shown_place().map(|place| order::rows(place, app.sort())).unwrap_or_default();
    let pooled: Vec<_> = rows.into_iter().filter(|row| row.account.live_bytes.is_some()).collect();
    let selected = |path: &str| app.shown_account() == Some(path);
    let lines = pooled.iter().map(|of| {
        let account = of.account;
        row(look, &columns, |column| match column.title {
            "pool" => marked(look, &account.path, selected(&account.path), focused),
            "live" => size_or(look, account.live_bytes).into(),
            "cached" => size_or(look, account.cached_bytes).into(),
            "pending" => size_or(look, account.pending_bytes).into(),
            "frag" => percent_or(look, account.external_fragmentation).into(),
            "hits" => percent_or(look, account.hit_rate).into(),
            "within" => percent_or(look, account.internal_fragmentation).into(),
            "leases" => counted(look, account.leases),
            _ => counted(look, account.maps),
        })
    });
    Sheet {
        title: "pools",
        more: String::new(),
        focused,
        keep: pooled.iter().position(|of| selected(&of.account.path)),
        rows: lines.collect(),
        columns,
        first: 0,
        empty: "  none",
    }
}

fn counted(look: crate::top::look::Look, number: Option<u64>) -> Cell {
    number.map_or_else(|| look.glyphs().absent.to_owned(), count).into()
}

const TAGS: [Column; 4] =
    [filling("tag", 8), numbers("live", SIZE, 0), numbers("leases", 12, 2), numbers("account", 16, 1)];

/// The largest tags of the selected place; of one account where one is named.
pub fn tag_sheet(app: &App, of: Option<&str>, width: usize) -> Sheet {
    let look = app.look();
    let columns = fitted(&TAGS, width);
    let place = app.shown_place();
    let all = place.map(tags).unwrap_or_default();
    let wanted = all.into_iter().filter(|(account, _)| of.is_none_or(|of| of == *account));
    let rows = wanted.map(|(account, tag)| {
        row(look, &columns, |column| match column.title {
            "tag" => format!(" {}", tag.tag).into(),
            "live" => size_or(look, Some(tag.live_bytes)).into(),
            "leases" => count(tag.leases).into(),
            _ => Cell::Text(account.to_owned(), look.dim()),
        })
    });
    let focused = app.page() == Page::Overview && app.panel() == Panel::Tags;
    Sheet {
        title: "tags",
        more: String::new(),
        focused,
        rows: rows.collect(),
        columns,
        keep: None,
        first: if focused { app.scroll() } else { 0 },
        empty: "  none",
    }
}
