//! Tables of the page.

use std::fmt::Write as _;

use super::html::{count, esc, size};

/// A cell: what is shown, and what it is sorted by.
pub(super) struct Cell {
    html: String,
    class: &'static str,
    value: Option<String>,
}

impl Cell {
    /// A word from outside.
    pub(super) fn word(text: &str) -> Self {
        Self { html: esc(text), class: "word", value: None }
    }

    /// A word, or that there is none.
    pub(super) fn maybe(text: Option<&str>) -> Self {
        text.map_or(
            Self { html: "<span class=\"dim\">–</span>".into(), class: "word", value: None },
            Self::word,
        )
    }

    /// A size.
    pub(super) fn size(bytes: u64) -> Self {
        Self { html: size(bytes), class: "n", value: Some(bytes.to_string()) }
    }

    /// A number.
    pub(super) fn count(number: u64) -> Self {
        Self { html: count(number), class: "n", value: Some(number.to_string()) }
    }

    /// A number that may be absent.
    pub(super) fn maybe_count(number: Option<u64>) -> Self {
        number.map_or(Self { html: "–".into(), class: "n", value: Some("-1".into()) }, Self::count)
    }

    /// Something that stands on the right, sorted by a number.
    pub(super) fn right(text: &str, value: u64) -> Self {
        Self { html: esc(text), class: "n", value: Some(value.to_string()) }
    }

    /// A line of code.
    pub(super) fn site(text: &str) -> Self {
        Self { html: esc(text), class: "site", value: None }
    }

    /// Markup of our own that wants room.
    pub(super) fn wide(html: String) -> Self {
        Self { html, class: "wide", value: None }
    }

    /// Markup of our own.
    pub(super) fn html(html: String) -> Self {
        Self { html, class: "word", value: None }
    }
}

/// Columns: what each is called, and whether it has numbers.
pub(super) type Columns<'t> = &'t [(&'t str, bool)];

/// A table that can be scrolled sideways where the screen is narrow; rows beyond `shown` are folded away.
pub(super) fn table(about: &str, columns: Columns<'_>, rows: &[Vec<Cell>], shown: usize) -> String {
    let (first, rest) = rows.split_at(rows.len().min(shown));
    let mut out = one(about, columns, first);
    if !rest.is_empty() {
        let _ = write!(out, "<details><summary>{} more</summary>", rest.len());
        out.push_str(&one(&format!("{about}, the rest"), columns, rest));
        out.push_str("</details>");
    }
    out
}

fn one(about: &str, columns: Columns<'_>, rows: &[Vec<Cell>]) -> String {
    let mut out = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"><table class=\"sortable\"><thead><tr>",
        esc(about)
    );
    for (title, number) in columns {
        let class = if *number { " class=\"n\"" } else { "" };
        let _ = write!(out, "<th scope=\"col\"{class}>{}</th>", esc(title));
    }
    out.push_str("</tr></thead><tbody>");
    for row in rows {
        out.push_str("<tr>");
        for cell in row {
            let _ = write!(out, "<td class=\"{}\"", cell.class);
            if let Some(value) = &cell.value {
                let _ = write!(out, " data-v=\"{value}\"");
            }
            let _ = write!(out, ">{}</td>", cell.html);
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>");
    out
}

/// A box with a title.
pub(super) fn card(title: &str, note: &str, content: &str) -> String {
    let note = if note.is_empty() { String::new() } else { format!("<p class=\"note\">{}</p>", esc(note)) };
    format!("<section class=\"card\"><h3>{}</h3>{note}{content}</section>", esc(title))
}
