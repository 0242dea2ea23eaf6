//! Records whose bytes say what they are, for the tests of stores.
#![allow(dead_code, reason = "each test uses a part of it")]

use plimsoll_kv::block::{BlockId, Root, Token};
use plimsoll_kv::layout::{Element, Layout};
use plimsoll_kv::store::{Expect, Found, Record, Store, StoreError, Worth};

/// A record that owns its parts. All of it follows from a number and a size.
#[derive(Clone, Debug)]
pub struct Sample {
    pub id: BlockId,
    pub parent: Option<BlockId>,
    pub root: Root,
    pub tokens: Vec<Token>,
    pub form: u32,
    pub worth: Worth,
    pub sections: Vec<Vec<u8>>,
}

pub fn root() -> Root {
    Root::of(b"weights", &Layout::uniform(2, 1, 4, Element::F16, 4)).build()
}

impl Sample {
    pub fn new(number: u64, section_bytes: usize) -> Self {
        let id = BlockId::new(u128::from(number) << 64 | 0xABCD | u128::from(number));
        let byte = |section: usize, at: usize| {
            let mixed = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(section as u32 * 7);
            (mixed >> (at % 8 * 8)) as u8 ^ (at / 8) as u8
        };
        let sections = (0..3)
            .map(|section| (0..section_bytes + section * 3).map(|at| byte(section, at)).collect::<Vec<u8>>());
        Self {
            id,
            parent: (number % 4 != 0).then(|| Self::id_of(number - 1)),
            root: root(),
            tokens: (0..4).map(|token| (number as u32).wrapping_mul(4) + token).collect(),
            form: 7,
            worth: Worth { seconds: 0.01 * (number % 7) as f32, uses: number as u32 % 3, used_at: number },
            sections: sections.collect(),
        }
    }

    pub fn id_of(number: u64) -> BlockId {
        BlockId::new(u128::from(number) << 64 | 0xABCD | u128::from(number))
    }

    pub fn bytes(&self) -> usize {
        self.sections.iter().map(Vec::len).sum()
    }

    pub fn expect(&self) -> Expect<'_> {
        Expect { parent: self.parent, root: &self.root, tokens: &self.tokens, form: self.form }
    }

    pub fn with<T>(&self, act: impl FnOnce(Record<'_>) -> T) -> T {
        let sections: Vec<&[u8]> = self.sections.iter().map(Vec::as_slice).collect();
        act(Record {
            id: self.id,
            parent: self.parent,
            root: &self.root,
            tokens: &self.tokens,
            form: self.form,
            worth: self.worth,
            sections: &sections,
        })
    }

    pub fn put(&self, store: &dyn Store) -> Result<(), StoreError> {
        self.with(|record| store.put(&[record]))
    }

    /// Whether it is there, whole; what is found must be right to the byte.
    pub fn is_in(&self, store: &dyn Store) -> Result<bool, StoreError> {
        let mut into = vec![0x55; self.bytes()];
        let found = store.read(self.id, &self.expect(), 0..self.sections.len(), &mut into)?;
        if found == Found::Yes {
            assert_eq!(into, self.sections.concat(), "wrong bytes of {}", self.id);
        }
        Ok(found == Found::Yes)
    }
}

/// Puts many at once.
pub fn put_all(store: &dyn Store, samples: &[Sample]) -> Result<(), StoreError> {
    let sections: Vec<Vec<&[u8]>> =
        samples.iter().map(|sample| sample.sections.iter().map(Vec::as_slice).collect()).collect();
    let records: Vec<Record<'_>> = samples
        .iter()
        .zip(&sections)
        .map(|(sample, sections)| Record {
            id: sample.id,
            parent: sample.parent,
            root: &sample.root,
            tokens: &sample.tokens,
            form: sample.form,
            worth: sample.worth,
            sections,
        })
        .collect();
    store.put(&records)
}
