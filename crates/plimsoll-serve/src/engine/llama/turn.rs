//! A lock that is had in the order in which it was asked for.
//!
//! The thread of a model takes its context again as soon as it has let go of it. With an ordinary lock whoever embeds a text beside
//! it might wait for as long as others write.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Something that one has at a time, in turn.
pub(super) struct Turn<T> {
    line: Mutex<Line>,
    moved: Condvar,
    held: Mutex<T>,
}

/// Who is next.
#[derive(Default)]
struct Line {
    next: u64,
    now: u64,
}

/// It is this one's turn until it is dropped.
pub(super) struct Taken<'t, T> {
    turn: &'t Turn<T>,
    held: MutexGuard<'t, T>,
}

impl<T> Turn<T> {
    pub(super) fn new(held: T) -> Self {
        Self { line: Mutex::default(), moved: Condvar::new(), held: Mutex::new(held) }
    }

    /// Waits until all who asked before have had it.
    pub(super) fn take(&self) -> Taken<'_, T> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = line.next;
        line.next += 1;
        while line.now != mine {
            line = self.moved.wait(line).unwrap_or_else(PoisonError::into_inner);
        }
        drop(line);
        Taken { turn: self, held: self.held.lock().unwrap_or_else(PoisonError::into_inner) }
    }
}

impl<T> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        self.turn.line.lock().unwrap_or_else(PoisonError::into_inner).now += 1;
        self.turn.moved.notify_all();
    }
}

impl<T> Deref for Taken<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.held
    }
}

impl<T> DerefMut for Taken<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.held
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_asks_while_another_takes_it_again_and_again_has_it_in_turn() {
        let turn = Arc::new(Turn::new(Vec::new()));
        let mut first = turn.take();
        let other = Arc::clone(&turn);
        let waits = thread::spawn(move || other.take().push("guest"));
        while turn.line.lock().expect("no panic").next < 2 {
            thread::sleep(Duration::from_millis(1));
        }
        first.push("owner");
        drop(first);
        // Asked for at once again, and behind the guest all the same.
        turn.take().push("owner again");
        waits.join().expect("no panic");
        assert_eq!(*turn.take(), ["owner", "guest", "owner again"]);
    }
}
