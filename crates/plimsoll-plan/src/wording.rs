//! What a workload is, in one short text: `5Mx768:int4,ivf,nlist=4096`.
//!
//! A text is words and `key=value` items between commas; words may stand anywhere. Whoever reads it says which
//! words and keys there are, and which numbers are sensible, so that each refusal can name the item and what would
//! do instead. Texts come from command lines and files, and are hostile: their length is bounded, and so is every
//! number.

use std::ops::RangeInclusive;

use plimsoll::{Bytes, ParseBytesError, ParsePlaceError, Place};

/// The longest text that is read.
const LENGTH_MAX: usize = 4096;

/// A text taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Wording {
    words: Vec<String>,
    items: Vec<(String, String)>,
}

/// Why a text does not say what a workload is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordingError {
    /// Nothing, or too much, was written.
    #[error("{found} characters do not describe {what}; write for example {example:?}")]
    Length {
        /// What was to be described.
        what: &'static str,
        /// How long the text is.
        found: usize,
        /// What would be understood.
        example: &'static str,
    },
    /// The text does not begin as it must.
    #[error("{found:?} does not describe {what}; write for example {example:?}")]
    Shape {
        /// What was to be described.
        what: &'static str,
        /// What stands there.
        found: String,
        /// What would be understood.
        example: &'static str,
    },
    /// A word or key that is not known.
    #[error("{found:?} is not known here; known are {known}")]
    Unknown {
        /// What stands there.
        found: String,
        /// What might.
        known: String,
    },
    /// A key that is not there and must be.
    #[error("{key} is missing; add {key}=NUMBER")]
    Missing {
        /// Which.
        key: &'static str,
    },
    /// A key or a kind of word that stands there twice.
    #[error("{0:?} is said twice; say it once")]
    Twice(String),
    /// A value that is no number.
    #[error("{key}={found:?} is not a whole number; write digits, if you like with k, M or G behind them")]
    NotANumber {
        /// Of which key.
        key: String,
        /// What stands there.
        found: String,
    },
    /// A number that makes no sense.
    #[error("{key} = {found} is out of range; it is {least} to {most}")]
    Range {
        /// Of which key.
        key: String,
        /// What stands there.
        found: u64,
        /// The least that it may be.
        least: u64,
        /// The most that it may be.
        most: u64,
    },
    /// A value that is no size.
    #[error("{key}: {source}")]
    Size {
        /// Of which key.
        key: String,
        /// What is wrong with it.
        source: ParseBytesError,
    },
    /// A value that is no place.
    #[error("{key}: {source}")]
    Place {
        /// Of which key.
        key: String,
        /// What is wrong with it.
        source: ParsePlaceError,
    },
    /// Two items that cannot both be.
    #[error("{key} does not go with {other}: {reason}")]
    Conflict {
        /// The one.
        key: String,
        /// The other.
        other: String,
        /// Why not, and what to do.
        reason: &'static str,
    },
    /// All together is more than can be counted.
    #[error("{what} would take more than 16 EiB; make {key} smaller")]
    Overflow {
        /// Which tensor or part.
        what: &'static str,
        /// What to change.
        key: &'static str,
    },
}

impl Wording {
    /// Takes a text apart; `example` is what `what` looks like.
    pub(crate) fn parse(what: &'static str, text: &str, example: &'static str) -> Result<Self, WordingError> {
        let found = text.chars().count();
        if text.trim().is_empty() || text.len() > LENGTH_MAX {
            return Err(WordingError::Length { what, found, example });
        }
        let mut said = Self { words: Vec::new(), items: Vec::new() };
        for piece in text.split(',').map(str::trim).filter(|piece| !piece.is_empty()) {
            if let Some((key, value)) = piece.split_once('=') {
                let key = key.trim().to_ascii_lowercase().replace('-', "_");
                if said.items.iter().any(|item| item.0 == key) {
                    return Err(WordingError::Twice(key));
                }
                said.items.push((key, value.trim().to_owned()));
            } else {
                said.words.push(piece.to_owned());
            }
        }
        Ok(said)
    }

