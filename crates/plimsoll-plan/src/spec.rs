//! How workloads are written on a command line: `HEAD,key=value,key,…`.

use std::fmt::Display;
use std::str::FromStr;

/// A workload's text, taken apart: what stands first, and the keys behind it.
///
/// A key is taken when it is asked for; what nobody asked for is refused at the end, with what may stand there.
#[derive(Clone, Debug)]
pub struct Spec<'t> {
    text: &'t str,
    head: &'t str,
    pairs: Vec<(&'t str, Option<&'t str>)>,
    known: Vec<&'static str>,
}

/// Why a text is no workload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// There is nothing.
    #[error("the text is empty; it begins with what is meant, then come keys: NAME,key=value,…")]
    Empty,
    /// A key that means nothing there.
    #[error("{text:?}: {key:?} means nothing here; what may stand is {known}")]
    UnknownKey {
        /// The whole text.
        text: String,
        /// The key.
        key: String,
        /// Those that may stand there.
        known: String,
    },
    /// A key that stands more than once.
    #[error("{text:?}: {key} stands more than once")]
    Twice {
        /// The whole text.
        text: String,
        /// The key.
        key: String,
    },
    /// A value that cannot be read.
    #[error("{text:?}: {key}={found:?} cannot be read; {expected}")]
    Value {
        /// The whole text.
        text: String,
        /// The key.
        key: String,
        /// What stands there.
        found: String,
        /// What may stand there.
        expected: String,
    },
    /// A key that must be there.
    #[error("{text:?}: {key} is missing; {expected}")]
    Missing {
        /// The whole text.
        text: String,
        /// The key.
        key: &'static str,
        /// What it says.
        expected: &'static str,
    },
}

