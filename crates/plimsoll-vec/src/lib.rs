//! Vector codecs and search whose every byte is inside one budget.
//!
//! * [`Metric`]: what "near" means. [`Codec`]: how a vector's numbers are kept.

mod codec;
pub mod column;
pub mod input;
mod metric;
pub mod segment;

pub use codec::{BLOCK_ROWS, Codec, NoCodec};
pub use metric::{Metric, NoMetric};
