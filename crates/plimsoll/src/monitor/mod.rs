//! What is going on: a sample of the machine, its places and its accounts, now and then.
//!
//! A [`Sampler`] reads everything once a call; a [`Monitor`] is a thread that calls it, keeps a bounded history and
//! hands each [`Sample`] to its [`Sink`]s. Nobody else is asked to do anything: pools, governor and devices are read,
//! and know nothing of who reads them.
//!
//! ```
//! use plimsoll::monitor::Sampler;
//! let mut sampler = Sampler::machine();
//! let sample = sampler.sample();
//! println!("{:?} of {:?} bytes are in use", sample.machine.used_bytes, sample.machine.total_bytes);
//! ```

pub mod alerts;
pub mod attach;
mod clocks;
mod engine;
pub mod health;
pub mod metrics;
mod probe;
#[cfg(target_os = "macos")]
mod probe_mac;
mod rates;
mod sample;
mod sampler;
mod serve;
mod settings;
mod sinks;
pub mod socket;
mod thread;
mod trend;

pub use alerts::{AlertChange, AlertChanges, AlertSettings, Alerts, ParseThresholdsError, Thresholds, Turn};
pub use clocks::Clocks;
pub use sample::{
    AccountSample, AlertSample, DeviceSample, EventSample, HealthSample, MachineSample, PartSample,
    PlaceSample, RecorderSample, Sample, Severity, SourceSample, TagSample,
};
pub use sampler::{Gpus, Sampler};
pub use serve::{ServeSettings, Server, ServerSink};
pub use settings::MonitorSettings;
#[cfg(feature = "webhook")]
pub use sinks::Webhook;
pub use sinks::{AlertLog, on_alert};
#[cfg(any(feature = "webhook", feature = "otlp"))]
pub use sinks::{PostCounts, PostError, PostSettings, Poster};
pub use thread::{Monitor, Sink};
