//! Drawing for people: styles, tables and bars, in plain text when the reader is no terminal, and pictures.

mod bar;
mod line;
mod pen;
pub(crate) mod picture;
mod table;
mod wrap;

pub use bar::{bar, share_bar};
pub(crate) use line::Line;
pub use pen::{Pen, Style};
pub use table::{Align, Cell, Table};
pub use wrap::wrap;
