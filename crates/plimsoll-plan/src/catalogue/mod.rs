//! What is built in: models with their exact shapes, quantizations with the rules by which files of them are made, and
//! diffusion models' parts; so that a plan can be made before anything is downloaded.

mod anatomy;
#[expect(clippy::module_inception, reason = "the noun itself stands in a file of its name")]
mod catalogue;
pub mod derive;
mod mixture;
mod models;
pub(crate) mod names;
mod pipelines;
mod scheme;
mod shape;
pub mod tiers;

pub use catalogue::{Entry, model, models};
pub use names::NameError;
pub use pipelines::{PIPELINES, Pipeline, PipelinePart, Role, pipeline};
pub use scheme::{Family, ParseSchemeError, Scheme};
