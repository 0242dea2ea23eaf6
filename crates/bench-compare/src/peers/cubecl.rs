//! CubeCL's `MemoryManagement`, over its own storage of plain host bytes.

use std::sync::Arc;

use cubecl_ir::MemoryDeviceProperties;
use cubecl_server::logging::ServerLogger;
use cubecl_server::memory_management::{
    ErrorGraph, ManagedMemoryHandle, MemoryConfiguration, MemoryManagement, MemoryManagementOptions,
    PageUpdate,
};
use cubecl_server::storage::BytesStorage;

use super::Shared;
use plimsoll_cli::bench::harness::{Engine, PAGE, Seat};

/// The largest page that it may ask of its storage: a middling device's.
const MAX_PAGE_BYTES: u64 = 1 << 30;

/// The memory manager with its default pools. On a server each stream has one, so that threads which share it
/// go through a lock.
pub struct CubeclMemory;

/// The manager and where it notes failures; one of each, kept, as a server does.
pub struct Manager {
    memory: MemoryManagement<BytesStorage>,
    failures: ErrorGraph,
}

/// A thread's access to it.
pub struct CubeclSeat(Shared<Manager>);

impl Engine for CubeclMemory {
    type Seat = CubeclSeat;

    fn name(&self) -> &'static str {
        "cubecl"
    }

    fn seats(&self, threads: usize) -> Vec<CubeclSeat> {
        let properties = MemoryDeviceProperties::new(MAX_PAGE_BYTES, BytesStorage::ALIGNMENT as u64);
        let memory = MemoryManagement::from_configuration(
            BytesStorage::default(),
            &properties,
            MemoryConfiguration::default(),
            Arc::new(ServerLogger::default()),
            MemoryManagementOptions::new("bench"),
        );
        let manager = Manager { memory, failures: ErrorGraph::default() };
        Shared::among(threads, manager).into_iter().map(CubeclSeat).collect()
    }
}

impl Seat for CubeclSeat {
    type Block = ManagedMemoryHandle;

    #[inline]
    fn take(&mut self, bytes: u64) -> Option<ManagedMemoryHandle> {
        self.0.with(|manager| manager.memory.reserve(bytes, PageUpdate::Allow, &mut manager.failures).ok())
    }

    #[inline]
    fn put(&mut self, block: ManagedMemoryHandle) {
        // Dropping the handle is how a block is given back; the manager sees it at its next search.
        drop(block);
    }

    fn touch(&mut self, block: &mut ManagedMemoryHandle, _bytes: u64) -> bool {
        let binding = block.clone().binding();
        self.0.with(|manager| {
            let Ok(mut resource) = manager.memory.get_resource(binding, None, None) else {
                return false;
            };
            for byte in resource.write().iter_mut().step_by(PAGE) {
                *byte = 1;
            }
            true
        })
    }
}
