//! Conversations as the texts that a model was trained to read.
//!
//! A model brings a *template*, a small program in the language Jinja, that writes messages as one text; [`Chat`] runs it
//! and cuts what comes out into tokens. Templates come with files from anywhere, so each has a bounded number of steps, and
//! reaches nothing but the messages. Messages come from strangers, so what looks like a token of the model's in them stays
//! a text (`guard`).

#[expect(clippy::module_inception, reason = "the file is named after its type")]
mod chat;
mod date;
mod engine;
mod error;
mod find;
mod guard;
mod json;
mod message;

pub use chat::{Chat, ChatForm, ChatSettings};
pub use error::ChatError;
pub use message::{Given, Message};
