//! JSON as Python writes it, which is how templates show tools to a model: a space behind each comma and colon, letters as
//! they are.

use std::io::{Result, Write};

use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, State, Value};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

/// `tojson`, with the arguments that templates give it.
#[expect(clippy::needless_pass_by_value, reason = "filters are given their arguments")]
pub(super) fn filter(
    state: &State<'_, '_>,
    value: &Value,
    indent: Option<usize>,
    more: Kwargs,
) -> std::result::Result<String, Error> {
    let indent = indent.or(more.get::<Option<usize>>("indent")?);
    // Letters always stay as they are.
    more.get::<Option<bool>>("ensure_ascii")?;
    let separators = more.get::<Option<Vec<String>>>("separators")?;
    more.assert_all_used()?;
    let wrong = |error: serde_json::Error| {
        Error::new(ErrorKind::BadSerialization, "this is not to be had as JSON").with_source(error)
    };
    let mut out = Vec::new();
    if let Some(spaces) = indent {
        let spaces = vec![b' '; spaces.min(16)];
        let form = PrettyFormatter::with_indent(&spaces);
        value.serialize(&mut Serializer::with_formatter(&mut out, form)).map_err(wrong)?;
    } else {
        let mut separators = separators.unwrap_or_default().into_iter();
        let item = separators.next().unwrap_or_else(|| ", ".to_owned());
        let form = Spaced { item, key: separators.next().unwrap_or_else(|| ": ".to_owned()) };
        value.serialize(&mut Serializer::with_formatter(&mut out, form)).map_err(wrong)?;
    }
    // Walking a value costs more than copying what came of it, which is charged besides.
    state.consume_fuel(out.len() as u64 / 4)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// What stands between items, and behind keys.
struct Spaced {
    item: String,
    key: String,
}

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> Result<()> {
        if first { Ok(()) } else { writer.write_all(self.item.as_bytes()) }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> Result<()> {
        if first { Ok(()) } else { writer.write_all(self.item.as_bytes()) }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> Result<()> {
        writer.write_all(self.key.as_bytes())
    }
}
