//! How much work a packing may take.

/// How much work a packing may take.
///
/// A step is about one buffer looked at: a few nanoseconds. Counting them, and not time, makes a plan the same wherever
/// it is made. Whoever has to be done by some time says so with a closure that is asked every now and then.
pub struct Effort<'a> {
    left: u64,
    until_asked: u64,
    stopped: bool,
    beginning: u64,
    stop: Option<&'a mut dyn FnMut() -> bool>,
}

/// Steps between two questions to the closure.
const QUESTION: u64 = 1 << 16;

impl<'a> Effort<'a> {
    /// So many steps.
    pub fn steps(steps: u64) -> Self {
        Self { left: steps, until_asked: QUESTION, stopped: false, beginning: 0, stop: None }
    }

    /// Also ends when `stop` says so.
    #[must_use]
    pub fn or_when(self, stop: &'a mut dyn FnMut() -> bool) -> Self {
        Self { stop: Some(stop), ..self }
    }

    /// Where the numbers that a search draws begin; 0 unless told. What one beginning finds late another may find early, so
    /// whoever measures how long a packing takes should try several.
    #[must_use]
    pub fn drawn_from(self, beginning: u64) -> Self {
        Self { beginning, ..self }
    }

    /// Where drawn numbers begin.
    pub(super) const fn beginning(&self) -> u64 {
        self.beginning
    }

    /// Whether nothing is left.
    pub const fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// Does something with half of what is left; what that leaves of its half comes back.
    pub(super) fn half<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let kept = self.left / 2;
        self.left -= kept;
        let done = work(self);
        if !self.stopped {
            self.left += kept;
        }
        done
    }

    /// Takes steps; `false` when there are none left.
    pub(super) fn spend(&mut self, steps: u64) -> bool {
        self.left = self.left.saturating_sub(steps);
        self.until_asked = self.until_asked.saturating_sub(steps);
        if self.until_asked == 0 {
            self.until_asked = QUESTION;
            if self.stop.as_mut().is_some_and(|stop| stop()) {
                self.left = 0;
                self.stopped = true;
            }
        }
        self.left > 0
    }
}
