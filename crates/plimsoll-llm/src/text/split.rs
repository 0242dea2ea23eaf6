//! Cutting a text into words, none of which shares a token with the next.

use super::class::{Class, is_punctuation};
use super::pattern::{Digits, Endings, GPT2, GPT4O, LLAMA3, Letters, Pattern, QWEN2, QWEN35, TEKKEN};

/// One way of cutting; what one leaves whole the next may cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Words by a pattern.
    Words(Pattern),
    /// Letters of a sort apart from others, so many at most together.
    Apart(Sort, usize),
    /// `[0-9][0-9][0-9]` apart from others.
    Triples,
    /// Before each space.
    Spaces,
    /// Before the first of some spaces. No pattern of a file, but what may be done where no token reaches over such a
    /// place ([`apart`]): many short words are cut faster than one long one.
    Gaps,
}

/// Letters that are set apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// `\p{N}`
    Numbers,
    /// `[\p{P}\$\+<=>\^~\|]`
    Signs,
    /// The same with the backtick.
    SignsAndTicks,
}

impl Sort {
    fn has(self, letter: char) -> bool {
        let sign =
            |letter| is_punctuation(letter) || matches!(letter, '$' | '+' | '<'..='>' | '^' | '~' | '|');
        match self {
            Self::Numbers => Class::of(letter) == Class::Number,
            Self::Signs => sign(letter),
            Self::SignsAndTicks => sign(letter) || letter == '`',
        }
    }
}

impl Stage {
    /// Where the first piece ends.
    fn piece(self, text: &str) -> usize {
        match self {
            Self::Words(pattern) => pattern.word(text),
            Self::Apart(sort, most) => {
                let inside = text.chars().next().is_some_and(|first| sort.has(first));
                let end = text.find(|letter| sort.has(letter) != inside).unwrap_or(text.len());
                let within = &text[..end];
                if inside { within.char_indices().nth(most).map_or(end, |(at, _)| at) } else { end }
            }
            Self::Triples => match triple(text) {
                Some(0) => 3,
                Some(at) => at,
                None => text.len(),
            },
            Self::Gaps => {
                let word = text.find(|letter| letter != ' ').unwrap_or(text.len());
                text[word..].find(' ').map_or(text.len(), |at| word + at)
            }
            Self::Spaces => {
                let first = text.chars().next().map_or(0, char::len_utf8);
                text[first..].find(' ').map_or(text.len(), |at| first + at)
            }
        }
    }
}

/// Whether no token reaches over the place before a space that follows something else, and a space is a token: then
/// words between such places have nothing to do with each other.
pub(super) fn apart<'t>(mut texts: impl Iterator<Item = &'t [u8]>) -> bool {
    let mut space = false;
    let over = texts.any(|text| {
        space |= text == b" ";
        text.windows(2).any(|two| two[0] != b' ' && two[1] == b' ')
    });
    space && !over
}

/// Where the first three digits in a row begin.
fn triple(text: &str) -> Option<usize> {
    text.as_bytes().windows(3).position(|three| three.iter().all(u8::is_ascii_digit))
}

/// Ways of cutting, one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Splitter {
    pub(super) stages: Vec<Stage>,
}

impl Splitter {
    /// Hands out the words of a text, in order.
    pub(super) fn each<E>(&self, text: &str, word: &mut dyn FnMut(&str) -> Result<(), E>) -> Result<(), E> {
        pieces(&self.stages, text, word)
    }
}

fn pieces<E>(stages: &[Stage], mut text: &str, word: &mut dyn FnMut(&str) -> Result<(), E>) -> Result<(), E> {
    let Some((stage, later)) = stages.split_first() else {
        return if text.is_empty() { Ok(()) } else { word(text) };
    };
    while !text.is_empty() {
        let (piece, rest) = text.split_at(stage.piece(text));
        pieces(later, piece, word)?;
        text = rest;
    }
    Ok(())
}

/// What a name of GGUF's `tokenizer.ggml.pre` means.
pub(super) struct Named {
    pub(super) splitter: Splitter,
    /// Whether a word that is a token is not cut, whatever the merges say.
    pub(super) whole: bool,
    /// Whether texts begin with the first token where the file does not say.
    pub(super) first: bool,
}

/// By GGUF's name.
pub(super) fn named(name: &str) -> Option<Named> {
    use Stage::{Apart, Triples, Words};
    let (stages, whole) = match name {
        "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "falcon-h1" | "pixtral" | "midm-2.0" | "lfm2" => {
            (vec![Words(LLAMA3)], true)
        }
        "dbrx" | "smaug-bpe" | "glm4" | "chatglm-bpe" => (vec![Words(LLAMA3)], false),
        "qwen2" | "deepseek-r1-qwen" | "kormo" | "megrez" | "stablelm2" | "hunyuan" | "solar-open" => {
            (vec![Words(QWEN2)], false)
        }
        "qwen35" => (vec![Words(QWEN35)], false),
        "tekken" => (vec![Words(TEKKEN)], true),
        "gpt-4o" | "llama4" => (vec![Words(GPT4O)], false),
        "gpt-2" | "phi-2" | "jina-es" | "jina-de" | "jina-v1-en" | "jina-v2-es" | "jina-v2-de"
        | "gigachat" | "a.x-4.0" | "mellum" | "mpt" | "olmo" | "jais" | "exaone4" => {
            (vec![Words(GPT2)], false)
        }
        "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone" | "minerva-7b" => {
            (vec![Apart(Sort::Numbers, 1), Words(GPT2)], false)
        }
        "falcon" => (vec![Apart(Sort::SignsAndTicks, usize::MAX), Words(GPT2), Triples], false),
        "default" => {
            let numbers = Apart(Sort::Numbers, usize::MAX);
            (vec![Apart(Sort::Signs, usize::MAX), Words(GPT2), numbers, Triples], false)
        }
        _ => return None,
    };
    Some(Named { splitter: Splitter { stages }, whole, first: whole })
}

