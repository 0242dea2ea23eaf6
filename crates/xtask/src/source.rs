//! Rust source without what only people read, so that a word in a comment is not taken for code.

/// The same text with every comment and every string or character literal turned into spaces. Line breaks stay,
/// so that line numbers stay.
pub fn code_only(text: &str) -> String {
    let mut rest = text;
    let mut code = String::with_capacity(text.len());
    let mut word_before = false;
    while let Some(first) = rest.chars().next() {
        let literal = if word_before { None } else { raw_string(rest) };
        let length = literal.or_else(|| quiet(rest));
        let (taken, keep) = match length {
            Some(length) => (length, false),
            None => (first.len_utf8(), true),
        };
        for c in rest[..taken].chars() {
            code.push(if keep || c == '\n' { c } else { ' ' });
        }
        word_before = keep && (first.is_alphanumeric() || first == '_');
        rest = &rest[taken..];
    }
    code
}

/// The length of the comment or literal that starts here, if one does.
fn quiet(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(block_comment(text));
    }
    match text.as_bytes()[0] {
        b'"' => Some(quoted(text, '"')),
        b'\'' => character(text),
        _ => None,
    }
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0_usize);
    while at < text.len() {
        match text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    text.len()
}

/// To the closing quote, over escaped ones.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A character literal, which a lifetime is not: it has a closing quote after one character or an escape.
fn character(text: &str) -> Option<usize> {
    let mut chars = text.chars().skip(1);
    match (chars.next()?, chars.next()) {
        ('\\', _) => Some(quoted(text, '\'')),
        (c, Some('\'')) => Some(2 + c.len_utf8()),
        _ => None,
    }
}

/// `r"…"`, `r#"…"#` and their byte and C forms.
fn raw_string(text: &str) -> Option<usize> {
    let body = ["r", "br", "cr"].iter().find_map(|prefix| text.strip_prefix(prefix))?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let inner = body[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = text.len() - inner.len();
    Some(inner.find(&end).map_or(text.len(), |at| start + at + end.len()))
}

/// Whether `word` stands in `line` by itself, not as part of a longer word.
pub fn has_word(line: &str, word: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(joins) && !after.is_some_and(joins)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_go_and_code_stays() {
        for (text, code) in [
            ("a // unsafe\nb", "a          \nb"),
            ("a /* x /* y */ z */ b", "a                   b"),
            (r#"f("un\"safe") + 1"#, r"f(          ) + 1"),
            ("r#\"a \" b\"# c", "           c"),
            ("br\"x\" c", "      c"),
            ("'\\'' 'x' 'a: loop", "         'a: loop"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            ("bar\"x\"", "bar   "),
        ] {
            assert_eq!(code_only(text), code, "{text}");
        }
    }

    #[test]
    fn a_word_is_not_part_of_another() {
        assert!(has_word("unsafe { x }", "unsafe"));
        assert!(has_word("#[unsafe(no_mangle)]", "unsafe"));
        assert!(!has_word("deny(unsafe_op_in_unsafe_fn)", "unsafe"));
    }
}
