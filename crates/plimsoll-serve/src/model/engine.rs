//! Which engine is to compute a model.

use std::str::FromStr;

/// Which engine is to compute a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineChoice {
    /// The native one if it can, otherwise llama.cpp where the program has it.
    #[default]
    Auto,
    /// The decoder of `plimsoll-llm`.
    Native,
    /// llama.cpp: the program must have been built with it.
    LlamaCpp,
}

/// A name of no engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no engine {name:?}; there are auto, native and llama-cpp")]
pub struct UnknownEngine {
    name: String,
}

impl FromStr for EngineChoice {
    type Err = UnknownEngine;

    fn from_str(name: &str) -> Result<Self, UnknownEngine> {
        match name {
            "auto" => Ok(Self::Auto),
            "native" => Ok(Self::Native),
            "llama-cpp" | "llama.cpp" => Ok(Self::LlamaCpp),
            name => Err(UnknownEngine { name: name.to_owned() }),
        }
    }
}
