//! How fast a model will be: tokens a second as a range, from what a token reads and computes and from what hardware
//! reaches of what it states, with the bound named that decides.

mod placement;
mod range;
mod reach;
#[expect(clippy::module_inception, reason = "the noun itself stands in a file of its name")]
mod speed;

pub use placement::{Load, Placement, loads};
pub use range::Range;
pub use reach::Reach;
pub use speed::{Roof, Run, Speed, SpeedError, bytes_a_token, estimate, speculated};
