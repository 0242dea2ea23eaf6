//! Placing and releasing blocks in what is backed.

use super::bins::{Bins, Fit, Want};
use super::node::{NIL, Node, NodeId, Nodes, State, Zone};
use super::settings::{ArenaSettings, Backing, SizeClass};

/// Where a request was placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Names the block until it is released.
    pub node: NodeId,
    /// Where it starts; its address is aligned as asked.
    pub offset: u64,
    /// What was really taken: the request rounded up to the unit.
    pub bytes: u64,
}

/// Decides where blocks go in a growable address range.
///
/// # What it does not do
/// It touches no device and no memory, takes no lock and reads no clock. It backs nothing: [`growth`](Self::growth)
/// says what should change, the caller changes it and says so with [`backed`](Self::backed) and
/// [`given_back`](Self::given_back).
///
/// # Who owns what
/// A block is the caller's from [`place`](Self::place) to [`release`](Self::release). Releasing twice is a bug of
/// the caller and is caught by an assertion, as long as the number was not given out again in between.
///
/// # Example
/// ```
/// use plimsoll::pool::arena::{Arena, ArenaSettings, GrowthMode};
///
/// let mut arena = Arena::new(ArenaSettings::pages(512, 2 << 20, 1 << 40));
/// assert!(arena.place(1000, 512).is_none());
/// let growth = arena.growth(1000, 512, GrowthMode::Spare).expect("the range is large enough");
/// for range in growth.back {
///     arena.backed(range);                       // after the device did it
/// }
/// let placed = arena.place(1000, 512).expect("there is room now");
/// assert_eq!(placed.bytes, 1024);
/// arena.release(placed.node);
/// ```
///
/// # The formulas
/// backed = taken + free; external fragmentation = 1 − largest free ÷ free.
#[derive(Clone, Debug)]
pub struct Arena {
    pub(super) settings: ArenaSettings,
    pub(super) nodes: Nodes,
    pub(super) free: [Bins; 4],
    pub(super) holes: Bins,
    /// The first record in address order.
    pub(super) start: u32,
    pub(super) backed_bytes: u64,
    pub(super) taken_bytes: u64,
    pub(super) taken_blocks: u64,
    /// The highest need (taken + asked) seen when growing.
    pub(super) need_high: u64,
}

/// The span of an arena of slabs: their offsets are only names, so there is plenty.
pub(super) const SLAB_SPAN: u64 = 1 << 56;

impl Arena {
    /// An arena with nothing backed.
    ///
    /// # Panics
    /// When a unit, granule or alignment is not a power of two, or the span is not a positive multiple of the
    /// granule: these are the device's facts, not a user's input.
    pub fn new(settings: ArenaSettings) -> Self {
        let (granule, span, base) = match settings.backing {
            Backing::Pages { granule, span, base } => (granule, span, base),
            Backing::Slabs { align, .. } => (align.max(settings.unit), SLAB_SPAN, 0),
        };
        assert!(settings.unit.is_power_of_two() && settings.unit >= super::node::MIN_UNIT);
        assert!(granule.is_power_of_two() && granule >= settings.unit);
        assert!(span > 0 && span.is_multiple_of(granule) && span <= SLAB_SPAN);
        assert!(base.is_multiple_of(settings.unit) && base.checked_add(span).is_some());
        let index = || Bins::new(settings.unit, span);
        let mut arena = Self {
            settings,
            nodes: Nodes::new(),
            free: [index(), index(), index(), index()],
            holes: index(),
            start: 0,
            backed_bytes: 0,
            taken_bytes: 0,
            taken_blocks: 0,
            need_high: 0,
        };
        arena.open(span);
        arena
    }

    /// Lays out the empty range: one hole, or one for each zone so that a slab's address tells its zone.
    fn open(&mut self, span: u64) {
        self.start = self.nodes.add(Node::new(0, span, State::Hole, self.zone_at(0)));
        let mut last = self.start;
        if !self.pages() {
            for zone in &Zone::ALL[1..] {
                let rest = self.nodes.split(last, span / 4);
                self.nodes.at_mut(rest).set_zone(*zone);
                self.holes.insert(&mut self.nodes, last);
                last = rest;
            }
        }
        self.holes.insert(&mut self.nodes, last);
    }

    /// The settings it was made with.
    pub const fn settings(&self) -> &ArenaSettings {
        &self.settings
    }

