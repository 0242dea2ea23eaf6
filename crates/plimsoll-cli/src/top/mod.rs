//! `plimsoll top`: a screen to keep open.
//!
//! [`App`] is the whole state and [`draw`] the whole picture: neither knows a terminal, a clock or an engine.

mod app;
mod key;
mod look;
mod order;
mod paint;
mod picture;
mod words;

pub use app::{App, Link, Page, Panel, Wish};
pub use key::{Key, Keys};
pub use look::Look;
pub use order::Sort;
pub use paint::{LEAST, draw};
