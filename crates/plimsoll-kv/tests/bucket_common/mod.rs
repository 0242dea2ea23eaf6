//! Blocks, and ways to write and read them, for the tests of the object store.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use plimsoll_kv::block::{BlockId, Chain, Root};
use plimsoll_kv::layout::{Element, Layout};
use plimsoll_kv::store::bucket::Bucket;
use plimsoll_kv::store::{Expect, Found, Listed, Record, Store, StoreError, Worth};

pub mod azurite;
pub mod moto;
pub mod server;
pub mod service;

/// A sequence's blocks, each of three sections.
pub struct Blocks {
    pub root: Root,
    pub chain: Chain,
    pub bytes: Vec<[Vec<u8>; 3]>,
}

pub const FORM: u32 = 7;

/// So many blocks, whose sections have about `size` bytes; the same for the same seed.
pub fn blocks(seed: u32, count: usize, size: usize) -> Blocks {
    let root = Root::of(b"model", &Layout::uniform(3, 1, 4, Element::F16, 4)).build();
    let mut chain = Chain::new(root, 4);
    let tokens: Vec<u32> = (0..count * 4).map(|at| seed * 10_000 + u32::try_from(at).unwrap()).collect();
    chain.extend(&tokens);
    let fill = |block: usize, section: usize| {
        let byte =
            |at: usize| (at.wrapping_mul(31) ^ (block * 7 + section * 3 + seed as usize)).to_le_bytes()[0];
        (0..size + section).map(byte).collect::<Vec<u8>>()
    };
    let bytes = (0..count).map(|block| [fill(block, 0), fill(block, 1), fill(block, 2)]).collect();
    Blocks { root, chain, bytes }
}

impl Blocks {
    pub fn id(&self, index: usize) -> BlockId {
        self.chain.ids()[index]
    }

    pub fn parent(&self, index: usize) -> Option<BlockId> {
        index.checked_sub(1).map(|before| self.id(before))
    }

    pub fn put(&self, bucket: &Bucket, range: std::ops::Range<usize>) -> Result<(), StoreError> {
        let sections: Vec<Vec<&[u8]>> =
            self.bytes.iter().map(|all| all.iter().map(Vec::as_slice).collect()).collect();
        let record = |index: usize| Record {
            id: self.id(index),
            parent: self.parent(index),
            root: &self.root,
            tokens: self.chain.block(index),
            form: FORM,
            worth: Worth { seconds: 0.25, uses: 1, used_at: 1_000 + index as u64 },
            sections: &sections[index],
        };
        bucket.put(&range.map(record).collect::<Vec<_>>())
    }

    pub fn expect(&self, index: usize) -> Expect<'_> {
        Expect { parent: self.parent(index), root: &self.root, tokens: self.chain.block(index), form: FORM }
    }

    /// Reads sections; whether they are there. What is there must be right.
    pub fn read(
        &self,
        bucket: &Bucket,
        index: usize,
        sections: std::ops::Range<usize>,
    ) -> Result<bool, StoreError> {
        let right = self.bytes[index][sections.clone()].concat();
        let mut into = vec![0xee; right.len()];
        let found = bucket.read(self.id(index), &self.expect(index), sections, &mut into)?;
        if found == Found::Yes {
            assert!(into == right, "wrong bytes of block {index}");
        }
        Ok(found == Found::Yes)
    }

    pub fn read_whole(&self, bucket: &Bucket, index: usize) -> Result<bool, StoreError> {
        self.read(bucket, index, 0..3)
    }
}

/// All that is listed.
pub fn listed(bucket: &Bucket) -> Vec<Listed> {
    let mut all = Vec::new();
    bucket.list(&mut |one| all.push(one)).unwrap();
    all
}
