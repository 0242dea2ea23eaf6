//! What every request needs: the models, the seats, and what is known of the machine.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use plimsoll::governor::PressureLevel;
use plimsoll::monitor::Sample;
use plimsoll::{Engine, Place};

use tokio::sync::{Semaphore, watch};

use super::ApiError;
use crate::Limits;
use crate::house::House;
use crate::http::{Keys, Watched};
use crate::model::Keeper;
use crate::seats::Seats;
use crate::shelf::Shelves;

/// What every request needs.
pub(crate) struct Desk {
    // In this order: models give their pages back before the house goes.
    keeper: Keeper,
    shelves: Shelves,
    seats: Seats,
    /// For what a device computes, as long as it answers.
    seats_there: Option<Seats>,
    house: Arc<House>,
    pub(super) keys: Keys,
    pub(super) limits: Limits,
    pub(super) counts: Counts,
    began: Instant,
    sample: Mutex<Option<Arc<Sample>>>,
    connections: OnceLock<Watched>,
    closing: watch::Sender<bool>,
    /// Turns at loading models, at embedding, and room for bodies that are being read, in KiB: what waits for these holds no thread.
    pub(super) loading: Semaphore,
    pub(super) embedding: Semaphore,
    pub(super) bodies: Semaphore,
    /// Whether only this machine can reach it.
    local: OnceLock<bool>,
}

/// Models that are loaded, or waited for, side by side.
const LOADING: usize = 4;
/// Texts that are embedded side by side, of all models.
const EMBEDDING: usize = 2;
/// KiB of bodies that are read and understood side by side, each taken several times for what it becomes.
pub(super) const BODIES_KIB: u32 = 32 << 10;

/// What was asked so far.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) asked: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) failed: AtomicU64,
    number: AtomicU64,
}

impl Desk {
    pub(crate) fn new(
        house: Arc<House>,
        keeper: Keeper,
        shelves: Shelves,
        (seats, seats_there): (Seats, Option<Seats>),
        keys: Keys,
        limits: Limits,
    ) -> Self {
        Self {
            keeper,
            shelves,
            seats,
            seats_there,
            house,
            keys,
            limits,
            counts: Counts::default(),
            began: Instant::now(),
            sample: Mutex::default(),
            connections: OnceLock::new(),
            closing: watch::Sender::new(false),
            loading: Semaphore::new(LOADING),
            embedding: Semaphore::new(EMBEDDING),
            bodies: Semaphore::new(BODIES_KIB as usize),
            local: OnceLock::new(),
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.house.engine()
    }

    pub(crate) const fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    pub(crate) const fn shelves(&self) -> &Shelves {
        &self.shelves
    }

    /// Of where models are computed now: a device that is lost has no room any more.
    pub(super) fn seats(&self) -> &Seats {
        self.seats_there.as_ref().filter(|_| self.house.there().is_some()).unwrap_or(&self.seats)
    }

    /// A new sample is there. While the machine is pressed hard for memory, nobody new is taken in; caches have been asked to
    /// shrink before by the governor, whose level has hysteresis.
    pub(crate) fn look(&self, sample: &Arc<Sample>) {
        let pressed = self.engine().governor().level(Place::Host) == PressureLevel::Critical;
        self.seats_there.iter().chain([&self.seats]).for_each(|seats| seats.press(pressed));
        *self.sample.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(sample));
    }

    /// The last sample.
    pub(super) fn sample(&self) -> Option<Arc<Sample>> {
        self.sample.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whose connections are counted, and whether only this machine can make them.
    pub(crate) fn watch(&self, connections: Watched, local: bool) {
        // There is one listener.
        let _ = self.connections.set(connections);
        let _ = self.local.set(local);
    }

    pub(super) fn is_local(&self) -> bool {
        self.local.get().copied().unwrap_or(false)
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.get().map_or(0, Watched::open)
    }

    pub(super) fn up_seconds(&self) -> u64 {
        self.began.elapsed().as_secs()
    }

    /// Nobody is admitted any more.
    pub(crate) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Refuses once the service is stopping.
    pub(crate) fn open(&self) -> Result<(), ApiError> {
        if *self.closing.borrow() { Err(ApiError::closing()) } else { Ok(()) }
    }

    /// Until the service is stopping.
    pub(super) async fn closed(&self) {
        // It lives as long as the desk, so there is always an answer.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
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
