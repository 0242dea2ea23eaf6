//! Names as people write them, matched to names as the catalogue has them.
//!
//! A name is taken apart into words: "Qwen/Qwen3-14B" and "qwen3:14b" are both qwen, 3, 14b. A row is meant when all
//! its words stand in the text and what is left over changes nothing ("instruct", a date); of several, the one that
//! takes most words. Where no row fits whole, a text that only one row's words include is taken for short.

use std::fmt;

/// A name that is not known, or not enough of one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct NameError {
    /// What sort of thing was looked for: "model", "machine".
    pub what: &'static str,
    /// What was written.
    pub text: String,
    /// Whether the text fits several.
    pub ambiguous: bool,
    /// The names that are nearest.
    pub nearest: Vec<String>,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, text, ambiguous, nearest } = self;
        let text = text.chars().take(80).collect::<String>();
        let list = nearest.join(", ");
        match ambiguous {
            true => write!(f, "{text:?} may be several: write one of {list}"),
            false if nearest.is_empty() => write!(f, "no {what} is called {text:?}"),
            false => write!(f, "no {what} of the catalogue is called {text:?}; nearest are {list}"),
        }
    }
}

/// A row that may be looked for by its names.
pub(crate) struct Named<T> {
    /// All that it is called, what messages call it first.
    pub(crate) names: Vec<String>,
    /// What is found.
    pub(crate) value: T,
}

impl<T> Named<T> {
    fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }
}

/// Words that change nothing about what a model needs.
const NOISE: &[&str] = &[
    "instruct",
    "it",
    "chat",
    "hf",
    "meta",
    "gguf",
    "mlx",
    "latest",
    "thinking",
    "reasoning",
    "qat",
    "ud",
    "i1",
    "imatrix",
    "preview",
    "model",
    "nvidia",
    "geforce",
    "amd",
    "radeon",
    "intel",
    "apple",
    "gpu",
    "macbook",
    "mac",
    "studio",
    "text",
    "pt",
    "ggml",
    "org",
    "unsloth",
    "community",
    "dynamic",
];

/// Words that make another architecture of a name that is known otherwise.
const OTHER: &[&str] = &[
    "vl",
    "vision",
    "multimodal",
    "omni",
    "audio",
    "moe",
    "mini",
    "small",
    "large",
    "nano",
    "embedding",
    "reranker",
    "next",
    "lite",
    "distill",
    "flash",
    "super",
    "ti",
    "xtx",
    "ultra",
    "max",
    "pro",
    "draft",
    "eagle",
];

/// The most words of a text that are looked at: names are short, and what is longer is none.
const WORDS_MAX: usize = 48;

/// A text's words, in small letters: parted at signs, where letters turn into digits, and behind four digits ("4070ti").
/// A point between digits parts nothing.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut last = ' ';
    let mut signs = text.chars().flat_map(char::to_lowercase).take(256).peekable();
    while let Some(sign) = signs.next() {
        let within = sign == '.' && last.is_ascii_digit() && signs.peek().is_some_and(char::is_ascii_digit);
        let number = word.starts_with(|c: char| c.is_ascii_digit());
        let begins = sign.is_ascii_digit() && last.is_alphabetic() && !number;
        let ends = sign.is_alphabetic() && word.len() >= 4 && is_number(&word);
        if begins || ends || !(sign.is_alphanumeric() || within) {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
        }
        if sign.is_alphanumeric() || within {
            word.push(sign);
        }
        last = sign;
    }
    words.extend((!word.is_empty()).then_some(word));
    words.truncate(WORDS_MAX);
    // "64 gb" is one word, like "64gb".
    for index in (1..words.len()).rev() {
        if matches!(words[index].as_str(), "g" | "gb") && is_number(&words[index - 1]) {
            words.remove(index);
            words[index - 1].push('g');
        }
    }
    for word in &mut words {
        // "64gb" and "64g" are one size.
        if word.strip_suffix("gb").is_some_and(is_number) {
            word.pop();
        }
    }
    words
}

/// Digits and nothing else.
pub(crate) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What is in the text besides these words; `None` where one of them is not in it.
fn left_over(text: &[String], words: &[String]) -> Option<Vec<String>> {
    let mut left = text.to_vec();
    for word in words {
        left.remove(left.iter().position(|other| other == word)?);
    }
    Some(left)
}

