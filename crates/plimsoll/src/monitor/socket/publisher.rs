//! Listening, and accepting who comes.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::folder;
use super::watchers::Watchers;
use crate::monitor::{Sample, Sink};

/// Shows a process's samples to whoever of the same user connects.
///
/// # What it does not do
/// It takes no samples: it is [told](Self::tell) them, or is a monitor's [sink](Self::sink). It keeps none but the
/// newest: a client that is slow misses some, and their events with them.
///
/// # Who owns what
/// The socket's file and the threads `plimsoll-publish` and `plimsoll-show` are the publisher's; both are gone when it
/// is dropped.
///
/// # Example
/// ```no_run
/// use std::time::Duration;
/// use plimsoll::monitor::{Monitor, Sampler, socket::Publisher};
/// let publisher = Publisher::open("indexer")?;
/// let monitor = Monitor::start(Sampler::machine(), Duration::from_secs(1), vec![publisher.sink()])?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "dropping a publisher closes its socket"]
pub struct Publisher {
    path: PathBuf,
    watchers: Arc<Watchers>,
    thread: Option<JoinHandle<()>>,
}

/// How long to wait after a failure to accept: out of files, usually.
const PAUSE: Duration = Duration::from_millis(200);

static NAMING: Mutex<()> = Mutex::new(());

impl Publisher {
    /// Listens in this user's folder: `$XDG_RUNTIME_DIR/plimsoll`, or `/tmp/plimsoll-UID` without it. A folder that
    /// others can enter is refused.
    pub fn open(program: &str) -> io::Result<Self> {
        let folder = folder::folders().into_iter().next();
        let folder =
            folder.ok_or_else(|| io::Error::new(ErrorKind::NotFound, "there is no folder for sockets"))?;
        Self::open_in(&folder, program)
    }

    /// Listens in another folder, under the same conditions.
    pub fn open_in(folder: &Path, program: &str) -> io::Result<Self> {
        folder::prepare(folder)?;
        // Two threads of this process must not find the same name free.
        let naming = NAMING.lock().unwrap_or_else(PoisonError::into_inner);
        folder::clean(folder);
        let path = folder::free_name(folder);
        let listener = listen(&path)?;
        drop(naming);
        let watchers = Arc::new(Watchers::new(program));
        let own = Arc::clone(&watchers);
        let accept = move || {
            while !own.is_stopping() {
                match listener.accept() {
                    Ok((stream, _)) => own.add(stream),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => own.pause(PAUSE),
                }
            }
        };
        let thread = match thread::Builder::new().name("plimsoll-publish".to_owned()).spawn(accept) {
            Ok(thread) => thread,
            Err(error) => {
                let _ = fs::remove_file(&path);
                return Err(error);
            }
        };
        Ok(Self { path, watchers, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// There is a newer sample. Returns at once, whatever clients do.
    pub fn tell(&self, sample: &Arc<Sample>) {
        self.watchers.tell(sample);
    }

    /// Tells it each sample of a monitor. Does nothing once the publisher is dropped.
    pub fn sink(&self) -> Box<dyn Sink> {
        let watchers = Arc::clone(&self.watchers);
        Box::new(move |sample: &Arc<Sample>| watchers.tell(sample))
    }

    /// How many are connected.
    pub fn watched_by(&self) -> usize {
        self.watchers.count()
    }
}

/// Binds under another name first: between binding and listening a socket refuses, and would be taken for one whose
/// process has ended.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let bound = path.with_file_name(format!(".{}.tmp", path.file_stem().unwrap_or_default().display()));
    let _ = fs::remove_file(&bound);
    let listener = UnixListener::bind(&bound).map_err(|error| {
        let why = format!("no socket can be opened at {}: {error}", path.display());
        io::Error::new(error.kind(), why)
    })?;
    fs::rename(&bound, path).inspect_err(|_| drop(fs::remove_file(&bound)))?;
    Ok(listener)
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.watchers.stop();
        // Whoever accepts is woken by a last visitor. If the file is gone nobody can wake it, and it is left behind:
        // it holds a socket that nobody can find.
        let woken = UnixStream::connect(&self.path).is_ok();
        let _ = fs::remove_file(&self.path);
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            // That it panicked is no reason to panic here.
            drop(thread.join());
        }
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("path", &self.path).finish_non_exhaustive()
    }
}
