//! Tree → settings, checked.

use std::collections::BTreeSet;

use super::Capacities;
use super::error::{Problem, Wrong};
use super::node::{Entry, Node, Value, join};
use super::size::{Whole, size};
use crate::ledger::{AccountSettings, LedgerSettings, LineSettings, ShareSettings, check_sums};
use crate::{Bytes, Place};

const TOP: [&str; 4] = ["places", "accounts", "monitor", "plan"];
const PLACE: [&str; 3] = ["line", "reserve", "emergency"];
const ACCOUNT: [&str; 3] = ["priority", "tags", "lend"];
const SHARE: [&str; 3] = ["guaranteed", "limit", "predicted"];

/// An account that does not say how important it is.
const PRIORITY: u8 = 1;

/// Without a number of one's own, shrinking keeps this much, or a sixty-fourth of a small line.
const EMERGENCY: Bytes = Bytes::mib(256);
const EMERGENCY_PART: u64 = 64;

pub(super) fn settings(root: &Node, capacities: &Capacities) -> Result<LedgerSettings, Wrong> {
    let entries = root.table("", "a table with [places.…] and [accounts.…]")?;
    for entry in entries {
        if !TOP.contains(&entry.key.as_str()) {
            return Err(unknown(entry, "", &TOP, "`places`, `accounts`, `monitor` and `plan`"));
        }
    }
    // What it says is for whoever samples; that it is sound is for whoever checks the file.
    #[cfg(not(any(loom, shuttle)))]
    super::monitor::settings(entries)?;
    super::runs::settings(entries)?;
    let places = find(entries, "places")
        .ok_or_else(|| Wrong::new(root.at, "", Problem::Missing("places.host.line")))?;
    let lines = lines(&places.node, capacities)?;
    let mut accounts = Vec::new();
    if let Some(entry) = find(entries, "accounts") {
        for account in entry.node.table("accounts", "a table of accounts")? {
            accounts.push(read_account(account, &lines)?);
        }
    }
    let mut settings = LedgerSettings { places: lines, accounts };
    settings.places.sort_by_key(|line| line.place);
    settings.accounts.sort_by(|a, b| a.path.cmp(&b.path));
    if let Err(over) = check_sums(&settings) {
        let key = join("places", &over.place.to_string());
        let place = places.node.table("places", "")?.iter().find(|entry| entry.key.parse() == Ok(over.place));
        let line = place.and_then(|entry| find(entry.node.table(&key, "").ok()?, "line"));
        let at = line.map_or(root.at, |line| line.node.at);
        return Err(Wrong::new(at, join(&key, "line"), Problem::Overcommitted(over)));
    }
    Ok(settings)
}

fn lines(node: &Node, capacities: &Capacities) -> Result<Vec<LineSettings>, Wrong> {
    let mut lines: Vec<LineSettings> = Vec::new();
    let entries = node.table("places", "a table of places")?;
    for entry in entries {
        let line = read_line(entry, capacities)?;
        if lines.iter().any(|other| other.place == line.place) {
            let key = join("places", &entry.key);
            return Err(Wrong::new(entry.at, key, Problem::Twice(line.place.to_string())));
        }
        lines.push(line);
    }
    if lines.is_empty() {
        return Err(Wrong::new(node.at, "places", Problem::Missing("places.host.line")));
    }
    Ok(lines)
}

fn read_line(entry: &Entry, capacities: &Capacities) -> Result<LineSettings, Wrong> {
    let key = join("places", &entry.key);
    let place: Place =
        entry.key.parse().map_err(|error| Wrong::new(entry.at, &key, Problem::UnknownPlace(error)))?;
    let fields = entry.node.table(&key, "a table such as { line = \"75%\" }")?;
    for field in fields {
        if !PLACE.contains(&field.key.as_str()) {
            return Err(unknown(field, &key, &PLACE, "`line`, `reserve` and `emergency`"));
        }
    }
    let line = find(fields, "line").ok_or_else(|| Wrong::new(entry.at, &key, Problem::Missing("line")))?;
    let line_key = join(&key, "line");
    let whole = capacities.of(place).map_or(Whole::Unknown(place), Whole::Known);
    let bytes = size(&line.node, &line_key, whole)?;
    if bytes.is_zero() {
        return Err(Wrong::new(line.node.at, line_key, Problem::EmptyLine));
    }
    let part = |name: &str| {
        let field = find(fields, name)?;
        Some(size(&field.node, &join(&key, name), Whole::Known(bytes)))
    };
    let reserve = part("reserve").transpose()?.unwrap_or(Bytes::ZERO);
    let emergency = part("emergency").transpose()?.unwrap_or_else(|| usual_emergency(place, bytes));
    let set_aside = reserve.checked_add(emergency);
    if set_aside.is_none_or(|aside| aside >= bytes) {
        let problem = Problem::ReservedAll { line: bytes, reserve, emergency };
        return Err(Wrong::new(line.node.at, key, problem));
    }
    Ok(LineSettings { place, line: bytes, reserve, emergency })
}

/// Storage is not needed to shrink, so nothing of it is kept back.
fn usual_emergency(place: Place, line: Bytes) -> Bytes {
    match place {
        Place::Disk | Place::Remote => Bytes::ZERO,
        _ => EMERGENCY.min(Bytes::new(line.get() / EMERGENCY_PART)),
    }
}

