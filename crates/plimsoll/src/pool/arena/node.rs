//! The arena's boundary tags: one small record for every run of bytes, linked in address order.
//!
//! A record is 32 bytes, two to a cache line, because with a million live blocks the cost of a release is the
//! cost of touching a block and its two neighbours. State, zone and slab borders live in the low bits of the
//! size, which is always a multiple of 64.

/// Names a block of an arena for as long as it is taken. After its release the number may name another block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// No block: what a table holds before its first.
    pub const NONE: Self = Self(NIL);

    /// The lowest number, where a table's search begins.
    pub(crate) const FIRST: Self = Self(0);

    /// The number itself, for tables beside the arena.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// "No node".
pub(super) const NIL: u32 = u32::MAX;

/// What a run of bytes is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum State {
    /// A record that names nothing and waits to be used again.
    Vacant = 0,
    /// Addresses with nothing behind them.
    Hole = 1,
    /// Backed and free.
    Free = 2,
    /// Backed and somebody's.
    Taken = 3,
}

/// Which free blocks may serve which requests. Blocks of different zones never merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Zone {
    Small = 0,
    Medium = 1,
    Large = 2,
    Direct = 3,
}

impl Zone {
    pub(super) const ALL: [Self; 4] = [Self::Small, Self::Medium, Self::Large, Self::Direct];
}

const STATE: u64 = 0b0000_0011;
const ZONE: u64 = 0b0000_1100;
const FIRST: u64 = 0b0001_0000;
const LAST: u64 = 0b0010_0000;
const TAG: u64 = 0b0011_1111;

/// The smallest unit of sizes and offsets, so that the tag fits below a size.
pub(super) const MIN_UNIT: u64 = TAG + 1;

/// One run of bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) offset: u64,
    sized: u64,
    pub(super) prev: u32,
    pub(super) next: u32,
    pub(super) free_prev: u32,
    pub(super) free_next: u32,
}

const _: () = assert!(size_of::<Node>() == 32);

impl Node {
    pub(super) const fn new(offset: u64, bytes: u64, state: State, zone: Zone) -> Self {
        Self {
            offset,
            sized: bytes | state as u64 | ((zone as u64) << 2),
            prev: NIL,
            next: NIL,
            free_prev: NIL,
            free_next: NIL,
        }
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.sized & !TAG
    }

    pub(super) const fn end(&self) -> u64 {
        self.offset + self.bytes()
    }

    pub(super) const fn set_bytes(&mut self, bytes: u64) {
        self.sized = bytes | (self.sized & TAG);
    }

    pub(super) const fn state(&self) -> State {
        match self.sized & STATE {
            0 => State::Vacant,
            1 => State::Hole,
            2 => State::Free,
            _ => State::Taken,
        }
    }

    pub(super) const fn set_state(&mut self, state: State) {
        self.sized = (self.sized & !STATE) | state as u64;
    }

    pub(super) const fn zone(&self) -> Zone {
        match (self.sized & ZONE) >> 2 {
            0 => Zone::Small,
            1 => Zone::Medium,
            2 => Zone::Large,
            _ => Zone::Direct,
        }
    }

    pub(super) const fn set_zone(&mut self, zone: Zone) {
        self.sized = (self.sized & !ZONE) | ((zone as u64) << 2);
    }

    /// Whether a slab starts here: nothing before it may merge with it.
    pub(super) const fn first(&self) -> bool {
        self.sized & FIRST != 0
    }

    /// Whether a slab ends here: nothing after it may merge with it.
    pub(super) const fn last(&self) -> bool {
        self.sized & LAST != 0
    }

    pub(super) const fn set_borders(&mut self, first: bool, last: bool) {
        self.sized &= !(FIRST | LAST);
        if first {
            self.sized |= FIRST;
        }
        if last {
            self.sized |= LAST;
        }
    }
}

/// All records, with the vacant ones kept for reuse. Releasing never allocates.
#[derive(Clone, Debug)]
pub(super) struct Nodes {
    slots: Vec<Node>,
    /// When each record of the large zone was last placed or released; beside the records, since small blocks
    /// never need it.
    touched: Vec<u32>,
    clock: u32,
    vacant: u32,
}

impl Nodes {
    pub(super) const fn new() -> Self {
        Self { slots: Vec::new(), touched: Vec::new(), clock: 0, vacant: NIL }
    }

    #[inline]
    pub(super) fn at(&self, id: u32) -> &Node {
        &self.slots[id as usize]
    }

    #[inline]
    pub(super) fn at_mut(&mut self, id: u32) -> &mut Node {
        &mut self.slots[id as usize]
    }

    /// Marks a record as the one that was placed or released last.
    #[inline]
    pub(super) fn touch(&mut self, id: u32) {
        self.clock = self.clock.wrapping_add(1);
        self.touched[id as usize] = self.clock;
    }

    /// How many operations ago a record was touched.
    pub(super) fn age(&self, id: u32) -> u32 {
        self.clock.wrapping_sub(self.touched[id as usize])
    }

    /// Whether so many records more can be numbered.
    pub(super) fn has_room(&self, more: usize) -> bool {
        self.slots.len() + more < NIL as usize
    }

    /// The node, when the number was ever given out.
    pub(super) fn get(&self, id: u32) -> Option<&Node> {
        self.slots.get(id as usize)
    }

    pub(super) fn add(&mut self, node: Node) -> u32 {
        if self.vacant == NIL {
            let id = u32::try_from(self.slots.len()).unwrap_or(NIL);
            assert!(id != NIL, "an arena holds fewer than 2^32 - 1 blocks");
            self.slots.push(node);
            self.touched.push(self.clock);
            return id;
        }
        let id = self.vacant;
        self.vacant = self.at(id).free_next;
        *self.at_mut(id) = node;
        if matches!(node.zone(), Zone::Large) {
            self.touched[id as usize] = self.clock;
        }
        id
    }

    /// Puts a record that has left the address list among the vacant ones.
    fn retire(&mut self, id: u32) {
        let vacant = self.vacant;
        let node = self.at_mut(id);
        node.set_state(State::Vacant);
        node.free_next = vacant;
        self.vacant = id;
    }

    /// Cuts `id` so that it keeps its first `bytes`; the rest becomes a new node of the same state and zone
    /// behind it. A slab's end moves to the rest.
    pub(super) fn split(&mut self, id: u32, bytes: u64) -> u32 {
        let whole = *self.at(id);
        debug_assert!(bytes > 0 && bytes < whole.bytes());
        let mut rest = whole;
        rest.offset = whole.offset + bytes;
        rest.set_bytes(whole.bytes() - bytes);
        rest.set_borders(false, whole.last());
        rest.prev = id;
        rest.free_prev = NIL;
        rest.free_next = NIL;
        let rest_id = self.add(rest);
        if whole.next != NIL {
            self.at_mut(whole.next).prev = rest_id;
        }
        let node = self.at_mut(id);
        node.set_bytes(bytes);
        node.set_borders(whole.first(), false);
        node.next = rest_id;
        rest_id
    }

    /// Merges `right` into its left neighbour `left`; `right` is vacant afterwards.
    pub(super) fn merge(&mut self, left: u32, right: u32) {
        let gone = *self.at(right);
        debug_assert_eq!(self.at(left).end(), gone.offset);
        let node = self.at_mut(left);
        node.set_bytes(node.bytes() + gone.bytes());
        node.set_borders(node.first(), gone.last());
        node.next = gone.next;
        if gone.next != NIL {
            self.at_mut(gone.next).prev = left;
        }
        self.retire(right);
    }
}
