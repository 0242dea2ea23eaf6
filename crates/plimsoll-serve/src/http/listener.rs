//! The listener and its connections.
//!
//! Each connection has a task of its own that costs a few kilobytes. A head that does not come in time, and a connection more
//! than is allowed, are closed; what is being answered is not.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::{Limits, ServeError};

/// Connections that wait to be accepted at most; systems allow fewer.
const WAITING: u32 = 16_384;

/// Where it listens.
pub(crate) struct Listener {
    socket: TcpListener,
    limits: Limits,
    open: Arc<AtomicUsize>,
}

/// How many connections there are.
#[derive(Clone)]
pub(crate) struct Watched(Arc<AtomicUsize>);

impl Watched {
    pub(crate) fn open(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection that counts.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Listener {
    /// Within a runtime, which its socket belongs to.
    pub(crate) fn bind(address: SocketAddr, limits: Limits) -> Result<Self, ServeError> {
        raise_files(files_wanted(limits.connections));
        let socket = listen(address).map_err(|source| ServeError::Listen { address, source })?;
        Ok(Self { socket, limits, open: Arc::default() })
    }

    pub(crate) fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    pub(crate) fn watched(&self) -> Watched {
        Watched(Arc::clone(&self.open))
    }

    /// Answers until `stop` comes; then takes nobody in, lets what is being answered end, and gives that so long.
    pub(crate) async fn serve(self, router: Router, stop: impl Future<Output = ()>, drain: Duration) {
        let graceful = GracefulShutdown::new();
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(self.limits.reading).max_buf_size(64 << 10);
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = &mut stop => break,
            };
            let Ok((stream, _)) = accepted else {
                // Out of file descriptors, most likely: they come back, and asking at once would only burn a core.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            if self.open.fetch_add(1, Ordering::Relaxed) >= self.limits.connections {
                drop(Counted(Arc::clone(&self.open)));
                turn_away(&stream);
                continue;
            }
            let counted = Counted(Arc::clone(&self.open));
            // An answer that comes token by token is to leave token by token.
            let _ = stream.set_nodelay(true);
            let service = TowerToHyperService::new(router.clone());
            let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
            tokio::spawn(async move {
                // A client that breaks off is its own affair.
                let _ = connection.await;
                drop(counted);
            });
        }
        drop(self.socket);
        let _ = tokio::time::timeout(drain, graceful.shutdown()).await;
    }
}

/// As many as the system lets wait to be accepted: who comes in a crowd and finds no place there tries again only after a second.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Whoever listened here before may have left connections that are not quite over.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

/// Says that there is no room, without waiting for anything.
fn turn_away(stream: &TcpStream) {
    const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";
    let _ = stream.try_write(BUSY);
}

/// Files that so many connections need open at once: model files, the cache's folder and threads have theirs too.
pub const fn files_wanted(connections: usize) -> u64 {
    connections as u64 + 512
}

/// Lets this process have so many files open, as far as the system lets it, and says how many it may have then: many systems let
/// a process open 1,024 unless it asks for more.
#[cfg(unix)]
pub fn raise_files(wanted: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(current) = current.filter(|current| *current < wanted) else {
        return current.unwrap_or(u64::MAX);
    };
    let raised = maximum.map_or(wanted, |maximum| wanted.min(maximum));
    match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }) {
        Ok(()) => raised,
        // Connections beyond the limit wait to be accepted.
        Err(_) => current,
    }
}

/// Lets this process have so many files open; this system does not say how many that may be.
#[cfg(not(unix))]
pub fn raise_files(wanted: u64) -> u64 {
    wanted
}
