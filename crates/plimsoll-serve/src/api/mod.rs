//! What is asked and answered: the interface of OpenAI's service, documents and passages, and facts about this service.

mod answer;
mod aside;
mod ask;
mod base64;
mod body;
mod chat;
mod cite;
mod completions;
mod desk;
mod documents;
mod embeddings;
mod error;
mod facts;
mod form;
mod hint;
mod models;
mod prompt;
mod router;
mod search;
mod stream;
mod tools;
mod vectors;

pub(crate) use desk::Desk;
pub use error::ApiError;
pub(crate) use router::router;
