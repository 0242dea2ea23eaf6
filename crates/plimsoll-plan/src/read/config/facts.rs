//! A configuration, asked for numbers by any of the names that they go by.

use serde_json::{Map, Value as Json};

/// The part of a configuration that tells of the language model, and what is around it.
#[derive(Clone, Copy)]
pub(super) struct Facts<'j> {
    own: &'j Map<String, Json>,
    outer: &'j Map<String, Json>,
}

/// Where models that also see or hear keep the part that speaks.
const NESTED: [&str; 6] =
    ["text_config", "llm_config", "language_config", "language_model", "thinker_config", "llm"];

impl<'j> Facts<'j> {
    pub(super) fn of(outer: &'j Map<String, Json>) -> Self {
        let inner = |map: &'j Map<String, Json>| NESTED.iter().find_map(|name| map.get(*name)?.as_object());
        let mut own = outer;
        // Twice at most: some keep the text's configuration within that of a part that thinks.
        for _ in 0..2 {
            own = inner(own).unwrap_or(own);
        }
        Self { own, outer }
    }

    /// The value of the first name that is there.
    pub(super) fn get(&self, names: &[&str]) -> Option<&'j Json> {
        let first = |map: &'j Map<String, Json>| {
            names.iter().find_map(|name| map.get(*name).filter(|at| !at.is_null()))
        };
        first(self.own).or_else(|| first(self.outer))
    }

    /// A number. Of a list, its largest.
    pub(super) fn number(&self, names: &[&str]) -> Option<u64> {
        whole(self.get(names)?)
    }

    /// A number that is not zero.
    pub(super) fn positive(&self, names: &[&str]) -> Option<u64> {
        self.number(names).filter(|number| *number > 0)
    }

    pub(super) fn real(&self, names: &[&str]) -> Option<f64> {
        self.get(names)?.as_f64()
    }

    pub(super) fn text(&self, names: &[&str]) -> Option<&'j str> {
        self.get(names)?.as_str()
    }

    pub(super) fn flag(&self, names: &[&str]) -> Option<bool> {
        self.get(names)?.as_bool()
    }

    /// A list of numbers.
    pub(super) fn numbers(&self, names: &[&str]) -> Option<Vec<u64>> {
        let list = self.get(names)?.as_array().filter(|list| list.len() <= super::keys::LAYERS_MAX)?;
        list.iter().map(whole).collect()
    }

    /// A list of texts.
    pub(super) fn texts(&self, names: &[&str]) -> Option<Vec<&'j str>> {
        let list = self.get(names)?.as_array().filter(|list| list.len() <= super::keys::LAYERS_MAX)?;
        list.iter().map(Json::as_str).collect()
    }

    /// What stands within another object.
    pub(super) fn within(&self, name: &str) -> Option<Facts<'j>> {
        let own = self.get(&[name])?.as_object()?;
        Some(Self { own, outer: own })
    }
}

/// A whole number, also where it is written with a point or as a flag; of a list, the largest.
fn whole(value: &Json) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be whole, and it saturates"
    )]
    let real = |number: f64| (number.fract() == 0.0 && number >= 0.0).then_some(number as u64);
    match value {
        Json::Number(number) => number.as_u64().or_else(|| number.as_f64().and_then(real)),
        Json::Bool(flag) => Some(u64::from(*flag)),
        Json::Array(list) => list.iter().filter_map(Json::as_u64).max(),
        _ => None,
    }
}
