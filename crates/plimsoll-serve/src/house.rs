//! The accounts of a service: what of its line is whose.
//!
//! ```text
//! line
//! ├─ program          the program itself, its connections and threads: taken at once and kept
//! ├─ models/NAME      weights, and what steps work with; loaded when asked for, given up by value
//! ├─ docs             passages that are taken in and searched, guaranteed where libraries are served
//! └─ kv               keys and values, guaranteed to all models together
//!    └─ kv/NAME/hot   pages: sequences hold them, and what nobody holds stays for as long as it is worth it
//!       kv/NAME/warm  what moves blocks to a disk and back
//! ```
//!
//! Models stand in each other's place: `models` has a limit and no guarantee, unless a model is said to have one. Keys and
//! values of one model make room for another's in the same way, since only all of them together are guaranteed anything.
//!
//! Where a device is to compute, it has a line of its own with the same accounts: weights, what steps work with and pages are
//! there, and the host keeps what moves blocks to a disk and back. What the host has for models and pages otherwise stays for the
//! case that the device is lost. Where models are larger than what the device has for them, a part of the host's line is page-locked
//! memory, for the layers that come when they are needed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use plimsoll::governor::{Charge, Reservation};
use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::{Bytes, Engine, Place};
use plimsoll_device::{Device, HostDevice, HostSettings};
use plimsoll_kv::cache::{Cache, CacheSettings, ColdSettings};
use plimsoll_kv::engine::LeasedPages;
use plimsoll_kv::layout::Layout;
use plimsoll_kv::store::Store;
use plimsoll_kv::store::folder::{Folder, FolderSettings};
use plimsoll_llm::computes_on;

use crate::model::away_of;
use crate::{ServeError, ServeSettings};

/// The program itself: code, stacks of its threads, buffers of its connections.
const PROGRAM: Bytes = Bytes::mib(64);
/// What is on disk, for all models; no model can be called so.
const COLD: &str = "kv/(disk)";
/// The least that keys and values are worth opening for.
const KV_LEAST: Bytes = Bytes::mib(16);
/// The part of a line that is for documents where nothing was said, and its bounds.
const DOCS_PART: u64 = 16;
const DOCS_MOST: Bytes = Bytes::mib(512);
/// With less nothing is taken in.
const DOCS_LEAST: Bytes = Bytes::mib(24);
/// A read from the disk that takes longer is given up, and its tokens are computed.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the program itself takes of a device: the driver's context, compiled programs, and what its library of products keeps.
const PROGRAM_THERE: Bytes = Bytes::mib(768);
/// The part of a device's keys and values that is not promised: a pool takes memory in large pieces.
const SPARE_PART: u64 = 16;
/// The part of keys and values that moves blocks, and keeps some on the way.
const WARM_PART: u64 = 8;

/// The line with its accounts, and what is kept on disk.
pub(crate) struct House {
    engine: Engine,
    store: Option<Arc<dyn Store>>,
    kv: Bytes,
    there: Option<There>,
    _program: [Option<Charge>; 2],
}

/// A device that computes.
#[derive(Debug)]
pub(crate) struct There {
    device: Arc<dyn Device>,
    kv: Bytes,
    models: Bytes,
    pinned: Option<(Arc<dyn Device>, Bytes)>,
}

impl There {
    /// The device.
    pub(crate) const fn device(&self) -> &Arc<dyn Device> {
        &self.device
    }

    /// What there is for models.
    pub(crate) const fn models(&self) -> Bytes {
        self.models
    }

    /// What layers that come are copied from, and how much of that there is.
    pub(crate) fn pinned(&self) -> Option<(&Arc<dyn Device>, Bytes)> {
        self.pinned.as_ref().map(|(device, line)| (device, *line))
    }

    fn pinned_line(&self) -> Bytes {
        self.pinned.as_ref().map_or(Bytes::ZERO, |(_, line)| *line)
    }

    /// Which it is.
    pub(crate) fn place(&self) -> Place {
        self.device.facts().place
    }

    /// Whether it answers: one that is lost does not any more.
    pub(crate) fn works(&self) -> bool {
        self.device.memory().is_ok()
    }

    /// A share of an account there.
    fn share(&self, account: AccountSettings, guaranteed: Bytes, limit: Bytes) -> AccountSettings {
        account.share(self.place(), guaranteed, limit)
    }
}

