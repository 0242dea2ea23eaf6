//! foyer's hybrid cache, its disk part: nothing stays in memory, every block is written on insertion.
//!
//! What it would drop is waited for. It takes insertions into a queue, and forgets those that find more than
//! `submit_queue_size_threshold` bytes there; its flushers have buffers, and forget what does not fit what is left of
//! them. So both are made large, and it is waited for before they can be full.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use foyer::{
    BlockEngineConfig, DeviceBuilder as _, FsDeviceBuilder, HybridCache, HybridCacheBuilder,
    HybridCachePolicy, IoEngineConfig, PsyncIoEngineConfig, RecoverMode,
};
use tokio::runtime::{Builder, Runtime};

use super::blocks::{Blocks, Keeper};

type Cache = HybridCache<u64, Vec<u8>>;

/// How it speaks with the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Calls that block, on threads of the runtime: its default.
    Calls,
    /// io_uring, on Linux; elsewhere the same as calls.
    Uring,
}

/// The cache, and the runtime that it needs.
pub(super) struct Foyer {
    runtime: Runtime,
    folder: PathBuf,
    blocks: Blocks,
    way: Way,
    cache: Option<Cache>,
}

impl Foyer {
    pub fn new(folder: &Path, blocks: Blocks, way: Way) -> io::Result<Self> {
        let folder = folder.join(if way == Way::Calls { "foyer" } else { "foyer-uring" });
        std::fs::create_dir_all(&folder)?;
        Ok(Self { runtime: runtime()?, folder, blocks, way, cache: None })
    }

    fn open(&self) -> io::Result<Cache> {
        open(&self.runtime, &self.folder, self.blocks, self.way)
    }
}

/// The runtime that it is given: a thread for each processor here.
pub(super) fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

/// The cache alone.
pub(super) fn open(runtime: &Runtime, folder: &Path, blocks: Blocks, way: Way) -> io::Result<Cache> {
    /// Of its files; the largest block and its head must fit.
    const PART_BYTES: usize = 16 << 20;
    // A block has a page of its own for its head, and every so many share one for their index.
    let total = blocks.count * (blocks.bytes.next_multiple_of(4_096) + 8_192);
    // It wants some parts free at all times.
    let capacity = (total + total / 4).next_multiple_of(PART_BYTES) + 16 * PART_BYTES;
    runtime.block_on(async {
        let device = FsDeviceBuilder::new(folder).with_capacity(capacity).with_direct(true).build();
        let engine = BlockEngineConfig::new(device.map_err(io::Error::other)?)
            .with_block_size(PART_BYTES)
            .with_flushers(2)
            .with_buffer_pool_size(256 << 20)
            .with_submit_queue_size_threshold(1 << 30);
        let cache = HybridCacheBuilder::new()
            .with_policy(HybridCachePolicy::WriteOnInsertion)
            // Less than one block: what is read comes from the disk.
            .memory(1)
            .with_shards(1)
            .with_weighter(|_: &u64, block: &Vec<u8>| block.len())
            .storage()
            .with_io_engine_config(speaks(way))
            .with_engine_config(engine)
            .with_recover_mode(RecoverMode::Quiet)
            .build();
        cache.await.map_err(io::Error::other)
    })
}

fn speaks(way: Way) -> Box<dyn IoEngineConfig> {
    match way {
        #[cfg(target_os = "linux")]
        Way::Uring => foyer::UringIoEngineConfig::new().boxed(),
        _ => PsyncIoEngineConfig::new().boxed(),
    }
}

impl Keeper for Foyer {
    fn name(&self) -> &'static str {
        match self.way {
            Way::Calls => "foyer 0.22",
            Way::Uring => "foyer 0.22, io_uring",
        }
    }

    fn cache(&self) -> &'static str {
        "page cache bypassed"
    }

    fn write(&mut self, blocks: &Blocks) -> io::Result<()> {
        /// What it is given before it is waited for; less than what each of its buffers holds.
        const BATCH_BYTES: usize = 64 << 20;
        let cache = self.open()?;
        let mut given = 0;
        blocks.each(|index, block| {
            cache.insert(index as u64, block.to_vec());
            given += block.len();
            if given >= BATCH_BYTES {
                given = 0;
                self.runtime.block_on(cache.storage().wait());
            }
            Ok(())
        })?;
        self.runtime.block_on(cache.close()).map_err(io::Error::other)
    }

    fn forget(&mut self) -> io::Result<()> {
        // It bypasses the page cache, and keeps nothing in memory.
        if self.cache.is_none() {
            self.cache = Some(self.open()?);
        }
        Ok(())
    }

    /// Closed, because its thread for `io_uring` never sleeps: open, it would take a processor from all others' turns.
    fn rest(&mut self) -> io::Result<()> {
        let Some(cache) = self.cache.take() else {
            return Ok(());
        };
        // Nothing is left to be written.
        self.runtime.block_on(cache.close()).map_err(io::Error::other)
    }

    fn read(&mut self, indices: Range<usize>, into: &mut [u8]) -> io::Result<usize> {
        let Some(cache) = &self.cache else {
            return Ok(0);
        };
        let bytes = into.len() / indices.len().max(1);
        // A get is under way from the moment that it is asked for.
        let gets: Vec<_> = indices.map(|index| cache.get(&(index as u64))).collect();
        let mut count = 0;
        self.runtime.block_on(async {
            for (get, block) in gets.into_iter().zip(into.chunks_mut(bytes)) {
                if let Some(entry) = get.await.map_err(io::Error::other)? {
                    block.copy_from_slice(entry.value());
                    count += 1;
                }
            }
            Ok::<_, io::Error>(())
        })?;
        Ok(count)
    }
}

impl Drop for Foyer {
    fn drop(&mut self) {
        // Whoever drops it is not told.
        let _ = self.rest();
    }
}
