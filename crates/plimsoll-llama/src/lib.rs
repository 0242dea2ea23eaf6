//! llama.cpp behind safe types, for engines that keep its sequences.
//!
//! * `Model`: a GGUF file that llama.cpp computes; `Rehearsal` says what it takes before a byte of it is allocated.
//! * `Context`: sequences in one cache of keys and values, steps of several of them, and the state of each as bytes.
//! * `Batch`: which tokens of which sequences a step computes.
//! * `Vocabulary`: llama.cpp's own tokenizer of a model.
//!
//! # What it is not
//! It samples nothing, knows no chat templates and no accounts, and keeps nothing on a GPU. What llama.cpp takes it takes by
//! itself: `Sizes` is for whoever charges that. A damaged file may end the process (llama.cpp asserts what it believes), so whoever
//! opens a stranger's file looks at its header first.
//!
//! All of it is behind the feature `llama-cpp`.

#[cfg(feature = "llama-cpp")]
mod batch;
#[cfg(feature = "llama-cpp")]
mod context;
#[cfg(feature = "llama-cpp")]
mod error;
#[cfg(feature = "llama-cpp")]
mod library;
#[cfg(feature = "llama-cpp")]
mod model;
#[cfg(feature = "llama-cpp")]
mod settings;
#[cfg(feature = "llama-cpp")]
mod sizes;
#[cfg(feature = "llama-cpp")]
mod vocabulary;

#[cfg(feature = "llama-cpp")]
pub use batch::{Batch, SequenceId, Token};
#[cfg(feature = "llama-cpp")]
pub use context::Context;
#[cfg(feature = "llama-cpp")]
pub use error::{LlamaError, StepFault};
#[cfg(feature = "llama-cpp")]
pub use library::version;
#[cfg(feature = "llama-cpp")]
pub use model::{Model, ModelFacts, Rehearsal};
#[cfg(feature = "llama-cpp")]
pub use settings::ContextSettings;
#[cfg(feature = "llama-cpp")]
pub use sizes::Sizes;
#[cfg(feature = "llama-cpp")]
pub use vocabulary::{Vocabulary, WordKind};
