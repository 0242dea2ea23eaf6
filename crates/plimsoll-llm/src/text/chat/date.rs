//! Dates as templates ask for them.

use std::time::{SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A moment in UTC, in the form of C's `strftime`; what of the form is not known otherwise.
pub(super) fn written(now: SystemTime, form: &str) -> Result<String, String> {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let text = plimsoll::utc(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    let month = MONTHS[part(5..7).parse::<usize>().unwrap_or(1).clamp(1, 12) - 1];
    // The first of January 1970 was a Thursday.
    let day = DAYS[usize::try_from((since.as_secs() / 86_400 + 4) % 7).unwrap_or(0)];
    let (mut out, mut letters) = (String::new(), form.chars());
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let kind = letters.next();
        let bare = kind == Some('-');
        let kind = if bare { letters.next() } else { kind };
        let found = match kind {
            Some('Y') => part(0..4),
            Some('y') => part(2..4),
            Some('m') => part(5..7),
            Some('B') => month,
            Some('b' | 'h') => &month[..3],
            Some('d') => part(8..10),
            Some('A') => day,
            Some('a') => &day[..3],
            Some('H') => part(11..13),
            Some('M') => part(14..16),
            Some('S') => part(17..19),
            Some('F') => part(0..10),
            Some('T') => part(11..19),
            Some('%') => "%",
            Some(other) => return Err(format!("%{other} of a date is not known")),
            None => return Err("a form of a date ends with %".to_owned()),
        };
        out.push_str(if bare { found.trim_start_matches('0') } else { found });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_moment_is_written_as_asked() {
        let now = UNIX_EPOCH + Duration::from_secs(1_709_165_045); // 2024-02-29, a Thursday
        assert_eq!(written(now, "%d %B %Y").unwrap(), "29 February 2024");
        assert_eq!(written(now, "%A, %b %-d; %H:%M:%S %y%%").unwrap(), "Thursday, Feb 29; 00:04:05 24%");
        assert_eq!(written(now, "%F %T %-m").unwrap(), "2024-02-29 00:04:05 2");
        assert!(written(now, "%Q").unwrap_err().contains("%Q"));
        assert!(written(now, "%").is_err());
    }
}
