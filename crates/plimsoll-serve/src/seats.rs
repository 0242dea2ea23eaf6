//! Admission: a request has a seat when its worst case fits what all sequences may hold together.
//!
//! Seats are reservations of a ledger of their own: they are promises and not bytes. The bytes themselves are charged to the
//! accounts of the cache when pages are taken; since everything else in a cache may go, what is promised here can always be
//! had there. The governor's queues, fairness and refusals serve both.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use plimsoll::governor::{Account, Governor, Refusal, Reservation};
use plimsoll::ledger::{AccountSettings, LedgerError, LedgerSettings, LineSettings};
use plimsoll::{Bytes, Place};

/// Why a request got no seat.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoSeat {
    /// It is more than could ever fit.
    #[error("the request may take {asked} of keys and values, and {most} is all there is for them")]
    Never {
        /// Its worst case.
        asked: Bytes,
        /// What all sequences may hold.
        most: Bytes,
    },
    /// Too many wait already.
    #[error("{waiting} requests wait for memory already, and no more than {most} may")]
    Full {
        /// How many.
        waiting: usize,
        /// How many may.
        most: usize,
    },
    /// Other programs press the machine for memory, and that did not end in time.
    #[error(
        "other programs need this machine's memory, and that did not ease within {waited:?}; nobody new is taken in until then"
    )]
    Pressed {
        /// How long it waited.
        waited: Duration,
    },
    /// It waited in vain.
    #[error("{asked} of keys and values did not come free within {waited:?}; {free} of {most} are free")]
    Late {
        /// Its worst case.
        asked: Bytes,
        /// What is free.
        free: Bytes,
        /// What all sequences may hold.
        most: Bytes,
        /// How long it waited.
        waited: Duration,
    },
}

/// What is promised at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeatsStats {
    /// What may be promised.
    pub most: Bytes,
    /// What is.
    pub taken: Bytes,
    /// Requests that wait.
    pub waiting: usize,
}

/// What a request was promised; given back when it is dropped.
#[derive(Debug)]
pub struct Seat {
    /// Of pages.
    _pages: Reservation,
    /// Of a context's own cells, where the engine has such.
    _cells: Option<Reservation>,
}

impl Seat {
    /// Of pages, and of cells beside them.
    pub const fn new(pages: Reservation, cells: Option<Reservation>) -> Self {
        Self { _pages: pages, _cells: cells }
    }
}

impl From<Reservation> for Seat {
    fn from(pages: Reservation) -> Self {
        Self::new(pages, None)
    }
}

/// Seats for requests.
#[derive(Debug)]
pub struct Seats {
    account: Account,
    most: Bytes,
    waiting_most: usize,
    patience: Duration,
    line: Mutex<Line>,
    pressed: AtomicBool,
}

/// Who waits, in order.
#[derive(Debug, Default)]
struct Line {
    next: u64,
    waiting: BTreeSet<u64>,
}

/// The ledger's only account.
const REQUESTS: &str = "requests";

impl Seats {
    /// Seats for sequences that hold `most` together. `waiting` requests may wait, each for so long.
    pub fn new(most: Bytes, waiting: usize, patience: Duration) -> Result<Self, LedgerError> {
        let settings = LedgerSettings {
            places: vec![LineSettings::new(Place::Host, most)],
            accounts: vec![AccountSettings::new(REQUESTS).share(Place::Host, Bytes::ZERO, most)],
        };
        let account = Governor::open(&settings)?.account(REQUESTS)?;
        Ok(Self {
            account,
            most,
            waiting_most: waiting,
            patience,
            line: Mutex::default(),
            pressed: AtomicBool::new(false),
        })
    }

    /// A seat, at once or in turn. Whoever waits is told its place now and then through `told`: 1 is next.
    pub async fn take(&self, asked: Bytes, mut told: impl FnMut(usize)) -> Result<Reservation, NoSeat> {
        if asked > self.most {
            return Err(NoSeat::Never { asked, most: self.most });
        }
        let ask = self.account.reserve(Place::Host, asked);
        if !self.pressed()
            && let Ok(seat) = ask.clone().quietly()
        {
            return Ok(seat);
        }
        let place = self.enter()?;
        let began = Instant::now();
        while self.pressed() {
            told(place.now());
            if began.elapsed() >= self.patience {
                return Err(NoSeat::Pressed { waited: began.elapsed() });
            }
            tokio::time::sleep(TELL).await;
        }
        let waits = ask.within(self.patience.saturating_sub(began.elapsed()));
        let waits = std::future::IntoFuture::into_future(waits);
        tokio::pin!(waits);
        let mut last = 0;
        loop {
            let now = place.now();
            if now != last {
                last = now;
                told(now);
            }
            tokio::select! {
                seat = &mut waits => return seat.map_err(|refusal| self.late(asked, &refusal)),
                () = tokio::time::sleep(TELL) => {}
            }
        }
    }

