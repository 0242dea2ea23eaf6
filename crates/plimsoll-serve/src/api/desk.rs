//! What every request needs: the models, the seats, and what is known of the machine.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use plimsoll::governor::PressureLevel;
use plimsoll::monitor::Sample;
use plimsoll::{Engine, Place};

use super::ApiError;
use crate::Limits;
use crate::house::House;
use crate::http::{Keys, Watched};
use crate::model::Keeper;
use crate::seats::Seats;

/// What every request needs.
pub(crate) struct Desk {
    // In this order: models give their pages back before the house goes.
    keeper: Keeper,
    seats: Seats,
    house: Arc<House>,
    pub(super) keys: Keys,
    pub(super) limits: Limits,
    pub(super) counts: Counts,
    began: Instant,
    sample: Mutex<Option<Arc<Sample>>>,
    connections: OnceLock<Watched>,
    closing: AtomicBool,
}

/// What was asked so far.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) asked: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) failed: AtomicU64,
    number: AtomicU64,
}

impl Desk {
    pub(crate) fn new(house: Arc<House>, keeper: Keeper, seats: Seats, keys: Keys, limits: Limits) -> Self {
        Self {
            keeper,
            seats,
            house,
            keys,
            limits,
            counts: Counts::default(),
            began: Instant::now(),
            sample: Mutex::default(),
            connections: OnceLock::new(),
            closing: AtomicBool::new(false),
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.house.engine()
    }

    pub(crate) const fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    pub(super) const fn seats(&self) -> &Seats {
        &self.seats
    }

    /// A new sample is there. While the machine is pressed hard for memory, nobody new is taken in; caches have been asked to
    /// shrink before by the governor, whose level has hysteresis.
    pub(crate) fn look(&self, sample: &Arc<Sample>) {
        self.seats.press(self.engine().governor().level(Place::Host) == PressureLevel::Critical);
        *self.sample.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(sample));
    }

    /// The last sample.
    pub(super) fn sample(&self) -> Option<Arc<Sample>> {
        self.sample.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whose connections are counted.
    pub(crate) fn watch(&self, connections: Watched) {
        // There is one listener.
        let _ = self.connections.set(connections);
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.get().map_or(0, Watched::open)
    }

    pub(super) fn up_seconds(&self) -> u64 {
        self.began.elapsed().as_secs()
    }

    /// Nobody is admitted any more.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Refuses once the service is stopping.
    pub(super) fn open(&self) -> Result<(), ApiError> {
        if self.closing.load(Ordering::Acquire) { Err(ApiError::closing()) } else { Ok(()) }
    }

    /// A number for an answer that no other has.
    pub(super) fn number(&self) -> u64 {
        self.counts.number.fetch_add(1, Ordering::Relaxed)
    }

    /// Writes what caches have and their folder has not.
    pub(crate) fn flush(&self) {
        for model in self.keeper.standings().into_iter().filter_map(|standing| standing.model) {
            model.flush();
        }
    }
}
