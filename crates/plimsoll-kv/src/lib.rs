//! A tiered cache of attention state: blocks of keys and values, shared by prefix, kept hot (as the engine uses
//! them), warm (host memory, smaller) and cold (disk, smallest; an object store beyond), under one ledger.
//!
//! Begin with [`cache`]; [`engine`] is how an engine plugs in, [`block`] and [`layout`] what it deals in, [`store`] what
//! lies below memory.

pub mod block;
// The cache starts threads and reads files, which shuttle does not model; its book it does.
#[cfg(not(shuttle))]
pub mod cache;
#[cfg(all(shuttle, test))]
#[path = "cache/races.rs"]
mod cache;
#[cfg(not(shuttle))]
pub mod codec;
#[cfg(not(shuttle))]
pub mod engine;
#[cfg(not(shuttle))]
pub mod gate;
pub mod layout;
pub mod policy;
#[cfg(not(shuttle))]
pub mod replay;
#[cfg(not(shuttle))]
pub mod store;
pub mod tree;