/// Whether a word that is left over makes it another thing: a size, a version, a sort.
fn changes(word: &str) -> bool {
    let number = word.starts_with(|c: char| c.is_ascii_digit());
    // A date, or the number of a part of a file that is split.
    let date = matches!(word.len(), 4 | 5 | 6 | 8) && is_number(word);
    // Files say how long a context they were made for: "128k".
    let context = word.strip_suffix('k').is_some_and(is_number);
    (number && !date && !context) || OTHER.contains(&word)
}

/// The row that a text means.
pub(crate) fn find<T: Copy>(what: &'static str, rows: &[Named<T>], text: &str) -> Result<T, NameError> {
    let asked = words(text.rsplit('/').next().unwrap_or(text));
    let mut best: Vec<(&Named<T>, usize)> = Vec::new();
    for row in rows {
        let fits = row.names.iter().filter_map(|name| {
            let name = words(name);
            let left = left_over(&asked, &name)?;
            (!name.is_empty() && !left.iter().any(|word| changes(word))).then_some(name.len())
        });
        if let Some(score) = fits.max() {
            best.push((row, score));
        }
    }
    let top = best.iter().map(|(_, score)| *score).max().unwrap_or(0);
    best.retain(|(_, score)| *score == top);
    if best.is_empty() {
        let asked: Vec<String> =
            asked.iter().filter(|word| !NOISE.contains(&word.as_str())).cloned().collect();
        let short = |row: &&Named<T>| row.names.iter().any(|name| left_over(&words(name), &asked).is_some());
        best = rows.iter().filter(|row| !asked.is_empty() && short(row)).map(|row| (row, 0)).collect();
    }
    match best.as_slice() {
        [(row, _)] => Ok(row.value),
        [] => Err(NameError { what, text: text.to_owned(), ambiguous: false, nearest: nearest(rows, text) }),
        several => {
            let nearest = several.iter().map(|(row, _)| row.name().to_owned()).take(8).collect();
            Err(NameError { what, text: text.to_owned(), ambiguous: true, nearest })
        }
    }
}

/// The names most like a text, best first.
fn nearest<T>(rows: &[Named<T>], text: &str) -> Vec<String> {
    let pairs = pairs(text);
    let mut names: Vec<(usize, &str)> = rows
        .iter()
        .filter_map(|row| {
            let likeness = row.names.iter().map(|name| likeness(&pairs, name)).max()?;
            (likeness > 250).then(|| (likeness, row.name()))
        })
        .collect();
    names.sort_by_key(|(likeness, _)| std::cmp::Reverse(*likeness));
    names.into_iter().map(|(_, name)| name.to_owned()).take(4).collect()
}

/// Neighbouring letters, signs left out.
fn pairs(text: &str) -> Vec<[char; 2]> {
    let plain = |c: char| c.is_alphanumeric().then_some(c.to_ascii_lowercase());
    let letters: Vec<char> = text.chars().take(256).filter_map(plain).collect();
    letters.windows(2).filter_map(|pair| <[char; 2]>::try_from(pair).ok()).collect()
}

/// How many of the pairs two texts share, in thousandths of the mean of both counts.
fn likeness(asked: &[[char; 2]], name: &str) -> usize {
    let mut left = pairs(name);
    let all = left.len() + asked.len();
    let mut shared: usize = 0;
    for pair in asked {
        if let Some(at) = left.iter().position(|other| other == pair) {
            left.swap_remove(at);
            shared += 1;
        }
    }
    (2000 * shared).checked_div(all).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_apart_into_words() {
        assert_eq!(words("Qwen/Qwen3-30B-A3B"), ["qwen", "qwen", "3", "30b", "a", "3b"]);
        assert_eq!(words("llama3.1:8b"), ["llama", "3.1", "8b"]);
        assert_eq!(words("Mixtral-8x7B-v0.1"), ["mixtral", "8x7b", "v", "0.1"]);
        assert_eq!(words("gpt-oss-20b."), ["gpt", "oss", "20b"]);
        assert_eq!(words("..."), [""; 0]);
    }
}