    /// The words, in their order.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(String::as_str)
    }

    /// Refuses keys that nobody asks for.
    pub(crate) fn keys(&self, known: &[&str]) -> Result<(), WordingError> {
        match self.items.iter().find(|item| !known.contains(&item.0.as_str())) {
            Some((key, _)) => Err(WordingError::Unknown { found: key.clone(), known: known.join(", ") }),
            None => Ok(()),
        }
    }

    /// What stands behind a key.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.items.iter().find(|item| item.0 == key).map(|item| item.1.as_str())
    }

    /// A number, if it is there.
    pub(crate) fn number(&self, key: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, WordingError> {
        self.text(key).map(|value| number(key, value, range)).transpose()
    }

    /// A number, or what it is when nobody says.
    pub(crate) fn number_or(
        &self,
        key: &str,
        range: RangeInclusive<u64>,
        usual: u64,
    ) -> Result<u64, WordingError> {
        Ok(self.number(key, range)?.unwrap_or(usual))
    }

    /// A number that must be there.
    pub(crate) fn number_must(
        &self,
        key: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<u64, WordingError> {
        self.number(key, range)?.ok_or(WordingError::Missing { key })
    }

    /// A size, if it is there.
    pub(crate) fn size(&self, key: &str) -> Result<Option<Bytes>, WordingError> {
        let wrong = |source| WordingError::Size { key: key.to_owned(), source };
        self.text(key).map(|value| value.parse().map_err(wrong)).transpose()
    }

    /// A place, if it is there.
    pub(crate) fn place(&self, key: &str) -> Result<Option<Place>, WordingError> {
        let wrong = |source| WordingError::Place { key: key.to_owned(), source };
        self.text(key).map(|value| value.parse().map_err(wrong)).transpose()
    }

    /// One of some values, or what it is when nobody says.
    pub(crate) fn choice<T: Copy>(
        &self,
        key: &str,
        choices: &[(&str, T)],
        usual: T,
    ) -> Result<T, WordingError> {
        self.text(key).map_or(Ok(usual), |value| choose(value, choices))
    }

    /// Yes or no; a bare word is a yes.
    pub(crate) fn flag(&self, key: &str, usual: bool) -> Result<bool, WordingError> {
        let yes = self.words().any(|word| word.replace('-', "_").eq_ignore_ascii_case(key));
        let answers = [
            ("yes", true),
            ("no", false),
            ("on", true),
            ("off", false),
            ("true", true),
            ("false", false),
            ("1", true),
            ("0", false),
        ];
        self.choice(key, &answers, yes || usual)
    }
}

/// The choice of this name.
pub(crate) fn choose<T: Copy>(found: &str, choices: &[(&str, T)]) -> Result<T, WordingError> {
    let choice = choices.iter().find(|choice| choice.0.eq_ignore_ascii_case(found.trim()));
    choice.map(|choice| choice.1).ok_or_else(|| WordingError::Unknown {
        found: found.to_owned(),
        known: choices.iter().map(|choice| choice.0).collect::<Vec<_>>().join(", "),
    })
}

/// A whole number: `4096`, `5M`, `1.5M`, `64Ki`.
pub(crate) fn number(key: &str, text: &str, range: RangeInclusive<u64>) -> Result<u64, WordingError> {
    let wrong = || WordingError::NotANumber { key: key.to_owned(), found: text.to_owned() };
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let scale: u64 = match unit.trim() {
        "" => 1,
        "k" | "K" => 1_000,
        "m" | "M" => 1_000_000,
        "g" | "G" | "b" | "B" => 1_000_000_000,
        "ki" | "Ki" => 1 << 10,
        "mi" | "Mi" => 1 << 20,
        "gi" | "Gi" => 1 << 30,
        _ => return Err(wrong()),
    };
    let digits = digits.replace('_', "");
    let (whole, decimals) = digits.split_once('.').unwrap_or((&digits, ""));
    if !whole.starts_with(|c: char| c.is_ascii_digit()) || decimals.len() > 9 || decimals.contains('.') {
        return Err(wrong());
    }
    let found = (|| {
        let tenths = 10_u64.checked_pow(u32::try_from(decimals.len()).ok()?)?;
        let part = if decimals.is_empty() { 0 } else { decimals.parse::<u64>().ok()? };
        let exact = u128::from(part) * u128::from(scale);
        (exact % u128::from(tenths) == 0).then_some(())?;
        let part = u64::try_from(exact / u128::from(tenths)).ok()?;
        whole.parse::<u64>().ok()?.checked_mul(scale)?.checked_add(part)
    })()
    .ok_or_else(wrong)?;
    let (least, most) = (*range.start(), *range.end());
    if range.contains(&found) {
        Ok(found)
    } else {
        Err(WordingError::Range { key: key.to_owned(), found, least, most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<u64, WordingError> {
        number("n", text, 1..=u64::MAX)
    }

    #[test]
    fn numbers_have_suffixes_and_exact_decimals() {
        assert_eq!(read("5M"), Ok(5_000_000));
        assert_eq!(read("1.5k"), Ok(1_500));
        assert_eq!(read("64Ki"), Ok(65_536));
        assert_eq!(read("1_000"), Ok(1_000));
        for wrong in ["", "x", "-1", "1.5", "1..2k", "0.0001k", "99999999999G", "5 apples", "1.k.", ".5k"] {
            assert!(matches!(read(wrong), Err(WordingError::NotANumber { .. })), "{wrong:?}");
        }
        assert!(matches!(read("0"), Err(WordingError::Range { .. })));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let said = Wording::parse("a test", "flat,k=10,fast,on=cuda:1", "k=1").unwrap();
        assert_eq!(said.words().collect::<Vec<_>>(), ["flat", "fast"]);
        assert_eq!(said.number("k", 1..=100), Ok(Some(10)));
        assert_eq!(said.place("on"), Ok(Some(Place::Cuda(1))));
        assert_eq!(said.flag("fast", false), Ok(true));
        assert!(said.keys(&["k"]).unwrap_err().to_string().contains("\"on\" is not known here"));
        assert_eq!(said.number_must("m", 1..=2), Err(WordingError::Missing { key: "m" }));
        assert!(matches!(Wording::parse("a test", "k=1,k=2", ""), Err(WordingError::Twice(_))));
        assert!(matches!(Wording::parse("a test", &"k".repeat(5_000), ""), Err(WordingError::Length { .. })));
        assert!(matches!(Wording::parse("a test", " ", ""), Err(WordingError::Length { .. })));
    }
}
