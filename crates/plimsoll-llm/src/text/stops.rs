//! Texts at which a text ends.

/// Looks for texts at which to end, in text that comes in pieces. What may be the beginning of one is held back until it
/// is known not to be.
#[derive(Clone, Debug, Default)]
pub struct Stops {
    words: Vec<String>,
    held: String,
}

/// What came of a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// What can be shown.
    pub text: String,
    /// The text at which it ended, if it did: an index among those that were looked for. It is no part of `text`.
    pub at: Option<usize>,
}

impl Stops {
    /// Looks for these. Empty ones are found nowhere.
    pub fn new(words: impl IntoIterator<Item = String>) -> Self {
        Self { words: words.into_iter().collect(), held: String::new() }
    }

    /// Adds a piece. After an end was found nothing is to follow.
    pub fn push(&mut self, piece: &str) -> Stopped {
        self.held.push_str(piece);
        let words = || self.words.iter().enumerate().filter(|(_, word)| !word.is_empty());
        // The one that is whole first ends the text, also where another began before it.
        let found = words().filter_map(|(index, word)| {
            self.held.find(word.as_str()).map(|start| (start + word.len(), start, index))
        });
        if let Some((_, start, index)) = found.min() {
            let text = self.held[..start].to_owned();
            self.held.clear();
            return Stopped { text, at: Some(index) };
        }
        let begins = |at: usize| words().any(|(_, word)| word.starts_with(&self.held[at..]));
        let longest = words().map(|(_, word)| word.len()).max().unwrap_or(0);
        let from = self.held.len().saturating_sub(longest);
        let mut places = self.held.char_indices().map(|(at, _)| at).filter(|at| *at >= from);
        let keep = places.find(|at| begins(*at)).unwrap_or(self.held.len());
        let rest = self.held.split_off(keep);
        Stopped { text: std::mem::replace(&mut self.held, rest), at: None }
    }

    /// What was held back, now that nothing follows.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(words: &[&str], pieces: &[&str]) -> (String, Option<usize>, Vec<String>) {
        let mut stops = Stops::new(words.iter().map(|word| (*word).to_owned()));
        let (mut text, mut shown) = (String::new(), Vec::new());
        for piece in pieces {
            let Stopped { text: more, at } = stops.push(piece);
            text.push_str(&more);
            shown.push(more);
            if at.is_some() {
                return (text, at, shown);
            }
        }
        text.push_str(&stops.finish());
        (text, None, shown)
    }

    #[test]
    fn an_end_may_span_pieces_and_is_not_shown() {
        let (text, at, shown) = run(&["\n\n", "END"], &["a\n", "b E", "N", "D c"]);
        assert_eq!((text.as_str(), at), ("a\nb ", Some(1)));
        assert_eq!(shown, ["a", "\nb ", "", ""]);
        assert_eq!(run(&["\n\n"], &["x\n", "\ny"]).0, "x");
    }

    #[test]
    fn what_only_looked_like_one_is_shown() {
        let (text, at, _) = run(&["aab"], &["a", "a", "a", "é", "aa"]);
        assert_eq!((text.as_str(), at), ("aaaéaa", None));
        assert_eq!(run(&["aab"], &["aaab"]), (String::from("a"), Some(0), vec![String::from("a")]));
        assert_eq!(run(&[""], &["x"]).0, "x");
        // Of two, the one that is whole first.
        assert_eq!(run(&["bcd", "c"], &["abcd"]), (String::from("ab"), Some(1), vec![String::from("ab")]));
    }
}
