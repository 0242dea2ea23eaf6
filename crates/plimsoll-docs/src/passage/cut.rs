//! Where a passage ends. Pure: text in, a length out.
//!
//! A passage is filled as far as it may, and then ends at the last good place of its second half: a paragraph, a
//! sentence, a line; failing these after a word, and within a word only where the word is longer than a passage. What
//! is decided depends on the passage's own text and on a little beyond it, never on how much more happens to be there.

use super::sentence;

/// How far beyond a passage's most is looked.
pub const BEYOND: usize = 512;

/// What a document is cut at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Paragraphs, sentences.
    Prose,
    /// Items that begin at the margin, blank lines, lines.
    Code,
}

/// What a passage ends at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joint {
    /// Something else begins: nothing is repeated after it.
    Between,
    /// Within what belongs together.
    Within,
}

/// The end of a passage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Bytes of the text.
    pub at: usize,
    /// What is there.
    pub joint: Joint,
}

/// Where text that is longer than `most` is cut first: after `from`, at most at `most`, not counting white space
/// before the cut. `text` goes on [`BEYOND`] `most`, or to where something else begins.
pub fn cut(text: &str, from: usize, most: usize, style: Style) -> Cut {
    let limit = text.floor_char_boundary(most);
    debug_assert!(from < limit, "a passage has room for what is new in it");
    let until = limit + blank_ahead(&text[limit..]);
    let half = text.floor_char_boundary(from.max(limit / 2));
    let between = |at| Cut { at, joint: Joint::Between };
    let within = |at| Cut { at, joint: Joint::Within };
    let blank = |text: &str, at: usize| is_blank_line(&text[at..]);
    match style {
        Style::Prose => {
            if let Some(at) = last_line(text, half, until, blank) {
                return between(at);
            }
            if let Some(at) = sentence::last_end(text, half, limit) {
                return within(at);
            }
        }
        Style::Code => {
            let quarter = text.floor_char_boundary(from.max(limit / 4));
            if let Some(at) = last_line(text, quarter, until, begins_item) {
                return between(at);
            }
            if let Some(at) = last_line(text, half, until, blank) {
                return between(at);
            }
        }
    }
    if let Some(at) = last_line(text, half, until, |_, _| true) {
        return within(at);
    }
    within(last_word(text, from, limit).unwrap_or_else(|| last_character(text, from, limit)))
}

/// How much white space a text begins with, as far as it is looked at.
fn blank_ahead(text: &str) -> usize {
    let near = &text[..text.floor_char_boundary(64)];
    near.len() - near.trim_start().len()
}

/// The last line that begins in `(low, high]` and is such a one.
fn last_line(text: &str, low: usize, high: usize, is: impl Fn(&str, usize) -> bool) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut until = high;
    while let Some(at) = memchr::memrchr(b'\n', bytes.get(low..until)?) {
        let start = low + at + 1;
        if is(text, start) {
            return Some(start);
        }
        until = low + at;
    }
    None
}

fn is_blank_line(line: &str) -> bool {
    let near = line.as_bytes();
    let near = &near[..near.len().min(BEYOND / 2)];
    let blank = near.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\r'));
    blank.is_some_and(|at| near[at] == b'\n')
}

/// Whether something at the margin begins with the line at `at`: after a blank line, or after what ends an item.
fn begins_item(text: &str, at: usize) -> bool {
    let first = text.as_bytes().get(at);
    let margin = first.is_some_and(|byte| !byte.is_ascii_whitespace() && !is_end(*byte));
    if !margin {
        return false;
    }
    let before = &text[..at - 1];
    let line = &before[before.rfind('\n').map_or(0, |end| end + 1)..];
    line.trim().is_empty() || line.bytes().next().is_some_and(is_end)
}

/// What an item's last line begins with.
fn is_end(byte: u8) -> bool {
    matches!(byte, b'}' | b')' | b']')
}

/// The last white space in `(from, limit]`.
fn last_word(text: &str, from: usize, limit: usize) -> Option<usize> {
    if text[limit..].chars().next().is_some_and(char::is_whitespace) {
        return Some(limit);
    }
    let at = from + text[from..limit].rfind(char::is_whitespace)?;
    (at > from).then_some(at)
}

/// The last place in `(from, limit]` that does not part a letter from what is written above it, or a picture from
/// its colour.
fn last_character(text: &str, from: usize, limit: usize) -> usize {
    let mut at = limit;
    for _ in 0..16 {
        let next = text[at..].chars().next();
        let before = text[from..at].chars().next_back();
        let parts = next.is_some_and(is_joined) || before == Some('\u{200D}');
        match before {
            Some(char) if parts && at - char.len_utf8() > from => at -= char.len_utf8(),
            _ if parts => return limit,
            _ => return at,
        }
    }
    limit
}

fn is_joined(char: char) -> bool {
    matches!(char, '\u{300}'..='\u{36F}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}' | '\u{1F3FB}'..='\u{1F3FF}'
        | '\u{93E}'..='\u{94D}' | '\u{20D0}'..='\u{20FF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &str, most: usize, style: Style) -> &str {
        text[..cut(text, 0, most, style).at].trim_end()
    }

    #[test]
    fn prose_ends_with_a_paragraph_then_a_sentence_a_line_a_word() {
        let prose = |text| first(text, 20, Style::Prose);
        assert_eq!(prose("one two. three\n\nfour five six"), "one two. three");
        assert_eq!(prose("one two three. Four five six"), "one two three.");
        assert_eq!(prose("one two three\nfour five six"), "one two three");
        assert_eq!(prose("one two three four five six"), "one two three four");
        assert_eq!(prose("one two three fours five six"), "one two three fours");
        assert_eq!(prose("one two three four f\n\nfive"), "one two three four f");
        assert_eq!(prose("onetwothreefourfivesixseven"), "onetwothreefourfives");
        assert_eq!(prose("今日は今日は今日は今日は"), "今日は今日は");
    }

    #[test]
    fn code_ends_between_items() {
        let code = "fn a() {\n    b\n}\n/// Doc.\nfn c() {}\n\nfn d() {}\n";
        assert_eq!(first(code, 30, Style::Code), "fn a() {\n    b\n}");
        assert_eq!(first(code, 40, Style::Code), "fn a() {\n    b\n}\n/// Doc.\nfn c() {}");
        assert_eq!(first("a\n  b\n\n  c\n  d", 11, Style::Code), "a\n  b");
        assert_eq!(first("a\n  b\n  c\n  d", 11, Style::Code), "a\n  b\n  c");
    }

    #[test]
    fn letters_keep_their_marks() {
        assert_eq!(first("aaaaaaaaaaaaaaae\u{301}bc", 16, Style::Prose), "aaaaaaaaaaaaaaa");
        let family = "aaaaaaaa👩\u{200D}👩\u{200D}👧bbbb";
        assert_eq!(first(family, 18, Style::Prose), "aaaaaaaa");
    }
}
