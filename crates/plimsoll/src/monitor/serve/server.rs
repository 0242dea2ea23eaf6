//! The listener and its connections.

use std::io::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fmt, io};

use super::answer::Answer;
use super::request::read;
use crate::monitor::{Sample, Sink};

/// What a [`Server`] allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeSettings {
    /// Bytes of a request, headers and all.
    pub longest_request: usize,
    /// How long a request may take to come, and its answer to be taken.
    pub patience: Duration,
    /// Connections at once; one more is told so and closed.
    pub connections: usize,
}

impl Default for ServeSettings {
    fn default() -> Self {
        Self { longest_request: 8 << 10, patience: Duration::from_secs(5), connections: 16 }
    }
}

/// Answers with the last sample that its sink was given, until it is dropped.
///
/// It asks nobody who they are, so let it listen on this machine only (`127.0.0.1:9184`) unless the network is yours.
///
/// ```
/// use std::time::Duration;
/// use plimsoll::monitor::{Monitor, Sampler, ServeSettings, Server};
/// let server = Server::bind("127.0.0.1:0", ServeSettings::default())?;
/// let monitor = Monitor::start(Sampler::machine(), Duration::from_secs(1), vec![Box::new(server.sink())])?;
/// println!("http://{}/metrics", server.address());
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "dropping a server ends it"]
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    latest: Mutex<Option<Arc<Sample>>>,
    stopping: AtomicBool,
    open: AtomicUsize,
    settings: ServeSettings,
}

/// Gives samples to a [`Server`].
#[derive(Clone)]
pub struct ServerSink(Arc<Shared>);

impl Sink for ServerSink {
    fn sample(&mut self, sample: &Arc<Sample>) {
        let before = self.0.latest.lock().unwrap_or_else(PoisonError::into_inner).replace(Arc::clone(sample));
        drop(before);
    }
}

impl Server {
    /// Listens, on the thread `plimsoll-serve`.
    pub fn bind(address: impl ToSocketAddrs, settings: ServeSettings) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            latest: Mutex::new(None),
            stopping: AtomicBool::new(false),
            open: AtomicUsize::new(0),
            settings,
        });
        let own = Arc::clone(&shared);
        let run = move || accept(&listener, &own);
        let thread = thread::Builder::new().name("plimsoll-serve".to_owned()).spawn(run)?;
        Ok(Self { shared, address, thread: Some(thread) })
    }

    /// Where it listens; the port is the real one also where 0 was asked for.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether only this machine can reach it.
    pub const fn is_local(&self) -> bool {
        self.address.ip().is_loopback()
    }

    /// What gives it samples; any number of these, for one monitor or several.
    pub fn sink(&self) -> ServerSink {
        ServerSink(Arc::clone(&self.shared))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        // The listener sleeps until somebody connects.
        let mut own = self.address;
        if own.ip().is_unspecified() {
            own.set_ip(if own.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
        }
        let woken = TcpStream::connect_timeout(&own, Duration::from_secs(1)).is_ok();
        // One that cannot be woken stays with its process rather than hold up who drops it.
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            drop(thread.join());
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl fmt::Debug for ServerSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSink").finish_non_exhaustive()
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::Acquire) {
            return;
        }
        let Ok(stream) = stream else {
            // Out of file descriptors, most likely: they come back, and asking at once would only burn a core.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        let seat = Seat::take(shared);
        if shared.open.load(Ordering::Relaxed) > shared.settings.connections {
            turn_away(stream);
            continue;
        }
        let answer = move || seat.serve(stream);
        // Without a thread the connection closes, and the client tries again.
        let _ = thread::Builder::new().name("plimsoll-answer".to_owned()).spawn(answer);
    }
}

/// Says that there is no room, without waiting for anything: whoever floods must not hold up the listener.
fn turn_away(mut stream: TcpStream) {
    let _ = stream.set_nonblocking(true).and_then(|()| stream.write_all(&Answer::busy().bytes(false)));
    let _ = stream.shutdown(Shutdown::Both);
}

/// One of the connections that are allowed at once.
struct Seat(Arc<Shared>);

impl Seat {
    fn take(shared: &Arc<Shared>) -> Self {
        shared.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }

    fn serve(&self, mut stream: TcpStream) {
        let settings = self.0.settings;
        let (answer, head_only) = match read(&mut stream, settings.longest_request, settings.patience) {
            Ok(request) => {
                let latest = self.0.latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
                (Some(Answer::to(&request, latest.as_deref())), request.method == "HEAD")
            }
            Err(why) => (Answer::to_unread(&why), false),
        };
        let Some(answer) = answer else { return };
        // An answer fits the system's buffers but for very many accounts; who does not take it is left.
        if stream.set_write_timeout(Some(settings.patience)).is_ok() {
            let _ = stream.write_all(&answer.bytes(head_only)).and_then(|()| stream.flush());
        }
        let _ = stream.shutdown(Shutdown::Write);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
