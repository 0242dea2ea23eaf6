//! What lives when, written down while nothing is computed.

use plimsoll::Bytes;

/// A buffer that was made in a rehearsal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Noted {
    pub(super) bytes: u64,
    pub(super) born: u32,
    /// `None`: it outlived the rehearsal.
    pub(super) died: Option<u32>,
}

/// The buffers of a rehearsal, while it runs.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// The number of its first buffer: those before are of the rehearsal around it.
    base: u32,
    pub(super) buffers: Vec<Noted>,
    /// Counts makings and endings: the time of a rehearsal.
    clock: u32,
    live: u64,
    peak: u64,
}

impl Book {
    /// One whose first buffer has this number: higher than any that was given before, so that what is left of an earlier
    /// rehearsal is not taken for a buffer of this one.
    pub(super) fn beginning_with(base: u32) -> Self {
        Self { base, ..Self::default() }
    }

    /// The number that comes next.
    pub(super) fn next(&self) -> u32 {
        self.base.saturating_add(u32::try_from(self.buffers.len()).unwrap_or(u32::MAX))
    }

    /// Whether a buffer of this number was made in it.
    pub(super) const fn has(&self, number: u32) -> bool {
        number >= self.base
    }

    pub(super) const fn live(&self) -> u64 {
        self.live
    }

    /// A buffer is made; its number.
    pub(super) fn make(&mut self, bytes: u64) -> u32 {
        self.clock += 1;
        self.live += bytes;
        self.peak = self.peak.max(self.live);
        let number = self.next();
        self.buffers.push(Noted { bytes, born: self.clock, died: None });
        number
    }

    /// A buffer's end.
    pub(super) fn end(&mut self, number: u32) {
        self.clock += 1;
        let own = number.checked_sub(self.base).map(|index| index as usize);
        if let Some(buffer) = own.and_then(|index| self.buffers.get_mut(index)) {
            assert!(buffer.died.is_none(), "a buffer of a rehearsal ends once");
            buffer.died = Some(self.clock);
            self.live -= buffer.bytes;
        }
    }

    pub(super) fn so_far(&self) -> Rehearsal {
        Rehearsal { buffers: self.buffers.clone(), before: Bytes::ZERO, peak: Bytes::new(self.peak) }
    }

    pub(super) fn close(self, before: u64) -> Rehearsal {
        Rehearsal { buffers: self.buffers, before: Bytes::new(before), peak: Bytes::new(before + self.peak) }
    }
}

/// What a step needs, learnt by running it without arithmetic: every buffer, from when to when.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    pub(super) buffers: Vec<Noted>,
    before: Bytes,
    peak: Bytes,
}

impl Rehearsal {
    /// How many buffers it made.
    pub fn buffers(&self) -> usize {
        self.buffers.len()
    }

    /// What tensors had when it began: weights, states of the optimizer.
    pub fn before(&self) -> Bytes {
        self.before
    }

    /// The most that tensors will have at once, those before included: to the byte, if the step does the same again.
    pub fn peak(&self) -> Bytes {
        self.peak
    }

    /// What it left behind: tensors that outlive the step.
    pub fn kept(&self) -> Bytes {
        Bytes::new(
            self.buffers.iter().filter(|buffer| buffer.died.is_none()).map(|buffer| buffer.bytes).sum(),
        )
    }
}