impl House {
    /// Opens it: what does not add up is refused here.
    pub(crate) fn open(settings: &ServeSettings, slugs: &[(String, Bytes)]) -> Result<Self, ServeError> {
        let there = there(settings)?;
        let away = there.as_ref().map_or(Bytes::ZERO, There::pinned_line);
        let line = settings.line.saturating_sub(away);
        let kv = kv(settings, line)?;
        let docs = docs(settings)?;
        let rest = line.saturating_sub(PROGRAM).saturating_sub(docs).saturating_sub(kv);
        let both = |path: String, here: [Bytes; 2], beyond: fn(&There) -> [Bytes; 2]| {
            let account = AccountSettings::new(path).share(Place::Host, here[0], here[1]);
            match &there {
                Some(there) => {
                    let [guaranteed, limit] = beyond(there);
                    there.share(account, guaranteed, limit)
                }
                None => account,
            }
        };
        let share = |path: String, guaranteed, limit| {
            AccountSettings::new(path).share(Place::Host, guaranteed, limit)
        };
        let locked = |account: AccountSettings| {
            if away.is_zero() { account } else { account.share(Place::Pinned, Bytes::ZERO, away) }
        };
        let program = both("program".to_owned(), [PROGRAM; 2], |_| [PROGRAM_THERE; 2]);
        let mut accounts = vec![program.priority(9)];
        // Where a device has the pages, the host needs none unless it is lost.
        let kept = if there.is_some() { Bytes::ZERO } else { kv };
        let mut cache = both("kv".to_owned(), [kept, kv], |there| [there.kv; 2]).priority(2);
        let mut cold = AccountSettings::new(COLD);
        let mut places = vec![LineSettings::new(Place::Host, line)];
        if let Some((_, size)) = &settings.cache {
            places.push(LineSettings::new(Place::Disk, *size));
            cache = cache.share(Place::Disk, *size, *size);
            cold = cold.share(Place::Disk, *size, *size);
        }
        let models = both("models".to_owned(), [Bytes::ZERO, rest], |there| [Bytes::ZERO, there.models]);
        accounts.extend([cache, cold, locked(models).priority(5)]);
        if docs > Bytes::ZERO {
            accounts.push(share("docs".to_owned(), docs, docs).priority(3));
        }
        for (slug, guaranteed) in slugs {
            let model = match &there {
                None => share(format!("models/{slug}"), *guaranteed, rest),
                Some(there) => {
                    there.share(share(format!("models/{slug}"), Bytes::ZERO, rest), *guaranteed, there.models)
                }
            };
            accounts.push(locked(model).priority(5));
            let warm = Bytes::new(kv.get() / WARM_PART);
            let hot = both(format!("kv/{slug}/hot"), [Bytes::ZERO, kv], |there| [Bytes::ZERO, there.kv]);
            accounts.push(hot.priority(2));
            accounts.push(share(format!("kv/{slug}/warm"), Bytes::ZERO, warm).priority(2));
        }
        let mut devices: Vec<Arc<dyn Device>> = vec![Arc::new(HostDevice::open(HostSettings::default())?)];
        if let (Some(there), Some(asked)) = (&there, &settings.device) {
            places.push(LineSettings::new(there.place(), asked.line));
            devices.push(Arc::clone(&there.device));
        }
        if let Some((pinned, line)) = there.as_ref().and_then(There::pinned) {
            places.push(LineSettings::new(Place::Pinned, line));
            devices.push(Arc::clone(pinned));
        }
        let engine = Engine::with(&LedgerSettings { places, accounts }, devices)?;
        let program = engine.account("program")?;
        let beyond = there.as_ref().map(|there| program.reserve(there.place(), PROGRAM_THERE).now());
        let beyond = beyond.transpose()?.map(Reservation::back);
        let program = [Some(program.reserve(Place::Host, PROGRAM).now()?.back()), beyond];
        let store = match &settings.cache {
            Some((folder, size)) => Some(cold_store(&engine, folder, *size)?),
            None => None,
        };
        Ok(Self { engine, store, kv, there, _program: program })
    }

    /// The engine.
    pub(crate) const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What there is for keys and values.
    #[cfg(feature = "llama-cpp")]
    pub(crate) const fn kv(&self) -> Bytes {
        self.kv
    }

    /// What sequences may hold together on the host: what is left of keys and values when blocks are on their way.
    pub(crate) fn seats(&self) -> Bytes {
        self.kv.saturating_sub(Bytes::new(self.kv.get() / WARM_PART))
    }

    /// The same on the device that was to compute, if one was.
    pub(crate) fn seats_there(&self) -> Option<Bytes> {
        let there = self.there.as_ref()?;
        Some(there.kv.saturating_sub(Bytes::new(there.kv.get() / SPARE_PART)))
    }

