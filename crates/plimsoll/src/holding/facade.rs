//! Holdings as the engine opens them: by the path of an account, where that has one place.

use super::cached::{Cached, Key};
use super::{Resident, Site, Streaming};
use crate::{Engine, EngineError};

impl Engine {
    /// Where an account's holdings stand, for one that has a share of one place only. For others, and to wait for
    /// memory, make a [`Site`] of the account and the place.
    pub fn site(&self, path: &str) -> Result<Site, EngineError> {
        let account = self.account(path)?;
        Ok(Site::new(&account, account.place()?))
    }

    /// A cache over an account, known to the governor by the account's path.
    ///
    /// ```
    /// # use plimsoll::{Bytes, Engine};
    /// let engine = Engine::in_memory(Bytes::mib(64), "features")?;
    /// let features = engine.cached::<u64, Vec<f32>>("features")?.on_evict(|id, _| println!("{id} goes"));
    /// let hit = features.get_or_insert_with(&7, || vec![0.5; 768])?;
    /// assert_eq!(hit.len(), 768);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cached<K: Key, V: Send + Sync + 'static>(&self, path: &str) -> Result<Cached<K, V>, EngineError> {
        Ok(Cached::open(&self.site(path)?, path))
    }

    /// Streams over an account.
    ///
    /// ```
    /// # use plimsoll::{Bytes, Engine, holding::streaming::Align};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("text");
    /// # std::fs::write(&path, "a text")?;
    /// let engine = Engine::in_memory(Bytes::mib(64), "documents")?;
    /// for chunk in engine.streaming("documents")?.file(&path)?.chunks(Bytes::mib(8), Align::Utf8) {
    ///     assert_eq!(&*chunk?, b"a text");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn streaming(&self, path: &str) -> Result<Streaming, EngineError> {
        Ok(Streaming::open(&self.site(path)?, path))
    }

    /// A holding of what is loaded once, over an account.
    ///
    /// ```
    /// # use plimsoll::{Bytes, Engine};
    /// # use plimsoll::holding::resident::{Block, Keep};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("weights");
    /// # std::fs::write(&path, "weights")?;
    /// let engine = Engine::in_memory(Bytes::mib(64), "weights")?;
    /// let weights = engine.resident::<Block>("weights")?;
    /// let layer = weights.file("layer.0", &path, Keep::Copied)?;
    /// assert_eq!(layer.get()?.as_slice(), Some(&b"weights"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resident<T: Send + Sync + 'static>(&self, path: &str) -> Result<Resident<T>, EngineError> {
        Ok(Resident::open(&self.site(path)?, path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{AccountSettings, LedgerSettings, LineSettings};
    use crate::{Bytes, Place};

    #[test]
    fn an_account_in_several_places_must_say_which() {
        let mib = Bytes::mib(1);
        let both = AccountSettings::new("both").share(Place::Host, mib, mib).share(Place::Disk, mib, mib);
        let plan = LedgerSettings {
            places: vec![LineSettings::new(Place::Host, mib), LineSettings::new(Place::Disk, mib)],
            accounts: vec![both, AccountSettings::new("none")],
        };
        let engine = Engine::with(&plan, Vec::new()).unwrap();
        assert!(matches!(engine.streaming("both"), Err(EngineError::WhichPlace { .. })));
        assert!(matches!(engine.streaming("other"), Err(EngineError::Ledger(_))));
        assert!(matches!(engine.streaming("none"), Err(EngineError::NoShares(name)) if name == "none"));
    }
}
