//! Growing and giving back: which granules (or slabs) should be backed next, and which are idle.
//!
//! Backing is fungible: a granule that is wholly free can be given back and another backed in its stead, at the
//! cost of two calls to the device. So what an arena must keep backed is only what its blocks touch, and
//! fragmentation becomes a trade between bytes and calls. The rule here: grow without a second thought while
//! backed stays within a slack over the highest need so far; beyond it, pay with idle granules first.

use std::ops::Range;

use super::arena::{Arena, SLAB_SPAN};
use super::bins::Want;
use super::node::{NIL, State, Zone};
use super::settings::{Backing, SizeClass};

/// What should change so that a request can be placed.
///
/// Give back first, then back; each range is one call to the device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// To be backed.
    pub back: Vec<Range<u64>>,
    /// Wholly free granules or slabs to be given back in exchange, so that the total does not grow as much.
    pub give_back: Vec<Range<u64>>,
    /// The size of the slab, on a device without growable ranges.
    pub slab: Option<u64>,
}

impl Growth {
    /// Bytes to be backed.
    pub fn back_bytes(&self) -> u64 {
        self.back.iter().map(|range| range.end - range.start).sum()
    }

    /// Bytes to be given back.
    pub fn give_back_bytes(&self) -> u64 {
        self.give_back.iter().map(|range| range.end - range.start).sum()
    }
}

/// How freely an arena grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrowthMode {
    /// Memory is there for the asking: back some to spare, so that the device is called rarely.
    Spare,
    /// Memory is short: back what is needed and no more, and pay with all that is idle before taking more.
    Exchange,
}

/// A place for a request in a run that is free or not backed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Window {
    /// Bytes that would have to be backed.
    new: u64,
    offset: u64,
    end: u64,
}

impl Arena {
    /// What must change so that the request can be placed with the fewest newly backed bytes; `None` when it can
    /// never fit. Changes nothing but a mark of the highest need.
    ///
    /// The answer holds for the arena as it is now: the caller applies it (or gives up) before it lets anybody
    /// else place or release. It calls [`given_back`](Self::given_back) and [`backed`](Self::backed) for what
    /// it did; after that [`place`](Self::place) succeeds.
    pub fn growth(&mut self, bytes: u64, align: u64, mode: GrowthMode) -> Option<Growth> {
        let want = self.want(bytes, align)?;
        if !self.nodes.has_room(8) {
            return None;
        }
        self.need_high = self.need_high.max(self.taken_bytes + want.bytes);
        match self.settings.backing {
            Backing::Pages { granule, .. } => self.grow_pages(&want, granule, mode),
            Backing::Slabs { align, largest } => self.grow_slab(&want, align, largest, mode),
        }
    }

    /// The caller has backed this range (whole granules that were not, or one slab).
    ///
    /// # Panics
    /// When a part of it is backed already.
    pub fn backed(&mut self, range: Range<u64>) {
        let bytes = range.end - range.start;
        let hole = self.holes.descending(&self.nodes, bytes).find(|&id| {
            let hole = self.nodes.at(id);
            hole.offset <= range.start && range.end <= hole.end()
        });
        assert!(hole.is_some(), "{range:?} is backed already");
        let hole = hole.unwrap_or(NIL);
        self.holes.remove(&mut self.nodes, hole);
        let id = self.isolate(hole, &range, State::Hole);
        let slab = !self.pages();
        let node = self.nodes.at_mut(id);
        node.set_state(State::Free);
        node.set_borders(slab, slab);
        self.backed_bytes += bytes;
        self.settle(id);
    }

    /// The caller has given this range back, or is about to. To be safe against others it calls this before
    /// it asks the device, and [`backed`](Self::backed) if the device refuses.
    ///
    /// # Panics
    /// When a part of it is taken or not backed.
    pub fn given_back(&mut self, range: Range<u64>) {
        let bytes = range.end - range.start;
        let zone = self.zone_at(range.start);
        let found = self.free[zone as usize].descending(&self.nodes, bytes).find(|&id| {
            let node = self.nodes.at(id);
            node.offset <= range.start && range.end <= node.end()
        });
        assert!(found.is_some(), "{range:?} is not wholly free");
        let found = found.unwrap_or(NIL);
        self.free[zone as usize].remove(&mut self.nodes, found);
        let id = self.isolate(found, &range, State::Free);
        let node = self.nodes.at_mut(id);
        node.set_state(State::Hole);
        node.set_borders(false, false);
        self.backed_bytes -= bytes;
        self.settle_hole(id);
    }

    /// Wholly free granules (or slabs) of at least so many bytes in all, the longest idle first; everything that
    /// is idle when there is less. The caller confirms each with [`given_back`](Self::given_back).
    pub fn give_back(&mut self, at_least: u64) -> Vec<Range<u64>> {
        self.idle(at_least, &(0..0))
    }

