//! All models by name: loaded when they are asked for, given up by value when their memory is needed for another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use plimsoll::holding::cached::Hit;
use plimsoll::holding::resident::{ResidentError, Shard};
use plimsoll::holding::{Resident, Site};
use plimsoll::{Bytes, Place};

use super::look::Look;
use super::{Model, ModelFault, ModelSource, Origin, Terms};
use crate::house::House;
use crate::{ModelNeeds, ServeError};

/// A model that failed is tried again after this, though its file is as it was: a folder's files may have changed.
const AGAIN: Duration = Duration::from_mins(1);

/// The models of a service.
///
/// # Who owns what
/// Each model is a shard of a Resident holding of its own account; the governor asks the one that is worth least a byte when
/// another is to be loaded, counting what it gives as free before the new one is charged. A model that answers somebody is
/// held and never given up.
pub struct Keeper {
    house: Arc<House>,
    terms: Terms,
    entries: BTreeMap<String, Entry>,
    first: String,
}

/// A shard, and of when its file was as it is.
type Found = (Shard<Arc<Model>>, Option<SystemTime>);

struct Entry {
    source: ModelSource,
    slug: String,
    /// At each place that may have it.
    residents: Vec<(Place, Resident<Arc<Model>>)>,
    shard: Mutex<Option<Found>>,
    /// The model while it is loaded: to be looked at without being used.
    seen: Arc<Mutex<Weak<Model>>>,
    /// Why it failed, of when its file was, and when it failed.
    broken: Mutex<Option<(String, Option<SystemTime>, Instant)>>,
}

/// How a model stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelState {
    /// It is loaded when it is asked for.
    Idle,
    /// It is loaded.
    Loaded,
    /// It cannot be served.
    Broken,
}

impl ModelState {
    /// As answers say it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Loaded => "loaded",
            Self::Broken => "broken",
        }
    }
}

/// One model and how it stands.
#[derive(Debug)]
pub struct Standing<'k> {
    /// What can be asked for.
    pub source: &'k ModelSource,
    /// How it stands.
    pub state: ModelState,
    /// The model, if it is loaded.
    pub model: Option<Arc<Model>>,
    /// Why it cannot be served, if it cannot.
    pub why: Option<String>,
}

/// Accounts have no blanks in their names, and slashes stand for parents.
pub(crate) fn slug(name: &str) -> String {
    let letter = |letter: char| if letter.is_alphanumeric() || "-_.".contains(letter) { letter } else { '-' };
    name.chars().take(64).map(letter).collect()
}

/// An account for each model.
pub(crate) fn slugs(sources: &[ModelSource]) -> Result<Vec<(String, Bytes)>, ServeError> {
    let mut seen: BTreeMap<String, &ModelSource> = BTreeMap::new();
    for source in sources {
        if let Some(other) = seen.insert(slug(&source.name), source) {
            return Err(ServeError::TwoModels {
                name: source.name.clone(),
                first: other.path().to_owned(),
                second: source.path().to_owned(),
            });
        }
    }
    Ok(sources.iter().map(|source| (slug(&source.name), source.guaranteed)).collect())
}

impl Keeper {
    /// Over the accounts of a house; nothing is loaded yet. A model waits so long for others to be given up.
    pub(crate) fn open(
        house: &Arc<House>,
        sources: &[ModelSource],
        terms: Terms,
    ) -> Result<Self, ServeError> {
        let first = sources.first().ok_or(ServeError::NoModel)?.name.clone();
        let mut entries = BTreeMap::new();
        for source in sources {
            let slug = slug(&source.name);
            let account = house.engine().account(&format!("models/{slug}"))?;
            let resident = |place| {
                let site = Site::new(&account, place).within(terms.limits.patience);
                (place, Resident::open(&site, format!("models/{slug}")))
            };
            let entry = Entry {
                source: source.clone(),
                residents: house.places().map(resident).collect(),
                slug,
                shard: Mutex::default(),
                seen: Arc::default(),
                broken: Mutex::default(),
            };
            entries.insert(source.name.clone(), entry);
        }
        Ok(Self { house: Arc::clone(house), terms, entries, first })
    }

    /// The model that is meant where none is named.
    pub fn first(&self) -> &str {
        &self.first
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// There is none of that name.
    pub fn unknown(&self, name: &str) -> ModelFault {
        let known = self.names().collect::<Vec<_>>().join(", ");
        ModelFault::Unknown { name: name.chars().take(100).collect(), known }
    }

    /// How each stands, with the model where it is loaded, and why it is broken. Looking at a model is no use of it, and holds
    /// it for no longer than the look takes.
    pub fn standings(&self) -> Vec<Standing<'_>> {
        let all = self.entries.values().map(|entry| {
            let model = lock(&entry.seen).upgrade();
            let why = lock(&entry.broken).as_ref().map(|(why, ..)| why.clone());
            let state = match (&model, &why) {
                (Some(_), _) => ModelState::Loaded,
                (None, Some(_)) => ModelState::Broken,
                (None, None) => ModelState::Idle,
            };
            Standing { source: &entry.source, state, model, why }
        });
        all.collect()
    }

