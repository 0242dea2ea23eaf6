//! Calls that wait for a pass share the next one.
//!
//! A pass over the disk costs the same for one query as for hundreds. So while one is under way, who comes waits; then one
//! of those who wait does it for all that ask in the same way. Nobody waits to be joined by others: an idle index answers
//! at once.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::{Answer, Search, VecError};
use crate::held::lock;

/// Who waits for the next pass.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    turned: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// A pass is under way.
    led: bool,
    next: u64,
    waiting: Vec<Ticket>,
    /// Answers for those that others asked for; none where that failed, and each is to ask alone.
    done: BTreeMap<u64, Option<Answer>>,
}

#[derive(Debug)]
struct Ticket {
    number: u64,
    queries: Vec<f32>,
    search: Search,
}

impl Queue {
    /// Asks, together with all who wait and ask in the same way.
    pub(super) fn ask(
        &self,
        queries: &[f32],
        search: &Search,
        run: impl Fn(&[f32], &Search) -> Result<Answer, VecError>,
    ) -> Result<Answer, VecError> {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        state.waiting.push(Ticket { number, queries: queries.to_vec(), search: search.clone() });
        loop {
            if let Some(answer) = state.done.remove(&number) {
                drop(state);
                return answer.map_or_else(|| run(queries, search), Ok);
            }
            if state.led {
                state = self.turned.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.led = true;
            // The one that has waited longest says how.
            let how = state.waiting.first().map_or_else(|| search.clone(), |first| first.search.clone());
            let group: Vec<Ticket> = state.waiting.extract_if(.., |ticket| ticket.search == how).collect();
            drop(state);
            let mut led = Led { queue: self, group, answer: None };
            let together: Vec<f32> =
                led.group.iter().flat_map(|ticket| ticket.queries.iter().copied()).collect();
            led.answer = run(&together, &how).ok();
            drop(led);
            state = self.lock();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// How many wait.
    #[cfg(test)]
    fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }
}

/// A pass for several. However it ends, all of them are answered.
struct Led<'q> {
    queue: &'q Queue,
    group: Vec<Ticket>,
    answer: Option<Answer>,
}

impl Drop for Led<'_> {
    fn drop(&mut self) {
        let all: usize = self.group.iter().map(|ticket| ticket.queries.len()).sum();
        let mut before = 0;
        let mut state = self.queue.lock();
        for ticket in &self.group {
            let part = self.answer.as_ref().map(|answer| {
                // As many answers as it has of the numbers of all queries.
                let at = |numbers: usize| (answer.ids.len() * numbers).checked_div(all).unwrap_or(0);
                let range = at(before)..at(before + ticket.queries.len());
                Answer {
                    ids: answer.ids[range.clone()].to_vec(),
                    distances: answer.distances[range].to_vec(),
                    ..*answer
                }
            });
            before += ticket.queries.len();
            state.done.insert(ticket.number, part);
        }
        state.led = false;
        drop(state);
        self.queue.turned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::super::Measured;
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Answers a query with the number that it is made of.
    fn answer(queries: &[f32], search: &Search) -> Answer {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small whole numbers")]
        let ids: Vec<u64> = queries.chunks(2).map(|query| query[0] as u64).collect();
        let forecast = super::super::forecast::tests::nothing();
        let distances = vec![0.0; ids.len()];
        Answer { k: search.k, ids, distances, forecast, measured: Measured::default() }
    }

    #[test]
    fn who_comes_during_a_pass_shares_the_next() {
        let queue = Queue::default();
        let passes = AtomicUsize::new(0);
        let run = |queries: &[f32], search: &Search| {
            // The first pass lasts until five others wait.
            if passes.fetch_add(1, Ordering::SeqCst) == 0 {
                while queue.waiting() < 5 {
                    std::thread::yield_now();
                }
            }
            if queries.contains(&99.0) && queries.len() > 2 {
                return Err(VecError::Empty);
            }
            Ok(answer(queries, search))
        };
        std::thread::scope(|scope| {
            let ask = |number: f32| queue.ask(&[number, 0.5], &Search::nearest(1), run).unwrap().ids;
            let first = scope.spawn(move || ask(1.0));
            while passes.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            let others: Vec<_> =
                (2..7_u8).map(|number| (number, scope.spawn(move || ask(f32::from(number))))).collect();
            assert_eq!(first.join().unwrap(), [1]);
            for (number, other) in others {
                assert_eq!(other.join().unwrap(), [u64::from(number)]);
            }
        });
        assert_eq!(passes.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn what_fails_for_one_does_not_fail_for_the_others() {
        let queue = Queue::default();
        let passes = AtomicUsize::new(0);
        let run = |queries: &[f32], search: &Search| {
            if passes.fetch_add(1, Ordering::SeqCst) == 0 {
                while queue.waiting() < 3 {
                    std::thread::yield_now();
                }
            }
            if queries.contains(&99.0) { Err(VecError::Empty) } else { Ok(answer(queries, search)) }
        };
        std::thread::scope(|scope| {
            let ask = |number: f32, k: usize| queue.ask(&[number, 0.5], &Search::nearest(k), run);
            let first = scope.spawn(move || ask(1.0, 1).unwrap().ids);
            while passes.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            let bad = scope.spawn(move || ask(99.0, 1).is_err());
            let good = scope.spawn(move || ask(3.0, 1).unwrap().ids);
            let other = scope.spawn(move || ask(4.0, 2).unwrap().k);
            assert_eq!(first.join().unwrap(), [1]);
            assert!(bad.join().unwrap());
            assert_eq!(good.join().unwrap(), [3]);
            assert_eq!(other.join().unwrap(), 2);
        });
    }
}
