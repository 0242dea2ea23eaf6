//! The memory that some work takes, charged before it is taken.

use plimsoll::governor::{Charge, Refusal, Reservation};
use plimsoll::{Bytes, EngineAccount, EngineError, Place};

/// The least that is asked for at once, so that small growth need not ask each time.
const STEP: usize = 16 << 10;

/// What was asked for, and why it is not there.
#[derive(Debug)]
pub(crate) struct Short {
    pub(crate) bytes: Bytes,
    pub(crate) refusal: Refusal,
}

/// What may be held now.
#[derive(Debug)]
pub(crate) struct Room {
    account: EngineAccount,
    place: Place,
    charge: Option<Charge>,
    /// Charged and not in use.
    spare: usize,
}

impl Room {
    /// No bytes yet.
    pub(crate) fn new(account: &EngineAccount) -> Result<Self, EngineError> {
        Ok(Self { account: account.clone(), place: account.place()?, charge: None, spare: 0 })
    }

    /// So many bytes more.
    pub(crate) fn grow(&mut self, more: usize) -> Result<(), Short> {
        if let Some(spare) = self.spare.checked_sub(more) {
            self.spare = spare;
            return Ok(());
        }
        let missing = more - self.spare;
        let asked = missing.max(STEP);
        let bytes = Bytes::new(asked as u64);
        let granted = self.account.reserve(self.place, bytes).now().map(Reservation::back);
        let granted = granted.map_err(|refusal| Short { bytes, refusal })?;
        match &mut self.charge {
            Some(charge) => {
                let merged = charge.merge(granted);
                assert!(merged.is_ok(), "charges of one account and place are one: {merged:?}");
            }
            None => self.charge = Some(granted),
        }
        self.spare = asked - missing;
        Ok(())
    }

    /// So many bytes fewer.
    pub(crate) fn shrink(&mut self, less: usize) {
        self.spare += less;
        if self.spare < 4 * STEP {
            return;
        }
        if let Some(charge) = &mut self.charge {
            let back = Bytes::new((self.spare - STEP) as u64);
            self.spare = STEP;
            drop(charge.split(back));
        }
    }
}
