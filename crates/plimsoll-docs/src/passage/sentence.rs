//! Where a sentence ends. Pure.
//!
//! By what stands there, without a dictionary: a mark of an end, what closes after it, white space, and no small letter
//! next. A point is not an end after a single capital letter (`J. Smith`), after a number that begins its line
//! (`1. first`) and after some abbreviations. Marks of scripts that are written without spaces need none.

/// Abbreviations after which a name stands. Those before a small letter need not be here.
const SHORT: &[&str] = &[
    "dr", "mr", "mrs", "ms", "prof", "st", "sr", "jr", "vs", "cf", "e.g", "i.e", "approx", "eds", "gen",
    "rev", "hon", "capt", "col", "lt", "sgt", "u.s", "z.b", "d.h", "bzw", "vgl", "hr", "fr", "mme", "mlle",
    "sra", "srta",
];

/// Abbreviations only before a number.
const NUMBERED: &[&str] = &[
    "fig", "figs", "eq", "no", "nos", "vol", "p", "pp", "sec", "ch", "art", "par", "nr", "abb", "bd", "kap",
];

/// How much may close a sentence after its mark.
const CLOSING: usize = 8;

/// How far is looked beyond a mark for what follows it.
const BEYOND: usize = 64;

/// The last place in `(low, high]` where a sentence has just ended.
pub fn last_end(text: &str, low: usize, high: usize) -> Option<usize> {
    let plain = last_plain(text, low, high);
    let from = plain.unwrap_or(low);
    last_wide(text, from, high).or(plain)
}

/// The first place in `(low, high]` where a sentence has just ended.
pub fn first_end(text: &str, low: usize, high: usize) -> Option<usize> {
    let plain = first_plain(text, low, high);
    first_wide(text, low, plain.map_or(high, |end| end - 1)).or(plain)
}

fn last_plain(text: &str, low: usize, high: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut until = high;
    loop {
        let mark = low + memchr::memrchr3(b'.', b'!', b'?', bytes.get(low..until)?)?;
        if let Some(end) = end_after(text, mark, mark + 1, high) {
            return Some(end);
        }
        until = mark;
    }
}

fn first_plain(text: &str, low: usize, high: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut from = low;
    loop {
        let mark = from + memchr::memchr3(b'.', b'!', b'?', bytes.get(from..high)?)?;
        if let Some(end) = end_after(text, mark, mark + 1, high) {
            return Some(end);
        }
        from = mark + 1;
    }
}

/// The end of the sentence whose mark is at `mark..after`, if it is one.
fn end_after(text: &str, mark: usize, after: usize, high: usize) -> Option<usize> {
    let mut end = after;
    let mut rest = text[after..].chars();
    for char in rest.clone().take(CLOSING).take_while(|char| is_closing(*char)) {
        rest.next();
        end += char.len_utf8();
    }
    if end > high || rest.clone().next().is_some_and(|char| !char.is_whitespace()) {
        return None;
    }
    let next = rest.take(BEYOND).find(|char| !char.is_whitespace());
    if next.is_some_and(char::is_lowercase) {
        return None;
    }
    let number = next.is_some_and(|char| char.is_ascii_digit());
    (text.as_bytes()[mark] != b'.' || !is_short(text, mark, number)).then_some(end)
}

fn is_closing(char: char) -> bool {
    matches!(char, '"' | '\'' | ')' | ']' | '}' | '”' | '’' | '»' | '*' | '_' | '`' | '.' | '!' | '?')
}

/// Whether the point at `mark` only shortens a word; `number` says that a number follows.
fn is_short(text: &str, mark: usize, number: bool) -> bool {
    let word_of =
        |text: &str| text.rfind(|char: char| char.is_whitespace() || char == '(').map_or(0, |at| at + 1);
    let near = text.floor_char_boundary(mark.saturating_sub(16));
    let start = near + word_of(&text[near..mark]).min(mark - near);
    let Some(word) = text.get(start..mark) else { return false };
    let mut chars = word.chars();
    match (chars.next(), chars.next()) {
        (Some(only), None) if only.is_uppercase() => return true,
        _ => {}
    }
    if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()) {
        let before = text[..start].trim_end_matches([' ', '\t']);
        return before.is_empty() || before.ends_with('\n');
    }
    let is_in = |list: &[&str]| list.iter().any(|short| word.eq_ignore_ascii_case(short));
    is_in(SHORT) || (number && is_in(NUMBERED))
}

