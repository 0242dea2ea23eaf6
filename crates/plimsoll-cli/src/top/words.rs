//! Numbers and names as they stand in columns: always as wide, whatever their value.

use plimsoll::Bytes;
use ratatui::text::Span;

use super::look::Look;

/// The widest size: "1023.99 MiB".
pub const SIZE: usize = 11;

/// A size.
pub fn size(bytes: u64) -> String {
    Bytes::new(bytes).to_string()
}

/// A size that may be absent.
pub fn size_or(look: Look, bytes: Option<u64>) -> String {
    bytes.map_or_else(|| look.glyphs().absent.to_owned(), size)
}

/// A share of one, as a percentage.
pub fn percent_or(look: Look, share: Option<f64>) -> String {
    match share {
        Some(share) if share.is_finite() => format!("{:.0}%", share * 100.0),
        _ => look.glyphs().absent.to_owned(),
    }
}

/// A rate, as a whole number by the second.
pub fn rate_or(look: Look, rate: Option<f64>) -> String {
    match rate {
        Some(rate) if rate.is_finite() && rate >= 0.0 => format!("{}/s", short_count(rate)),
        _ => look.glyphs().absent.to_owned(),
    }
}

/// Bytes by the second.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is approximate, and a cast of a float saturates"
)]
pub fn flow_or(look: Look, rate: Option<f64>) -> String {
    match rate {
        Some(rate) if rate.is_finite() && rate >= 0.0 => format!("{}/s", size(rate as u64)),
        _ => look.glyphs().absent.to_owned(),
    }
}

/// A count with separators: "1,234,567".
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count in at most six columns: "12,345", "1.2 M".
fn short_count(count: f64) -> String {
    match count {
        count if count >= 1e9 => format!("{:.1} G", count / 1e9),
        count if count >= 1e6 => format!("{:.1} M", count / 1e6),
        count if count >= 1e5 => format!("{:.0} k", count / 1e3),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 100,000")]
        count => self::count(count.round() as u64),
    }
}

/// How long something has run: "0:12:03", "2d 03:04:05".
pub fn clock(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    if days > 0 {
        return format!("{days}d {hours:02}:{minutes:02}:{seconds:02}");
    }
    format!("{hours}:{minutes:02}:{seconds:02}")
}

/// The time of day in UTC: "15:04:05 UTC".
pub fn time_of_day(unix_ms: u64) -> String {
    let seconds = unix_ms / 1_000 % 86_400;
    format!("{:02}:{:02}:{:02} UTC", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// A span of time, roughly: "12 s", "5 min", "3 h", "9 d".
pub fn about_or(look: Look, seconds: Option<f64>) -> String {
    match seconds {
        Some(s) if s.is_finite() && s >= 0.0 => match s {
            s if s < 120.0 => format!("{s:.0} s"),
            s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
            s if s < 172_800.0 => format!("{:.0} h", s / 3_600.0),
            s if s < 8.64e6 => format!("{:.0} d", s / 86_400.0),
            _ => ">99 d".to_owned(),
        },
        _ => look.glyphs().absent.to_owned(),
    }
}

/// The text in exactly so many columns, to the left; what does not fit is cut, and shown to be.
pub fn left(look: Look, text: &str, width: usize) -> String {
    let (text, used) = shown(look, text, width);
    text + &" ".repeat(width.saturating_sub(used))
}

/// The same, to the right.
pub fn right(look: Look, text: &str, width: usize) -> String {
    let (text, used) = shown(look, text, width);
    " ".repeat(width.saturating_sub(used)) + &text
}

/// The text without what a terminal would obey, within so many columns, and how many it takes.
fn shown(look: Look, text: &str, width: usize) -> (String, usize) {
    let drawable = |c: char| match c {
        c if c.is_control() => '?',
        // A name in another script stays; the terminal was said not to show it.
        c if !look.unicode && !c.is_ascii() => '?',
        c => c,
    };
    let text: String = text.chars().map(drawable).collect();
    let whole = Span::raw(text.as_str()).width();
    if whole <= width {
        return (text, whole);
    }
    if width == 0 {
        return (String::new(), 0);
    }
    let mut cut = String::new();
    let mut used = 0;
    for c in text.chars() {
        let mut encoded = [0; 4];
        let wide = Span::raw(&*c.encode_utf8(&mut encoded)).width();
        if used + wide > width - 1 {
            break;
        }
        cut.push(c);
        used += wide;
    }
    cut.push(look.glyphs().cut);
    (cut, used + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Look = Look { color: false, unicode: true, emphasis: false };
    const ASCII: Look = Look { unicode: false, ..LOOK };

    #[test]
    fn what_is_absent_is_a_dash_and_not_nothing() {
        assert_eq!(size_or(LOOK, None), "–");
        assert_eq!(size_or(ASCII, None), "-");
        assert_eq!(size_or(LOOK, Some(0)), "0 B");
        assert_eq!(percent_or(LOOK, None), "–");
        assert_eq!(percent_or(LOOK, Some(f64::NAN)), "–");
        assert_eq!(percent_or(LOOK, Some(0.0)), "0%");
        assert_eq!(rate_or(LOOK, None), "–");
        assert_eq!(about_or(LOOK, None), "–");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(999), "999");
        assert_eq!(rate_or(LOOK, Some(12_345.6)), "12,346/s");
        assert_eq!(rate_or(LOOK, Some(1_250_000.0)), "1.2 M/s");
        assert_eq!(clock(723_999), "0:12:03");
        assert_eq!(clock(183_845_000), "2d 03:04:05");
        assert_eq!(about_or(LOOK, Some(300.0)), "5 min");
        assert_eq!(time_of_day(1_763_740_445_000), "15:54:05 UTC");
    }

    #[test]
    fn no_size_is_wider_than_its_column() {
        for shift in 0..64 {
            for bytes in [1_u64 << shift, (1_u64 << shift) - 1] {
                let fits = size(bytes).chars().count() <= SIZE || bytes >= 1 << 50;
                assert!(fits, "{}", size(bytes));
            }
        }
    }

    #[test]
    fn cells_are_exactly_as_wide_as_asked() {
        for text in ["", "kv", "models/qwen3-14b", "日本語の名前", "e\u{301}", "a\tb\u{1b}[2J"] {
            for width in 0..20 {
                for cell in [left(LOOK, text, width), right(LOOK, text, width), left(ASCII, text, width)] {
                    assert_eq!(Span::raw(cell.as_str()).width(), width, "{text:?} in {width}: {cell:?}");
                    assert!(!cell.contains(char::is_control), "{cell:?}");
                }
            }
        }
        assert_eq!(left(LOOK, "models/qwen", 7), "models…");
        assert_eq!(right(LOOK, "kv", 4), "  kv");
        assert_eq!(left(ASCII, "überall", 8), "?berall ");
    }
}
