//! What a decoder computes on a GPU: rows that flow through packed weights and over pages of a cache.
//!
//! * [`Room`]: a device's memory, taken in one piece and cut up: what a decoder takes there is known before.
//! * [`DeviceMatrix`]: packed weights there.
//! * [`Flow`]: one stream, and what is put on it. [`Inputs`]: rows in the forms in which they are multiplied.
//! * [`Paged`]: attention over pages, while they are lent. [`Orders`]: who has which pages, brought in one piece. [`StepBook`]:
//!   steps that are run again as they were put together.
//! * [`Ask`]: what is drawn of rows of logits where they are, in [`Lots`].
//! * [`Ferry`]: what does not all fit there, brought from page-locked memory in a circle, ahead of who reads it.
//!
//! # What it is not
//! It charges nothing: whoever takes a room holds the charge for it. It knows no model; `plimsoll-llm` does.

mod asks;
mod book;
mod ferry;
#[expect(clippy::module_inception, reason = "one stream's flow stands beside its parts")]
mod flow;
mod inputs;
mod lots;
mod matrix;
mod orders;
mod paged;
mod products;
mod room;
mod streams;

pub use asks::{Ask, Change, Lot};
pub use book::StepBook;
pub use ferry::{Crossing, Ferry};
pub use flow::Flow;
pub use inputs::{Inputs, Rows};
pub use lots::{Drawing, Drawn, Lots};
pub use matrix::DeviceMatrix;
pub use orders::{Orders, Strand, Told};
pub use paged::{PageForm, Paged, Turning};
pub use products::{Made, To};
pub use room::{Piece, Room};
