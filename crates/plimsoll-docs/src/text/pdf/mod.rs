//! The text of a PDF, page by page, read by a process of its own.
//!
//! What a PDF asks of its reader has no bounds: it may be nested until the stack is full, name itself as its own part, or unpack to a
//! thousand times its length. The library that reads it holds back none of that, and what exhausts a stack ends the process. So it is
//! called in a process that may end: this program once more, with limits that the system keeps, and the text comes through a pipe.
//!
//! ```text
//! Pages ── Process ══ pipe ══ serve() ── Book ── the library
//! (window)  (charge)  frames  (limits)   (panics)
//! ```
//!
//! * [`lend_program`]: what a program that is to read PDFs calls first.
//! * `Pages`: begins processes, and goes on behind a page that ended one.

mod book;
mod frame;
mod limits;
mod pages;
mod process;
mod program;
mod serve;

pub(super) use pages::Pages;
pub use program::{lend_program, read_through};
