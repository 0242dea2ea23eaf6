//! The pattern that cuts a text into words, in the forms in which tokenizers have it.
//!
//! All are one row of choices, tried in this order at each place: an English ending (`'s`), letters, numbers, other signs,
//! ends of lines, space. They differ in what may stand before letters, how many digits go together, and what may follow
//! signs. So they are written as those differences, and matched in one pass, whose time is linear whatever the text;
//! expressions with look-ahead would have to search.

use super::class::Class;

/// The differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) endings: Endings,
    pub(super) letters: Letters,
    pub(super) digits: Digits,
    /// What may follow signs without a space between.
    pub(super) tail: &'static [char],
    /// Whether space up to the end of a line is a word.
    pub(super) lines: bool,
}

/// English endings: `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll`, `'d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endings {
    /// Not told apart.
    None,
    /// Words of their own, in small letters.
    Small,
    /// Words of their own, in letters of any size.
    Any,
    /// Parts of the word before, in letters of any size.
    Within,
}

/// What a word of letters is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letters {
    /// ` ?\p{L}+`
    Spaced,
    /// `[^\r\n\p{L}\p{N}]?\p{L}+`
    Led,
    /// `[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+`, marks being no signs then.
    Marked,
    /// Led as well, and cut where a large letter follows a small one; marks are among both.
    Cased,
}

/// What a word of digits is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Digits {
    /// ` ?\p{N}+`
    Spaced,
    /// So many at most.
    Most(usize),
}

/// GPT-2's.
pub(super) const GPT2: Pattern = Pattern {
    endings: Endings::Small,
    letters: Letters::Spaced,
    digits: Digits::Spaced,
    tail: &[],
    lines: false,
};
/// Llama 3's.
pub(super) const LLAMA3: Pattern = Pattern {
    endings: Endings::Any,
    letters: Letters::Led,
    digits: Digits::Most(3),
    tail: &['\r', '\n'],
    lines: true,
};
/// Qwen 2's and 3's.
pub(super) const QWEN2: Pattern = Pattern { digits: Digits::Most(1), ..LLAMA3 };
/// Qwen 3.5's.
pub(super) const QWEN35: Pattern = Pattern { letters: Letters::Marked, ..QWEN2 };
/// GPT-4o's and Llama 4's.
pub(super) const GPT4O: Pattern =
    Pattern { endings: Endings::Within, letters: Letters::Cased, tail: &['\r', '\n', '/'], ..LLAMA3 };
/// That of Mistral's later models.
pub(super) const TEKKEN: Pattern = Pattern { endings: Endings::None, digits: Digits::Most(1), ..GPT4O };

impl Pattern {
    /// Where the word that begins the text ends; the text has a letter at least.
    pub(super) fn word(&self, text: &str) -> usize {
        let Some(first) = text.chars().next() else { return 0 };
        let found =
            self.ending(text).or_else(|| self.letters(text, first)).or_else(|| self.digits(text, first));
        let found = found.or_else(|| self.signs(text, first)).or_else(|| self.space(text));
        // No pattern leaves a letter out; whatever would be is a word of its own.
        found.unwrap_or(first.len_utf8())
    }

    fn ending(&self, text: &str) -> Option<usize> {
        match self.endings {
            Endings::Small => ending(text, false),
            Endings::Any => ending(text, true),
            Endings::None | Endings::Within => None,
        }
    }

    fn letters(&self, text: &str, first: char) -> Option<usize> {
        let class = Class::of(first);
        let leads = match self.letters {
            Letters::Spaced => first == ' ',
            _ => !(class.is_letter() || matches!(class, Class::Number | Class::Line)),
        };
        // What leads is taken if it can be, as `?` does; if no word follows it, it may be within one.
        let lead = if leads { first.len_utf8() } else { 0 };
        let whole = |lead: usize| match self.letters {
            Letters::Spaced | Letters::Led => run(text, lead, |letter| Class::of(letter).is_letter()),
            Letters::Marked => run(text, lead, is_marked),
            Letters::Cased => self.cased(text, lead),
        };
        whole(lead).or_else(|| if lead > 0 { whole(0) } else { None })
    }

