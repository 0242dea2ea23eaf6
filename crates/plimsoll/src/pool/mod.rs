//! Pools: few big device allocations turned into many small leases.

pub mod arena;