fn last_wide(text: &str, low: usize, high: usize) -> Option<usize> {
    let mut until = high;
    loop {
        let mark = low + text.as_bytes().get(low..until)?.iter().rposition(|byte| may_be_wide(*byte))?;
        if let Some(end) = wide_end(text, mark, high) {
            return Some(end);
        }
        until = mark;
    }
}

fn first_wide(text: &str, low: usize, high: usize) -> Option<usize> {
    let mut from = low;
    loop {
        let mark = from + text.as_bytes().get(from..high)?.iter().position(|byte| may_be_wide(*byte))?;
        if let Some(end) = wide_end(text, mark, high) {
            return Some(end);
        }
        from = mark + 1;
    }
}

/// Whether a mark of [`wide_end`] begins with this byte: few characters of most texts do.
fn may_be_wide(byte: u8) -> bool {
    matches!(byte, 0xD6 | 0xD8 | 0xDB | 0xE0..=0xE3 | 0xEF)
}

fn wide_end(text: &str, mark: usize, high: usize) -> Option<usize> {
    let char = text.get(mark..)?.chars().next()?;
    let after = mark + char.len_utf8();
    match char {
        '。' | '！' | '？' | '．' | '｡' => {
            let closing =
                |char: char| matches!(char, '」' | '』' | '）' | '】' | '”' | '’' | '。' | '！' | '？');
            let closed =
                text[after..].chars().take(CLOSING).take_while(|char| closing(*char)).map(char::len_utf8);
            let end = after + closed.sum::<usize>();
            (end <= high).then_some(end)
        }
        '…' | '।' | '॥' | '؟' | '۔' | '։' | '።' => end_after(text, mark, after, high),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text with a bar at every end.
    fn ends(text: &str) -> String {
        let mut out = String::new();
        let mut at = 0;
        while let Some(end) = first_end(text, at, text.len()) {
            out.push_str(&text[at..end]);
            out.push('|');
            at = end;
        }
        out + &text[at..]
    }

    #[test]
    fn sentences_end_where_readers_think() {
        let cases = [
            ("One. Two! Three?", "One.| Two!| Three?|"),
            ("He said \"No.\" Then he left.", "He said \"No.\"| Then he left.|"),
            (
                "About 3.14 and e.g. this. Dr. No came, i.e. He.",
                "About 3.14 and e.g. this.| Dr. No came, i.e. He.|",
            ),
            ("J. Smith of the U.S. Army. See Fig. 3.", "J. Smith of the U.S. Army.| See Fig. 3.|"),
            ("1. first\n2. second. Third", "1. first\n2. second.| Third"),
            ("It was 1999. Then", "It was 1999.| Then"),
            ("Really?! \"Yes!\" she said. Wait... what", "Really?!| \"Yes!\" she said.| Wait... what"),
            ("今日は。明日は「雨。」です！終", "今日は。|明日は「雨。」|です！|終"),
            ("यह है। वह है।", "यह है।| वह है।|"),
            ("file.txt and a.b.c", "file.txt and a.b.c"),
        ];
        for (text, wanted) in cases {
            assert_eq!(ends(text), wanted);
        }
    }

    #[test]
    fn the_last_end_is_the_last_of_all_ends() {
        let text = "One. Two 。three 今日は。 Four. five";
        for high in 0..=text.len() {
            if !text.is_char_boundary(high) {
                continue;
            }
            let mut last = None;
            let mut at = 0;
            while let Some(end) = first_end(text, at, high) {
                last = Some(end);
                at = end;
            }
            assert_eq!(last_end(text, 0, high), last, "{:?}", &text[..high]);
        }
    }
}
