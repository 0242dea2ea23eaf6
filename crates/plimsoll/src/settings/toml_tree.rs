//! TOML → tree.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::Format;
use super::error::{Position, Problem, Wrong};
use super::node::{Entry, Node, Value};

pub(super) fn parse(text: &str) -> Result<Node, Wrong> {
    let lines = Lines::of(text);
    match DeTable::parse(text) {
        Ok(table) => Ok(Node { at: Position::START, value: lines.table(table.get_ref()) }),
        Err(error) => {
            let problem =
                Problem::Syntax { format: Format::Toml, reason: error.message().replace('\n', "; ") };
            let at = error.span().map_or(Position::START, |span| lines.position(&span));
            Err(Wrong::new(at, "", problem))
        }
    }
}

/// Where each line of a text starts.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        let ends = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let starts = std::iter::once(0).chain(ends.map(|(index, _)| index + 1)).collect();
        Self { text, starts }
    }

    fn position(&self, span: &Range<usize>) -> Position {
        let line = self.starts.partition_point(|&start| start <= span.start);
        let before = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.text.get(before..span.start).map_or(0, |part| part.chars().count());
        Position { line, column: column + 1 }
    }

    fn table(&self, table: &DeTable<'_>) -> Value {
        let mut entries: Vec<_> = table
            .iter()
            .map(|(key, value)| Entry {
                key: key.get_ref().to_string(),
                at: self.position(&key.span()),
                node: Node { at: self.position(&value.span()), value: self.value(value.get_ref()) },
            })
            .collect();
        // The parser sorts by name; people read from the top, so the first error is the topmost one.
        entries.sort_by_key(|entry| entry.at);
        Value::Table(entries)
    }

    fn value(&self, value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => Value::Number(number.to_string()),
            DeValue::Float(number) => Value::Number(number.to_string()),
            DeValue::Boolean(truth) => Value::Truth(*truth),
            DeValue::Datetime(_) => Value::Other("a date"),
            DeValue::Array(items) => {
                let node = |item: &toml::Spanned<DeValue<'_>>| Node {
                    at: self.position(&item.span()),
                    value: self.value(item.get_ref()),
                };
                Value::List(items.iter().map(node).collect())
            }
            DeValue::Table(table) => self.table(table),
        }
    }
}