    /// Bytes of granules or slabs that are wholly free.
    pub fn idle_bytes(&self) -> u64 {
        self.idle(u64::MAX, &(0..0)).iter().map(|range| range.end - range.start).sum()
    }

    /// Forgets the highest need so far, so that later growth stays close to what is needed from now on.
    pub fn reset_need(&mut self) {
        self.need_high = self.taken_bytes;
    }

    /// Cuts `range` out of a node that is in no index; the parts on both sides go into theirs.
    fn isolate(&mut self, id: u32, range: &Range<u64>, state: State) -> u32 {
        let whole = *self.nodes.at(id);
        let mut id = id;
        if range.start > whole.offset {
            let front = id;
            id = self.nodes.split(front, range.start - whole.offset);
            self.index_of(state, whole.zone(), front);
        }
        if range.end < whole.end() {
            let rest = self.nodes.split(id, range.end - range.start);
            self.index_of(state, whole.zone(), rest);
        }
        id
    }

    fn index_of(&mut self, state: State, zone: Zone, id: u32) {
        match state {
            State::Hole => self.holes.insert(&mut self.nodes, id),
            _ => self.free[zone as usize].insert(&mut self.nodes, id),
        }
    }

    fn settle_hole(&mut self, mut id: u32) {
        let node = *self.nodes.at(id);
        let joins = |other: u32, nodes: &super::node::Nodes| {
            other != NIL && {
                let other = nodes.at(other);
                other.state() == State::Hole && other.zone() == node.zone()
            }
        };
        if joins(node.next, &self.nodes) {
            self.holes.remove(&mut self.nodes, node.next);
            self.nodes.merge(id, node.next);
        }
        if joins(node.prev, &self.nodes) {
            self.holes.remove(&mut self.nodes, node.prev);
            self.nodes.merge(node.prev, id);
            id = node.prev;
        }
        self.holes.insert(&mut self.nodes, id);
    }

    /// The zone that addresses belong to when nothing is there: each has a quarter of an arena of slabs.
    pub(super) fn zone_at(&self, offset: u64) -> Zone {
        match self.settings.backing {
            Backing::Pages { .. } => Zone::Large,
            Backing::Slabs { .. } => Zone::ALL[(offset / (SLAB_SPAN / 4)).min(3) as usize],
        }
    }

    /// What will be backed once leases take so many bytes: with some to spare where there is room, and else without.
    pub(in super::super) fn backed_for(&self, leases: u64) -> [u64; 2] {
        match self.settings.backing {
            Backing::Pages { granule, .. } if leases > 0 => {
                let least = leases.checked_next_multiple_of(granule).unwrap_or(u64::MAX);
                [self.limit_of(granule, self.need_high.max(leases)), least]
            }
            _ => [leases; 2],
        }
    }

    /// The most that will be backed once blocks of `gone` bytes have gone and these have been leased in turn, where so much
    /// more may be backed. Where none go, every lease is placed as it will be; else by sizes alone, as nobody says which go.
    pub(in super::super) fn backed_in_turn(mut self, gone: u64, leases: &[u64], room: u64) -> u64 {
        let most = self.backed_bytes.saturating_add(room);
        let Backing::Pages { granule, .. } = self.settings.backing else {
            return slabs_for(leases).saturating_add(self.backed_bytes.saturating_sub(gone)).min(most);
        };
        if gone > 0 {
            return self.backed_by_sizes(gone, leases, most, granule);
        }
        let mut high = self.backed_bytes;
        for (at, lease) in leases.iter().enumerate() {
            if !self.rehearse(*lease, most) {
                // It does not fit where things lie: what is said then is no more than what there is.
                return high.max(self.backed_by_sizes(0, &leases[at..], most, granule));
            }
            high = high.max(self.backed_bytes);
        }
        high
    }

    /// Places a lease as a pool does, backing more where that is wanted and no more than `most`. Says whether it fits.
    fn rehearse(&mut self, lease: u64, most: u64) -> bool {
        let align = self.settings.unit;
        for mode in [GrowthMode::Spare, GrowthMode::Exchange] {
            if self.place(lease, align).is_some() {
                return true;
            }
            let Some(growth) = self.growth(lease, align, mode) else { return false };
            let after = self.backed_bytes.saturating_add(growth.back_bytes());
            if after.saturating_sub(growth.give_back_bytes()) <= most {
                growth.give_back.into_iter().for_each(|range| self.given_back(range));
                growth.back.into_iter().for_each(|range| self.backed(range));
            }
        }
        self.place(lease, align).is_some()
    }

