//! `plimsoll device …`: devices seen from outside.

mod check;

pub use check::{CheckReport, DeviceCheckArgs, DeviceReport, run, view};
