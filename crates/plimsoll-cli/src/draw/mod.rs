//! Drawing for people: styles, tables and bars, in plain text when the reader is no terminal.

mod bar;
mod pen;
mod table;
mod wrap;

pub use bar::{bar, share_bar};
pub use pen::{Pen, Style};
pub use table::{Align, Cell, Table};
pub use wrap::wrap;
