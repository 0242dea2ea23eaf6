//! Continuous batching: one thread a model steps all of its sequences together, takes new ones in between two steps, and lets
//! each go when it has ended or nobody listens any more.

mod event;
mod json;
mod runs;
mod share;
mod voice;
mod worker;

pub use event::{Event, Finish};
pub use json::Json;
pub use runs::Runs;
pub use share::{Share, Shares};
pub use voice::{Format, Said, Voice, VoiceSettings};
pub use worker::{BatchSettings, Job, Worker, WorkerStats};
