//! Words of passages, and the passages that have a word.

mod dictionary;
mod gather;
mod list;
mod posting;
mod score;
mod tally;
mod words;

pub(crate) use dictionary::{DictionaryWriter, Entries, Entry, Sparse, find_in};
pub(crate) use gather::Gather;
pub(crate) use list::ListSum;
pub(crate) use posting::{Postings, append};
pub(crate) use score::{Scored, Weights, best, length_code};
pub(crate) use words::{TERM_MOST, each_term};
