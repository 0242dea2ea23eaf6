//! What is going on: a sample of the machine, its places and its accounts, now and then.

mod sample;

pub use sample::{
    AccountSample, AlertSample, DeviceSample, EventSample, HealthSample, MachineSample, PartSample,
    PlaceSample, RecorderSample, Sample, Severity, SourceSample, TagSample,
};