    fn backed_by_sizes(&self, gone: u64, leases: &[u64], most: u64, granule: u64) -> u64 {
        let mut taken = self.taken_bytes.saturating_sub(gone);
        let (mut backed, mut high) = (self.backed_bytes, self.need_high);
        for lease in leases {
            taken = taken.saturating_add(lease.next_multiple_of(self.settings.unit));
            high = high.max(taken);
            if taken > backed {
                let spare = self.limit_of(granule, high);
                let least = taken.checked_next_multiple_of(granule).unwrap_or(u64::MAX);
                backed = if spare <= most { spare.max(least) } else { least.min(most) };
            }
        }
        backed
    }

    /// The most that may be backed before idle granules are exchanged.
    fn limit(&self, granule: u64) -> u64 {
        self.limit_of(granule, self.need_high)
    }

    fn limit_of(&self, granule: u64, need: u64) -> u64 {
        let least = need.checked_next_multiple_of(granule).unwrap_or(u64::MAX);
        let limit = need.saturating_add(self.settings.slack.of(need));
        least.max(limit / granule * granule).max(self.settings.first_bytes / granule * granule)
    }

    fn grow_pages(&mut self, want: &Want, granule: u64, mode: GrowthMode) -> Option<Growth> {
        let window = self.cheapest_window(want, granule)?;
        let limit = match mode {
            GrowthMode::Spare => self.limit(granule),
            GrowthMode::Exchange => self.backed_bytes,
        };
        let after = self.backed_bytes.saturating_add(window.new);
        let mut growth = Growth::default();
        let mut covered = window.offset / granule * granule..window.end.checked_next_multiple_of(granule)?;
        if after > limit {
            growth.give_back = self.idle(after - limit, &covered);
        } else {
            let extra = (limit - after) / granule * granule;
            covered.end = covered.end.saturating_add(extra);
        }
        let mut id = self.start_of(window.offset);
        while id != NIL {
            let node = self.nodes.at(id);
            if node.offset >= covered.end || node.state() == State::Taken || node.zone() != Zone::Large {
                break;
            }
            if node.state() == State::Hole {
                let part = node.offset.max(covered.start)..node.end().min(covered.end);
                if part.start < part.end {
                    growth.back.push(part);
                }
            }
            id = node.next;
        }
        Some(growth)
    }

    /// The first record of the free run around an offset that lies in, or beside, a hole.
    fn start_of(&self, offset: u64) -> u32 {
        let mut runs = self.holes.ascending(&self.nodes, 0).filter_map(|hole| {
            let run = self.run_around(hole)?;
            let first = self.nodes.at(*run.first()?);
            let last = self.nodes.at(*run.last()?);
            (first.offset <= offset && offset < last.end()).then_some(run[0])
        });
        runs.next().unwrap_or(NIL)
    }

    /// The records, in address order, of the run of free and unbacked records whose first hole this is.
    fn run_around(&self, hole: u32) -> Option<Vec<u32>> {
        let open = |id: u32| {
            id != NIL && {
                let node = self.nodes.at(id);
                node.zone() == Zone::Large && matches!(node.state(), State::Free | State::Hole)
            }
        };
        let mut run = Vec::new();
        let before = self.nodes.at(hole).prev;
        if open(before) {
            let further = self.nodes.at(before).prev;
            if open(further) {
                return None;
            }
            run.push(before);
        }
        let mut id = hole;
        while open(id) {
            run.push(id);
            id = self.nodes.at(id).next;
        }
        Some(run)
    }

    /// Where the request needs the fewest newly backed bytes; the lowest address among equals. A small request
    /// takes a whole small slab where that costs no more than the block alone.
    fn cheapest_window(&self, want: &Want, granule: u64) -> Option<Window> {
        let small = self.zone_of(want) == Zone::Small;
        let mut best: Option<Window> = None;
        for hole in self.holes.ascending(&self.nodes, 0) {
            let Some(run) = self.run_around(hole) else {
                continue;
            };
            if small {
                for bytes in self.slab_sizes(want.bytes) {
                    self.windows(&run, &Want { bytes, ..*want }, granule, &mut best);
                }
            } else {
                self.windows(&run, want, granule, &mut best);
            }
        }
        best
    }

