//! Looking at what lies in an object store, whoever wrote it. It only reads, and keeps no books: a listing goes by, and
//! what is known of an object is forgotten once it is counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::future::Future;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{Error, ObjectMeta};
use plimsoll::Bytes;
use tokio::sync::Semaphore;

use super::address::Address;
use super::bucket::Inside;
use super::fault::{Fault, because};
use super::gets::Looked;
use super::hands::Hands;
use super::head::{Head, Parsed, TOKENS_USUAL, VERSION, likely_bytes, parse};
use super::settings::BucketSettings;
use crate::block::{BlockId, Root};
use crate::store::StoreError;

/// What lies under an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The address.
    pub name: String,
    /// The version of the format; objects of other versions lie under other keys and are not looked at.
    pub version: u32,
    /// Blocks.
    pub blocks: u64,
    /// Tokens that they stand for.
    pub tokens: u64,
    /// What their objects take.
    pub bytes: Bytes,
    /// Objects whose keys are those of blocks and whose heads do not verify.
    pub damaged: u64,
    /// Objects whose keys are none of ours.
    pub foreign: u64,
    /// Who wrote the blocks, most bytes first: half a hash of a machine's name, as each object has it.
    pub machines: Vec<Share>,
    /// What the blocks descend from, most bytes first.
    pub roots: Vec<Share>,
}

/// What belongs to one root, or to one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Whose.
    pub of: String,
    /// Blocks.
    pub blocks: u64,
    /// What their objects take.
    pub bytes: Bytes,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// The address.
    pub name: String,
    /// Objects that were read.
    pub blocks: u64,
    /// Bytes of sections whose hashes were right.
    pub bytes: Bytes,
    /// Objects whose keys are none of ours; they were not read.
    pub foreign: u64,
    /// Objects that somebody removed between being listed and being read.
    pub gone: u64,
    /// What is damaged, by key.
    pub damaged: Vec<Damage>,
}

/// An object that does not verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Its key.
    pub key: String,
    /// Of which block it should be.
    pub block: BlockId,
    /// From which of its bytes on it is not what it should be.
    pub offset: u64,
    /// What does not verify.
    pub what: String,
}

/// Tells what lies under an address: all keys are listed and the heads of all objects read. Nothing is written or deleted,
/// and a machine's name is not needed.
pub fn inspect(settings: &BucketSettings) -> Result<Survey, StoreError> {
    let look = |inside: Arc<Inside>, seen: Seen| async move {
        let looked = inside.look(&seen.key, likely_bytes(TOKENS_USUAL, 0)).await?;
        Ok(match looked {
            Looked::Missing => None,
            Looked::Head(head, _) if seen.is_of(&head) => Some((seen, Some(head))),
            Looked::Head(..) | Looked::Damaged => Some((seen, None)),
        })
    };
    let (counts, foreign) = each(settings, look, Counts::add)?;
    let mut survey = counts.survey;
    (survey.name, survey.version, survey.foreign) = (settings.url.clone(), VERSION, foreign);
    survey.machines = shares(counts.machines);
    survey.roots = shares(counts.roots);
    Ok(survey)
}

/// Reads every object under an address whole and checks all of it against its head, and the head against the key. Nothing
/// is written or deleted. What somebody replaces while it is read may look damaged: a second check tells.
pub fn verify(settings: &BucketSettings) -> Result<Checked, StoreError> {
    let (most, buffers) = (settings.object_bytes_max.get(), Buffers::new(settings.staging_bytes));
    let look = move |inside: Arc<Inside>, seen: Seen| {
        let buffers = buffers.clone();
        async move {
            let _room = buffers.room(seen.bytes).await;
            let found = inside.check(&seen, most).await?;
            Ok((seen, found))
        }
    };
    let add = |checked: &mut Checked, (seen, found): (Seen, Judged)| match found {
        Judged::Gone => checked.gone += 1,
        Judged::Whole(bytes) => {
            checked.blocks += 1;
            checked.bytes = checked.bytes.saturating_add(Bytes::new(bytes));
        }
        Judged::Damaged { offset, what } => {
            checked.blocks += 1;
            checked.damaged.push(Damage { key: seen.key.to_string(), block: seen.id, offset, what });
        }
    };
    let (mut checked, foreign) = each(settings, look, add)?;
    (checked.name, checked.foreign) = (settings.url.clone(), foreign);
    checked.damaged.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(checked)
}

/// An object whose key is a block's.
struct Seen {
    root: Root,
    id: BlockId,
    bytes: u64,
    key: Path,
}