    /// Large letters, then small ones: at least one small one if there is any, else at least one large one.
    fn cased(&self, text: &str, from: usize) -> Option<usize> {
        let large = |letter| !matches!(Class::of(letter), Class::Lower) && is_marked(letter);
        let small = |letter| !matches!(Class::of(letter), Class::Upper) && is_marked(letter);
        let middle = run(text, from, large).unwrap_or(from);
        let end = run(text, middle, small).or_else(|| {
            // The large ones give back as few as leave a small one: one that is neither.
            let back = text[from..middle].char_indices().rev().find(|(_, letter)| small(*letter));
            back.map(|(at, letter)| from + at + letter.len_utf8())
        });
        let end = end.or((middle > from).then_some(middle))?;
        match self.endings {
            Endings::Within => Some(end + ending(&text[end..], true).unwrap_or(0)),
            _ => Some(end),
        }
    }

    fn digits(&self, text: &str, first: char) -> Option<usize> {
        let number = |letter| Class::of(letter) == Class::Number;
        match self.digits {
            Digits::Spaced => run(text, usize::from(first == ' '), number),
            Digits::Most(most) => {
                let digits = text.chars().take(most).take_while(|letter| number(*letter));
                Some(digits.map(char::len_utf8).sum()).filter(|end| *end > 0)
            }
        }
    }

    fn signs(&self, text: &str, first: char) -> Option<usize> {
        let sign = |letter| match Class::of(letter) {
            Class::Other => true,
            Class::Mark => self.letters != Letters::Marked,
            _ => false,
        };
        let end = run(text, usize::from(first == ' '), sign)?;
        Some(run(text, end, |letter| self.tail.contains(&letter)).unwrap_or(end))
    }

    fn space(&self, text: &str) -> Option<usize> {
        let end = run(text, 0, |letter| Class::of(letter).is_space())?;
        let space = &text[..end];
        if self.lines
            && let Some(line) = space.rfind(['\r', '\n'])
        {
            return Some(line + 1);
        }
        let last = space.char_indices().next_back().map_or(0, |(at, _)| at);
        // The last space belongs to what follows it, if anything does.
        Some(if end == text.len() || last == 0 { end } else { last })
    }
}

fn is_marked(letter: char) -> bool {
    let class = Class::of(letter);
    class.is_letter() || class == Class::Mark
}

/// Where letters of a sort end that begin at a place; none if there are none.
fn run(text: &str, from: usize, is: impl Fn(char) -> bool) -> Option<usize> {
    let rest = text.get(from..)?;
    let length = rest.find(|letter| !is(letter)).unwrap_or(rest.len());
    (length > 0).then_some(from + length)
}

/// The length of an English ending that begins the text.
fn ending(text: &str, any: bool) -> Option<usize> {
    let rest = text.strip_prefix('\'')?.as_bytes();
    let is = |wanted: &&[u8]| {
        rest.get(..wanted.len())
            .is_some_and(|found| if any { found.eq_ignore_ascii_case(wanted) } else { found == *wanted })
    };
    let endings: [&[u8]; 7] = [b"s", b"t", b"re", b"ve", b"m", b"ll", b"d"];
    endings.iter().find(|wanted| is(wanted)).map(|found| 1 + found.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words<'t>(pattern: &Pattern, mut text: &'t str) -> Vec<&'t str> {
        let mut words = Vec::new();
        while !text.is_empty() {
            let (word, rest) = text.split_at(pattern.word(text));
            words.push(word);
            text = rest;
        }
        words
    }

    #[test]
    fn each_pattern_cuts_its_way() {
        let text = "I'LL pay  $1234.50\n\n  they're";
        assert_eq!(
            words(&GPT2, text),
            ["I", "'", "LL", " pay", " ", " $", "1234", ".", "50", "\n\n ", " they", "'re"]
        );
        assert_eq!(
            words(&LLAMA3, text),
            ["I", "'LL", " pay", " ", " $", "123", "4", ".", "50", "\n\n", " ", " they", "'re"]
        );
        assert_eq!(words(&QWEN2, "12 b"), ["1", "2", " b"]);
        assert_eq!(words(&GPT4O, "camelCase HTMLPage's"), ["camel", "Case", " HTMLPage's"]);
        assert_eq!(words(&TEKKEN, "don't a/b //\n"), ["don", "'t", " a", "/b", " //\n"]);
    }

    #[test]
    fn space_before_a_word_goes_with_it_and_the_end_is_no_word() {
        assert_eq!(words(&GPT2, "a   b  "), ["a", "  ", " b", "  "]);
        assert_eq!(words(&LLAMA3, "a \t\n\tb"), ["a", " \t\n", "\tb"]);
        assert_eq!(words(&GPT2, "\tb"), ["\t", "b"]);
        assert_eq!(words(&LLAMA3, "e\u{301}t"), ["e", "\u{301}t"]);
        assert_eq!(words(&QWEN35, "e\u{301}t"), ["e\u{301}t"]);
    }
}
