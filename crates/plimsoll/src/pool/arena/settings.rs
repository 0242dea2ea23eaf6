//! How an arena is laid out.

use super::node::MIN_UNIT;

const MIB: u64 = 1 << 20;

/// What a pool backs first: sixteen granules of CUDA's.
const FIRST: u64 = 32 * MIB;

/// What stands behind an arena's offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backing {
    /// One address range, reserved once, backed and given back in granules.
    Pages {
        /// Backing comes in multiples of this (a power of two).
        granule: u64,
        /// The range's size: many times what may ever be backed, since addresses cost nothing.
        span: u64,
        /// The address of offset zero; alignments are those of addresses.
        base: u64,
    },
    /// A device without growable ranges: whole allocations ("slabs"), never merged with one another.
    Slabs {
        /// Every slab starts at an address that is a multiple of this (a power of two), and no request may be
        /// aligned more strictly.
        align: u64,
        /// The largest slab that the device can give.
        largest: u64,
    },
}

/// An arena's settings; [`ArenaSettings::pages`] and [`ArenaSettings::slabs`] fill in what was measured to be good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArenaSettings {
    /// Every block's size and offset is a multiple of this power of two: the device's least alignment.
    pub unit: u64,
    /// What stands behind the offsets.
    pub backing: Backing,
    /// Requests below this are kept together in small slabs (with [`Backing::Pages`] only).
    pub small_below: u64,
    /// The preferred size of such a slab.
    pub small_slab: u64,
    /// How far what is backed may exceed the highest need so far before idle granules are given back in exchange
    /// for new ones.
    pub slack: Slack,
    /// How many blocks of a size bin a search looks at.
    pub effort: u32,
    /// The same for small blocks, where each look costs about what it can save.
    pub small_effort: u32,
    /// The first growth backs at least so much.
    pub first_bytes: u64,
}

/// How far what is backed may exceed the highest need so far: a share of it, or a fixed amount where that is more,
/// yet never above a larger share. Small pools are thus allowed relatively more, since they count in few granules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slack {
    /// Thousandths of the need that are always allowed.
    pub permille: u32,
    /// Bytes that are allowed where the share is less.
    pub bytes: u64,
    /// Thousandths of the need that are never exceeded.
    pub permille_most: u32,
}

impl Slack {
    /// What held on recorded traces from 30 MiB to 18 GiB.
    pub const MEASURED: Self = Self { permille: 28, bytes: 28 * MIB, permille_most: 90 };

    /// For so many bytes of need.
    pub fn of(&self, need: u64) -> u64 {
        let share = |permille: u32| {
            let share = u128::from(need) * u128::from(permille) / 1000;
            u64::try_from(share).unwrap_or(u64::MAX)
        };
        share(self.permille).max(self.bytes).min(share(self.permille_most))
    }
}

impl ArenaSettings {
    /// For a device with growable ranges.
    pub const fn pages(unit: u64, granule: u64, span: u64) -> Self {
        Self {
            unit: if unit < MIN_UNIT { MIN_UNIT } else { unit },
            backing: Backing::Pages { granule, span, base: 0 },
            small_below: MIB / 4,
            small_slab: MIB / 2,
            slack: Slack::MEASURED,

            effort: 16,
            small_effort: 2,
            first_bytes: FIRST,
        }
    }

    /// For a device without them.
    pub const fn slabs(unit: u64, align: u64, largest: u64) -> Self {
        Self {
            unit: if unit < MIN_UNIT { MIN_UNIT } else { unit },
            backing: Backing::Slabs { align, largest },
            small_below: 0,
            small_slab: 0,
            slack: Slack::MEASURED,
            effort: 16,
            small_effort: 2,
            first_bytes: FIRST,
        }
    }

    /// The same with offset zero at this address.
    #[must_use]
    pub const fn based_at(mut self, address: u64) -> Self {
        if let Backing::Pages { granule, span, .. } = self.backing {
            self.backing = Backing::Pages { granule, span, base: address };
        }
        self
    }
}

/// How requests are told apart in statistics, and the slabs they come from on a device without growable ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SizeClass {
    /// Below 1 MiB.
    Small,
    /// From 1 to 10 MiB.
    Medium,
    /// Above 10 MiB.
    Large,
    /// Above 100 MiB.
    Direct,
}

impl SizeClass {
    /// All of them, smallest first.
    pub const ALL: [Self; 4] = [Self::Small, Self::Medium, Self::Large, Self::Direct];

    /// The class of a request of so many bytes.
    pub const fn of(bytes: u64) -> Self {
        if bytes < MIB {
            Self::Small
        } else if bytes <= 10 * MIB {
            Self::Medium
        } else if bytes <= 100 * MIB {
            Self::Large
        } else {
            Self::Direct
        }
    }

    /// The slab that a request of so many bytes, of this class, is cut from. `None` when it cannot be written.
    pub const fn slab_bytes(self, bytes: u64) -> Option<u64> {
        match self {
            Self::Small => Some(2 * MIB),
            Self::Medium => Some(20 * MIB),
            Self::Large | Self::Direct => bytes.checked_next_multiple_of(2 * MIB),
        }
    }
}
