//! Where a codec takes its memory from.

use plimsoll::governor::Charge;
use plimsoll::{Bytes, EngineAccount, Place};

use super::NeuralError;

/// Takes so many bytes of the heap into the books, before they are there.
pub(super) fn charge(account: &EngineAccount, bytes: u64) -> Result<Charge, NeuralError> {
    Ok(account.reserve(Place::Host, Bytes::new(bytes)).now()?.back())
}

/// What an account may have of the host's memory, and what of that is free.
pub(super) fn standing(account: &EngineAccount) -> (Bytes, u64) {
    let snapshot = account.engine().snapshot();
    let place = snapshot.place(Place::Host);
    let share = place.and_then(|place| place.share(account.path()));
    let Some((place, share)) = place.zip(share) else { return (Bytes::ZERO, 0) };
    let free = place.carry.saturating_sub(place.charged);
    (share.limit.min(place.carry), free.min(share.limit.saturating_sub(share.charged)).get())
}
