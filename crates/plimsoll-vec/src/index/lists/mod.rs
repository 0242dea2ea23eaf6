//! Vectors divided into lists: each lies with those that are near the same middle, and a search looks into few lists.
//!
//! Middles are learned once, from a sample of the first file that is built ([`kmeans`]); vectors that come later go to the
//! list whose middle is nearest. Rows of a segment lie in the order of their lists, dense, so that everything that holds
//! for rows of a flat index holds for these; a list is a range of rows.

mod build;
mod division;
mod facts;
mod forecast;
mod gather;
mod kmeans;
#[expect(clippy::module_inception, reason = "how many lists there are, among what is done with them")]
mod lists;
mod parts;
mod pass;
mod publish;
mod sample;
mod search;
mod seed;
mod shelf;
mod sink;
mod target;
mod truth;
mod way;

pub(super) use division::Division;
pub use facts::ListFacts;
pub use forecast::Probed;
pub(super) use forecast::wanted;
pub use lists::{Expected, Lists, NoLists, Probe};
pub(super) use sample::{Draw, Sample};
pub(super) use shelf::Shelf;
#[cfg(test)]
pub(super) use target::Target;
pub(super) use target::{Targets, Want, full_lists};