impl<'t> Spec<'t> {
    /// Takes a text apart.
    pub fn new(text: &'t str) -> Result<Self, SpecError> {
        let mut words = text.split(',').map(str::trim);
        let head = words.next().filter(|head| !head.is_empty()).ok_or(SpecError::Empty)?;
        let pair = |word: &'t str| match word.split_once('=') {
            Some((key, value)) => (key.trim(), Some(value.trim())),
            None => (word, None),
        };
        let pairs: Vec<_> = words.filter(|word| !word.is_empty()).map(pair).collect();
        let twice =
            pairs.iter().enumerate().find(|(at, (key, _))| pairs[..*at].iter().any(|other| other.0 == *key));
        if let Some((_, (key, _))) = twice {
            return Err(SpecError::Twice { text: text.to_owned(), key: (*key).to_owned() });
        }
        Ok(Self { text, head, pairs, known: Vec::new() })
    }

    /// What stands first.
    pub const fn head(&self) -> &'t str {
        self.head
    }

    /// The value of a key; a key without one has an empty value.
    pub fn take(&mut self, key: &'static str) -> Option<&'t str> {
        self.known.push(key);
        let at = self.pairs.iter().position(|(name, _)| name.eq_ignore_ascii_case(key))?;
        Some(self.pairs.remove(at).1.unwrap_or_default())
    }

    /// The value of a key, read.
    pub fn read<T>(&mut self, key: &'static str) -> Result<Option<T>, SpecError>
    where
        T: FromStr,
        T::Err: Display,
    {
        let Some(found) = self.take(key) else { return Ok(None) };
        found.parse().map(Some).map_err(|error: T::Err| self.wrong(key, found, error))
    }

    /// A number of tokens: "8192", "32k" (of 1,024), "1M". Not zero.
    pub fn tokens(&mut self, key: &'static str) -> Result<Option<u64>, SpecError> {
        let Some(found) = self.take(key) else { return Ok(None) };
        let read = count(found, 1024).filter(|&tokens| tokens > 0);
        read.map(Some)
            .ok_or_else(|| self.wrong(key, found, "a number of tokens such as 8192 or 32k stands there"))
    }

    /// A number: "4096", "5M" (of 1,000,000), "1.5k". Not zero.
    pub fn number(&mut self, key: &'static str) -> Result<Option<u64>, SpecError> {
        let Some(found) = self.take(key) else { return Ok(None) };
        let read = count(found, 1000).filter(|&number| number > 0);
        read.map(Some).ok_or_else(|| self.wrong(key, found, "a number such as 4096 or 5M stands there"))
    }

    /// On or off; a key alone is on.
    pub fn flag(&mut self, key: &'static str) -> Result<Option<bool>, SpecError> {
        match self.take(key) {
            None => Ok(None),
            Some("" | "on" | "yes" | "true" | "1") => Ok(Some(true)),
            Some("off" | "no" | "false" | "0") => Ok(Some(false)),
            Some(found) => Err(self.wrong(key, found, "on or off stands there")),
        }
    }

    /// An error about a key's value.
    pub fn wrong(&self, key: &str, found: &str, expected: impl Display) -> SpecError {
        let (key, found, expected) = (key.to_owned(), found.to_owned(), expected.to_string());
        SpecError::Value { text: self.text.to_owned(), key, found, expected }
    }

    /// An error about a key that must be there.
    pub fn missing(&self, key: &'static str, expected: &'static str) -> SpecError {
        SpecError::Missing { text: self.text.to_owned(), key, expected }
    }

    /// Refuses what nobody asked for.
    pub fn finish(self) -> Result<(), SpecError> {
        match self.pairs.first() {
            None => Ok(()),
            Some((key, _)) => Err(SpecError::UnknownKey {
                text: self.text.to_owned(),
                key: (*key).to_owned(),
                known: self.known.join(", "),
            }),
        }
    }
}

/// A number with k, M or G behind it, each of which multiplies by `thousand`.
pub fn count(text: &str, thousand: u64) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let power = match unit {
        "" => 0,
        "k" | "K" => 1,
        "m" | "M" => 2,
        "g" | "G" => 3,
        _ => return None,
    };
    let factor = thousand.checked_pow(power)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let part = match fraction {
        "" => 0,
        digits => {
            let scale = 10_u64.checked_pow(u32::try_from(digits.len()).ok()?)?;
            u64::try_from(u128::from(digits.parse::<u64>().ok()?) * u128::from(factor) / u128::from(scale))
                .ok()?
        }
    };
    whole.parse::<u64>().ok()?.checked_mul(factor)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_taken_apart_and_what_nobody_asked_for_is_refused() {
        let mut spec = Spec::new("qwen3-14b:Q4_K_M, context=32k ,flash,parallel=4").unwrap();
        assert_eq!(spec.head(), "qwen3-14b:Q4_K_M");
        assert_eq!(spec.tokens("context"), Ok(Some(32_768)));
        assert_eq!(spec.flag("flash"), Ok(Some(true)));
        assert_eq!(spec.read::<u32>("layers"), Ok(None));
        let refused = spec.finish().unwrap_err().to_string();
        assert!(refused.contains("\"parallel\"") && refused.contains("context, flash, layers"), "{refused}");
    }

    #[test]
    fn what_cannot_be_read_says_what_may_stand_there() {
        assert_eq!(Spec::new("  ").unwrap_err(), SpecError::Empty);
        assert!(matches!(Spec::new("a,b=1,b=2").unwrap_err(), SpecError::Twice { .. }));
        for (text, key) in [
            ("m,context=0", "context"),
            ("m,context=-1", "context"),
            ("m,context=9999999999999999999k", "context"),
        ] {
            let refused = Spec::new(text).unwrap().tokens(key).unwrap_err().to_string();
            assert!(refused.contains("32k"), "{refused}");
        }
    }

    #[test]
    fn counts() {
        assert_eq!(count("1.5k", 1024), Some(1536));
        assert_eq!(count("5M", 1000), Some(5_000_000));
        for wrong in ["", ".", "k", "1e3", "1..2", "20000000000G", "99999999999999999999", "+1", "1 k"] {
            assert_eq!(count(wrong, 1024), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in "\\PC{0,40}") {
            if let Ok(mut spec) = Spec::new(&text) {
                let _ = (spec.tokens("context"), spec.flag("flash"), spec.number("n"), spec.finish());
            }
            let _ = count(&text, 1000);
        }
    }
}
