//! An event as it is kept: four words.
//!
//! ```text
//! word 0   at_ns : 56                              | turn : 8
//! word 1   bytes : 48                              | scope : 16
//! word 2   address : 64
//! word 3   site : 16 | source : 16 | tag : 16 | stream : 8 | kind : 8
//! ```
//!
//! 56 bits of nanoseconds are two years; 48 bits of bytes are 256 TiB. What is beyond reads as the most there is.

use super::{Event, Kind};

/// One event, without its thread, which is that of the ring it is in.
pub(crate) type Words = [u64; 4];

/// Its bytes in a file.
pub(crate) const EVENT_BYTES: usize = 32;

const MOST_NS: u64 = (1 << 56) - 1;
const MOST_BYTES: u64 = (1 << 48) - 1;

/// What pools know of a lease, packed without going through an [`Event`]: this is written a hundred million times a
/// second. The time, the scope and the line are added where they are known.
#[derive(Clone, Copy)]
pub(crate) struct Leased {
    pub(crate) kind: Kind,
    pub(crate) bytes: u64,
    pub(crate) address: u64,
    pub(crate) source: u16,
    pub(crate) tag: u16,
    pub(crate) turn: u8,
    pub(crate) stream: u8,
}

impl Leased {
    #[inline]
    pub(crate) fn pack(self) -> Words {
        [
            u64::from(self.turn),
            self.bytes.min(MOST_BYTES) << 16,
            self.address,
            u64::from(self.source) << 32
                | u64::from(self.tag) << 16
                | u64::from(self.stream) << 8
                | self.kind as u64,
        ]
    }
}

/// The same with its time.
#[inline]
pub(crate) fn at_time(words: Words, now_ns: u64) -> Words {
    let [turn, bytes, address, rest] = words;
    [now_ns.min(MOST_NS) << 8 | turn & 0xff, bytes, address, rest]
}

/// The same with its scope and line.
#[inline]
pub(crate) fn placed(words: Words, scope: u16, site: u16) -> Words {
    let [turn, bytes, address, rest] = words;
    [turn, bytes | u64::from(scope), address, rest | u64::from(site) << 48]
}

#[inline]
pub(crate) fn pack(event: &Event) -> Words {
    [
        event.at_ns.min(MOST_NS) << 8 | u64::from(event.turn),
        event.bytes.min(MOST_BYTES) << 16 | u64::from(event.scope),
        event.address,
        u64::from(event.site) << 48
            | u64::from(event.source) << 32
            | u64::from(event.tag) << 16
            | u64::from(event.stream) << 8
            | event.kind as u64,
    ]
}

/// `None` where the kind is not one that we know.
#[expect(clippy::cast_possible_truncation, reason = "each field is cut out of its word")]
pub(crate) fn unpack(words: Words, thread: u16) -> Option<Event> {
    let [when, size, address, rest] = words;
    Some(Event {
        at_ns: when >> 8,
        turn: when as u8,
        bytes: size >> 16,
        scope: size as u16,
        address,
        site: (rest >> 48) as u16,
        source: (rest >> 32) as u16,
        tag: (rest >> 16) as u16,
        stream: (rest >> 8) as u8,
        kind: Kind::from_code(rest as u8)?,
        thread,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_comes_back() {
        let event = Event {
            at_ns: MOST_NS - 5,
            bytes: MOST_BYTES - 7,
            address: 0xdead_beef_cafe_f00d,
            kind: Kind::Evict,
            stream: 254,
            turn: 200,
            thread: 9,
            source: 0xfffe,
            tag: 0xabcd,
            scope: 0x1234,
            site: 0x8001,
        };
        assert_eq!(unpack(pack(&event), 9), Some(event));
    }

    #[test]
    fn what_is_too_large_is_the_most_and_touches_nothing_else() {
        let event = Event { at_ns: u64::MAX, bytes: u64::MAX, turn: 3, scope: 4, ..Event::new(Kind::Lease) };
        let back = unpack(pack(&event), 0);
        assert_eq!(back, Some(Event { at_ns: MOST_NS, bytes: MOST_BYTES, ..event }));
    }

    #[test]
    fn a_lease_packs_as_its_event_does() {
        let event = Event {
            at_ns: 77,
            bytes: 5,
            address: 9,
            stream: 2,
            turn: 200,
            source: 3,
            tag: 4,
            scope: 6,
            site: 8,
            ..Event::new(Kind::Lease)
        };
        let Event { kind, bytes, address, source, tag, turn, stream, .. } = event;
        let leased = Leased { kind, bytes, address, source, tag, turn, stream };
        assert_eq!(at_time(placed(leased.pack(), 6, 8), 77), pack(&event));
    }

    #[test]
    fn a_kind_of_a_later_version_is_none() {
        assert_eq!(unpack([0, 0, 0, 99], 0), None);
    }
}
