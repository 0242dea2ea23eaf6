//! Who is computing what, so that a value is computed once however many ask for it. Pure: the caller holds the lock.

use std::collections::HashMap;
use std::hash::Hash;
use std::thread::ThreadId;

use crate::sync::{Arc, Condvar};

/// The computations under way.
#[derive(Debug)]
pub struct Flights<K> {
    computing: HashMap<K, Flight>,
    waiting: HashMap<ThreadId, K>,
}

#[derive(Debug)]
struct Flight {
    thread: ThreadId,
    landed: Arc<Condvar>,
}

/// What a thread that misses a value is to do.
#[derive(Debug)]
pub enum Board {
    /// Compute it; nobody else is.
    Compute,
    /// Wait on this, under the same lock, and look again.
    Wait(Arc<Condvar>),
    /// Waiting would wait for this very thread.
    Circle,
}

impl<K: Eq + Hash + Clone> Flights<K> {
    /// None under way.
    pub fn new() -> Self {
        Self { computing: HashMap::new(), waiting: HashMap::new() }
    }

    /// A thread misses a value.
    pub fn board(&mut self, key: &K, me: ThreadId) -> Board {
        let Some(flight) = self.computing.get(key) else {
            let landed = Arc::new(Condvar::new());
            self.computing.insert(key.clone(), Flight { thread: me, landed });
            return Board::Compute;
        };
        if self.waits_for(flight.thread, me) {
            return Board::Circle;
        }
        self.waiting.insert(me, key.clone());
        Board::Wait(Arc::clone(&flight.landed))
    }

    /// A thread that waited is awake again.
    pub fn awake(&mut self, me: ThreadId) {
        self.waiting.remove(&me);
    }

    /// A computation ended, well or badly: whoever waited looks again.
    pub fn land(&mut self, key: &K) {
        if let Some(flight) = self.computing.remove(key) {
            flight.landed.notify_all();
        }
    }

    /// Whether `thread` is `me`, or waits for one who waits … for `me`.
    fn waits_for(&self, mut thread: ThreadId, me: ThreadId) -> bool {
        // Each step goes to another waiting thread; circles are refused, so the way ends.
        while thread != me {
            let next = self.waiting.get(&thread).and_then(|key| self.computing.get(key));
            match next {
                Some(flight) => thread = flight.thread,
                None => return false,
            }
        }
        true
    }
}
