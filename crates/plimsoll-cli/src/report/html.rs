//! Texts, sizes and times as the page writes them.

use std::fmt::Write as _;

use plimsoll::Bytes;
use serde_json::Value;

/// A text that came from outside, so that it is never read as markup: not between tags and not in an attribute.
pub(crate) fn esc(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Letters that turn the direction of what follows would disguise the rest of a row.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => safe.push('\u{fffd}'),
            control if control.is_control() && control != '\n' => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}

/// Data for the script: nothing in it can end the element that it stands in.
pub(super) fn data(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// A size for people.
pub(super) fn size(bytes: u64) -> String {
    Bytes::new(bytes).to_string()
}

/// A size of a scale's mark: without decimals that say nothing.
pub(super) fn round_size(bytes: u64) -> String {
    size(bytes).replace(".00", "")
}

/// A number in groups of three.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A share of a whole in percent.
pub(super) fn percent(part: u64, whole: u64) -> String {
    format!("{:.1}%", 100.0 * Bytes::new(part).ratio(Bytes::new(whole)))
}

/// A length of time, or a moment after the beginning.
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(crate) fn time(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} µs", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        1_000_000_000..120_000_000_000 => format!("{:.2} s", ns as f64 / 1e9),
        _ => {
            let seconds = ns / 1_000_000_000;
            let mut text = String::new();
            if seconds >= 3600 {
                let _ = write!(text, "{} h ", seconds / 3600);
            }
            let _ = write!(text, "{} min {} s", seconds / 60 % 60, seconds % 60);
            text
        }
    }
}

/// A date and time of day (UTC) of milliseconds since 1970.
pub(crate) fn utc(ms: u64) -> String {
    plimsoll::utc(ms).replace('T', " ").replace('Z', " UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_is_markup() {
        assert_eq!(esc("<script>\"&'\u{202e}\u{7}"), "&lt;script&gt;&quot;&amp;&#39;\u{fffd}\u{fffd}");
        let embedded = data(&serde_json::json!({ "name": "</script><!--" }));
        assert!(!embedded.contains('<') && !embedded.contains('>'), "{embedded}");
        let back: Value = serde_json::from_str(&embedded).unwrap();
        assert_eq!(back["name"], "</script><!--");
    }

    #[test]
    fn dates_and_times_are_as_calendars_have_them() {
        assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(951_827_696_789), "2000-02-29 12:34:56 UTC");
        assert_eq!(utc(1_767_225_599_999), "2025-12-31 23:59:59 UTC");
        assert_eq!(utc(4_107_542_400_000), "2100-03-01 00:00:00 UTC");
        let times = [999, 1_500, 2_500_000, 3_210_000_000, 121_000_000_000, 3_723_000_000_000];
        let told = ["999 ns", "1.5 µs", "2.5 ms", "3.21 s", "2 min 1 s", "1 h 2 min 3 s"];
        assert_eq!(times.map(time), told.map(str::to_owned));
        assert_eq!(
            (count(7), count(1_234), count(1_234_567)),
            ("7".into(), "1,234".into(), "1,234,567".into())
        );
    }
}
