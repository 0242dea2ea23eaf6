//! Which layers see only the last tokens.

use crate::read::keys::{Keys, Value};

/// When an architecture has windows.
#[derive(Clone, Copy, PartialEq)]
enum When {
    /// Where a window is stated that is not zero.
    Stated,
    /// Always; of so many tokens where none is stated.
    Always(u64),
    /// Unless it is stated to be zero; of so many tokens whatever is stated.
    Fixed(u64),
    /// Never, though a window is stated.
    Never,
}

/// An architecture's rule: name, one layer in how many sees everything, whether that is the first of them rather than
/// the last, and when.
type Rule = (&'static str, u64, bool, When);

const RULES: [Rule; 21] = [
    ("afmoe", 4, false, When::Stated),
    ("cohere2", 4, false, When::Stated),
    ("cohere2moe", 4, true, When::Stated),
    ("exaone-moe", 4, false, When::Always(128)),
    ("exaone4", 4, false, When::Stated),
    ("gemma-embedding", 6, false, When::Stated),
    ("gemma2", 2, false, When::Always(4096)),
    ("gemma3", 6, false, When::Stated),
    ("gemma3n", 5, false, When::Stated),
    ("gemma4", 6, false, When::Stated),
    ("gpt-oss", 2, false, When::Stated),
    ("laguna", 4, true, When::Stated),
    // Chunks rather than windows, but as wide and kept alike.
    ("llama4", 4, false, When::Fixed(8192)),
    ("mellum", 4, false, When::Stated),
    ("modern-bert", 3, true, When::Stated),
    ("muse-glimmer", 4, false, When::Stated),
    ("olmo2", 4, false, When::Stated),
    // Its converter writes a window of the whole context, and llama.cpp keeps all of it.
    ("phi3", 1, false, When::Never),
    ("phimoe", 1, false, When::Never),
    ("plamo3", 8, false, When::Stated),
    ("smallthinker", 4, true, When::Fixed(4096)),
];

/// The windows of a model's layers.
pub(super) struct Windows {
    tokens: Option<u64>,
    seen: Pattern,
}

enum Pattern {
    /// No layer has one.
    None,
    /// Each that attends has one.
    All,
    /// As listed.
    Listed(Vec<u64>),
    /// All but one of so many, the first or the last.
    Interleaved { period: u64, full_first: bool },
}

impl Windows {
    /// Those that keys state, by the architecture's rule.
    pub(super) fn of(keys: &Keys, layers: u64) -> Self {
        let stated = keys.number("attention.sliding_window");
        let name = keys.architecture();
        // The small ones of this family have no windows, though nothing in their keys says so.
        if name == "exaone4" && layers != 64 && !keys.has("attention.sliding_window_pattern") {
            return Self { tokens: None, seen: Pattern::None };
        }
        let rule = RULES.iter().find(|rule| rule.0 == name);
        let tokens = match rule.map(|rule| rule.3) {
            Some(When::Never) => None,
            Some(When::Always(tokens)) => stated.filter(|stated| *stated > 0).or(Some(tokens)),
            Some(When::Fixed(tokens)) if name == "llama4" => (stated != Some(0)).then_some(tokens),
            Some(When::Fixed(tokens)) => stated.filter(|stated| *stated > 0).map(|_| tokens),
            Some(When::Stated) | None => stated.filter(|stated| *stated > 0),
        };
        if tokens.is_none() {
            return Self { tokens, seen: Pattern::None };
        }
        let (period, full_first) = rule.map_or((0, false), |rule| (rule.1, rule.2));
        let seen = match keys.get("attention.sliding_window_pattern") {
            Some(Value::List(list)) if !list.is_empty() => Pattern::Listed(list.clone()),
            Some(value) if value.number().is_some() => {
                Pattern::Interleaved { period: value.number().unwrap_or(0), full_first }
            }
            _ if period > 0 => Pattern::Interleaved { period, full_first },
            _ if matches!(name, "lfm2" | "lfm2moe" | "deepseek4") => Pattern::All,
            // A window without a pattern: whoever does not know it attends to everything, and keeps everything.
            _ => Pattern::None,
        };
        Self { tokens, seen }
    }

    /// The window of a layer.
    pub(super) fn layer(&self, layer: usize) -> Option<u64> {
        let has = match &self.seen {
            Pattern::None => false,
            Pattern::All | Pattern::Interleaved { period: 0, .. } => true,
            Pattern::Listed(list) => list.get(layer).is_some_and(|flag| *flag != 0),
            Pattern::Interleaved { period, full_first: true } => !(layer as u64).is_multiple_of(*period),
            Pattern::Interleaved { period, full_first: false } => layer as u64 % period != period - 1,
        };
        self.tokens.filter(|_| has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(name: &str, stated: Option<u64>, layers: u64) -> Vec<bool> {
        let mut keys = Keys::new(name);
        keys.set_number("attention.sliding_window", stated);
        let windows = Windows::of(&keys, layers);
        (0..12).map(|layer| windows.layer(layer).is_some()).collect()
    }

    #[test]
    fn patterns_are_those_of_their_architectures() {
        let (no, yes) = (false, true);
        let alternating = vec![yes, no, yes, no, yes, no, yes, no, yes, no, yes, no];
        assert_eq!(windows("gemma2", None, 26), alternating);
        assert_eq!(windows("gpt-oss", Some(128), 24), alternating);
        assert_eq!(
            windows("gemma3", Some(1024), 48),
            vec![yes, yes, yes, yes, yes, no, yes, yes, yes, yes, yes, no]
        );
        assert_eq!(
            windows("smallthinker", Some(9), 32),
            vec![no, yes, yes, yes, no, yes, yes, yes, no, yes, yes, yes]
        );
        assert_eq!(windows("gemma3", None, 48), vec![no; 12]);
        assert_eq!(windows("llama4", Some(0), 48), vec![no; 12]);
        assert_eq!(windows("llama4", None, 48).iter().filter(|has| **has).count(), 9);
        assert_eq!(windows("phi3", Some(2047), 32), vec![no; 12]);
        assert_eq!(windows("llama", Some(4096), 32), vec![no; 12]);
        assert_eq!(windows("exaone4", Some(4096), 30), vec![no; 12]);
        assert_eq!(windows("exaone4", Some(4096), 64).iter().filter(|has| **has).count(), 9);
    }
}
