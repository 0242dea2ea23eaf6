//! Where a holding stands: whose account it charges, on which place, and how long it may wait for memory.

use std::fmt;
use std::time::Duration;

use crate::governor::{Account, Charge, Refusal, Registration, Reservation, Shrink};
use crate::pool::{Pool, Tag};
use crate::record::Kind;
use crate::sync::Arc;
use crate::{Bytes, Place};

/// What every holding is opened with.
///
/// ```no_run
/// # use std::time::Duration;
/// # use plimsoll::{Place, governor::Governor, holding::Site};
/// # fn open(governor: &Governor) -> Result<(), Box<dyn std::error::Error>> {
/// let site = Site::new(&governor.account("features")?, Place::Host).within(Duration::from_secs(5));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Site {
    account: Account,
    place: Place,
    patience: Duration,
    trim: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Site {
    /// Charges this account on this place, and never waits for memory.
    pub fn new(account: &Account, place: Place) -> Self {
        Self { account: account.clone(), place, patience: Duration::ZERO, trim: None }
    }

    /// The same, waiting so long for memory where a holding would otherwise be refused.
    #[must_use]
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The same for values that are charged already, because they are leases of a pool of this account: they are
    /// not charged again. What is evicted goes back to the pool first; `trim` makes the pool give it to the ledger.
    #[must_use]
    pub fn over_leases(mut self, trim: impl Fn() + Send + Sync + 'static) -> Self {
        self.trim = Some(Arc::new(trim));
        self
    }

    /// Where a pool is, for values that are its leases.
    pub fn of_pool(pool: &Pool) -> Self {
        let trimmed = pool.clone();
        Self::new(pool.account(), pool.place()).over_leases(move || {
            // A device that fails to take memory back keeps it charged; that is for the pool to tell.
            let _ = trimmed.trim(Bytes::ZERO);
        })
    }

    /// The account.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The place.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Whether a value of so many bytes needs no charge of its own.
    pub(super) fn is_free(&self, bytes: Bytes) -> bool {
        self.trim.is_some() || bytes.is_zero()
    }

    /// Whether a refusal is final.
    pub(super) fn never_waits(&self) -> bool {
        self.patience.is_zero()
    }

    /// Bytes, with all that the governor can do to find them.
    pub(super) fn reserve(&self, bytes: Bytes) -> Result<Reservation, Refusal> {
        let ask = self.account.reserve(self.place, bytes).not_last();
        if self.never_waits() { ask.now() } else { ask.within(self.patience).wait() }
    }

    /// Bytes, with all that the governor can do at once.
    pub(super) fn reserve_now(&self, bytes: Bytes) -> Result<Reservation, Refusal> {
        self.account.reserve(self.place, bytes).not_last().now()
    }

    /// Bytes, if they are free at this moment and nobody need be asked.
    pub(super) fn reserve_quietly(&self, bytes: Bytes) -> Option<Charge> {
        self.account.reserve(self.place, bytes).quietly().ok().map(Reservation::back)
    }

    /// So many bytes were dropped on the ledger's behalf; how many of them it sees, as far as can be told.
    pub(super) fn settle(&self, dropped: Bytes) -> Bytes {
        match &self.trim {
            None => dropped,
            Some(_) if dropped.is_zero() => Bytes::ZERO,
            Some(trim) => {
                let before = self.account.charged(self.place);
                trim();
                before.saturating_sub(self.account.charged(self.place))
            }
        }
    }

    /// Writes down what happened to a holding's bytes.
    pub(super) fn note(&self, kind: Kind, bytes: Bytes, tag: Tag, why: u64) {
        self.account.note(self.place, kind, bytes.get(), tag, why);
    }

    /// Writes down that nothing helped.
    pub(super) fn note_refusal(&self, bytes: Bytes, refusal: &Refusal) {
        self.account.note_refusal(self.place, bytes.get(), refusal);
    }

    /// Makes a holding known to the governor.
    pub(super) fn register(&self, holder: &Arc<dyn Shrink>) -> Registration {
        self.account.governor().hold(&self.account, self.place, holder)
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("account", &self.account)
            .field("place", &self.place)
            .field("patience", &self.patience)
            .field("over_leases", &self.trim.is_some())
            .finish()
    }
}
