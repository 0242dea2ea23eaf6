//! What looks like a token in a message stays a text.
//!
//! A template writes messages and the model's own tokens into one text, in which both look the same. So a letter that is
//! none, and that nobody used, is put before whatever in a message looks like a token. What the template does to messages
//! (cutting spaces off, splitting, taking parts) leaves it where it is. Behind the template it is taken out again, and its
//! places are those where no token is looked for.

use std::borrow::Cow;

use minijinja::Value;
use minijinja::value::ValueKind;

use crate::text::special::Specials;

/// What Unicode keeps for programs' own use: no letters, and in no text.
const MARKS: std::ops::RangeInclusive<char> = '\u{FDD0}'..='\u{FDEF}';

/// Puts marks into messages.
pub(super) struct Guard<'s> {
    specials: &'s Specials,
    mark: char,
}

impl<'s> Guard<'s> {
    /// With a mark that none of some texts has, if there is one.
    pub(super) fn new(specials: &'s Specials, texts: &[&str]) -> Option<Self> {
        let mark = MARKS.into_iter().find(|mark| texts.iter().all(|text| !text.contains(*mark)))?;
        Some(Self { specials, mark })
    }

    /// A text with its marks.
    pub(super) fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let places = self.specials.places(text);
        if places.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len() + 3 * places.len());
        let mut begin = 0;
        for place in places {
            out.push_str(&text[begin..place]);
            out.push(self.mark);
            begin = place;
        }
        out.push_str(&text[begin..]);
        Cow::Owned(out)
    }

    /// The same of every text in a value.
    pub(super) fn value(&self, value: &Value) -> Value {
        match value.kind() {
            ValueKind::String => value.as_str().map_or_else(|| value.clone(), |text| self.text(text).into()),
            ValueKind::Map => {
                let pair = |key: Value| Some((self.value(&key), self.value(&value.get_item(&key).ok()?)));
                let keys = value.try_iter().into_iter().flatten();
                Value::from_pairs(keys.filter_map(pair))
            }
            ValueKind::Seq | ValueKind::Iterable => {
                value.try_iter().into_iter().flatten().map(|item| self.value(&item)).collect()
            }
            _ => value.clone(),
        }
    }

    /// A text without marks, and where they were.
    pub(super) fn places(&self, text: &str) -> (String, Vec<usize>) {
        let (mut out, mut places) = (String::with_capacity(text.len()), Vec::new());
        for (index, part) in text.split(self.mark).enumerate() {
            if index > 0 {
                places.push(out.len());
            }
            out.push_str(part);
        }
        (out, places)
    }
}
