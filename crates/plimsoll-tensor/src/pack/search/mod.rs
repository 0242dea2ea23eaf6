//! Search for an arrangement within a capacity: depth first, over arrangements that have settled.
//!
//! **What is searched.** In any arrangement every buffer can sink until it lies on another or on the ground. Sunk
//! arrangements can be built by stacking: buffers are taken in the order of their offsets, and each is put on the highest
//! of those below it. So a choice is only *which buffer is next*, never where; and once one stands at some offset, all
//! that follow stand at that offset or above.
//!
//! **What is cut off.** The state of an open part is, for each buffer that is not yet placed, the lowest offset that it
//! can have (`low`).
//! * In each section the buffers that are left have to be stacked in some order, none below its `low`. The least height of
//!   that, for any order at all, is found by taking them in the order of `low`. Where it is above the capacity, the state
//!   is dead.
//! * A buffer is not taken next where another one, left for later, would have fitted wholly below it: that arrangement
//!   could be sunk further.
//! * When no buffer that is left crosses from one section to the next, the sides have nothing to do with each other: they
//!   are solved one by one. Going back from a failure in one leaves the others out.
//! * A buffer that meets all others of a part goes to its top, and is not chosen: whatever lies above it could change places
//!   with it. What is left has so much less room, and falls apart further.
//! * A part that failed is remembered by a hash of its state. Other orders of the choices before lead to the same state
//!   often: buffers of one lifetime in another order, for one. Two states with one hash of 64 bits would make the search
//!   miss an arrangement, never accept a wrong one.
//!
//! **Reasons.** Each failure keeps the set of buffers that it needs: these, with their `low`, cannot all be placed. A
//! choice that pushed none of them up is no part of the failure, so the search goes back past it. And a buffer whose
//! choice failed for some reason is not tried again further down while the buffers of that reason are all still waiting:
//! their `low` only grows on the way down, so it would fail again.
//!
//! **In what order.** Among buffers that may come next the lowest comes first, and among these the one that an order from
//! outside ranks first; or, with a [`Glance`], the one of the first few after which the tight sections keep most of their
//! room. A glance costs as much as many choices, so those that it may not need are not looked at before the others have
//! failed. No order is good for all instances, so [`super::portfolio`] starts several searches; what one found dead the next ones know.

mod course;
mod dead;
mod divide;
mod part;
mod price;
mod refuted;
mod set;

pub(super) use course::{Among, Glance, Outcome, Search};
pub(super) use dead::{Dead, mix};
