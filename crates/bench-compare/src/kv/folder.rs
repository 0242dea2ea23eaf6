//! Our cold store.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use plimsoll::Bytes;
use plimsoll_kv::block::{BlockId, Root};
use plimsoll_kv::layout::{Element, Layout};
use plimsoll_kv::store::folder::{Folder, FolderSettings};
use plimsoll_kv::store::{Expect, Found, Record, Store as _, Wanted, Worth};

use super::blocks::{Blocks, Keeper};
use super::plain::drop_pages_of;

/// The cold store with its usual settings; a block is one section.
pub(super) struct Kept {
    path: PathBuf,
    root: Root,
    tokens: Vec<[u32; 4]>,
    folder: Folder,
}

impl Kept {
    pub fn new(folder: &Path, blocks: Blocks) -> io::Result<Self> {
        let path = folder.join("plimsoll");
        let folder = Self::open(&path, blocks)?;
        let root = Root::of(b"compare", &Layout::uniform(1, 1, 1, Element::F16, 4)).build();
        let tokens = (0..).map(|index| [index; 4]).take(blocks.count).collect();
        Ok(Self { path, root, tokens, folder })
    }

    /// The store alone.
    pub fn open(path: &Path, blocks: Blocks) -> io::Result<Folder> {
        let total = (blocks.count * (blocks.bytes + 65_536)) as u64;
        // Segments are cut from it, so it is not to be tight.
        let settings = FolderSettings::new(path, Bytes::new(total.saturating_add(1 << 30)));
        Ok(Folder::open(&settings).map_err(io::Error::other)?.0)
    }

    const fn id(index: usize) -> BlockId {
        BlockId::new(index as u128 + 1)
    }
}

impl Keeper for Kept {
    fn name(&self) -> &'static str {
        "plimsoll"
    }

    fn cache(&self) -> &'static str {
        "page cache dropped"
    }

    fn write(&mut self, blocks: &Blocks) -> io::Result<()> {
        blocks.each(|index, block| {
            let record = Record {
                id: Self::id(index),
                parent: None,
                root: &self.root,
                tokens: &self.tokens[index],
                form: 0,
                worth: Worth::default(),
                sections: &[block],
            };
            self.folder.put(&[record]).map_err(io::Error::other)
        })?;
        self.forget()
    }

    fn forget(&mut self) -> io::Result<()> {
        drop_pages_of(&self.path)
    }

    fn read(&mut self, indices: Range<usize>, into: &mut [u8]) -> io::Result<usize> {
        let bytes = into.len() / indices.len().max(1);
        let one = |(index, into)| Wanted {
            id: Self::id(index),
            expect: Expect { parent: None, root: &self.root, tokens: &self.tokens[index], form: 0 },
            sections: 0..1,
            into,
            found: Ok(Found::No),
        };
        let mut wanted: Vec<_> = indices.zip(into.chunks_mut(bytes)).map(one).collect();
        self.folder.read_many(&mut wanted);
        let mut count = 0;
        for one in &wanted {
            match &one.found {
                Ok(found) => count += usize::from(*found == Found::Yes),
                Err(error) => return Err(io::Error::other(error.to_string())),
            }
        }
        Ok(count)
    }
}
