//! Systems without Unix sockets.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use crate::monitor::{Sample, Sink};

/// Cannot be opened on this system.
#[derive(Debug)]
pub struct Publisher(std::convert::Infallible);

impl Publisher {
    /// Says that this system has no Unix sockets.
    pub fn open(_: &str) -> io::Result<Self> {
        let why = "an engine is shown through a Unix socket, which this system does not have";
        Err(io::Error::new(ErrorKind::Unsupported, why))
    }

    /// The same.
    pub fn open_in(_: &Path, program: &str) -> io::Result<Self> {
        Self::open(program)
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        match self.0 {}
    }

    /// There is a newer sample.
    pub fn tell(&self, _: &Arc<Sample>) {
        match self.0 {}
    }

    /// Tells it each sample of a monitor.
    pub fn sink(&self) -> Box<dyn Sink> {
        match self.0 {}
    }

    /// How many are connected.
    pub fn watched_by(&self) -> usize {
        match self.0 {}
    }
}
