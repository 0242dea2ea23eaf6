//! A tiered cache of attention state: blocks of keys and values, shared by prefix, kept hot (as the engine uses
//! them), warm (host memory, smaller) and cold (disk, smallest; an object store beyond), under one ledger.

pub mod block;
pub mod codec;
pub mod engine;
pub mod gate;
pub mod layout;
pub mod policy;
pub mod replay;
pub mod store;