/// The stage that a regular expression of a `tokenizer.json` means, if it is one of those that are known: it is read
/// choice by choice.
pub(super) fn of_expression(expression: &str) -> Option<Stage> {
    match expression {
        r"\p{N}" | r"\d" => return Some(Stage::Apart(Sort::Numbers, 1)),
        r"\p{N}{1,3}" => return Some(Stage::Apart(Sort::Numbers, 3)),
        r"\p{N}+" => return Some(Stage::Apart(Sort::Numbers, usize::MAX)),
        "[0-9][0-9][0-9]" => return Some(Stage::Triples),
        r"[\p{P}\$\+<=>\^~\|]+" => return Some(Stage::Apart(Sort::Signs, usize::MAX)),
        r"[\p{P}\$\+<=>\^~\|`]+" => return Some(Stage::Apart(Sort::SignsAndTicks, usize::MAX)),
        _ => {}
    }
    let mut rest = expression;
    let endings = choose(
        &mut rest,
        &[
            ("(?i:'s|'t|'re|'ve|'m|'ll|'d)|", Endings::Any),
            ("(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|", Endings::Any),
            ("'s|'t|'re|'ve|'m|'ll|'d|", Endings::Small),
            ("'(?:[sdmt]|ll|ve|re)|", Endings::Small),
            ("'(?i:[sdmt]|ll|ve|re)|", Endings::Any),
        ],
    );
    let (letters, within) = words(&mut rest)?;
    let endings = match (endings, within) {
        (found, None) => found.unwrap_or(Endings::None),
        (None, Some(within)) => within,
        (Some(_), Some(_)) => return None,
    };
    let digits = choose(
        &mut rest,
        &[
            (r" ?\p{N}+|", Digits::Spaced),
            (r"\p{N}{1,3}|", Digits::Most(3)),
            (r"\p{N}{1,2}|", Digits::Most(2)),
            (r"\p{N}|", Digits::Most(1)),
        ],
    )?;
    let signs = match letters {
        Letters::Marked => r" ?[^\s\p{L}\p{M}\p{N}]+",
        _ => r" ?[^\s\p{L}\p{N}]+",
    };
    rest = rest.strip_prefix(signs)?;
    let tails: [(_, &'static [char]); 3] =
        [(r"[\r\n]*|", &['\r', '\n']), (r"[\r\n/]*|", &['\r', '\n', '/']), ("|", &[])];
    let tail = choose(&mut rest, &tails)?;
    let lines = choose(&mut rest, &[(r"\s*[\r\n]+|", true)]).unwrap_or(false);
    let ends = matches!(rest, r"\s+(?!\S)|\s+" | r"\s+(?!\S)");
    ends.then_some(Stage::Words(Pattern { endings, letters, digits, tail, lines }))
}

/// The words of letters of an expression, and what English endings within them it has.
fn words(rest: &mut &str) -> Option<(Letters, Option<Endings>)> {
    let plain = choose(
        rest,
        &[
            (r" ?\p{L}+|", Letters::Spaced),
            (r"[^\r\n\p{L}\p{N}]?\p{L}+|", Letters::Led),
            (r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|", Letters::Marked),
        ],
    );
    if let Some(letters) = plain {
        return Some((letters, None));
    }
    let (lead, large, small) =
        (r"[^\r\n\p{L}\p{N}]?", r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]");
    let within = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?";
    for (ending, endings) in [(within, Endings::Within), ("", Endings::None)] {
        let whole = format!("{lead}{large}*{small}+{ending}|{lead}{large}+{small}*{ending}|");
        if let Some(after) = rest.strip_prefix(whole.as_str()) {
            *rest = after;
            return Some((Letters::Cased, Some(endings)));
        }
    }
    None
}

/// The first of the choices that a text begins with, which is taken off.
fn choose<T: Copy>(rest: &mut &str, choices: &[(&str, T)]) -> Option<T> {
    let (after, found) = choices.iter().find_map(|(text, found)| Some((rest.strip_prefix(text)?, *found)))?;
    *rest = after;
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words_of(name: &str, text: &str) -> Vec<String> {
        let mut words = Vec::new();
        let mut word = |word: &str| {
            words.push(word.to_owned());
            Ok::<(), ()>(())
        };
        named(name).unwrap().splitter.each(text, &mut word).unwrap();
        words
    }

    #[test]
    fn stages_cut_what_others_left_whole() {
        assert_eq!(words_of("smollm", "a 123b"), ["a", " ", "1", "2", "3", "b"]);
        assert_eq!(words_of("default", "x=12345 ok!"), ["x", "=", "123", "45", " ok", "!"]);
        assert_eq!(words_of("falcon", "`1234`"), ["`", "123", "4", "`"]);
        assert!(named("unheard-of").is_none());
    }

    #[test]
    fn expressions_are_read_choice_by_choice() {
        let gpt2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
        assert_eq!(of_expression(gpt2), Some(Stage::Words(GPT2)));
        let head = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|";
        let tail = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
        assert_eq!(of_expression(&format!(r"{head}\p{{N}}{{1,3}}{tail}")), Some(Stage::Words(LLAMA3)));
        assert_eq!(of_expression(&format!(r"{head}\p{{N}}{tail}")), Some(Stage::Words(QWEN2)));
        let cased = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
        assert_eq!(of_expression(cased), Some(Stage::Words(TEKKEN)));
        assert_eq!(of_expression(&format!("{gpt2}|x")), None);
        assert_eq!(of_expression(r"\w+"), None);
    }
}
