//! What of a JSON record is its text, its name and its title. Pure.
//!
//! The first of `text`, `content`, `body` and `passage` that is a string is the text; without one, all strings joined.
//! Nothing is built of the rest of a record, and a string without escapes is not copied.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Fields by what they are, the best first.
const TEXT: [&str; 4] = ["text", "content", "body", "passage"];
const ID: [&str; 3] = ["id", "_id", "doc_id"];
const TITLE: [&str; 1] = ["title"];

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The text; may be empty.
    pub text: Cow<'a, str>,
    /// What it is called.
    pub id: Option<Box<str>>,
    /// Its title.
    pub title: Option<Box<str>>,
}

/// Reads one line.
pub fn read(line: &str) -> Result<Record<'_>, serde_json::Error> {
    let mut found = Found::default();
    if line.starts_with('{') {
        let mut reader = serde_json::Deserializer::from_str(line);
        reader.deserialize_map(Fields(&mut found))?;
        reader.end()?;
    }
    let text = if let Some((_, text)) = found.text {
        text
    } else {
        let mut all = String::new();
        let mut reader = serde_json::Deserializer::from_str(line);
        Strings { all: &mut all, top: true }.deserialize(&mut reader)?;
        reader.end()?;
        Cow::Owned(all)
    };
    let boxed = |found: Option<(usize, Cow<'_, str>)>| found.map(|(_, text)| Box::from(text.as_ref()));
    Ok(Record { text, id: boxed(found.id), title: boxed(found.title) })
}

/// The best of each so far, with its rank.
#[derive(Default)]
struct Found<'a> {
    text: Option<(usize, Cow<'a, str>)>,
    id: Option<(usize, Cow<'a, str>)>,
    title: Option<(usize, Cow<'a, str>)>,
}

fn rank(names: &[&str], key: &str) -> Option<usize> {
    names.iter().position(|name| *name == key)
}

fn keep<'a>(slot: &mut Option<(usize, Cow<'a, str>)>, rank: usize, value: Cow<'a, str>) {
    if slot.as_ref().is_none_or(|(best, _)| rank < *best) {
        *slot = Some((rank, value));
    }
}

struct Fields<'f, 'a>(&'f mut Found<'a>);

impl<'a> Visitor<'a> for Fields<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Word)? {
            let Value::Text(key) = key else { return Err(A::Error::custom("a key is not a string")) };
            let (text, id, title) = (rank(&TEXT, &key), rank(&ID, &key), rank(&TITLE, &key));
            if text.or(id).or(title).is_none() {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            match (map.next_value_seed(Word)?, text, id, title) {
                (Value::Text(value), Some(rank), ..) => keep(&mut self.0.text, rank, value),
                (Value::Text(value) | Value::Number(value), _, Some(rank), _) => {
                    keep(&mut self.0.id, rank, value);
                }
                (Value::Text(value), _, _, Some(rank)) => keep(&mut self.0.title, rank, value),
                _ => {}
            }
        }
        Ok(())
    }
}

/// A value as far as it matters.
enum Value<'a> {
    Text(Cow<'a, str>),
    Number(Cow<'a, str>),
    Other,
}

struct Word;

impl<'a> DeserializeSeed<'a> for Word {
    type Value = Value<'a>;

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Value<'a>, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Word {
    type Value = Value<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Value<'a>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'a>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'a>, E> {
        Ok(Value::Number(Cow::Owned(number.to_string())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'a>, E> {
        Ok(Value::Number(Cow::Owned(number.to_string())))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value<'a>, E> {
        Ok(Value::Number(Cow::Owned(number.to_string())))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value<'a>, E> {
        Ok(Value::Other)
    }

    fn visit_unit<E>(self) -> Result<Value<'a>, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Value<'a>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Value<'a>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }
}

/// All strings of a value, but for what names or titles the record.
struct Strings<'f> {
    all: &'f mut String,
    top: bool,
}

impl<'a> DeserializeSeed<'a> for Strings<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Strings<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        if !self.all.is_empty() && !text.is_empty() {
            self.all.push('\n');
        }
        self.all.push_str(text);
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Strings { all: self.all, top: false })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Word)? {
            let named = matches!(&key, Value::Text(key) if rank(&ID, key).or(rank(&TITLE, key)).is_some());
            if self.top && named {
                map.next_value::<IgnoredAny>()?;
            } else {
                map.next_value_seed(Strings { all: self.all, top: false })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &str) -> String {
        read(line).unwrap().text.into_owned()
    }

    #[test]
    fn the_best_field_is_the_text() {
        let record =
            read(r#"{"body": "b", "id": 7, "text": "a", "title": "T", "x": {"text": "no"}}"#).unwrap();
        let wanted = Record { text: "a".into(), id: Some("7".into()), title: Some("T".into()) };
        assert_eq!(record, wanted);
        assert!(matches!(record.text, Cow::Borrowed(_)));
        assert_eq!(text(r#"{"content": ["no"], "passage": "a\nb"}"#), "a\nb");
    }

    #[test]
    fn without_one_all_strings_are() {
        assert_eq!(text(r#"{"_id": "i", "q": "a", "n": 1, "l": ["b", {"id": "c"}]}"#), "a\nb\nc");
        assert_eq!(text(r#""alone""#), "alone");
        assert_eq!(text("[1, null, true]"), "");
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        for line in ["{", "{\"text\": \"a\"} b", "text", "{\"a\" 1}"] {
            assert!(read(line).is_err(), "{line}");
        }
        assert!(read(&"[".repeat(100_000)).is_err());
    }
}
