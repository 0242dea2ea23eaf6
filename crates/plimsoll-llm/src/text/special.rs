//! Tokens that stand as texts within a text: they are found before anything else is done to it.

use plimsoll_kv::block::Token;

use super::hash::Table;
use super::word::Kind;

/// Such a token.
#[derive(Clone, Debug)]
pub(super) struct Special {
    pub(super) id: Token,
    pub(super) kind: Kind,
    /// Whether space before and behind belongs to it.
    pub(super) strip_before: bool,
    pub(super) strip_behind: bool,
}

/// All of them, to be found in a text.
#[derive(Debug)]
pub(super) struct Specials {
    by_text: Table<Box<[u8]>, Special>,
    /// Lengths of those that begin with a byte, the longest first.
    lengths: Vec<Vec<usize>>,
}

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part<'t> {
    Text(&'t str),
    Token(Token),
}

impl Specials {
    pub(super) fn new() -> Self {
        Self { by_text: Table::default(), lengths: vec![Vec::new(); 256] }
    }

    /// Adds one. An empty text is never found, and left out.
    pub(super) fn insert(&mut self, text: &str, special: Special) {
        let Some(first) = text.bytes().next() else { return };
        let lengths = &mut self.lengths[usize::from(first)];
        if !lengths.contains(&text.len()) {
            lengths.push(text.len());
            lengths.sort_unstable_by(|one, other| other.cmp(one));
        }
        self.by_text.insert(text.as_bytes().into(), special);
    }

    /// The token of a text, whatever its kind.
    pub(super) fn token(&self, text: &str) -> Option<Token> {
        Some(self.by_text.get(text.as_bytes())?.id)
    }

    /// The parts of a text, in order. Without `all`, only pieces of text that are always one token are found; with it, also
    /// those that have none of the `guards` within: places, in order, where a stranger's text looks like one.
    pub(super) fn parts<'t>(&self, text: &'t str, all: bool, guards: &[usize]) -> Vec<Part<'t>> {
        let mut parts = Vec::new();
        let (mut begin, mut at) = (0, 0);
        let free = |start, end| {
            let next = guards.partition_point(|guard| *guard < start);
            all && guards.get(next).is_none_or(|guard| *guard >= end)
        };
        while let Some((start, end, special)) = self.next(text, at, &free) {
            let before = &text[begin..start];
            let before = if special.strip_before { before.trim_end() } else { before };
            if !before.is_empty() {
                parts.push(Part::Text(before));
            }
            parts.push(Part::Token(special.id));
            let behind = &text[end..];
            let space = if special.strip_behind { behind.len() - behind.trim_start().len() } else { 0 };
            (begin, at) = (end + space, end + space);
        }
        if begin < text.len() {
            parts.push(Part::Text(&text[begin..]));
        }
        parts
    }

    /// The places of a text where a token begins that is found only if all are: also those within others.
    pub(super) fn places(&self, text: &str) -> Vec<usize> {
        let control = |start: &usize| {
            let mut there = self.at(text.as_bytes(), *start);
            there.any(|(_, special)| special.kind != Kind::User)
        };
        (0..text.len()).filter(control).collect()
    }

    /// The next from a place on: the first, and of those that begin there the longest. `free` says from where to where one
    /// may be that is not always found.
    fn next<'s>(
        &'s self,
        text: &str,
        from: usize,
        free: &dyn Fn(usize, usize) -> bool,
    ) -> Option<(usize, usize, &'s Special)> {
        let found = |start| {
            let mut there = self.at(text.as_bytes(), start);
            let (end, special) =
                there.find(|(end, special)| special.kind == Kind::User || free(start, *end))?;
            Some((start, end, special))
        };
        (from..text.len()).find_map(found)
    }

    /// Those that begin at a place, with where they end, the longest first.
    fn at<'s, 't>(
        &'s self,
        bytes: &'t [u8],
        start: usize,
    ) -> impl Iterator<Item = (usize, &'s Special)> + use<'s, 't> {
        self.lengths[usize::from(bytes[start])].iter().filter_map(move |length| {
            let end = start + length;
            Some((end, self.by_text.get(bytes.get(start..end)?)?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_is_found_and_takes_the_space_that_is_its_own() {
        let mut specials = Specials::new();
        let special = |id, kind, strip| Special { id, kind, strip_before: strip, strip_behind: strip };
        specials.insert("<a>", special(1, Kind::Control, false));
        specials.insert("<a>b", special(2, Kind::User, false));
        specials.insert("<m>", special(3, Kind::Control, true));
        let (text, token) = (Part::Text, Part::Token);
        assert_eq!(specials.parts("x<a>c<a>b", true, &[]), [text("x"), token(1), text("c"), token(2)]);
        assert_eq!(specials.parts("x<a>c<a>b", false, &[]), [text("x<a>c"), token(2)]);
        assert_eq!(specials.parts("x <m>  y", true, &[]), [text("x"), token(3), text("y")]);
        assert_eq!(specials.parts("", true, &[]), []);
        // A guard at its beginning or within, and one behind it.
        for guard in [1, 3] {
            assert_eq!(specials.parts("x<a>c<a>", true, &[guard]), [text("x<a>c"), token(1)]);
        }
        assert_eq!(specials.parts("x<a>c", true, &[4]), [text("x"), token(1), text("c")]);
        assert_eq!(specials.places("<a><m> <a"), [0, 3]);
    }
}
