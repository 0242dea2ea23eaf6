//! Each kind of document to text, streamed: what is held of it is a window, whatever the document's size.
//!
//! * [`Text`]: fills a window from a file.
//! * [`Window`]: the text that is held, where in the source it comes from, and its [`Mark`]s.

mod decode;
mod error;
mod fence;
mod fields;
mod flaws;
mod html;
mod jsonl;
mod markdown;
pub mod pdf;
mod reader;
#[expect(clippy::module_inception, reason = "the text of a document is what this module is about")]
mod text;
mod title;
mod window;

pub(crate) use decode::Encoding;
pub use error::TextError;
pub(crate) use fence::Fence;
pub use flaws::{Flaws, Skipped};
pub(crate) use reader::Grain;
pub(crate) use text::{Start, Text};
use title::title;
pub(crate) use window::{Mark, What, Window};
