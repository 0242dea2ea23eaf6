//! Where samples and news of alerts go: a log, a closure, a webhook.

mod log;
mod news;
#[cfg(any(feature = "webhook", feature = "otlp"))]
mod post;
#[cfg(feature = "webhook")]
mod webhook;

pub use log::AlertLog;
pub use news::on_alert;
#[cfg(any(feature = "webhook", feature = "otlp"))]
pub use post::{PostCounts, PostError, PostSettings, Poster};
#[cfg(feature = "webhook")]
pub use webhook::Webhook;
