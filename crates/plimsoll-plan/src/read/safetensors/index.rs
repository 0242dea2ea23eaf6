//! The index of several files: which tensor is in which.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::json;
use crate::read::{Fault, ReadError, Source};

/// The most files of one model.
const FILES_MAX: usize = 8192;
/// The longest index.
const INDEX_MAX: u64 = 100_000_000;

/// What an index says.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Names of the files.
    pub(super) files: BTreeSet<String>,
    /// How many tensors they have together.
    pub(super) tensors: u64,
}

/// Reads an index.
pub(super) fn index(source: &dyn Source, path: &Path) -> Result<Index, ReadError> {
    let len = source.len();
    if len > INDEX_MAX {
        let (path, what) = (path.to_owned(), "bytes of index");
        return Err(ReadError::Excess { path, offset: 0, what, found: len, most: INDEX_MAX });
    }
    let mut index = Index::default();
    let mut parser = serde_json::Deserializer::from_reader(json(source, 0, len));
    let parsed = parser.deserialize_map(Outer(&mut index)).and_then(|()| parser.end());
    parsed.map_err(|source| ReadError::Json { path: path.to_owned(), source })?;
    if index.files.is_empty() {
        return Err(ReadError::Silent {
            path: path.to_owned(),
            missing: "where the tensors are (weight_map)",
        });
    }
    // An index names files beside it. Anything else would have the reader open what it was not given.
    let outside =
        |name: &&String| name.contains(['/', '\\', '\0']) || matches!(name.as_str(), "" | "." | "..");
    if let Some(name) = index.files.iter().find(outside) {
        let fault = Fault::Name(name.chars().take(128).collect());
        return Err(ReadError::Fault { path: path.to_owned(), offset: 0, fault });
    }
    Ok(index)
}

struct Outer<'i>(&'i mut Index);

impl<'de> Visitor<'de> for Outer<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a weight_map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "weight_map" {
                map.next_value_seed(Places(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct Places<'i>(&'i mut Index);

impl<'de> DeserializeSeed<'de> for Places<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Places<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a file for each tensor")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((IgnoredAny, file)) = map.next_entry::<IgnoredAny, String>()? {
            self.0.tensors = self.0.tensors.saturating_add(1);
            if file.len() > 255 || self.0.files.len() > FILES_MAX {
                return Err(A::Error::custom("more than 8192 files, or a name of more than 255 bytes"));
            }
            self.0.files.insert(file);
        }
        Ok(())
    }
}