    /// Looks at the windows of a run that start where a record starts or end where one ends.
    fn windows(&self, run: &[u32], want: &Want, granule: u64, best: &mut Option<Window>) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            return;
        };
        let (run_start, run_end) = (self.nodes.at(*first).offset, self.nodes.at(*last).end());
        for &id in run {
            let node = self.nodes.at(id);
            let back = node.end().checked_sub(want.bytes).and_then(|start| {
                let address = (want.base + start) & !(want.align - 1);
                address.checked_sub(want.base)
            });
            for start in [want.aligned(node.offset), back].into_iter().flatten() {
                let Some(end) = start.checked_add(want.bytes) else {
                    continue;
                };
                if start < run_start || end > run_end {
                    continue;
                }
                let window = Window { new: self.newly_backed(run, start..end, granule), offset: start, end };
                let better =
                    best.as_ref().is_none_or(|best| (window.new, window.offset) < (best.new, best.offset));
                if better {
                    *best = Some(window);
                }
            }
        }
    }

    /// Bytes of a run's holes that the granules of `window` touch.
    fn newly_backed(&self, run: &[u32], window: Range<u64>, granule: u64) -> u64 {
        let start = window.start / granule * granule;
        let end = window.end.div_ceil(granule) * granule;
        run.iter()
            .map(|&id| self.nodes.at(id))
            .filter(|node| node.state() == State::Hole)
            .map(|hole| hole.end().min(end).saturating_sub(hole.offset.max(start)))
            .sum()
    }

    /// Idle granules or slabs of at least so many bytes, outside of `except` (whole granules).
    fn idle(&self, at_least: u64, except: &Range<u64>) -> Vec<Range<u64>> {
        let mut ranges = Vec::new();
        let mut left = at_least;
        let mut add = |range: Range<u64>, cut: bool, granule: u64| {
            let bytes = range.end - range.start;
            let keep = if cut { left.div_ceil(granule).saturating_mul(granule).min(bytes) } else { bytes };
            ranges.push(range.start..range.start + keep);
            left = left.saturating_sub(keep);
            left == 0
        };
        match self.settings.backing {
            Backing::Pages { granule, .. } => {
                let idle = self.free[Zone::Large as usize].descending(&self.nodes, granule);
                let mut ids: Vec<u32> = idle.collect();
                ids.sort_by_key(|&id| std::cmp::Reverse(self.nodes.age(id)));
                for id in ids {
                    let node = self.nodes.at(id);
                    let start = node.offset.div_ceil(granule) * granule;
                    let end = node.end() / granule * granule;
                    let parts = [start..end.min(except.start.max(start)), start.max(except.end)..end];
                    let parts =
                        if except.end <= start || except.start >= end { [start..end, 0..0] } else { parts };
                    for part in parts {
                        if part.start < part.end && add(part, true, granule) {
                            return ranges;
                        }
                    }
                }
            }
            Backing::Slabs { .. } => {
                for zone in Zone::ALL.into_iter().rev() {
                    for id in self.free[zone as usize].descending(&self.nodes, 1) {
                        let node = self.nodes.at(id);
                        if node.first() && node.last() && add(node.offset..node.end(), false, 1) {
                            return ranges;
                        }
                    }
                }
            }
        }
        ranges
    }

    fn grow_slab(&self, want: &Want, align: u64, largest: u64, mode: GrowthMode) -> Option<Growth> {
        let usual = SizeClass::of(want.bytes).slab_bytes(want.bytes)?;
        let spare = mode == GrowthMode::Spare && usual <= largest;
        let slab = if spare { usual } else { want.bytes.checked_next_multiple_of(align)? };
        let zone = self.zone_of(want);
        let fit = Want { bytes: slab, align: align.max(self.settings.unit), ..*want };
        let offset = self.holes.ascending(&self.nodes, slab).find_map(|id| {
            let hole = self.nodes.at(id);
            let offset = fit.aligned(hole.offset)?;
            (hole.zone() == zone && offset.checked_add(slab)? <= hole.end()).then_some(offset)
        })?;
        let after = self.backed_bytes.saturating_add(slab);
        let limit = if spare { self.limit(1) } else { self.backed_bytes };
        Some(Growth {
            back: std::iter::once(offset..offset + slab).collect(),
            give_back: if after > limit { self.idle(after - limit, &(0..0)) } else { Vec::new() },
            slab: Some(slab),
        })
    }
}

/// The slabs that leases are cut from, in each class as full as they can be.
fn slabs_for(leases: &[u64]) -> u64 {
    let of = |class: SizeClass| leases.iter().filter(move |bytes| SizeClass::of(**bytes) == class);
    let shared = [SizeClass::Small, SizeClass::Medium].map(|class| {
        let slab = class.slab_bytes(1).unwrap_or(1);
        of(class).sum::<u64>().div_ceil(slab).saturating_mul(slab)
    });
    let own = [SizeClass::Large, SizeClass::Direct].into_iter().flat_map(of);
    let own = own.map(|bytes| SizeClass::of(*bytes).slab_bytes(*bytes).unwrap_or(*bytes));
    shared.into_iter().chain(own).fold(0, u64::saturating_add)
}