    /// The device that computes, if one does and answers.
    pub(crate) fn there(&self) -> Option<&There> {
        self.there.as_ref().filter(|there| there.works())
    }

    /// All places that may have models.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place> {
        std::iter::once(Place::Host).chain(self.there.as_ref().map(There::place))
    }

    /// What there is for models at a place.
    pub(crate) fn models(&self, place: Place) -> Bytes {
        let snapshot = self.engine.snapshot();
        let models = snapshot.place(place).and_then(|place| place.share("models"));
        models.map_or(Bytes::ZERO, |share| share.limit)
    }

    /// Whether keys and values outlive the process.
    pub(crate) const fn keeps(&self) -> bool {
        self.store.is_some()
    }

    /// The cache of a model, whose pages are at a place.
    pub(crate) fn cache(
        &self,
        slug: &str,
        layout: Layout,
        place: Place,
    ) -> Result<Cache<LeasedPages>, ServeError> {
        let pool =
            |tier: &str, place: Place| self.engine.account(&format!("kv/{slug}/{tier}"))?.scratch(place);
        let pages = LeasedPages::new(layout, pool("hot", place)?)?;
        let settings = CacheSettings::new(format!("kv/{slug}"), pool("warm", Place::Host)?);
        let settings = match &self.store {
            Some(store) => {
                settings.cold(ColdSettings { patience: PATIENCE, ..ColdSettings::new(Arc::clone(store)) })
            }
            None => settings,
        };
        // Every bit is kept: a text is the same whether its prompt was computed or found.
        Ok(Cache::open(pages, settings.exact())?)
    }
}

/// What is for documents: nothing without a library.
fn docs(settings: &ServeSettings) -> Result<Bytes, ServeError> {
    if settings.libraries.is_empty() {
        return Ok(Bytes::ZERO);
    }
    let docs =
        settings.docs.unwrap_or(Bytes::new(settings.line.get() / DOCS_PART).clamp(DOCS_LEAST, DOCS_MOST));
    if docs < DOCS_LEAST {
        return Err(ServeError::Docs { docs, least: DOCS_LEAST });
    }
    Ok(docs)
}

/// What a device has for keys and values and for models; an error if it cannot compute, or has too little.
fn there(settings: &ServeSettings) -> Result<Option<There>, ServeError> {
    let Some(asked) = &settings.device else { return Ok(None) };
    computes_on(&asked.device)?;
    let free = asked.line.saturating_sub(PROGRAM_THERE);
    let kv = settings.kv.unwrap_or(Bytes::new(free.get() / 5 * 2));
    if kv < KV_LEAST || kv >= free {
        return Err(ServeError::Line { line: asked.line, kv, program: PROGRAM_THERE, least: KV_LEAST });
    }
    let there =
        There { device: Arc::clone(&asked.device), kv, models: free.saturating_sub(kv), pinned: None };
    let away = asked.away.unwrap_or_else(|| needed_away(&there, settings));
    let pinned = asked.pinned.as_ref().filter(|_| !away.is_zero());
    let pinned = pinned.map(|pinned| (Arc::clone(pinned), away));
    Ok(Some(There { pinned, ..there }))
}

/// What the model that needs most of it has in page-locked memory, up to half of the line.
fn needed_away(there: &There, settings: &ServeSettings) -> Bytes {
    let needs = settings.models.iter().map(|source| away_of(source, there));
    needs.max().unwrap_or(Bytes::ZERO).min(Bytes::new(settings.line.get() / 2))
}

/// What the host has for keys and values, of a line that page-locked memory is taken out of.
fn kv(settings: &ServeSettings, line: Bytes) -> Result<Bytes, ServeError> {
    let free = line.saturating_sub(PROGRAM).saturating_sub(docs(settings)?);
    // What is said of keys and values is meant where they are.
    let said = settings.kv.filter(|_| settings.device.is_none());
    let kv = said.unwrap_or(Bytes::new(free.get() / 5 * 2));
    if kv < KV_LEAST || kv >= free {
        let away = settings.line.saturating_sub(line);
        return Err(if away.is_zero() {
            ServeError::Line { line, kv, program: PROGRAM, least: KV_LEAST }
        } else {
            ServeError::Away { away, line: settings.line }
        });
    }
    Ok(kv)
}

fn cold_store(engine: &Engine, folder: &Path, size: Bytes) -> Result<Arc<dyn Store>, ServeError> {
    let account = Some((*engine.account(COLD)?).clone());
    let (store, _) = Folder::open(&FolderSettings { account, ..FolderSettings::new(folder, size) })?;
    Ok(Arc::new(store))
}
