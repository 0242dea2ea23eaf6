//! Alerts: what has been wrong for long enough to tell somebody.
//!
//! An alert is raised when a value has been at or above its threshold for a while without a break, and is cleared
//! when it has been well below for as long. So a value that hovers at the threshold changes nothing, a short peak is
//! nothing, and a sample in which the value is not known changes nothing either.
//!
//! [`Alerts`] turns samples into the alerts that are raised now; [`AlertChanges`] tells from two samples what was
//! raised and cleared between them, for whoever passes news on.

mod alarm;
mod changes;
mod reader;
mod settings;

pub use changes::{AlertChange, AlertChanges, Turn};
pub use reader::Alerts;
pub use settings::{AlertSettings, ParseThresholdsError, Thresholds};
