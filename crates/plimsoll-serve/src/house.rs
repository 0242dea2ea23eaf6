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

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use plimsoll::governor::Charge;
use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::{Bytes, Engine, Place};
use plimsoll_device::{HostDevice, HostSettings};
use plimsoll_kv::cache::{Cache, CacheSettings, ColdSettings};
use plimsoll_kv::engine::LeasedPages;
use plimsoll_kv::layout::Layout;
use plimsoll_kv::store::Store;
use plimsoll_kv::store::folder::{Folder, FolderSettings};

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
/// The part of keys and values that moves blocks, and keeps some on the way.
const WARM_PART: u64 = 8;

/// The line with its accounts, and what is kept on disk.
pub(crate) struct House {
    engine: Engine,
    store: Option<Arc<dyn Store>>,
    kv: Bytes,
    _program: Charge,
}

impl House {
    /// Opens it: what does not add up is refused here.
    pub(crate) fn open(settings: &ServeSettings, slugs: &[(String, Bytes)]) -> Result<Self, ServeError> {
        let kv = kv(settings)?;
        let docs = docs(settings)?;
        let rest = settings.line.saturating_sub(PROGRAM).saturating_sub(docs).saturating_sub(kv);
        let share = |path: String, guaranteed: Bytes, limit: Bytes| {
            AccountSettings::new(path).share(Place::Host, guaranteed, limit)
        };
        let mut accounts = vec![share("program".to_owned(), PROGRAM, PROGRAM).priority(9)];
        let mut cache = share("kv".to_owned(), kv, kv).priority(2);
        let mut cold = AccountSettings::new(COLD);
        let mut places = vec![LineSettings::new(Place::Host, settings.line)];
        if let Some((_, size)) = &settings.cache {
            places.push(LineSettings::new(Place::Disk, *size));
            cache = cache.share(Place::Disk, *size, *size);
            cold = cold.share(Place::Disk, *size, *size);
        }
        accounts.extend([cache, cold, share("models".to_owned(), Bytes::ZERO, rest).priority(5)]);
        if docs > Bytes::ZERO {
            accounts.push(share("docs".to_owned(), docs, docs).priority(3));
        }
        for (slug, guaranteed) in slugs {
            accounts.push(share(format!("models/{slug}"), *guaranteed, rest).priority(5));
            let warm = Bytes::new(kv.get() / WARM_PART);
            accounts.push(share(format!("kv/{slug}/hot"), Bytes::ZERO, kv).priority(2));
            accounts.push(share(format!("kv/{slug}/warm"), Bytes::ZERO, warm).priority(2));
        }
        let device = Arc::new(HostDevice::open(HostSettings::default())?);
        let engine = Engine::with(&LedgerSettings { places, accounts }, vec![device])?;
        let program = engine.reserve("program", PROGRAM)?.now()?.back();
        let store = match &settings.cache {
            Some((folder, size)) => Some(cold_store(&engine, folder, *size)?),
            None => None,
        };
        Ok(Self { engine, store, kv, _program: program })
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

    /// What sequences may hold together: what is left of keys and values when blocks are on their way.
    pub(crate) fn seats(&self) -> Bytes {
        self.kv.saturating_sub(Bytes::new(self.kv.get() / WARM_PART))
    }

    /// Whether keys and values outlive the process.
    pub(crate) const fn keeps(&self) -> bool {
        self.store.is_some()
    }

    /// The cache of a model.
    pub(crate) fn cache(&self, slug: &str, layout: Layout) -> Result<Cache<LeasedPages>, ServeError> {
        let pool = |tier: &str| self.engine.account(&format!("kv/{slug}/{tier}"))?.scratch(Place::Host);
        let pages = LeasedPages::new(layout, pool("hot")?)?;
        let settings = CacheSettings::new(format!("kv/{slug}"), pool("warm")?);
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

fn kv(settings: &ServeSettings) -> Result<Bytes, ServeError> {
    let free = settings.line.saturating_sub(PROGRAM).saturating_sub(docs(settings)?);
    let kv = settings.kv.unwrap_or(Bytes::new(free.get() / 5 * 2));
    if kv < KV_LEAST || kv >= free {
        return Err(ServeError::Line { line: settings.line, kv, program: PROGRAM, least: KV_LEAST });
    }
    Ok(kv)
}

fn cold_store(engine: &Engine, folder: &Path, size: Bytes) -> Result<Arc<dyn Store>, ServeError> {
    let account = Some((*engine.account(COLD)?).clone());
    let (store, _) = Folder::open(&FolderSettings { account, ..FolderSettings::new(folder, size) })?;
    Ok(Arc::new(store))
}
