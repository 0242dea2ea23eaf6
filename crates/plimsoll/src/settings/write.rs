//! Settings → a file that reads back as the same settings.

use std::fmt::Write as _;

use super::node;
use crate::Bytes;
use crate::ledger::{LedgerSettings, ShareSettings};

/// As TOML.
pub fn to_toml(settings: &LedgerSettings) -> String {
    let mut out = String::new();
    for line in &settings.places {
        let key = node::join("places", &line.place.to_string());
        let _ = writeln!(out, "[{key}]");
        for (name, bytes) in [("line", line.line), ("reserve", line.reserve), ("emergency", line.emergency)] {
            let _ = writeln!(out, "{name} = \"{}\"", exact(bytes));
        }
        out.push('\n');
    }
    for account in &settings.accounts {
        let _ = writeln!(out, "[{}]", node::join("accounts", &account.path));
        let _ = writeln!(out, "priority = {}", account.priority);
        let _ = writeln!(out, "lend = {}", account.lend);
        if !account.tags.is_empty() {
            let _ = writeln!(out, "tags = [{}]", quoted_list(&account.tags));
        }
        for share in &account.shares {
            let key = node::join("", &share.place.to_string());
            let fields = fields(share).map(|(name, size)| format!("{name} = \"{size}\""));
            let _ = writeln!(out, "{key} = {{ {} }}", fields.collect::<Vec<_>>().join(", "));
        }
        out.push('\n');
    }
    out
}

/// As YAML.
pub fn to_yaml(settings: &LedgerSettings) -> String {
    let mut out = String::from("places:\n");
    for line in &settings.places {
        let _ = writeln!(out, "  {}:", quoted(&line.place.to_string()));
        for (name, bytes) in [("line", line.line), ("reserve", line.reserve), ("emergency", line.emergency)] {
            let _ = writeln!(out, "    {name}: {}", exact(bytes));
        }
    }
    if settings.accounts.is_empty() {
        return out;
    }
    out.push_str("accounts:\n");
    for account in &settings.accounts {
        let _ = writeln!(out, "  {}:", quoted(&account.path));
        let _ = writeln!(out, "    priority: {}", account.priority);
        let _ = writeln!(out, "    lend: {}", account.lend);
        let _ = writeln!(out, "    tags: [{}]", quoted_list(&account.tags));
        for share in &account.shares {
            let key = quoted(&share.place.to_string());
            let fields = fields(share).map(|(name, size)| format!("{name}: {size}"));
            let _ = writeln!(out, "    {key}: {{ {} }}", fields.collect::<Vec<_>>().join(", "));
        }
    }
    out
}

/// What is written of a share: names and sizes.
fn fields(share: &ShareSettings) -> impl Iterator<Item = (&'static str, String)> {
    let sizes = [
        ("guaranteed", Some(share.guaranteed)),
        ("limit", Some(share.limit)),
        ("predicted", share.predicted),
    ];
    sizes.into_iter().filter_map(|(name, bytes)| Some((name, exact(bytes?))))
}

/// In the largest unit that divides it: a written size is never rounded.
fn exact(bytes: Bytes) -> String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let number = bytes.get();
    let fits = units.iter().find(|(_, shift)| number != 0 && number.trailing_zeros() >= *shift);
    match fits {
        Some((unit, shift)) => format!("{}{unit}", number >> shift),
        None => format!("{number}B"),
    }
}

/// In double quotes, with escapes that TOML and YAML both know.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            _ if letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(out, "\\U{:08x}", u32::from(letter));
            }
            _ => out.push(letter),
        }
    }
    out.push('"');
    out
}

fn quoted_list(items: &[String]) -> String {
    let items: Vec<_> = items.iter().map(|item| quoted(item)).collect();
    items.join(", ")
}
