//! Metadata of a model: keys and values, as GGUF has them.
//!
//! A configuration of Hugging Face is brought into the same keys, so that one set of rules reads both.

use std::collections::BTreeMap;

/// The value of a key, as far as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A whole number; negative ones, which stand for "none", are zero.
    Number(u64),
    /// A number with a fraction.
    Real(f64),
    /// Yes or no.
    Flag(bool),
    /// A text, if it is short.
    Text(String),
    /// Whole numbers or flags, one for each layer.
    List(Vec<u64>),
    /// So many items or letters, which were not kept.
    Skipped(u64),
}

/// Keys and their values. Keys of the architecture are asked for without its name.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    architecture: String,
    values: BTreeMap<String, Value>,
}

/// A number that is the same in all layers, or one for each.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PerLayer {
    Same(u64),
    Each(Vec<u64>),
}

impl PerLayer {
    /// That of a layer. Where a list ends early, its last number goes on.
    pub(super) fn of(&self, layer: usize) -> u64 {
        match self {
            Self::Same(number) => *number,
            Self::Each(numbers) => numbers.get(layer).or(numbers.last()).copied().unwrap_or(0),
        }
    }

    /// The largest.
    pub(super) fn most(&self) -> u64 {
        match self {
            Self::Same(number) => *number,
            Self::Each(numbers) => numbers.iter().copied().max().unwrap_or(0),
        }
    }
}

impl Keys {
    /// Without values, for an architecture by GGUF's name.
    pub(super) fn new(architecture: impl Into<String>) -> Self {
        Self { architecture: architecture.into(), values: BTreeMap::new() }
    }

    /// Puts a value in. Says whether there was none of that key.
    pub(super) fn insert(&mut self, key: String, value: Value) -> bool {
        if key == "general.architecture"
            && let Value::Text(name) = &value
        {
            self.architecture.clone_from(name);
        }
        self.values.insert(key, value).is_none()
    }

    /// Puts a value of the architecture in.
    pub(super) fn set(&mut self, key: &str, value: Value) {
        self.values.insert(format!("{}.{key}", self.architecture), value);
    }

    /// Puts a number of the architecture in, if there is one.
    pub(super) fn set_number(&mut self, key: &str, number: Option<u64>) {
        if let Some(number) = number {
            self.set(key, Value::Number(number));
        }
    }

    pub(super) fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The value of a whole key.
    pub(super) fn whole(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// The value of a key of the architecture.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(&format!("{}.{key}", self.architecture))
    }

    /// Whether the architecture has the key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// A text by its whole key.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.whole(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A number of the architecture. Of a list, its largest.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        match self.get(key)? {
            Value::List(numbers) => numbers.iter().copied().max(),
            value => value.number(),
        }
    }

    /// A number of the architecture that is not zero.
    pub(super) fn positive(&self, key: &str) -> Option<u64> {
        self.number(key).filter(|number| *number > 0)
    }

    /// A number of the architecture with its fraction.
    pub(super) fn real(&self, key: &str) -> Option<f64> {
        match self.get(key)? {
            Value::Real(number) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "compared with zero only")]
            value => value.number().map(|number| number as f64),
        }
    }

    /// A number of the architecture that layers may differ in.
    pub(super) fn per_layer(&self, key: &str) -> Option<PerLayer> {
        match self.get(key)? {
            Value::List(numbers) if numbers.is_empty() => None,
            Value::List(numbers) => Some(PerLayer::Each(numbers.clone())),
            value => value.number().map(PerLayer::Same),
        }
    }

    /// The list of a key of the architecture.
    pub(super) fn list(&self, key: &str) -> Option<&[u64]> {
        match self.get(key)? {
            Value::List(numbers) if !numbers.is_empty() => Some(numbers),
            _ => None,
        }
    }
}

impl Value {
    /// It as a whole number, where it is one.
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Flag(flag) => Some(u64::from(*flag)),
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
            Self::Real(number) if number.fract() == 0.0 => Some(*number as u64),
            _ => None,
        }
    }

    /// How many items it has.
    pub(super) fn count(&self) -> Option<u64> {
        match self {
            Self::List(numbers) => Some(numbers.len() as u64),
            Self::Skipped(count) => Some(*count),
            _ => None,
        }
    }
}
