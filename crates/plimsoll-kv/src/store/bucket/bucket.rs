//! The store itself: what callers ask, put to the bucket's thread, and judged when it comes back.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use object_store::path::Path;
use plimsoll::governor::{Charge, Reservation};
use plimsoll::{Bytes, Place};

use super::address::Address;
use super::breaker::Breaker;
use super::budget::{Budget, Loan};
use super::fault::{Fault, because, remote};
use super::gets::{Brought, Known, Looked};
use super::hands::Hands;
use super::head::{Parsed, encode, likely_bytes, object_bytes, parse};
use super::puts::Landed;
use super::settings::BucketSettings;
use super::shelf::Shelf;
use super::tally::{Facts, Tally};
use crate::block::BlockId;
use crate::store::{Expect, Found, Listed, Record, Room, Store, StoreError, Wanted};

/// Blocks in an object store that several machines share.
///
/// It accounts for what this machine wrote, which [`room`](Store::room) tells; [`facts`](Self::facts) also tells what
/// others have there. [`list`](Store::list) asks the service anew, so blocks of other machines appear there; a block that
/// is read is found without it. Removing takes away anybody's block.
///
/// ```
/// use plimsoll_kv::store::Store;
/// use plimsoll_kv::store::bucket::{Bucket, BucketSettings};
///
/// let bucket = Bucket::open(BucketSettings::new("memory:", "this machine"))?;
/// assert_eq!(bucket.room().blocks, 0);
/// # Ok::<(), plimsoll_kv::store::StoreError>(())
/// ```
pub struct Bucket {
    inside: Arc<Inside>,
    settings: BucketSettings,
    hands: Hands,
    budget: Arc<Budget>,
    _staging: Option<Charge>,
}

/// What requests under way share.
pub(super) struct Inside {
    pub address: Address,
    pub tally: Tally,
    pub writer: [u8; 16],
    shelf: Mutex<Shelf>,
    breaker: Mutex<Breaker>,
}

/// An object on its way.
struct Flight {
    index: usize,
    id: BlockId,
    key: Path,
    bytes: u64,
    reservation: Option<Reservation>,
    answer: Receiver<Landed>,
}

impl Inside {
    /// Before anything is known of what is there.
    pub fn new(address: Address, settings: &BucketSettings) -> Self {
        let mut writer = [0; 16];
        writer.copy_from_slice(&blake3::hash(settings.machine.as_bytes()).as_bytes()[..16]);
        Self {
            address,
            tally: Tally::default(),
            writer,
            shelf: Mutex::default(),
            breaker: Mutex::new(Breaker::new(settings.rest)),
        }
    }

    pub fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an error, and puts it into words.
    pub fn fault(&self, error: &object_store::Error) -> StoreError {
        Tally::add(&self.tally.failures, 1);
        if Fault::of(error).is_outage() {
            self.breaker().failed(Instant::now());
        }
        remote(&self.address.name, error)
    }

    fn silence(&self, limit: Duration) -> StoreError {
        Tally::add(&self.tally.failures, 1);
        self.breaker().failed(Instant::now());
        because(&self.address.name, format!("no answer within {limit:?}; the block is better computed again"))
    }

    fn admit(&self) -> Result<(), StoreError> {
        if self.breaker().admits(Instant::now()) {
            return Ok(());
        }
        let why = "it failed three times in a row and is left alone for a while; blocks are computed again meanwhile";
        Err(because(&self.address.name, why))
    }
}

impl Bucket {
    /// Opens a bucket and finds out what is in it. If this machine has more there than it may now, what was used
    /// longest ago is deleted first.
    pub fn open(settings: BucketSettings) -> Result<Self, StoreError> {
        if settings.machine.is_empty() {
            return Err(because(
                &settings.url,
                "a machine without a name cannot know its own blocks; give it one",
            ));
        }
        let address = Address::of(&settings)?;
        let staging = settings.staging.as_ref().map(|account| {
            account
                .reserve(Place::Host, settings.staging_bytes)
                .now()
                .map(Reservation::back)
                .map_err(Box::new)
        });
        let failed = |source| StoreError::System {
            doing: "starting a thread for",
            path: settings.url.as_str().into(),
            source,
        };
        let bucket = Self {
            inside: Arc::new(Inside::new(address, &settings)),
            hands: Hands::start(settings.requests).map_err(failed)?,
            budget: Budget::new(settings.staging_bytes.get().max(1)),
            _staging: staging.transpose()?,
            settings,
        };
        bucket.refresh()?;
        bucket.fit()?;
        Ok(bucket)
    }

