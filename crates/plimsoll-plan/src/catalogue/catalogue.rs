//! Looking a model up.

use super::derive;
use super::models::{Row, rows};
use super::names::{NameError, Named, find};
use super::scheme::Scheme;
use crate::model::{Hyper, Model, Origin};

/// One model of the catalogue.
#[derive(Clone, Copy)]
pub struct Entry(&'static Row);

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Entry").field(&self.0.name).finish()
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Entry {
    /// What it is called: "Llama 3.1 8B".
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// All that it is called, its own name first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.0.name).chain(self.0.also.iter().copied())
    }

    /// Its shape.
    pub fn hyper(self) -> Hyper {
        self.0.shape.hyper()
    }

    /// The model in a quantization. Its shape is exact; its tensors' sizes are as sure as [`Scheme::margin`] says.
    pub fn model(self, scheme: Scheme) -> Model {
        let hyper = self.hyper();
        let tensors = derive::tensors(&hyper, &scheme);
        let name = format!("{} {scheme}", self.0.name);
        Model { name, hyper, tensors, origin: Origin::Catalogue, doubts: Vec::new() }
    }
}

/// Every model of the catalogue.
pub fn models() -> impl Iterator<Item = Entry> {
    rows().map(Entry)
}

/// The model that a name means, and the quantization that the name holds, if any.
///
/// ```
/// use plimsoll_plan::catalogue::{Scheme, model};
/// let (entry, scheme) = model("Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf")?;
/// assert_eq!((entry.name(), scheme), ("Llama 3.1 8B", Some(Scheme::Q4_K_M)));
/// assert_eq!(model("qwen3:14b")?.0.name(), "Qwen3 14B");
/// assert!(model("gpt-oss").unwrap_err().to_string().contains("gpt-oss 20B"));
/// # Ok::<(), plimsoll_plan::catalogue::NameError>(())
/// ```
pub fn model(name: &str) -> Result<(Entry, Option<Scheme>), NameError> {
    let named: Vec<Named<Entry>> = rows()
        .map(|row| Named { names: Entry(row).names().map(str::to_owned).collect(), value: Entry(row) })
        .collect();
    let (scheme, rest) = match Scheme::find(name) {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, name.to_owned()),
    };
    match find("model", &named, &rest) {
        Ok(entry) => Ok((entry, scheme)),
        Err(error) => Err(NameError { text: name.to_owned(), ..error }),
    }
}