    /// Places a block in what is backed. `None` when nothing fits (see [`growth`](Self::growth)), when `bytes`
    /// is zero or could never fit, or when `align` is not a power of two.
    #[inline]
    pub fn place(&mut self, bytes: u64, align: u64) -> Option<Placed> {
        let want = self.want(bytes, align)?;
        if !self.nodes.has_room(4) {
            return None;
        }
        let zone = self.zone_of(&want);
        let fit = if zone == Zone::Small && self.pages() {
            let quick = Want { effort: self.settings.small_effort, ..want };
            match self.free[Zone::Small as usize].find(&self.nodes, &quick, false) {
                Some(fit) => fit,
                None => self.carve(&want)?,
            }
        } else {
            self.free[zone as usize].find(&self.nodes, &want, true)?
        };
        let fit = self.choose_end(fit, &want);
        Some(self.take(fit, want.bytes))
    }

    /// As [`place`](Self::place), then also among blocks of other sizes: fragments more, and finds what there is.
    pub fn place_anywhere(&mut self, bytes: u64, align: u64) -> Option<Placed> {
        if let Some(placed) = self.place(bytes, align) {
            return Some(placed);
        }
        let want = self.want(bytes, align).filter(|_| self.nodes.has_room(4))?;
        let fit = self.free.iter().find_map(|bins| bins.find(&self.nodes, &want, true))?;
        let fit = self.choose_end(fit, &want);
        Some(self.take(fit, want.bytes))
    }

    /// Gives a block back; it merges with its free neighbours. Allocates nothing.
    ///
    /// # Panics
    /// When the block is not taken.
    #[inline]
    pub fn release(&mut self, node: NodeId) {
        let id = node.0;
        let known = self.nodes.get(id).is_some_and(|node| node.state() == State::Taken);
        assert!(known, "block {id} is not taken: released twice, or of another arena");
        self.taken_bytes -= self.nodes.at(id).bytes();
        self.taken_blocks -= 1;
        self.nodes.at_mut(id).set_state(State::Free);
        self.settle(id);
    }

    /// Makes a block shorter; its end becomes free. Returns the bytes that were freed, which may be none.
    ///
    /// # Panics
    /// When the block is not taken.
    pub fn shrink_in_place(&mut self, node: NodeId, bytes: u64) -> u64 {
        let id = node.0;
        let known = self.nodes.get(id).is_some_and(|node| node.state() == State::Taken);
        assert!(known, "block {id} is not taken: it cannot be made shorter");
        let Some(keep) = bytes.max(1).checked_next_multiple_of(self.settings.unit) else {
            return 0;
        };
        let whole = self.nodes.at(id).bytes();
        if keep >= whole || !self.nodes.has_room(1) {
            return 0;
        }
        let rest = self.nodes.split(id, keep);
        self.taken_bytes -= whole - keep;
        self.nodes.at_mut(rest).set_state(State::Free);
        self.settle(rest);
        whole - keep
    }

    /// Bytes that are backed.
    pub const fn backed_bytes(&self) -> u64 {
        self.backed_bytes
    }

    /// Bytes in blocks that are placed.
    pub const fn taken_bytes(&self) -> u64 {
        self.taken_bytes
    }

    /// How many blocks are placed.
    pub const fn taken_blocks(&self) -> u64 {
        self.taken_blocks
    }

    /// Bytes that are backed and free.
    pub const fn free_bytes(&self) -> u64 {
        self.backed_bytes - self.taken_bytes
    }

    /// The largest free backed run.
    pub fn largest_free(&self) -> u64 {
        self.free.iter().map(|bins| bins.largest(&self.nodes)).max().unwrap_or(0)
    }

    /// 1 − largest free ÷ free; zero when nothing is free.
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people and statistics")]
    pub fn external_fragmentation(&self) -> f64 {
        match self.free_bytes() {
            0 => 0.0,
            free => 1.0 - self.largest_free() as f64 / free as f64,
        }
    }

    pub(super) const fn pages(&self) -> bool {
        matches!(self.settings.backing, Backing::Pages { .. })
    }

    /// The request, rounded and checked against what could ever fit.
    #[inline]
    pub(super) fn want(&self, bytes: u64, align: u64) -> Option<Want> {
        let (limit, align_limit, base) = match self.settings.backing {
            Backing::Pages { span, base, .. } => (span, span, base),
            Backing::Slabs { align, largest } => (largest.min(SLAB_SPAN), align, 0),
        };
        if bytes == 0 || bytes > limit || !align.is_power_of_two() {
            return None;
        }
        let align = align.max(self.settings.unit);
        let mask = self.settings.unit - 1;
        let bytes = bytes.checked_add(mask)? & !mask;
        (bytes <= limit && align <= align_limit.max(self.settings.unit)).then_some(Want {
            bytes,
            align,
            base,
            effort: self.settings.effort,
        })
    }

