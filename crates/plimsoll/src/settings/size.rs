//! Sizes and percentages as people write them.

use super::error::{Problem, Wrong};
use super::node::{Node, Value};
use crate::{Bytes, ParseBytesError};

/// What a percentage is taken of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Whole {
    /// So many bytes.
    Known(Bytes),
    /// The size of a place that this machine does not tell.
    Unknown(crate::Place),
}

/// "8GiB", or "25%" of a whole.
pub(super) fn size(node: &Node, key: &str, whole: Whole) -> Result<Bytes, Wrong> {
    let wrong = |problem| Wrong::new(node.at, key, problem);
    match &node.value {
        Value::Text(text) => {
            let text = text.trim();
            match text.strip_suffix('%') {
                Some(number) => percent(number.trim_end(), text, whole).map_err(wrong),
                None => text.parse().map_err(|error| wrong(Problem::Size(error))),
            }
        }
        Value::Number(number) if number.starts_with('-') => {
            Err(wrong(Problem::Size(ParseBytesError::Negative(number.clone()))))
        }
        Value::Number(number) => Err(wrong(Problem::Size(ParseBytesError::NoUnit(number.clone())))),
        _ => Err(node.wrong_kind(key, "a size such as \"8GiB\", or a percentage such as \"25%\"")),
    }
}

/// Exact, without going through a float: as many decimals as fit.
fn percent(number: &str, text: &str, whole: Whole) -> Result<Bytes, Problem> {
    const MOST_DECIMALS: usize = 9;
    let malformed = || Problem::Percent(text.to_owned());
    let (units, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(units) || !digits(decimals) || decimals.len() > MOST_DECIMALS {
        return Err(malformed());
    }
    let over = || Problem::PercentOver(text.to_owned());
    let share: u128 = format!("{units}{decimals:0<MOST_DECIMALS$}").parse().map_err(|_| over())?;
    let hundred = 100 * 10_u128.pow(9);
    if share > hundred {
        return Err(over());
    }
    match whole {
        Whole::Known(bytes) => {
            let part = u128::from(bytes.get()) * share / hundred;
            u64::try_from(part).map(Bytes::new).map_err(|_| malformed())
        }
        Whole::Unknown(place) => Err(Problem::PercentOfUnknown { found: text.to_owned(), place }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Bytes, Problem> {
        percent(text.trim_end_matches('%'), text, Whole::Known(Bytes::new(1000)))
    }

    #[test]
    fn percentages_are_exact_and_bounded() {
        assert_eq!(of("75%"), Ok(Bytes::new(750)));
        assert_eq!(of("100%"), Ok(Bytes::new(1000)));
        assert_eq!(of("12.5%"), Ok(Bytes::new(125)));
        assert_eq!(of("0.1%"), Ok(Bytes::new(1)));
        assert_eq!(percent("100", "100%", Whole::Known(Bytes::MAX)), Ok(Bytes::MAX));
        for over in ["100.000000001%", "101%", "99999999999999999999999999999999999999999999%"] {
            assert_eq!(of(over), Err(Problem::PercentOver(over.into())), "{over}");
        }
        for odd in ["%", "-5%", "1e1%", "+5%", "5.%", ".5%", "NaN%", "1.0000000001%", "７%"] {
            assert_eq!(of(odd), Err(Problem::Percent(odd.into())), "{odd}");
        }
    }
}