    /// Asks what is there now.
    pub fn refresh(&self) -> Result<(), StoreError> {
        let work = Arc::clone(&self.inside).refresh(self.settings.requests);
        self.run(work)?.map_err(|error| self.inside.fault(&error))?;
        self.inside.breaker().answered();
        Ok(())
    }

    /// What is known without asking.
    pub fn facts(&self) -> Facts {
        let books = self.inside.shelf();
        let sums = books.sums();
        Facts {
            name: self.inside.address.name.clone(),
            machine: self.settings.machine.clone(),
            own_blocks: sums.own_blocks,
            own_bytes: Bytes::new(sums.own_bytes),
            other_blocks: sums.other_blocks,
            other_bytes: Bytes::new(sums.other_bytes),
            flying_bytes: Bytes::new(sums.flying),
            unsure_bytes: Bytes::new(sums.unsure),
            max_bytes: self.settings.max_bytes,
            foreign_objects: books.foreign,
            resting: self.inside.breaker().rests(Instant::now()),
            requests: self.inside.tally.requests(),
        }
    }

    /// Whether this machine wrote a block, and so is charged for it.
    pub fn is_own(&self, id: BlockId) -> bool {
        self.inside.shelf().get(id).is_some_and(|entry| entry.own)
    }

    fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.hands.run(work).map_err(|_| self.gone())
    }

    fn gone(&self) -> StoreError {
        because(&self.inside.address.name, "its thread has ended; open it again")
    }

    /// Charges what is this machine's from before, and deletes what is over its limit or its account's.
    fn fit(&self) -> Result<(), StoreError> {
        if let Some(most) = self.settings.max_bytes {
            let books = self.inside.shelf();
            let over = books.used().saturating_sub(most.get());
            let going = if over > 0 { books.surplus(over) } else { Vec::new() };
            drop(books);
            self.remove(&going)?;
        }
        let Some(account) = &self.settings.account else {
            return Ok(());
        };
        let (own, going) = {
            let books = self.inside.shelf();
            (books.own(), books.surplus(u64::MAX))
        };
        // What would go last is charged first.
        let ranks: HashMap<_, _> = going.into_iter().enumerate().map(|(rank, id)| (id, rank)).collect();
        let rank = |id: &BlockId| ranks.get(id).copied().unwrap_or(usize::MAX);
        let mut own: Vec<_> = own.into_iter().filter(|one| !one.2).map(|one| (rank(&one.0), one)).collect();
        own.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
        let mut charged = 0;
        for (_, (id, bytes, _)) in &own {
            let Ok(reservation) = account.reserve(Place::Remote, Bytes::new(*bytes)).now() else {
                break;
            };
            self.inside.shelf().charge(*id, reservation);
            charged += 1;
        }
        let over: Vec<_> = own.iter().skip(charged).map(|(_, (id, ..))| *id).collect();
        self.remove(&over)
    }

    /// Which of these are there for certain.
    fn present(&self, records: &[Record<'_>]) -> Result<HashSet<BlockId>, StoreError> {
        let mut looks = Vec::new();
        for record in records {
            let known = {
                let books = self.inside.shelf();
                books.get(record.id).is_some() && !books.is_damaged(record.id)
            };
            if known {
                let (inside, key) =
                    (Arc::clone(&self.inside), self.inside.address.key(record.root, record.id));
                let likely = likely_bytes(record.tokens.len(), record.sections.len());
                looks.push((record.id, self.hands.send(async move { inside.look(&key, likely).await })));
            }
        }
        let mut present = HashSet::new();
        for (id, look) in looks {
            match look.recv().map_err(|_| self.gone())?.map_err(|error| self.inside.fault(&error))? {
                Looked::Head(..) => {
                    present.insert(id);
                }
                Looked::Missing => self.inside.shelf().forget(id),
                Looked::Damaged => self.inside.shelf().damage(id),
            }
        }
        Ok(present)
    }

    /// Sends one object on its way: first there is room for it, then it is charged, then it is made.
    fn launch(&self, index: usize, record: &Record<'_>) -> Result<Flight, StoreError> {
        let name = &self.inside.address.name;
        let most = self.settings.object_bytes_max;
        let staged = self.settings.staging.as_ref().map_or(most, |_| most.min(self.settings.staging_bytes));
        let bytes = object_bytes(record).filter(|bytes| *bytes <= staged.get()).ok_or_else(|| {
            because(
                name,
                format!(
                    "block {} is larger than {staged}; raise the limit, or cut blocks smaller",
                    record.id
                ),
            )
        })?;
        let admitted = self.inside.shelf().admit(bytes, self.settings.max_bytes.map(Bytes::get));
        admitted.map_err(|used| StoreError::Full {
            name: name.clone(),
            used: Bytes::new(used),
            capacity: self.settings.max_bytes.unwrap_or(Bytes::MAX),
            asked: Bytes::new(bytes),
        })?;
        let charge = self.settings.account.as_ref();
        let reservation =
            charge.map(|account| account.reserve(Place::Remote, Bytes::new(bytes)).now()).transpose();
        let reservation = reservation.map_err(|refusal| {
            self.inside.shelf().landed(bytes);
            Box::new(refusal)
        })?;
        let loan = self.budget.lend(bytes);
        let object = encode(record, self.inside.writer);
        let key = self.inside.address.key(record.root, record.id);
        let damaged = self.inside.shelf().is_damaged(record.id);
        let answer = self.hands.send(fly(Arc::clone(&self.inside), key.clone(), object, damaged, loan));
        Ok(Flight { index, id: record.id, key, bytes, reservation, answer })
    }

    /// What became of an object; whether this call wrote it.
    fn land(&self, flight: Flight, record: &Record<'_>) -> Result<bool, StoreError> {
        let landed = flight.answer.recv();
        let charge = flight.reservation.map(Reservation::back);
        let mut books = self.inside.shelf();
        books.landed(flight.bytes);
        let (error, unsure) = match landed {
            Ok(Landed::Ours(head)) => {
                books.insert(head, 0, true, charge);
                drop(books);
                self.inside.breaker().answered();
                return Ok(true);
            }
            Ok(Landed::Theirs(head, version)) => {
                books.insert(head, version, false, None);
                drop(books);
                self.inside.breaker().answered();
                return Ok(false);
            }
            Ok(Landed::Other) => return Ok(false),
            Ok(Landed::Failed(error)) => (Some(error), false),
            Ok(Landed::Unsure(error)) => (Some(error), true),
            Err(_) => (None, true),
        };
        if unsure {
            books.doubt(*record.root, flight.id, flight.bytes, charge);
        }
        drop(books);
        Err(error.map_or_else(|| self.gone(), |error| self.inside.fault(&error)))
    }

    /// Takes back what was written after a record that failed.
    fn withdraw(&self, written: Vec<(BlockId, Path)>) {
        let takings = written.into_iter().map(|(id, key)| {
            let inside = Arc::clone(&self.inside);
            (id, self.hands.send(async move { inside.withdraw(&key).await }))
        });
        for (id, taken) in takings.collect::<Vec<_>>() {
            if taken.recv().unwrap_or(false) {
                self.inside.shelf().forget(id);
            }
        }
    }

    fn known(&self, id: BlockId) -> Known {
        let books = self.inside.shelf();
        let lengths = || {
            let entry = books.get(id)?;
            Some(Known::Lengths { head_bytes: entry.head_bytes(), sections: Arc::clone(&entry.sections) })
        };
        books.head(id).map(Known::Head).or_else(lengths).unwrap_or(Known::Nothing)
    }

    /// Asks for sections; the answer comes later.
    fn ask(
        &self,
        id: BlockId,
        expect: &Expect<'_>,
        sections: Range<usize>,
        known: Known,
        wanted: usize,
    ) -> Asked {
        let (inside, key) = (Arc::clone(&self.inside), self.inside.address.key(expect.root, id));
        let (tokens, limit) = (expect.tokens.len(), self.settings.read_limit);
        self.hands.send(async move {
            tokio::time::timeout(limit, inside.sections(&key, known, sections, wanted as u64, tokens))
                .await
                .ok()
        })
    }

    /// Waits for an answer and judges it.
    fn judge(
        &self,
        id: BlockId,
        expect: &Expect<'_>,
        sections: Range<usize>,
        asked: &Asked,
        into: &mut [u8],
    ) -> Result<Judged, StoreError> {
        let brought = asked.recv().map_err(|_| self.gone())?;
        let brought = brought
            .ok_or_else(|| self.inside.silence(self.settings.read_limit))?
            .map_err(|error| self.inside.fault(&error))?;
        self.inside.breaker().answered();
        let (head, bytes) = match brought {
            Brought::Sections(head, bytes) => (head, bytes),
            Brought::Missing => return Ok(Judged::Missing),
            Brought::Damaged => return Ok(Judged::Damaged),
        };
        let right = head.span(sections.clone()).is_some_and(|at| at.end - at.start == into.len() as u64);
        if !head.is(id, expect) || !right {
            return Ok(Judged::Other);
        }
        if !head.vouches(sections, &bytes) || bytes.len() != into.len() {
            return Ok(Judged::Damaged);
        }
        into.copy_from_slice(&bytes);
        self.inside.shelf().keep(head);
        Ok(Judged::Right)
    }

    /// Begins a read: what is known of the block decides what is asked for. Nothing if it is too large to be there.
    fn begin(&self, id: BlockId, expect: &Expect<'_>, sections: &Range<usize>, wanted: usize) -> Begun {
        if wanted as u64 > self.settings.object_bytes_max.get() {
            return Ok(None);
        }
        self.inside.admit()?;
        let known = self.known(id);
        let certain = matches!(known, Known::Nothing);
        Ok(Some((self.ask(id, expect, sections.clone(), known, wanted), certain)))
    }

    fn finish(
        &self,
        begun: Begun,
        id: BlockId,
        expect: &Expect<'_>,
        sections: Range<usize>,
        into: &mut [u8],
    ) -> Result<Found, StoreError> {
        let Some((asked, certain)) = begun? else {
            return Ok(Found::No);
        };
        let mut judged = self.judge(id, expect, sections.clone(), &asked, into)?;
        if !certain && !matches!(judged, Judged::Right | Judged::Missing) {
            // Another machine may have put the block there anew, in another form: what was known is out of date.
            self.inside.shelf().drop_head(id);
            let asked = self.ask(id, expect, sections.clone(), Known::Nothing, into.len());
            judged = self.judge(id, expect, sections, &asked, into)?;
        }
        match judged {
            Judged::Right => return Ok(Found::Yes),
            Judged::Missing => self.inside.shelf().forget(id),
            Judged::Other => Tally::add(&self.inside.tally.doubts, 1),
            Judged::Damaged => {
                Tally::add(&self.inside.tally.doubts, 1);
                self.inside.shelf().damage(id);
            }
        }
        Ok(Found::No)
    }
}