    #[inline]
    pub(super) fn zone_of(&self, want: &Want) -> Zone {
        if self.pages() {
            let small = want.bytes < self.settings.small_below && want.align < self.settings.small_below;
            return if small { Zone::Small } else { Zone::Large };
        }
        match SizeClass::of(want.bytes) {
            SizeClass::Small => Zone::Small,
            SizeClass::Medium => Zone::Medium,
            SizeClass::Large => Zone::Large,
            SizeClass::Direct => Zone::Direct,
        }
    }

    /// The sizes of small slab that are tried for a request, the preferred one first.
    pub(super) fn slab_sizes(&self, bytes: u64) -> impl Iterator<Item = u64> + use<> {
        let unit = self.settings.unit;
        let preferred = self.settings.small_slab.next_multiple_of(unit);
        let mut size = Some(preferred.max(bytes));
        std::iter::from_fn(move || {
            let here = size?;
            let half = (here / 2).next_multiple_of(unit);
            size = match here {
                _ if here == bytes => None,
                _ if half > bytes && half < here => Some(half),
                _ => Some(bytes),
            };
            Some(here)
        })
    }

    /// Cuts a small slab for a small request out of the large zone.
    fn carve(&mut self, want: &Want) -> Option<Fit> {
        let large = &self.free[Zone::Large as usize];
        let fit = self.slab_sizes(want.bytes).find_map(|bytes| {
            let slab = Want { bytes, ..*want };
            large.find(&self.nodes, &slab, true).map(|fit| (self.at_high_end(fit, &slab), bytes))
        });
        let (fit, bytes) = fit?;
        let id = self.cut(fit, bytes);
        self.nodes.touch(id);
        let slab = self.nodes.at_mut(id);
        slab.set_zone(Zone::Small);
        slab.set_borders(true, true);
        self.free[Zone::Small as usize].insert(&mut self.nodes, id);
        Some(Fit { node: id, offset: fit.offset })
    }

    /// Takes `bytes` at `fit`.
    #[inline]
    pub(super) fn take(&mut self, fit: Fit, bytes: u64) -> Placed {
        let id = self.cut(fit, bytes);
        self.nodes.at_mut(id).set_state(State::Taken);
        if self.nodes.at(id).zone() == Zone::Large {
            self.nodes.touch(id);
        }
        self.taken_bytes += bytes;
        self.taken_blocks += 1;
        Placed { node: NodeId(id), offset: fit.offset, bytes }
    }

    /// Cuts `bytes` at `fit` out of a free block and out of its index; what is left on both sides stays free.
    #[inline]
    pub(super) fn cut(&mut self, fit: Fit, bytes: u64) -> u32 {
        let block = *self.nodes.at(fit.node);
        let index = &mut self.free[block.zone() as usize];
        index.remove(&mut self.nodes, fit.node);
        let mut id = fit.node;
        if fit.offset > block.offset {
            id = self.nodes.split(fit.node, fit.offset - block.offset);
            index.insert(&mut self.nodes, fit.node);
        }
        if self.nodes.at(id).bytes() > bytes {
            let rest = self.nodes.split(id, bytes);
            index.insert(&mut self.nodes, rest);
        }
        id
    }

    /// Merges a free block that is in no index with its free neighbours and puts the whole into the index.
    #[inline]
    pub(super) fn settle(&mut self, id: u32) {
        let mut id = self.absorb(id);
        let node = self.nodes.at(id);
        if node.zone() == Zone::Small && node.first() && node.last() && self.pages() {
            let node = self.nodes.at_mut(id);
            node.set_zone(Zone::Large);
            node.set_borders(false, false);
            id = self.absorb(id);
        }
        let zone = self.nodes.at(id).zone();
        if self.nodes.at(id).zone() == Zone::Large {
            self.nodes.touch(id);
        }
        self.free[zone as usize].insert(&mut self.nodes, id);
    }

    /// Merges with the free neighbours that no border keeps away.
    #[inline]
    fn absorb(&mut self, mut id: u32) -> u32 {
        let node = *self.nodes.at(id);
        let index = &mut self.free[node.zone() as usize];
        if node.next != NIL && !node.last() {
            let next = self.nodes.at(node.next);
            if next.state() == State::Free && !next.first() {
                index.remove(&mut self.nodes, node.next);
                self.nodes.merge(id, node.next);
            }
        }
        if node.prev != NIL && !node.first() {
            let prev = self.nodes.at(node.prev);
            if prev.state() == State::Free && !prev.last() {
                index.remove(&mut self.nodes, node.prev);
                self.nodes.merge(node.prev, id);
                id = node.prev;
            }
        }
        id
    }
}
