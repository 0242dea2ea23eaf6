//! Reading: heads, sections, listings. These run on the bucket's thread.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes as Piece;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path;
use object_store::{Error, GetOptions, ObjectStoreExt as _};

use super::bucket::Inside;
use super::fault::Fault;
use super::head::{Head, Parsed, TOKENS_USUAL, likely_bytes, parse, span};
use super::tally::Tally;
use crate::block::{BlockId, Root};

/// What stands at a key.
pub(super) enum Looked {
    Head(Head, u64),
    Missing,
    Damaged,
}

/// What a read brought, not yet believed.
pub(super) enum Brought {
    Sections(Arc<Head>, Piece),
    Missing,
    Damaged,
}

/// What is known before a read.
pub(super) enum Known {
    Nothing,
    Lengths { head_bytes: u64, sections: Arc<[u32]> },
    Head(Arc<Head>),
}

/// A version of an object, as a number; never zero.
fn mark(tag: Option<&str>) -> u64 {
    let hash = blake3::hash(tag.unwrap_or_default().as_bytes());
    hash.as_bytes().iter().take(8).fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte)) | 1
}

impl Inside {
    /// A range of an object, or what there is of it, and the object's version.
    pub async fn part(&self, key: &Path, range: Range<u64>) -> Result<(Piece, u64), Error> {
        Tally::add(&self.tally.gets, 1);
        let result =
            self.address.store.get_opts(key, GetOptions::new().with_range(Some(range.clone()))).await?;
        let version = mark(result.meta.e_tag.as_deref());
        // A server that ignores the range sends everything: what was not asked for is cut off.
        let starts = result.range.start;
        let bytes = result.bytes().await?;
        Tally::add(&self.tally.received, bytes.len() as u64);
        let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        let bytes = if starts == range.start { bytes.slice(..bytes.len().min(length)) } else { Piece::new() };
        Ok((bytes, version))
    }

    /// Reads the head of the object at a key; `likely` bytes of it at first.
    pub async fn look(&self, key: &Path, likely: usize) -> Result<Looked, Error> {
        let mut length = likely;
        for _ in 0..2 {
            let (bytes, version) = match self.part(key, 0..length as u64).await {
                Ok(part) => part,
                Err(error) => match Fault::of(&error) {
                    Fault::Missing => return Ok(Looked::Missing),
                    Fault::Short => return Ok(Looked::Damaged),
                    _ => return Err(error),
                },
            };
            match parse(&bytes) {
                Parsed::Whole(head) => return Ok(Looked::Head(head, version)),
                Parsed::Longer(needed) if needed > length => length = needed,
                Parsed::Longer(_) | Parsed::Damaged => break,
            }
        }
        Ok(Looked::Damaged)
    }

    /// Reads sections that are `wanted` bytes together. If nothing is known, the head is asked for with them, in one
    /// request where they follow it.
    pub async fn sections(
        &self,
        key: &Path,
        known: Known,
        sections: Range<usize>,
        wanted: u64,
        tokens: usize,
    ) -> Result<Brought, Error> {
        let brought = match known {
            Known::Head(head) => self.behind(key, head, sections, wanted).await,
            Known::Lengths { head_bytes, sections: lengths } => {
                let at = span(head_bytes, lengths.iter().copied(), lengths.len(), sections.clone());
                match at {
                    Some(at) if at.end - at.start == wanted => {
                        self.beside(key, head_bytes, at, sections).await
                    }
                    _ => Ok(Brought::Damaged),
                }
            }
            Known::Nothing => self.unknown(key, sections, wanted, tokens).await,
        };
        brought.or_else(|error| match Fault::of(&error) {
            Fault::Missing => Ok(Brought::Missing),
            Fault::Short => Ok(Brought::Damaged),
            _ => Err(error),
        })
    }

    async fn behind(
        &self,
        key: &Path,
        head: Arc<Head>,
        sections: Range<usize>,
        wanted: u64,
    ) -> Result<Brought, Error> {
        match head.span(sections) {
            Some(at) if at.end - at.start != wanted => Ok(Brought::Damaged),
            // A range of nothing cannot be asked for.
            Some(at) if at.is_empty() => Ok(Brought::Sections(head, Piece::new())),
            Some(at) => Ok(Brought::Sections(head, self.part(key, at).await?.0)),
            None => Ok(Brought::Damaged),
        }
    }

    /// Head and sections at once: in one piece where they touch, otherwise side by side.
    async fn beside(
        &self,
        key: &Path,
        head_bytes: u64,
        at: Range<u64>,
        sections: Range<usize>,
    ) -> Result<Brought, Error> {
        let (first, rest) = if at.start == head_bytes || at.is_empty() {
            let (all, _) = self.part(key, 0..at.end.max(head_bytes)).await?;
            let cut = all.len().min(usize::try_from(head_bytes).unwrap_or(usize::MAX));
            (all.slice(..cut), all.slice(cut..))
        } else {
            Tally::add(&self.tally.gets, 2);
            let ranges = [0..head_bytes, at];
            let mut pieces = self.address.store.get_ranges(key, &ranges).await?.into_iter();
            let (first, rest) = (pieces.next().unwrap_or_default(), pieces.next().unwrap_or_default());
            Tally::add(&self.tally.received, (first.len() + rest.len()) as u64);
            (first, rest)
        };
        match parse(&first) {
            Parsed::Whole(head) if head.bytes() == head_bytes && head.span(sections).is_some() => {
                Ok(Brought::Sections(Arc::new(head), rest))
            }
            _ => Ok(Brought::Damaged),
        }
    }

