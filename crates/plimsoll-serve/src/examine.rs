//! What would come of settings: looked at before anything is opened, and nothing is written.

use std::sync::Arc;

use plimsoll::{Bytes, EngineAccount, Place};
use plimsoll_docs::{DocsError, Library};
use plimsoll_llm::DeviceSplit;

use crate::house::House;
use crate::model::{Keeper, ModelFault, Terms, slugs};
use crate::shelf::LibrarySource;
use crate::{ServeError, ServeSettings};

/// What a model needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelNeeds {
    /// What would compute it.
    pub engine: &'static str,
    /// Where.
    pub place: Place,
    /// What it takes of the line there.
    pub bytes: Bytes,
    /// How it is divided, where only some of its layers stay there.
    pub split: Option<DeviceSplit>,
}

/// How a library stands.
#[derive(Debug)]
pub enum LibraryState {
    /// There is none yet; one is made when the service is opened.
    New,
    /// It can be searched, and written unless another process does that.
    There {
        /// Its documents.
        documents: u64,
        /// Whether another process writes it.
        in_use: bool,
    },
    /// It cannot be used.
    Broken(DocsError),
}

/// What would come of settings.
#[derive(Debug)]
pub struct Examination {
    /// What each model needs, in the order of the settings.
    pub models: Vec<(String, Result<ModelNeeds, ModelFault>)>,
    /// How each library stands, likewise.
    pub libraries: Vec<(LibrarySource, LibraryState)>,
}

/// Whether the line carries what it is to carry, whether each model can be computed here, by its header, and how libraries stand. The
/// cache's folder and the address are not touched.
pub fn examine(settings: &ServeSettings) -> Result<Examination, ServeError> {
    settings.check()?;
    let slugs = slugs(&settings.models)?;
    let house = Arc::new(House::open(&ServeSettings { cache: None, ..settings.clone() }, &slugs)?);
    let terms = Terms { batch: settings.batch, limits: settings.limits };
    let keeper = Keeper::open(&house, &settings.models, terms)?;
    let models = settings.models.iter();
    let models = models.map(|model| (model.name.clone(), keeper.needs(&model.name))).collect();
    let mut libraries = Vec::new();
    for source in &settings.libraries {
        let account = house.engine().account("docs")?;
        libraries.push((source.clone(), state(source, &account)));
    }
    Ok(Examination { models, libraries })
}

fn state(source: &LibrarySource, account: &EngineAccount) -> LibraryState {
    let folder = &source.folder;
    match Library::open(folder, account) {
        Ok(library) => {
            LibraryState::There { documents: library.facts().documents, in_use: Library::is_in_use(folder) }
        }
        // An empty folder is as good as none; one with something else in it is not.
        Err(DocsError::NoLibrary { folder }) => {
            let taken = std::fs::read_dir(&folder).is_ok_and(|mut inside| inside.next().is_some());
            if taken { LibraryState::Broken(DocsError::NotEmpty { folder }) } else { LibraryState::New }
        }
        Err(error) => LibraryState::Broken(error),
    }
}
