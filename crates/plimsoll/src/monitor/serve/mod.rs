//! The last sample over HTTP: `/metrics` for Prometheus, `/health` and `/memory` as JSON.
//!
//! A few hundred lines of the standard library and no framework: it answers `GET` and `HEAD`, closes every connection
//! after its answer, and is bounded in every direction (length of a request, time for it, connections at once), so that
//! a client that stalls or floods costs a few kilobytes and delays no sample.

mod answer;
mod request;
mod server;

pub use server::{ServeSettings, Server, ServerSink};
