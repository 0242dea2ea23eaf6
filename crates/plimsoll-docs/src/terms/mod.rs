//! Words of passages, and the passages that have a word.

mod dictionary;
mod gather;
mod posting;
mod score;
mod tally;
mod words;

pub(crate) use dictionary::{DictionaryWriter, Entry, Sparse, entries, find_in, sum};
pub(crate) use gather::Gather;
pub(crate) use posting::{Postings, append};
pub(crate) use score::{Scored, Weights, best, length_code};
pub(crate) use words::each_term;
