//! A block in the index.

use std::ops::{Index, IndexMut};

use crate::block::BlockId;

/// A node's number. Valid while the node is pinned, has a copy or has children; then it may become another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

impl NodeId {
    /// Stands for no node.
    pub(super) const NONE: Self = Self(u32::MAX);

    /// From a number, as policies know it.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u32 {
        self.0
    }

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }

    pub(super) const fn some(self) -> Option<Self> {
        if self.0 == u32::MAX { None } else { Some(self) }
    }
}

/// Where a copy of a block can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// In the engine's own pages.
    Hot,
    /// In host memory.
    Warm,
    /// In a store.
    Cold,
}

impl Tier {
    /// All of them, the dearest first.
    pub const ALL: [Self; 3] = [Self::Hot, Self::Warm, Self::Cold];

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Warm => "warm",
            Self::Cold => "cold",
        }
    }
}

/// Something for each tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tiers<T>(pub [T; 3]);

impl<T> Index<Tier> for Tiers<T> {
    type Output = T;

    fn index(&self, tier: Tier) -> &T {
        &self.0[tier as usize]
    }
}

impl<T> IndexMut<Tier> for Tiers<T> {
    fn index_mut(&mut self, tier: Tier) -> &mut T {
        &mut self.0[tier as usize]
    }
}

/// Which tiers have a copy, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Copies(u8);

impl Copies {
    pub const fn has(self, tier: Tier) -> bool {
        self.0 & 1 << tier as u8 != 0
    }

    pub const fn set(&mut self, tier: Tier, there: bool) {
        if there {
            self.0 |= 1 << tier as u8;
        } else {
            self.0 &= !(1 << tier as u8);
        }
    }

    pub const fn count(self) -> usize {
        self.0.count_ones() as usize
    }
}

#[derive(Debug)]
pub(super) struct Node<T> {
    /// In two halves: a number of 128 bits would make the node 16 bytes larger.
    id: [u64; 2],
    pub parent: NodeId,
    /// Children, and among them those that have a copy in each tier.
    pub children: u32,
    pub kids: Tiers<u32>,
    pub pins: u32,
    /// Which tiers have a copy.
    pub copies: Copies,
    /// Whether the node is in use.
    pub live: bool,
    /// A mark that its user may set.
    pub mark: bool,
    pub value: T,
}

impl<T> Node<T> {
    pub fn new(id: BlockId, parent: NodeId, value: T) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        let id = [id.get() as u64, (id.get() >> 64) as u64];
        Self {
            id,
            parent,
            children: 0,
            kids: Tiers::default(),
            pins: 0,
            copies: Copies::default(),
            live: true,
            mark: false,
            value,
        }
    }

    pub const fn id(&self) -> BlockId {
        BlockId::new(self.id[0] as u128 | (self.id[1] as u128) << 64)
    }

    /// Whether no tier has it.
    pub fn is_hollow(&self) -> bool {
        self.copies == Copies::default()
    }
}
