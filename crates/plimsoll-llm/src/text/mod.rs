//! Text and tokens: tokenizers from model files, and text as it comes.
//!
//! * [`Tokenizer`]: out of a GGUF file's metadata or a `tokenizer.json`; text to tokens and back.
//! * [`TextStream`]: tokens to text one by one, holding back what is no whole letter yet.
//! * [`Chat`]: conversations as the texts that a model was trained to read, by the template that it brings.
//! * [`Stops`]: texts at which to end, however they are cut into tokens.
//!
//! Two kinds of models cut words into tokens here: `merges`, pairs in the order in which they were learnt, and `pieces`,
//! `SentencePiece`'s, where the best score is joined first. Both are one algorithm over a heap (`join`), so that the time is
//! near to linear in the length of the text. What comes before it are `normal` (the form of letters), `special` (tokens
//! that stand as texts within the text) and `split` (words); `gguf` and `json` say what a file asks for, and refuse by
//! name what is not done here.

mod alphabet;
mod chat;
mod class;
mod error;
mod gguf;
mod hash;
mod join;
mod json;
mod lead;
mod lent;
mod merges;
mod normal;
mod pattern;
mod pieces;
mod special;
mod split;
mod stops;
mod stream;
mod tokenizer;
mod word;

pub use chat::{Chat, ChatError, ChatForm, ChatSettings, Given, Message};
pub use error::TextError;
pub use lent::{Cutter, LentKind, LentWord};
pub use stops::{Stopped, Stops};
pub use stream::TextStream;
pub use tokenizer::{Encode, Tokenizer};
