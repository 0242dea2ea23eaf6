//! What comes to a device in a circle, ahead of who reads it.
//!
//! Whoever reads pieces in the same order again and again knows which is needed next, so each goes to the slot that is free the soonest, as
//! soon as it is: a copy begins when the slot's last reader is done, and a reader when the copy is. All of that waits on the device,
//! by fences between two streams; the host only puts it there. The circle has no end: behind the last piece of one round the first of the next
//! is under way, so the link rests only where readers are slower than it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use plimsoll_device::{Device, DeviceError, Fence, Stream};

use super::flow::Flow;
use super::room::Piece;
use super::streams;
use crate::TensorError;
use crate::compute::Done;
use crate::gpu::launch::Launches;

const WHAT: &str = "what comes from page-locked memory";
/// Copies are waited for so long at a time before their memory goes.
const LONGEST: Duration = Duration::from_mins(1);

/// Pieces in page-locked memory that are read on a device in a circle, and slots there to which they come.
///
/// # Who owns what
/// It keeps both until its last copy is done. One reader at a time goes round: see [`begin`](Self::begin).
///
/// # Formula
/// The piece that is read as number `n`, counted from the beginning, is piece `n` modulo the pieces, in slot `n` modulo the slots; it is sent when
/// number `n` − slots was read.
pub struct Ferry {
    launches: Launches,
    device: Arc<dyn Device>,
    road: Stream,
    pieces: Vec<Piece>,
    slots: Vec<Piece>,
    round: Mutex<Round>,
    /// Who waits to go round: a lock alone would give whoever has just been round the next turn as well.
    next: Mutex<()>,
}

/// How far it has come.
#[derive(Debug)]
struct Round {
    /// How many were read.
    read: usize,
    /// How many were sent for.
    sent: usize,
    /// When what was sent to each slot last is there.
    arrived: Vec<Option<Fence>>,
    /// When the readers of each slot are done, of what was sent to it last.
    left: Vec<Vec<Fence>>,
}

/// One time round, by one reader.
#[derive(Debug)]
pub struct Crossing<'f> {
    ferry: &'f Ferry,
    flow: &'f Flow,
    round: MutexGuard<'f, Round>,
    /// Whether something reads a slot of which it is not known when it is done.
    reads: bool,
}

impl Ferry {
    /// From pieces in page-locked memory, in the order in which they are read, to slots of a device, each as long as the longest of them. What was
    /// put there by others is there already.
    pub fn open(
        device: &Arc<dyn Device>,
        pieces: Vec<Piece>,
        slots: Vec<Piece>,
    ) -> Result<Self, TensorError> {
        let longest = pieces.iter().map(Piece::bytes).max().unwrap_or(0);
        let odd = pieces.iter().any(|piece| !piece.held().is_pinned())
            || slots.iter().any(|slot| slot.bytes() < longest || !slot.held().is_on(device));
        if odd || pieces.is_empty() || slots.is_empty() {
            let why = format!(
                "{} pieces of up to {longest} bytes and {} slots; take pieces in page-locked memory, and slots as long on one device",
                pieces.len(),
                slots.len()
            );
            return Err(TensorError::shape(WHAT, why));
        }
        let road = streams::take(device)?;
        let launches = Launches::new(Arc::clone(device), road);
        let count = slots.len();
        let round = Round { read: 0, sent: 0, arrived: vec![None; count], left: vec![Vec::new(); count] };
        let ferry = Self {
            launches,
            device: Arc::clone(device),
            road,
            pieces,
            slots,
            round: Mutex::new(round),
            next: Mutex::new(()),
        };
        ferry.send(&mut ferry.round())?;
        Ok(ferry)
    }

    /// Once round, from the first piece, for who puts its work on this flow. Waits until who goes round now has ended, in turn.
    ///
    /// Who does not come to the end, because something failed, has the next one begin anew.
    pub fn begin<'f>(&'f self, flow: &'f Flow) -> Result<Crossing<'f>, TensorError> {
        if !Arc::ptr_eq(flow.device(), &self.device) {
            return Err(TensorError::shape(WHAT, "a flow of another device".to_owned()));
        }
        let turn = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let mut round = self.round();
        drop(turn);
        if !round.read.is_multiple_of(self.pieces.len()) {
            round.read = round.read.next_multiple_of(self.pieces.len());
            round.sent = round.read;
        }
        self.send(&mut round)?;
        Ok(Crossing { ferry: self, flow, round, reads: false })
    }

    fn round(&self) -> MutexGuard<'_, Round> {
        self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends for as much as there are slots for.
    fn send(&self, round: &mut Round) -> Done {
        while round.sent < round.read + self.slots.len() {
            let slot = round.sent % self.slots.len();
            let (from, to) = (&self.pieces[round.sent % self.pieces.len()], &self.slots[slot]);
            for fence in &round.left[slot] {
                self.launches.programs()?.follow(self.road, *fence)?;
            }
            let bytes = from.bytes();
            self.launches.move_bytes(from.at(WHAT, 0, bytes)?, to.at(WHAT, 0, bytes)?, bytes)?;
            round.left[slot].clear();
            round.arrived[slot] = Some(self.device.fence(self.road)?);
            round.sent += 1;
        }
        Ok(())
    }
}

impl Crossing<'_> {
    /// The next piece: in which slot it is for whatever is put on the flow from now on.
    pub fn arrive(&mut self) -> Result<usize, TensorError> {
        let slot = self.round.read % self.ferry.slots.len();
        match self.round.arrived[slot].filter(|_| self.round.sent > self.round.read) {
            Some(fence) => self.flow.follow(fence)?,
            None => return Err(TensorError::shape(WHAT, "a piece that nobody has sent for".to_owned())),
        }
        self.reads = true;
        Ok(slot)
    }

    /// All that reads it was put on the flow. What is needed next comes in its place.
    pub fn leave(&mut self) -> Done {
        let Self { ferry, flow, round, reads } = self;
        let slot = round.read % ferry.slots.len();
        round.left[slot].push(flow.behind()?);
        *reads = false;
        round.read += 1;
        ferry.send(round)
    }
}

impl Drop for Crossing<'_> {
    fn drop(&mut self) {
        if !self.reads {
            return;
        }
        // Who broke off has a reader on the flow that nobody has marked. A device that gives no fence is lost, and reads nothing.
        if let Ok(fence) = self.flow.behind() {
            let slot = self.round.read % self.ferry.slots.len();
            self.round.left[slot].push(fence);
        }
    }
}

impl Drop for Ferry {
    fn drop(&mut self) {
        let Ok(fence) = self.device.fence(self.road) else { return };
        loop {
            match self.device.wait(fence, LONGEST) {
                Err(DeviceError::FenceTimeout { .. }) => {}
                Ok(()) => return streams::give_back(&self.device, self.road),
                // A device that is lost copies nothing any more.
                Err(_) => return,
            }
        }
    }
}

impl std::fmt::Debug for Ferry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (pieces, slots) = (self.pieces.len(), self.slots.len());
        f.debug_struct("Ferry").field("pieces", &pieces).field("slots", &slots).finish_non_exhaustive()
    }
}