fn read_account(entry: &Entry, lines: &[LineSettings]) -> Result<AccountSettings, Wrong> {
    let key = join("accounts", &entry.key);
    check_name(entry, &key)?;
    let mut account = AccountSettings {
        path: entry.key.clone(),
        priority: PRIORITY,
        tags: Vec::new(),
        lend: true,
        shares: Vec::new(),
    };
    let mut seen = BTreeSet::new();
    for field in entry.node.table(&key, "a table such as { priority = 1 }")? {
        let field_key = join(&key, &field.key);
        match field.key.as_str() {
            "priority" => account.priority = priority(&field.node, &field_key)?,
            "tags" => account.tags = tags(&field.node, &field_key)?,
            "lend" => match field.node.value {
                Value::Truth(lend) => account.lend = lend,
                _ => return Err(field.node.wrong_kind(&field_key, "true or false")),
            },
            place => {
                let Ok(place) = place.parse::<Place>() else {
                    let allowed = "`priority`, `tags`, `lend` and places such as `host` or `\"cuda:0\"`; \
                                   an account below another is written [accounts.\"models/qwen\"]";
                    return Err(unknown(field, &key, &ACCOUNT, allowed));
                };
                if !seen.insert(place) {
                    return Err(Wrong::new(field.at, field_key, Problem::Twice(place.to_string())));
                }
                account.shares.push(share(field, &field_key, place, lines)?);
            }
        }
    }
    account.shares.sort_by_key(|share| share.place);
    Ok(account)
}

fn share(field: &Entry, key: &str, place: Place, lines: &[LineSettings]) -> Result<ShareSettings, Wrong> {
    let Some(line) = lines.iter().find(|line| line.place == place) else {
        return Err(Wrong::new(field.at, key, Problem::NoLine { place }));
    };
    let fields = field.node.table(key, "a table such as { guaranteed = \"8GiB\", limit = \"15GiB\" }")?;
    for field in fields {
        if !SHARE.contains(&field.key.as_str()) {
            return Err(unknown(field, key, &SHARE, "`guaranteed`, `limit` and `predicted`"));
        }
    }
    let part = |name: &str| {
        let field = find(fields, name)?;
        Some(size(&field.node, &join(key, name), Whole::Known(line.line)))
    };
    let guaranteed = part("guaranteed").transpose()?.unwrap_or(Bytes::ZERO);
    let limit = part("limit").transpose()?;
    if let Some(limit) = limit.filter(|&limit| guaranteed > limit) {
        let problem = Problem::GuaranteedOverLimit { guaranteed, limit };
        return Err(Wrong::new(field.at, key, problem));
    }
    if let Some(limit) = limit.filter(|&limit| limit > line.line) {
        let problem = Problem::LimitOverLine { place, limit, line: line.line };
        return Err(Wrong::new(field.at, key, problem));
    }
    Ok(ShareSettings {
        place,
        guaranteed,
        // A guarantee that is too large for the line is reported with the whole sum, not here.
        limit: limit.unwrap_or_else(|| line.shareable().max(guaranteed)),
        predicted: part("predicted").transpose()?,
    })
}

fn priority(node: &Node, key: &str) -> Result<u8, Wrong> {
    match &node.value {
        Value::Number(number) => {
            let wrong = |_| Wrong::new(node.at, key, Problem::Priority(number.clone()));
            number.parse().map_err(wrong)
        }
        _ => Err(node.wrong_kind(key, "a whole number from 0 to 255")),
    }
}

fn tags(node: &Node, key: &str) -> Result<Vec<String>, Wrong> {
    const EXPECTED: &str = "a list of texts such as [\"chat\", \"batch\"]";
    let Value::List(items) = &node.value else {
        return Err(node.wrong_kind(key, EXPECTED));
    };
    let text = |item: &Node| match &item.value {
        Value::Text(text) => Ok(text.clone()),
        _ => Err(item.wrong_kind(key, EXPECTED)),
    };
    items.iter().map(text).collect()
}

fn check_name(entry: &Entry, key: &str) -> Result<(), Wrong> {
    let path = entry.key.as_str();
    let ordinary = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let why = if path.is_empty() {
        "it is empty"
    } else if path.split('/').any(str::is_empty) {
        "a part between slashes is empty"
    } else if !path.chars().all(ordinary) {
        "it has a character that is neither letter, digit, - _ . nor /"
    } else {
        return Ok(());
    };
    let found = path.to_owned();
    Err(Wrong::new(entry.at, key, Problem::AccountName { found, why }))
}

pub(super) fn find<'e>(entries: &'e [Entry], key: &str) -> Option<&'e Entry> {
    entries.iter().find(|entry| entry.key == key)
}

pub(super) fn unknown(entry: &Entry, parent: &str, known: &[&'static str], allowed: &'static str) -> Wrong {
    let near = |name: &&&'static str| distance(name, &entry.key) <= 2;
    let meant = known.iter().filter(near).min_by_key(|name| distance(name, &entry.key));
    let problem = Problem::UnknownKey { allowed, meant: meant.copied() };
    Wrong::new(entry.at, join(parent, &entry.key), problem)
}

/// How many letters must be changed, added or removed to get from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(32).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_between_words() {
        assert_eq!(distance("limit", "limit"), 0);
        assert_eq!(distance("guaranteed", "guarantee"), 1);
        assert_eq!(distance("line", "lien"), 2);
        assert_eq!(distance("", "abc"), 3);
    }
}
