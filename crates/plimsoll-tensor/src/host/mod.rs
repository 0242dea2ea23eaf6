//! The host's arithmetic.
//!
//! Everything is done at once, on all threads of a crew. Numbers that are kept in 16 bits are made singles a piece at a
//! time (`numbers.rs`), so that each operation is written once.

mod adam;
mod attention;
mod elements;
mod loss;
mod math;
mod norm;
mod numbers;
mod patches;
mod place;
mod product;
mod reduce;
mod rope;
mod softmax;
mod split;
mod table;

pub(crate) use place::Host;