    async fn unknown(
        &self,
        key: &Path,
        sections: Range<usize>,
        wanted: u64,
        tokens: usize,
    ) -> Result<Brought, Error> {
        let likely = likely_bytes(tokens, sections.end);
        let more = if sections.start == 0 { usize::try_from(wanted).unwrap_or(0) } else { 0 };
        let first = self.part(key, 0..likely.saturating_add(more) as u64).await?.0;
        let head = match parse(&first) {
            Parsed::Whole(head) => head,
            Parsed::Longer(needed) => match self.look(key, needed).await? {
                Looked::Head(head, _) => head,
                Looked::Missing => return Ok(Brought::Missing),
                Looked::Damaged => return Ok(Brought::Damaged),
            },
            Parsed::Damaged => return Ok(Brought::Damaged),
        };
        let at = head.span(sections.clone()).map(|at| at.start..at.end);
        let within = at.and_then(|at| Some(usize::try_from(at.start).ok()?..usize::try_from(at.end).ok()?));
        match within {
            Some(within) if within.end <= first.len() && within.len() as u64 == wanted => {
                Ok(Brought::Sections(Arc::new(head), first.slice(within)))
            }
            _ => self.behind(key, Arc::new(head), sections, wanted).await,
        }
    }

    /// Finds out what is there: all keys by the page, and the heads of those that are new.
    pub async fn refresh(self: Arc<Self>, requests: usize) -> Result<(), Error> {
        Tally::add(&self.tally.lists, 1);
        let listing = self.shelf().begin();
        let base = Path::from(self.address.base.as_str());
        let mut pages = self.address.store.list(Some(&base));
        let (mut told, mut fresh, mut foreign) = (HashSet::new(), Vec::new(), 0);
        loop {
            let object = match pages.try_next().await {
                Ok(Some(object)) => object,
                Ok(None) => break,
                Err(error) if self.is_empty_folder(&error) => break,
                Err(error) => return Err(error),
            };
            let Some((root, id)) = self.address.block(&object.location) else {
                foreign += 1;
                continue;
            };
            told.insert(id);
            let version = mark(object.e_tag.as_deref());
            if self.shelf().sight(listing, id, object.size, version) {
                fresh.push((root, id, object.size, version, object.location));
            }
        }
        let looks = stream::iter(fresh).map(|(root, id, size, version, key)| {
            let inside = Arc::clone(&self);
            async move {
                let looked = inside.look(&key, likely_bytes(TOKENS_USUAL, 0)).await?;
                Ok::<_, Error>(inside.found(&root, id, size, version, looked))
            }
        });
        let mut looks = looks.buffer_unordered(requests.max(1));
        while let Some(doubtful) = looks.try_next().await? {
            foreign += u64::from(doubtful);
        }
        let mut books = self.shelf();
        books.end(listing, &told);
        books.foreign = foreign;
        Ok(())
    }

    /// Whether a listing failed because nothing was ever written to a folder.
    pub fn is_empty_folder(&self, error: &Error) -> bool {
        Fault::of(error) == Fault::Missing && self.address.name.starts_with("file:")
    }

    /// Takes a listed object in if it is what its key says; otherwise says that it is none of ours.
    fn found(&self, root: &Root, id: BlockId, size: u64, version: u64, looked: Looked) -> bool {
        match looked {
            Looked::Head(head, _) if (head.id, &head.root, head.object_bytes()) == (id, root, size) => {
                let own = head.writer == self.writer;
                self.shelf().insert(head, version, own, None);
                false
            }
            Looked::Missing => false,
            Looked::Head(..) | Looked::Damaged => {
                self.tally.doubts.fetch_add(1, Ordering::Relaxed);
                let mut books = self.shelf();
                books.forget(id);
                books.damage(id);
                true
            }
        }
    }

    /// Deletes objects; says of each whether it is gone.
    pub async fn delete(&self, keys: Vec<(BlockId, Path)>) -> (Vec<BlockId>, Option<Error>) {
        Tally::add(&self.tally.deletes, keys.len() as u64);
        let paths: Vec<_> = keys.iter().map(|(_, path)| Ok(path.clone())).collect();
        let answers: Vec<_> = self.address.store.delete_stream(stream::iter(paths).boxed()).collect().await;
        let each = answers.len() == keys.len();
        let (mut gone, mut failed) = (Vec::new(), None);
        for (index, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(path) => gone.extend(self.address.block(&path).map(|(_, id)| id)),
                // Another machine was first.
                Err(error) if each && Fault::of(&error) == Fault::Missing => gone.push(keys[index].0),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        (gone, failed)
    }

    /// Deletes one object that was written in vain.
    pub async fn withdraw(&self, key: &Path) -> bool {
        Tally::add(&self.tally.deletes, 1);
        let answer = self.address.store.delete(key).await;
        answer.is_ok() || answer.is_err_and(|error| Fault::of(&error) == Fault::Missing)
    }
}
