//! `plimsoll top`: a screen to keep open.
//!
//! [`App`] is the whole state and [`draw`] the whole picture: neither knows a terminal, a clock or an engine. Around
//! them, `feed` says samples, `input` keys and signals, each on threads of their own; `watch` is the loop that takes
//! what they say and draws, and `screen` is the terminal, which is given back however the program ends.

mod app;
mod args;
mod came;
mod feed;
#[cfg_attr(not(unix), path = "input_elsewhere.rs")]
mod input;
mod key;
pub mod list;
mod look;
mod order;
mod paint;
mod picture;
mod screen;
mod watch;
mod words;

pub use app::{App, Link, Page, Panel, Wish};
pub use args::{Target, TopArgs};
pub(crate) use feed::find;
pub use key::{Key, Keys};
pub use look::Look;
pub use order::Sort;
pub use paint::{LEAST, draw};
pub use screen::Screen;
pub use watch::run;
