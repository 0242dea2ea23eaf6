//! A connection to a running engine.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::AttachError;
use super::lines::Lines;
use crate::monitor::Sample;
use crate::monitor::socket::greeting::Greeting;

/// The samples of a running engine, one after the other, as they are taken.
///
/// An error ends it, but for [`AttachError::Silent`]: then asking again goes on waiting.
pub struct Attached {
    path: PathBuf,
    greeting: Greeting,
    lines: Option<Lines>,
    patience: Duration,
}

/// A greeting comes at once from whoever gives one.
#[cfg(unix)]
const GREETING: Duration = Duration::from_secs(2);
/// Samples may be further apart than this; silence is told, not the end.
#[cfg(unix)]
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects to the engine that listens there, and reads who it is.
#[cfg(unix)]
pub fn open(path: &Path) -> Result<Attached, AttachError> {
    let mut attached = greet(path, GREETING, PATIENCE)?;
    attached.accept()?;
    Ok(attached)
}

/// Connects to the engine that listens there, and reads who it is.
#[cfg(not(unix))]
pub fn open(_: &Path) -> Result<Attached, AttachError> {
    Err(AttachError::Unsupported)
}

/// Connects and reads the greeting, whatever it says.
#[cfg(unix)]
pub(super) fn greet(path: &Path, greeting: Duration, patience: Duration) -> Result<Attached, AttachError> {
    use std::os::unix::net::UnixStream;

    let failed = |source| AttachError::Io { path: path.to_owned(), source };
    let stream = UnixStream::connect(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => AttachError::NotThere { path: path.to_owned() },
        _ => failed(error),
    })?;
    let timed = stream.try_clone().map_err(failed)?;
    timed.set_read_timeout(Some(greeting)).map_err(failed)?;
    let attached = Attached::over(Box::new(stream), path, patience)?;
    timed.set_read_timeout(Some(patience)).map_err(failed)?;
    Ok(attached)
}

impl Attached {
    /// Reads the greeting from whatever can be read.
    fn over(
        reader: Box<dyn std::io::Read + Send>,
        path: &Path,
        patience: Duration,
    ) -> Result<Self, AttachError> {
        let mut lines = Lines::new(reader);
        let foreign = |what: &str| AttachError::Foreign { path: path.to_owned(), what: what.to_owned() };
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => return Err(foreign("it hung up without a word")),
            Err(error) if is_silence(&error) => return Err(foreign("it does not greet")),
            Err(error) if error.kind() == ErrorKind::InvalidData => return Err(foreign(&error.to_string())),
            Err(source) => return Err(AttachError::Io { path: path.to_owned(), source }),
        };
        let greeting: Greeting =
            serde_json::from_slice(&line).map_err(|_| foreign("its greeting is not understood"))?;
        if greeting.plimsoll != Greeting::WORD {
            return Err(foreign("it greets as something else"));
        }
        Ok(Self { path: path.to_owned(), greeting, lines: Some(lines), patience })
    }

    /// Whether samples will follow that mean what they mean here.
    fn accept(&mut self) -> Result<(), AttachError> {
        let Greeting { schema, program, version, refused, .. } = &self.greeting;
        if let Some(why) = refused {
            return Err(AttachError::Refused { program: program.clone(), why: why.clone() });
        }
        if !self.greeting.is_ours() {
            return Err(AttachError::OtherSchema {
                program: program.clone(),
                version: version.clone(),
                theirs: *schema,
                ours: Sample::SCHEMA,
            });
        }
        Ok(())
    }

    /// The program's name.
    pub fn program(&self) -> &str {
        &self.greeting.program
    }

    /// Its process.
    pub const fn pid(&self) -> u32 {
        self.greeting.pid
    }

    /// The version of Plimsoll in it.
    pub fn version(&self) -> &str {
        &self.greeting.version
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn ended(&self) -> AttachError {
        AttachError::Ended { program: self.greeting.program.clone(), pid: self.greeting.pid }
    }
}

impl Iterator for Attached {
    type Item = Result<Sample, AttachError>;

    fn next(&mut self) -> Option<Self::Item> {
        let error = match self.lines.as_mut()?.next() {
            Ok(Some(line)) => match serde_json::from_slice(&line) {
                Ok(sample) => return Some(Ok(sample)),
                Err(error) => AttachError::Foreign {
                    path: self.path.clone(),
                    what: format!("a line of it is no sample ({error})"),
                },
            },
            Ok(None) => self.ended(),
            Err(error) if is_silence(&error) => {
                let program = self.greeting.program.clone();
                return Some(Err(AttachError::Silent { program, waited: self.patience }));
            }
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                AttachError::Foreign { path: self.path.clone(), what: error.to_string() }
            }
            // A process that is killed resets the connection rather than closing it.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => self.ended(),
            Err(source) => AttachError::Io { path: self.path.clone(), source },
        };
        self.lines = None;
        Some(Err(error))
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attached")
            .field("path", &self.path)
            .field("greeting", &self.greeting)
            .finish_non_exhaustive()
    }
}

/// Systems name a time-out by either.
fn is_silence(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