    /// Says whether the machine is so short of memory that nobody new is to be taken in. Caches have shrunk by then.
    pub fn press(&self, pressed: bool) {
        self.pressed.store(pressed, Ordering::Relaxed);
    }

    /// Whether it is.
    pub fn pressed(&self) -> bool {
        self.pressed.load(Ordering::Relaxed)
    }

    fn late(&self, asked: Bytes, refusal: &Refusal) -> NoSeat {
        let waited = refusal.waited.unwrap_or(self.patience);
        NoSeat::Late { asked, free: refusal.free, most: self.most, waited }
    }

    fn enter(&self) -> Result<InLine<'_>, NoSeat> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if line.waiting.len() >= self.waiting_most {
            return Err(NoSeat::Full { waiting: line.waiting.len(), most: self.waiting_most });
        }
        let number = line.next;
        line.next += 1;
        line.waiting.insert(number);
        Ok(InLine { seats: self, number })
    }

    /// What is promised now.
    pub fn stats(&self) -> SeatsStats {
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        SeatsStats { most: self.most, taken: self.account.charged(Place::Host), waiting: line.waiting.len() }
    }
}

/// How often whoever waits is told its place.
const TELL: Duration = Duration::from_millis(200);

/// A place in the line, left when it is dropped.
struct InLine<'s> {
    seats: &'s Seats,
    number: u64,
}

impl InLine<'_> {
    /// How many are served before it, and it: 1 is next.
    fn now(&self) -> usize {
        let line = self.seats.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.waiting.range(..=self.number).count()
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        let mut line = self.seats.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats(waiting: usize, patience: Duration) -> Seats {
        Seats::new(Bytes::mib(10), waiting, patience).expect("ten megabytes are a line")
    }

    #[tokio::test]
    async fn what_fits_has_a_seat_and_what_never_fits_is_told_so() {
        let seats = seats(4, Duration::from_secs(5));
        let one = seats.take(Bytes::mib(6), |_| panic!("nobody waits")).await.expect("it fits");
        assert_eq!(seats.stats().taken, Bytes::mib(6));
        let never = seats.take(Bytes::mib(11), |_| ()).await;
        assert!(matches!(never, Err(NoSeat::Never { .. })), "{never:?}");
        drop(one);
        assert_eq!(seats.stats().taken, Bytes::ZERO);
    }

    #[tokio::test]
    async fn who_waits_is_told_the_place_and_served_in_order() {
        let seats = seats(4, Duration::from_secs(30));
        let first = seats.take(Bytes::mib(8), |_| ()).await.expect("it fits");
        let (mut second_told, mut third_told) = (Vec::new(), Vec::new());
        let order = Mutex::new(Vec::new());
        let second = async {
            let seat = seats.take(Bytes::mib(9), |place| second_told.push(place)).await.expect("in turn");
            order.lock().expect("no panic").push(2);
            drop(seat);
        };
        let third = async {
            // It would fit, but came later.
            let seat = seats.take(Bytes::mib(1), |place| third_told.push(place)).await.expect("in turn");
            order.lock().expect("no panic").push(3);
            drop(seat);
        };
        let release = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert_eq!(seats.stats().waiting, 2);
            drop(first);
        };
        tokio::join!(second, third, release);
        assert_eq!((second_told[0], third_told[0]), (1, 2));
        assert_eq!(*order.lock().expect("no panic"), [2, 3]);
        assert_eq!(seats.stats().waiting, 0);
    }

    #[tokio::test]
    async fn under_pressure_nobody_new_is_taken_in_until_it_eases() {
        let seats = seats(4, Duration::from_secs(30));
        let held = seats.take(Bytes::mib(1), |_| ()).await.expect("it fits");
        seats.press(true);
        let (seat, ()) = tokio::join!(seats.take(Bytes::mib(1), |_| ()), async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert_eq!(seats.stats().waiting, 1);
            seats.press(false);
        });
        assert!(seat.is_ok());
        drop(held);
        let short = super::Seats::new(Bytes::mib(1), 4, Duration::ZERO).expect("a line");
        short.press(true);
        let refused = short.take(Bytes::new(1), |_| ()).await;
        assert!(matches!(refused, Err(NoSeat::Pressed { .. })), "{refused:?}");
    }

    #[tokio::test]
    async fn too_many_are_turned_away_and_nobody_waits_for_ever() {
        let seats = seats(1, Duration::from_millis(50));
        let _held = seats.take(Bytes::mib(10), |_| ()).await.expect("it fits");
        let (late, full) = tokio::join!(seats.take(Bytes::mib(1), |_| ()), async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            seats.take(Bytes::mib(1), |_| ()).await
        });
        assert!(matches!(late, Err(NoSeat::Late { .. })), "{late:?}");
        assert!(matches!(full, Err(NoSeat::Full { waiting: 1, most: 1 })), "{full:?}");
        assert_eq!(seats.stats().waiting, 0, "who gave up has left the line");
    }
}
