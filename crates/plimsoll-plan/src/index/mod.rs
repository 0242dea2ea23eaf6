//! Vector indexes: what they keep, what building and asking need, and what asking costs when memory is short.

mod codec;
mod forecast;
#[expect(clippy::module_inception, reason = "the noun itself stands in a file of its name")]
mod index;
mod kind;
mod ladder;
mod parse;
mod size;
mod work;

pub use codec::{Codec, Maker};
pub use forecast::{Forecast, ForecastError};
pub use index::{Index, Load, Metric, Originals, Ring};
pub use kind::{Graph, Kind};
pub use ladder::Rung;