    /// A model if it is loaded, without waiting for anything.
    pub fn here(&self, name: &str) -> Option<Hit<Arc<Model>>> {
        let entry = self.entries.get(name)?;
        let shard = lock(&entry.shard).as_ref().map(|(shard, _)| shard.clone())?;
        shard.here().filter(|model| model.is_alive())
    }

    /// A model, loaded now if it is not here. May take as long as reading it takes, or waiting for others to be done.
    pub fn get(&self, name: &str) -> Result<Hit<Arc<Model>>, ModelFault> {
        let Some(entry) = self.entries.get(name) else {
            return Err(self.unknown(name));
        };
        entry.still_broken()?;
        let shard = self.shard(entry).inspect_err(|fault| entry.breaks(fault))?;
        let loaded = match shard.get() {
            // Its thread ended by a fault: it is loaded again, and elsewhere if the device that had it is lost.
            Ok(model) if !model.is_alive() => {
                drop(model);
                shard.evict();
                entry.forget(&mut lock(&entry.shard));
                let shard = self.shard(entry).inspect_err(|fault| entry.breaks(fault))?;
                shard.get()
            }
            loaded => loaded,
        };
        loaded.map_err(|error| match error {
            ResidentError::Refused { refusal, .. } => {
                ModelFault::NoRoom { name: name.to_owned(), why: refusal.to_string() }
            }
            ResidentError::Load { source, name } => match source.downcast::<ModelFault>() {
                Ok(fault) => {
                    entry.breaks(&fault);
                    *fault
                }
                Err(source) => ModelFault::Load(ResidentError::Load { name, source }),
            },
            error => ModelFault::Load(error),
        })
    }

    /// What computes a model, and what it takes of the line: from its header, without loading it.
    pub(crate) fn needs(&self, name: &str) -> Result<ModelNeeds, ModelFault> {
        let entry = self.entries.get(name).ok_or_else(|| self.unknown(name))?;
        let look = self.look(entry)?;
        let (engine, bytes, split) = (look.engine_name(), look.bytes(), look.split());
        Ok(ModelNeeds { engine, place: look.place(), bytes, split })
    }

    fn look(&self, entry: &Entry) -> Result<Look, ModelFault> {
        let look = Look::at(&entry.source, &self.house, &self.terms, self.house.models(Place::Host))?;
        let (asked, most) = (look.bytes(), self.house.models(look.place()));
        if asked > most {
            return Err(ModelFault::Large { name: entry.source.name.clone(), asked, most });
        }
        Ok(look)
    }

    /// What it takes is known from its header, so it is looked at before anything is asked for.
    fn shard(&self, entry: &Entry) -> Result<Shard<Arc<Model>>, ModelFault> {
        let mut known = lock(&entry.shard);
        let changed = entry.changed();
        if let Some((shard, when)) = &*known {
            if *when == changed {
                return Ok(shard.clone());
            }
            // Another file stands there: what is loaded of the old one goes when nobody uses it, and its size may be another.
            entry.forget(&mut known);
        }
        let look = self.look(entry)?;
        let (bytes, place) = (look.bytes(), look.place());
        let (source, slug) = (entry.source.clone(), entry.slug.clone());
        let (house, terms, seen) = (Arc::clone(&self.house), self.terms, Arc::clone(&entry.seen));
        let load = move || {
            let model = Arc::new(Model::load(&look, &source, &slug, &house, &terms)?);
            *lock(&seen) = Arc::downgrade(&model);
            Ok(model)
        };
        let resident = entry.residents.iter().find(|(at, _)| *at == place);
        let Some((_, resident)) = resident else { return Err(ModelFault::Lost { place }) };
        let shard = resident.shard(&entry.source.name, bytes, load);
        *known = Some((shard.clone(), changed));
        Ok(shard)
    }
}

impl Entry {
    /// What is loaded goes when nobody uses it, and is not found any more.
    fn forget(&self, known: &mut Option<Found>) {
        for (_, resident) in &self.residents {
            resident.forget(&self.source.name);
        }
        *known = None;
    }

    fn changed(&self) -> Option<SystemTime> {
        match &self.source.origin {
            Origin::Path(path) => path.metadata().and_then(|facts| facts.modified()).ok(),
            Origin::BuiltIn(_) => None,
        }
    }

    /// What is wrong with its file is remembered; what passes by itself is not.
    fn breaks(&self, fault: &ModelFault) {
        if fault.is_of_the_file() {
            *lock(&self.broken) = Some((fault.to_string(), self.changed(), Instant::now()));
        }
    }

    /// A model that failed is not tried again at once unless its file has changed: each try may take minutes.
    fn still_broken(&self) -> Result<(), ModelFault> {
        let mut broken = lock(&self.broken);
        if let Some((why, when, since)) = &*broken {
            if *when == self.changed() && since.elapsed() < AGAIN {
                return Err(ModelFault::Broken { name: self.source.name.clone(), why: why.clone() });
            }
            *broken = None;
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
