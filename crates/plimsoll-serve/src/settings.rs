//! How a service is set up, checked once.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use plimsoll::Bytes;
use plimsoll_device::Device;

use crate::ServeError;
use crate::batch::BatchSettings;
use crate::model::{ModelFault, ModelSource};
use crate::shelf::LibrarySource;

/// What requests may ask and how long they may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body: Bytes,
    /// Bytes of a document that is sent to be taken in.
    pub document: Bytes,
    /// How long its head and body may take to come.
    pub reading: Duration,
    /// Connections at once; one more is closed.
    pub connections: usize,
    /// Requests that may wait for memory.
    pub waiting: usize,
    /// How long each may.
    pub patience: Duration,
    /// Tokens of an answer that does not say how many.
    pub tokens: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: Bytes::mib(16),
            document: Bytes::gib(1),
            reading: Duration::from_secs(30),
            connections: 16_384,
            waiting: 256,
            patience: Duration::from_mins(1),
            tokens: 512,
        }
    }
}

/// A device that is to compute models, with their weights and pages in its memory.
#[derive(Clone, Debug)]
pub struct DeviceSettings {
    /// Which.
    pub device: Arc<dyn Device>,
    /// The most of its memory that the service may take, everything included.
    pub line: Bytes,
    /// Page-locked memory of the host that it reaches, if there is any: models that do not fit the line have layers there, which come when they
    /// are needed.
    pub pinned: Option<Arc<dyn Device>>,
    /// How much of the host's line is for that; as much as the models need, up to a half, unless said.
    pub away: Option<Bytes>,
}

impl DeviceSettings {
    /// A device below a line of its own, without page-locked memory.
    pub fn new(device: Arc<dyn Device>, line: Bytes) -> Self {
        Self { device, line, pinned: None, away: None }
    }
}

/// How a service is set up.
#[derive(Clone, Debug)]
pub struct ServeSettings {
    /// Where it listens. Others than this machine reach it only if that is said here.
    pub listen: SocketAddr,
    /// The most memory that it may take, everything included.
    pub line: Bytes,
    /// What computes models, if not the host.
    pub device: Option<DeviceSettings>,
    /// How much is for keys and values, of the line of what computes; a good part of it, unless said.
    pub kv: Option<Bytes>,
    /// Which models there are. The first is meant where a request names none.
    pub models: Vec<ModelSource>,
    /// Which libraries there are. The first is meant where a request names none.
    pub libraries: Vec<LibrarySource>,
    /// How much of the line is for documents; a part of it, unless said, where there are libraries.
    pub docs: Option<Bytes>,
    /// The model that makes vectors of passages, if one does.
    pub embedder: Option<String>,
    /// Where keys and values are kept beyond this process, and how much that may take.
    pub cache: Option<(PathBuf, Bytes)>,
    /// Who may ask: one of these, if there are any.
    pub keys: Vec<String>,
    /// What requests may ask.
    pub limits: Limits,
    /// How sequences are stepped.
    pub batch: BatchSettings,
    /// How long a stop waits for texts to end.
    pub drain: Duration,
}

impl ServeSettings {
    /// On this machine's own address, below this line, with these models.
    pub fn new(line: Bytes, models: Vec<ModelSource>) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            line,
            device: None,
            kv: None,
            models,
            libraries: Vec::new(),
            docs: None,
            embedder: None,
            cache: None,
            keys: Vec::new(),
            limits: Limits::default(),
            batch: BatchSettings::default(),
            drain: Duration::from_secs(20),
        }
    }

    /// What names and keys say without anything being opened.
    pub(crate) fn check(&self) -> Result<(), ServeError> {
        if self.keys.iter().any(|key| key.trim().is_empty()) {
            return Err(ServeError::BlankKey);
        }
        let names = || self.models.iter().map(|model| model.name.as_str());
        if let Some(name) = self.embedder.as_deref().filter(|name| !names().any(|one| one == *name)) {
            let known = names().collect::<Vec<_>>().join(", ");
            return Err(ServeError::Embedder(ModelFault::Unknown { name: name.to_owned(), known }));
        }
        let mut libraries: Vec<&str> = self.libraries.iter().map(|library| library.name.as_str()).collect();
        libraries.sort_unstable();
        match libraries.windows(2).find(|two| two[0] == two[1]) {
            Some(two) => Err(ServeError::TwoLibraries { name: two[0].to_owned() }),
            None => Ok(()),
        }
    }
}
