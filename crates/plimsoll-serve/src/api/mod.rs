//! What is asked and answered: the interface of OpenAI's service, and facts about this one.

mod answer;
mod aside;
mod ask;
mod base64;
mod body;
mod chat;
mod completions;
mod desk;
mod embeddings;
mod error;
mod facts;
mod form;
mod models;
mod prompt;
mod router;
mod stream;
mod tools;

pub(crate) use desk::Desk;
pub use error::ApiError;
pub(crate) use router::router;
