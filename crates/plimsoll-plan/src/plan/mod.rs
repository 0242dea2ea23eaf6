//! A plan: which configuration of each workload, on which lines, and what stays free.

mod configuration;
mod lines;
#[expect(clippy::module_inception, reason = "the noun itself stands in a file of its name")]
mod plan;
mod split;
mod ways;

pub use configuration::CACHE;
pub use configuration::{Configuration, Knob};
pub use lines::{LineWish, LineWishes, Lines, ParseLineError};
pub use plan::{Choices, LeftOut, Plan, Planned, Request, Site};
pub use ways::Way;

#[cfg(test)]
mod tests;