impl Seen {
    /// Whether a head is of this block, and of an object as long as this one.
    fn is_of(&self, head: &Head) -> bool {
        (head.id, &head.root, head.object_bytes()) == (self.id, &self.root, self.bytes)
    }
}

/// What becomes of an object that is read whole.
enum Judged {
    /// So many bytes of sections are right.
    Whole(u64),
    Gone,
    Damaged {
        offset: u64,
        what: String,
    },
}

impl Judged {
    fn damaged(offset: u64, what: impl Into<String>) -> Self {
        Self::Damaged { offset, what: what.into() }
    }
}

/// What is counted while heads go by.
#[derive(Default)]
struct Counts {
    survey: Survey,
    machines: BTreeMap<String, (u64, u64)>,
    roots: BTreeMap<String, (u64, u64)>,
}

impl Counts {
    /// Counts an object; nothing, if it was removed meanwhile.
    fn add(&mut self, looked: Option<(Seen, Option<Head>)>) {
        let Some((seen, head)) = looked else {
            return;
        };
        let Some(head) = head else {
            self.survey.damaged += 1;
            return;
        };
        self.survey.blocks += 1;
        self.survey.tokens = self.survey.tokens.saturating_add(head.tokens.len() as u64);
        self.survey.bytes = self.survey.bytes.saturating_add(Bytes::new(seen.bytes));
        for (of, counts) in
            [(hex(&head.writer), &mut self.machines), (head.root.to_string(), &mut self.roots)]
        {
            let (blocks, bytes) = counts.entry(of).or_default();
            (*blocks, *bytes) = (*blocks + 1, bytes.saturating_add(seen.bytes));
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn shares(counts: BTreeMap<String, (u64, u64)>) -> Vec<Share> {
    let share = |(of, (blocks, bytes))| Share { of, blocks, bytes: Bytes::new(bytes) };
    let mut shares: Vec<_> = counts.into_iter().map(share).collect();
    // Among equals the order of the names stays.
    shares.sort_by_key(|share| std::cmp::Reverse(share.bytes));
    shares
}

/// How much is in memory at once when whole objects are read.
#[derive(Clone)]
struct Buffers {
    most: u32,
    free: Arc<Semaphore>,
}

impl Buffers {
    fn new(bytes: Bytes) -> Self {
        let most = Self::kib(bytes.get());
        Self { most, free: Arc::new(Semaphore::new(most as usize)) }
    }

    fn kib(bytes: u64) -> u32 {
        u32::try_from(bytes.div_ceil(1_024).max(1)).unwrap_or(u32::MAX >> 3).min(u32::MAX >> 3)
    }

    /// Waits for room. More than there is, is as much as all of it: such an object goes alone.
    async fn room(&self, bytes: u64) -> Option<tokio::sync::SemaphorePermit<'_>> {
        // It fails when it is closed, which nobody does.
        self.free.acquire_many(Self::kib(bytes).min(self.most)).await.ok()
    }
}

/// Lists an address, looks at each object in its own way, several at once, and adds up what is found. Also says how many
/// objects are none of ours.
fn each<T, S, F>(
    settings: &BucketSettings,
    look: impl Fn(Arc<Inside>, Seen) -> F + Send + Sync + 'static,
    mut add: impl FnMut(&mut S, T) + Send + 'static,
) -> Result<(S, u64), StoreError>
where
    T: Send + 'static,
    S: Default + Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    let inside = Arc::new(Inside::new(Address::standing(settings)?, settings));
    let hands = Hands::start(settings.requests).map_err(|source| StoreError::System {
        doing: "starting a thread for",
        path: settings.url.as_str().into(),
        source,
    })?;
    let (shared, requests) = (Arc::clone(&inside), settings.requests.max(1));
    let work = async move {
        let base = Path::from(shared.address.base.as_str());
        let looks = shared.address.store.list(Some(&base)).map(|object| {
            let inside = Arc::clone(&shared);
            let seen = object.map(|object| inside.seen(object));
            let looked = seen.map(|seen| seen.map(|seen| look(inside, seen)));
            async move {
                match looked? {
                    Some(looked) => looked.await.map(Some),
                    None => Ok(None),
                }
            }
        });
        let mut looks = looks.buffer_unordered(requests);
        let (mut sum, mut foreign) = (S::default(), 0);
        loop {
            match looks.try_next().await {
                Ok(Some(Some(found))) => add(&mut sum, found),
                Ok(Some(None)) => foreign += 1,
                Ok(None) => break,
                // A folder in which nothing was ever written is an empty one.
                Err(error) if shared.is_empty_folder(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok((sum, foreign))
    };
    let done = hands.run(work).map_err(|_| because(&settings.url, "its thread has ended; try again"))?;
    done.map_err(|error| inside.fault(&error))
}

impl Inside {
    /// What an object is by its key; nothing if it is none of ours.
    fn seen(&self, object: ObjectMeta) -> Option<Seen> {
        let (root, id) = self.address.block(&object.location)?;
        Some(Seen { root, id, bytes: object.size, key: object.location })
    }

    /// Reads an object whole and checks it.
    async fn check(&self, seen: &Seen, most: u64) -> Result<Judged, Error> {
        if seen.bytes > most {
            return Ok(Judged::damaged(0, "it is larger than any block may be"));
        }
        if seen.bytes == 0 {
            // A range of nothing cannot be asked for.
            return Ok(Judged::damaged(0, "it is empty"));
        }
        let bytes = match self.part(&seen.key, 0..seen.bytes).await {
            Ok((bytes, _)) => bytes,
            Err(error) => match Fault::of(&error) {
                Fault::Missing => return Ok(Judged::Gone),
                Fault::Short => return Ok(Judged::damaged(0, "it is empty")),
                _ => return Err(error),
            },
        };
        Ok(judge(seen, &bytes))
    }
}

/// Holds an object's bytes against its head, and its head against its key.
fn judge(seen: &Seen, bytes: &[u8]) -> Judged {
    let head = match parse(bytes) {
        Parsed::Whole(head) => head,
        Parsed::Longer(_) => return Judged::damaged(bytes.len() as u64, "it ends within its head"),
        Parsed::Damaged => return Judged::damaged(0, "its head"),
    };
    if (head.id, head.root) != (seen.id, seen.root) {
        return Judged::damaged(0, "its head is another block's");
    }
    for index in 0..head.sections.len() {
        let Some(at) = head.span(index..index + 1) else {
            return Judged::damaged(head.bytes(), "its sections");
        };
        let section = usize::try_from(at.start).ok().zip(usize::try_from(at.end).ok());
        match section.and_then(|(from, to)| bytes.get(from..to)) {
            Some(section) if head.vouches(index..index + 1, section) => {}
            Some(_) => return Judged::damaged(at.start, format!("section {index}")),
            None => return Judged::damaged(bytes.len() as u64, format!("it ends within section {index}")),
        }
    }
    if head.object_bytes() != bytes.len() as u64 {
        return Judged::damaged(head.object_bytes(), "it goes on behind its last section");
    }
    Judged::Whole(head.object_bytes().saturating_sub(head.bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::bucket::head::encode;
    use crate::store::{Record, Worth};

    fn object() -> (Seen, Vec<u8>) {
        let root = Root::from_bytes([7; 32]);
        let (id, parent) = (BlockId::new(5), None);
        let sections: &[&[u8]] = &[b"abc", b"", b"de"];
        let record =
            Record { id, parent, root: &root, tokens: &[1, 2], form: 2, worth: Worth::default(), sections };
        let bytes = encode(&record, [1; 16]);
        (Seen { root, id, bytes: bytes.len() as u64, key: Path::from("x") }, bytes)
    }

    #[test]
    fn a_sound_object_is_whole_and_any_change_to_it_is_found() {
        let (seen, bytes) = object();
        assert!(matches!(judge(&seen, &bytes), Judged::Whole(5)));
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 64;
            assert!(matches!(judge(&seen, &bytes), Judged::Damaged { .. }), "byte {at}");
            bytes.truncate(at);
            assert!(matches!(judge(&seen, &bytes), Judged::Damaged { .. }), "{at} bytes");
        }
        assert!(matches!(judge(&seen, &[bytes.as_slice(), b"x"].concat()), Judged::Damaged { .. }));
    }

    #[test]
    fn damage_is_told_with_its_place() {
        let (seen, mut bytes) = object();
        let head = bytes.len() as u64 - 5;
        *bytes.last_mut().unwrap() ^= 1;
        let Judged::Damaged { offset, what } = judge(&seen, &bytes) else { panic!("it is whole") };
        assert_eq!((offset, what.as_str()), (head + 3, "section 2"));
        *bytes.last_mut().unwrap() ^= 1;
        let other = Seen { id: BlockId::new(6), ..seen };
        let Judged::Damaged { what, .. } = judge(&other, &bytes) else { panic!("it is whole") };
        assert!(what.contains("another block"), "{what}");
    }
}
