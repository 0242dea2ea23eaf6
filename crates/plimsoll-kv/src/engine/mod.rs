//! How an inference engine plugs in.
//!
//! An engine that only gives and takes the state of whole sequences keeps its own pages; its state is cut into blocks of
//! the same layout: [`llama_state`] does that for llama.cpp.

pub mod llama_state;
