//! How a running engine is seen from outside: a socket of its own, below a folder that only its user can enter.
//!
//! A [`Publisher`] listens and is told samples; who connects gets a greeting and then a line of JSON for each sample,
//! the newest first. Nothing that a client does or omits reaches whoever samples: each client has a thread of its own,
//! which takes the newest sample when it is done with the one before, and a client that does not read for some time
//! is dropped. [`attach`](super::attach) is the other end.
//!
//! Only Unix has these sockets here; elsewhere [`Publisher::open`] says so.

#[cfg(not(unix))]
mod elsewhere;
#[cfg(unix)]
pub(super) mod folder;
pub(super) mod greeting;
mod published;
#[cfg(unix)]
mod publisher;
#[cfg(unix)]
mod watchers;

#[cfg(not(unix))]
pub use elsewhere::Publisher;
pub use published::Published;
#[cfg(unix)]
pub use publisher::Publisher;
