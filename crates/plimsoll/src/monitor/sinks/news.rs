//! A program's own closure, told of alerts.

use std::sync::Arc;

use crate::monitor::{AlertChange, AlertChanges, Sample, Sink};

/// A sink that calls a closure for each alert that is raised, changes or is cleared.
///
/// ```
/// use plimsoll::monitor::{Turn, on_alert};
/// let sink = on_alert(|change| {
///     if change.turn == Turn::Raised {
///         eprintln!("{}", change.alert.text);
///     }
/// });
/// # let _: Box<dyn plimsoll::monitor::Sink> = Box::new(sink);
/// ```
pub fn on_alert(mut tell: impl FnMut(&AlertChange) + Send) -> impl Sink {
    let mut changes = AlertChanges::default();
    move |sample: &Arc<Sample>| changes.read(sample).iter().for_each(&mut tell)
}
