//! Vector codecs and search whose every byte is inside one budget.
//!
//! * [`Metric`]: what "near" means. [`Codec`]: how a vector's numbers are kept.
//! * [`Coder`]: vectors to blocks of rows and back; [`Layout`] says where in a block a thing is. [`Codebooks`]: what some
//!   codecs learn first.
//! * [`Queries`], [`scan`]: distances to the rows of blocks; [`Tops`]: the nearest of them, [`Hit`] by [`Hit`].
//! * [`mod@column`], [`segment`]: what lies on disk; [`index`]: a folder of it, and the search within a budget.
//! * [`neural`]: a codec that is learned. [`input`]: vectors from files.
//! * [`gpu`]: a flat search on a device, of rows that lie there or are streamed to it.

mod code;
mod codec;
pub mod column;
pub mod gpu;
mod held;
pub mod index;
pub mod input;
mod metric;
pub mod neural;
mod scan;
pub mod segment;
mod top;

pub use code::{CodeError, Codebooks, Coder, DIMENSION_MAX, Layout};
pub use codec::{BLOCK_ROWS, Codec, NoCodec};
pub use metric::{Metric, NoMetric};
pub use scan::{Column, Path, Queries, Row, scan, scan_signs, score};
pub use top::{Hit, TOP_MAX, Tops, TopsError};