/// An answer that is waited for; nothing if the time limit passed.
type Asked = Receiver<Option<Result<Brought, object_store::Error>>>;
/// A read that has begun, and whether it relies on nothing that was remembered.
type Begun = Result<Option<(Asked, bool)>, StoreError>;

/// What a reader makes of what came.
enum Judged {
    Right,
    Missing,
    /// Not what was expected, though it is in order.
    Other,
    Damaged,
}

async fn fly(inside: Arc<Inside>, key: Path, object: Vec<u8>, damaged: bool, loan: Loan) -> Landed {
    let landed = match parse(&object) {
        Parsed::Whole(head) => inside.fly(&key, head, object.into(), damaged).await,
        // What was just written always parses; if not, it must not go out.
        Parsed::Longer(_) | Parsed::Damaged => Landed::Other,
    };
    drop(loan);
    landed
}

impl Store for Bucket {
    fn name(&self) -> &str {
        &self.inside.address.name
    }

    fn put(&self, records: &[Record<'_>]) -> Result<(), StoreError> {
        self.inside.admit()?;
        let present = self.present(records)?;
        let (mut flights, mut failed, mut begun) = (Vec::new(), None, HashSet::new());
        for (index, record) in records.iter().enumerate() {
            if present.contains(&record.id) || !begun.insert(record.id) {
                continue;
            }
            match self.launch(index, record) {
                Ok(flight) => flights.push(flight),
                Err(error) => {
                    failed = Some((index, error));
                    break;
                }
            }
        }
        let mut written = Vec::new();
        for flight in flights {
            let (index, id, key) = (flight.index, flight.id, flight.key.clone());
            match self.land(flight, &records[index]) {
                Ok(true) => written.push((index, id, key)),
                Err(error) if failed.as_ref().is_none_or(|(first, _)| index < *first) => {
                    failed = Some((index, error));
                }
                Ok(false) | Err(_) => {}
            }
        }
        let Some((first, error)) = failed else {
            return Ok(());
        };
        let after = written.into_iter().filter(|(index, ..)| *index > first);
        self.withdraw(after.map(|(_, id, key)| (id, key)).collect());
        Err(error)
    }

    fn read(
        &self,
        id: BlockId,
        expect: &Expect<'_>,
        sections: Range<usize>,
        into: &mut [u8],
    ) -> Result<Found, StoreError> {
        let begun = self.begin(id, expect, &sections, into.len());
        self.finish(begun, id, expect, sections, into)
    }

    fn read_many(&self, wanted: &mut [Wanted<'_>]) {
        // A few more are asked for than go at once, so that none waits for the slowest.
        for some in wanted.chunks_mut(self.settings.requests.saturating_mul(2).max(1)) {
            let start = |one: &Wanted<'_>| self.begin(one.id, &one.expect, &one.sections, one.into.len());
            let begun: Vec<_> = some.iter().map(start).collect();
            for (one, begun) in some.iter_mut().zip(begun) {
                one.found = self.finish(begun, one.id, &one.expect, one.sections.clone(), one.into);
            }
        }
    }

    fn remove(&self, ids: &[BlockId]) -> Result<(), StoreError> {
        let key = |id: &BlockId| {
            let root = self.inside.shelf().root(*id)?;
            Some((*id, self.inside.address.key(&root, *id)))
        };
        let keys: Vec<_> = ids.iter().filter_map(key).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let inside = Arc::clone(&self.inside);
        let (gone, failed) = self.run(async move { inside.delete(keys).await })?;
        let mut books = self.inside.shelf();
        for id in gone {
            books.forget(id);
        }
        drop(books);
        failed.map_or(Ok(()), |error| Err(self.inside.fault(&error)))
    }

    fn list(&self, tell: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
        self.refresh()?;
        // What turned up as this machine's is charged if there is room; it counts against the limit in any case.
        if let Some(account) = &self.settings.account {
            let own = self.inside.shelf().own();
            for (id, bytes, _) in own.into_iter().filter(|one| !one.2) {
                if let Ok(reservation) = account.reserve(Place::Remote, Bytes::new(bytes)).quietly() {
                    self.inside.shelf().charge(id, reservation);
                }
            }
        }
        let listed = self.inside.shelf().tell();
        listed.into_iter().for_each(tell);
        Ok(())
    }

    fn room(&self) -> Room {
        let books = self.inside.shelf();
        let sums = books.sums();
        Room {
            capacity: self.settings.max_bytes.unwrap_or(Bytes::MAX),
            used: Bytes::new(books.used()),
            dead: Bytes::new(sums.unsure),
            blocks: sums.own_blocks,
            // A service does not wear out; what was sent since it was opened is told all the same.
            written_today: self.inside.tally.requests().sent,
            daily: None,
        }
    }
}
