//! foyer's hybrid cache, its disk part: nothing stays in memory, every block is written on insertion.

use std::io;
use std::path::{Path, PathBuf};

use foyer::{
    BlockEngineConfig, DeviceBuilder as _, FsDeviceBuilder, HybridCache, HybridCacheBuilder,
    HybridCachePolicy, RecoverMode,
};
use tokio::runtime::{Builder, Runtime};

use super::blocks::{Blocks, Keeper};

/// The cache, and the runtime that it needs.
pub(super) struct Foyer {
    runtime: Runtime,
    folder: PathBuf,
    blocks: Blocks,
    cache: Option<HybridCache<u64, Vec<u8>>>,
}

impl Foyer {
    pub fn new(folder: &Path, blocks: Blocks) -> io::Result<Self> {
        let folder = folder.join("foyer");
        std::fs::create_dir_all(&folder)?;
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        Ok(Self { runtime, folder, blocks, cache: None })
    }

    fn open(&self) -> io::Result<HybridCache<u64, Vec<u8>>> {
        /// Of its files; the largest block and its head must fit.
        const PART_BYTES: usize = 16 << 20;
        let total = self.blocks.count * (self.blocks.bytes + 8_192);
        // It wants some parts free at all times.
        let capacity = (total + total / 4).next_multiple_of(PART_BYTES) + 16 * PART_BYTES;
        self.runtime.block_on(async {
            let device = FsDeviceBuilder::new(&self.folder).with_capacity(capacity).with_direct(true).build();
            let engine = BlockEngineConfig::new(device.map_err(io::Error::other)?)
                .with_block_size(PART_BYTES)
                .with_flushers(2)
                .with_buffer_pool_size(256 << 20)
                .with_submit_queue_size_threshold(1 << 30);
            let cache = HybridCacheBuilder::new()
                .with_policy(HybridCachePolicy::WriteOnInsertion)
                // Less than one block: what is read comes from the disk.
                .memory(1)
                .with_weighter(|_: &u64, block: &Vec<u8>| block.len())
                .storage()
                .with_engine_config(engine)
                .with_recover_mode(RecoverMode::Quiet)
                .build();
            cache.await.map_err(io::Error::other)
        })
    }
}

impl Keeper for Foyer {
    fn name(&self) -> &'static str {
        "foyer 0.22"
    }

    fn cache(&self) -> &'static str {
        "page cache bypassed"
    }

    fn write(&mut self, blocks: &Blocks) -> io::Result<()> {
        /// What it is given before it is waited for: what does not fit its buffers it drops.
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
        self.runtime.block_on(cache.close()).map_err(io::Error::other)?;
        drop(cache);
        self.cache = Some(self.open()?);
        Ok(())
    }

    fn forget(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn read(&mut self, index: usize, into: &mut [u8]) -> io::Result<bool> {
        let Some(cache) = &self.cache else {
            return Ok(false);
        };
        let found = self.runtime.block_on(async { cache.get(&(index as u64)).await });
        let Some(entry) = found.map_err(io::Error::other)? else {
            return Ok(false);
        };
        into.copy_from_slice(entry.value());
        Ok(true)
    }
}

impl Drop for Foyer {
    fn drop(&mut self) {
        if let Some(cache) = self.cache.take() {
            // Nothing is left to be written.
            let _ = self.runtime.block_on(cache.close());
        }
    }
}
