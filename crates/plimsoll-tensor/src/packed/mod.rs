//! Matrices of packed weights, which are only read: eight kinds of storage, and what is computed with them.
//!
//! * [`Packing`]: how numbers are stored; [`PackedView`]: a matrix where it lies, checked against its bytes.
//! * [`multiply`] and [`products`]: inputs times matrices; [`multiply_back`]: gradients times the transpose.
//! * [`Attend`]: attention over pages of keys and values that are single numbers.
//! * [`Desk`]: the working memory they need, whose size is known before.
//! * [`pack`]: singles as `q8_0` or `q4_0`.
//! * [`decode`]: stored numbers as singles.
//! * [`Instructions`]: the sets of vector instructions that there are kernels for.

#![expect(
    clippy::inline_always,
    reason = "kernels are compiled once for each set of instructions, within their caller"
)]

mod attend;
mod back;
mod blocks;
mod decode;
mod desk;
mod error;
mod kernels;
mod multiply;
mod pack;
mod packing;
mod panel;
mod registers;
mod rounded;
mod spread;
#[cfg(test)]
mod tests;
mod view;

pub use attend::{Attend, AttendDesk};
pub use back::multiply_back;
pub use decode::{Decode, decode};
pub use desk::Desk;
pub use error::PackedError;
pub use multiply::{Product, multiply, products};
pub use pack::pack;
pub use packing::Packing;
pub use registers::Instructions;
pub use view::PackedView;
