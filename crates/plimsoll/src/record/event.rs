//! One thing that happened.

/// What happened. The numbers are those of the file format and are never used again for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum Kind {
    /// Was leased before the recording began: `bytes` as placed, at `address`. These come first. Their tags are not
    /// known ([`Facts::baseline`](super::Facts::baseline) has the sums by tag); the event that ends one names its tag.
    Already = 1,
    /// Bytes were leased: `bytes` as asked, at `address`, under `tag`, inside `scope`, from `site`.
    Lease = 2,
    /// A lease ended and its bytes are free.
    Drop = 3,
    /// A lease ended, and the device may still use its bytes until [`Settle`](Self::Settle).
    Retire = 4,
    /// The device is done with the bytes of a retired lease: they are free.
    Settle = 5,
    /// A pool took `bytes` at `address` from its device: a segment, or more of one.
    Back = 6,
    /// A pool gave `bytes` at `address` back to its device.
    GiveBack = 7,
    /// `bytes` were charged to the source's account.
    Charge = 8,
    /// `bytes` of the source's account are no longer charged.
    Discharge = 9,
    /// Charged bytes went to a cheaper place (or another account of the same): `address` is the number of the source
    /// that has them now.
    Demote = 10,
    /// Charged bytes went to a dearer place: `address` is the number of the source that has them now.
    Promote = 11,
    /// A cached value was given up: `bytes`; `tag` names the cache, `address` says why:
    /// 0 the governor asked, 1 the cache's own account was full, 2 its owner said so.
    Evict = 12,
    /// A request for `bytes` was refused; `address` is the code of the reason.
    Refuse = 13,
    /// The pressure level of the source's place changed: `address` is 0 normal, 1 warning, 2 critical; `bytes` is what
    /// may be carried from now on.
    Pressure = 14,
    /// A scope began on this thread: `tag` is its name.
    Enter = 15,
    /// The scope ended (also by a panic).
    Leave = 16,
    /// A moment that somebody named: `tag`.
    Mark = 17,
}

impl Kind {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 17] = [
        Self::Already,
        Self::Lease,
        Self::Drop,
        Self::Retire,
        Self::Settle,
        Self::Back,
        Self::GiveBack,
        Self::Charge,
        Self::Discharge,
        Self::Demote,
        Self::Promote,
        Self::Evict,
        Self::Refuse,
        Self::Pressure,
        Self::Enter,
        Self::Leave,
        Self::Mark,
    ];

    /// The kind of this number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code).checked_sub(1)?).copied()
    }

    /// A short name, for people and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Already => "already",
            Self::Lease => "lease",
            Self::Drop => "drop",
            Self::Retire => "retire",
            Self::Settle => "settle",
            Self::Back => "back",
            Self::GiveBack => "give back",
            Self::Charge => "charge",
            Self::Discharge => "discharge",
            Self::Demote => "demote",
            Self::Promote => "promote",
            Self::Evict => "evict",
            Self::Refuse => "refuse",
            Self::Pressure => "pressure",
            Self::Enter => "enter",
            Self::Leave => "leave",
            Self::Mark => "mark",
        }
    }
}

/// One event. What each number means depends on [`kind`](Self::kind); see there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Nanoseconds since the recording began. Never falls from one event to the next. With the coarse clock it is
    /// right to a few milliseconds; the order is right all the same.
    pub at_ns: u64,
    /// How many bytes.
    pub bytes: u64,
    /// Where on the device, or a code.
    pub address: u64,
    /// What happened.
    pub kind: Kind,
    /// The stream that uses the bytes, by number; [`NO_STREAM`](Self::NO_STREAM) where none was named.
    pub stream: u8,
    /// How often this block was leased before, modulo 256: tells apart the leases of one address.
    pub turn: u8,
    /// The thread, as an index into [`Names::threads`](super::Names::threads).
    pub thread: u16,
    /// Whose and where, as an index into [`Names::sources`](super::Names::sources).
    pub source: u16,
    /// The lease's tag, as an index into [`Names::tags`](super::Names::tags); 0 is none.
    pub tag: u16,
    /// The innermost scope, as an index into [`Names::tags`](super::Names::tags); 0 is none.
    pub scope: u16,
    /// The line of code, as an index into [`Names::sites`](super::Names::sites); 0 is not known.
    pub site: u16,
}

impl Event {
    /// No stream was named.
    pub const NO_STREAM: u8 = u8::MAX;

    /// An event of this kind at time zero, with nothing else said.
    pub const fn new(kind: Kind) -> Self {
        Self {
            at_ns: 0,
            bytes: 0,
            address: 0,
            kind,
            stream: Self::NO_STREAM,
            turn: 0,
            thread: 0,
            source: 0,
            tag: 0,
            scope: 0,
            site: 0,
        }
    }

    /// What its bytes are counted under: the tag, or else the scope; 0 for neither.
    pub const fn label(&self) -> u16 {
        if self.tag == 0 { self.scope } else { self.tag }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_kinds_belong_together() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_code(kind as u8), Some(kind));
        }
        assert_eq!(Kind::from_code(0), None);
        assert_eq!(Kind::from_code(18), None);
    }
}
