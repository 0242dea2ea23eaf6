//! A source that says what a test tells it to.

use std::collections::VecDeque;

use super::{Pressure, PressureError, PressureSource};

/// Readings from a list, in order.
///
/// ```
/// use plimsoll::pressure::{Pressure, PressureSource, Scripted};
/// let mut source = Scripted::new([0.5, 0.97].map(|used| Pressure { used, ..Pressure::default() })).repeat_last();
/// assert_eq!(source.read().unwrap().used, 0.5);
/// assert_eq!(source.read().unwrap().used, 0.97);
/// assert_eq!(source.read().unwrap().used, 0.97);
/// ```
#[derive(Clone, Debug)]
pub struct Scripted {
    readings: VecDeque<Result<Pressure, PressureError>>,
    given: usize,
    repeat_last: bool,
}

impl Scripted {
    /// These readings, then [`PressureError::ScriptEnded`].
    pub fn new(readings: impl IntoIterator<Item = Pressure>) -> Self {
        Self::with_failures(readings.into_iter().map(Ok))
    }

    /// The same with failures among them.
    pub fn with_failures(readings: impl IntoIterator<Item = Result<Pressure, PressureError>>) -> Self {
        Self { readings: readings.into_iter().collect(), given: 0, repeat_last: false }
    }

    /// The last reading again and again, instead of an end.
    #[must_use]
    pub fn repeat_last(mut self) -> Self {
        self.repeat_last = true;
        self
    }
}

impl PressureSource for Scripted {
    fn read(&mut self) -> Result<Pressure, PressureError> {
        let next = if self.repeat_last && self.readings.len() == 1 {
            self.readings.front().cloned()
        } else {
            self.readings.pop_front()
        };
        let reading = next.ok_or(PressureError::ScriptEnded(self.given))?;
        self.given += 1;
        reading
    }
}
