//! All libraries by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{LibrarySource, Shelf, ShelfFault};
use crate::ServeError;
use crate::house::House;

/// The libraries of a service.
pub struct Shelves {
    by_name: BTreeMap<String, Arc<Shelf>>,
    first: Option<String>,
    /// The model that makes vectors, if one does.
    embedder: Option<String>,
}

impl Shelves {
    /// Opens all of them.
    pub(crate) fn open(
        house: &House,
        sources: &[LibrarySource],
        embedder: Option<String>,
    ) -> Result<Self, ServeError> {
        let mut shelves = BTreeMap::new();
        for source in sources {
            let account = house.engine().account("docs")?;
            let shelf = Arc::new(Shelf::open(source, &account));
            shelves.insert(source.name.clone(), shelf);
        }
        let first = sources.first().map(|source| source.name.clone());
        Ok(Self { by_name: shelves, first, embedder })
    }

    /// One by its name, or the first.
    pub(crate) fn get(&self, name: Option<&str>) -> Result<Arc<Shelf>, ShelfFault> {
        let Some(name) = name.or(self.first.as_deref()) else { return Err(ShelfFault::None) };
        self.by_name.get(name).cloned().ok_or_else(|| ShelfFault::Unknown {
            name: name.chars().take(100).collect(),
            known: self.by_name.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        })
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Shelf>> {
        self.by_name.values()
    }

    /// The model that makes vectors.
    pub(crate) fn embedder(&self) -> Option<&str> {
        self.embedder.as_deref()
    }
}
