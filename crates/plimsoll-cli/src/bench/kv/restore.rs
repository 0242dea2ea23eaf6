//! Bringing blocks back, beside copying and beside the disk.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll::Bytes;
use plimsoll_device::Device;
use plimsoll_kv::block::Chain;
use plimsoll_kv::cache::{Cache, ColdSettings};
use plimsoll_kv::codec::{Packing, Precision};
use plimsoll_kv::engine::LeasedPages;
use plimsoll_kv::store::folder::{Folder, FolderSettings};

use super::report::Target;
use super::stand::{Stand, TOKENS, layout, speed};
use super::{KvArgs, KvBenchError, KvRow};
use crate::bench::median;

pub(super) fn warm(args: &KvArgs, device: &Arc<dyn Device>) -> Result<Vec<KvRow>, KvBenchError> {
    let mut rows = Vec::new();
    for (what, precision, target) in [
        ("warm restore, native", Precision::Native, 0.8),
        ("warm restore, from 8 bits", Precision::Eight, 0.6),
    ] {
        let stand = Stand::new(device, &layout(), args.blocks(), |_, mut settings| {
            settings.warm.precision = precision;
            Ok(settings)
        })?;
        let bytes = layout().block_bytes() * args.blocks();
        let prompts = prompts(&stand, args);
        for prompt in &prompts {
            drop(stand.fill(prompt)?);
        }
        let copy = Copy::new(layout().block_bytes(), args.blocks());
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        // The first turns bring the second prompt down for the first time, and do not count.
        for turn in 0..2 + args.turns() {
            let seconds = restore(&stand.cache, &prompts[turn % 2], args)?;
            let copied = copy.seconds();
            if turn >= 2 {
                ours.push(seconds);
                theirs.push(copied);
            }
        }
        rows.push(KvRow {
            what: what.to_owned(),
            value: speed(bytes, median(ours)),
            unit: "GB/s",
            beside: "memcpy of the same bytes on one thread, in turns".to_owned(),
            peer: Some(speed(bytes, median(theirs))),
            target: Some(Target::PartOfPeer(target)),
        });
    }
    Ok(rows)
}

/// Two prompts that take turns: each fills the hot tier, so that restoring one takes the pages of the other.
fn prompts(stand: &Stand, args: &KvArgs) -> [Chain; 2] {
    let tokens = u32::try_from(args.blocks()).unwrap_or(0) * TOKENS;
    [0, 1].map(|prompt| stand.chain(&(prompt * tokens..(prompt + 1) * tokens).collect::<Vec<_>>()))
}

/// Restores all of a prompt; how long it took.
fn restore(cache: &Cache<LeasedPages>, chain: &Chain, args: &KvArgs) -> Result<f64, KvBenchError> {
    let began = Instant::now();
    let blocks = cache.seek(chain).map(|prefix| prefix.restore(chain).finish().blocks);
    let seconds = began.elapsed().as_secs_f64();
    let restored = blocks.map_or(0, |blocks| blocks.len());
    if restored < args.blocks() {
        return Err(KvBenchError::Nothing(format!("{restored} of {} blocks came back", args.blocks())));
    }
    Ok(seconds)
}

/// Two runs of memory as large as what is restored.
struct Copy {
    from: Vec<Vec<u8>>,
    to: std::cell::RefCell<Vec<Vec<u8>>>,
}

impl Copy {
    fn new(block: usize, blocks: usize) -> Self {
        let side = |value: u8| (0..blocks).map(|_| vec![value; block]).collect();
        Self { from: side(1), to: std::cell::RefCell::new(side(2)) }
    }

    fn seconds(&self) -> f64 {
        let began = Instant::now();
        for (from, to) in self.from.iter().zip(self.to.borrow_mut().iter_mut()) {
            to.copy_from_slice(from);
        }
        std::hint::black_box(&self.to);
        began.elapsed().as_secs_f64()
    }
}

/// A folder that goes when the measurement ends.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub fn new(args: &KvArgs, name: &str) -> std::io::Result<Self> {
        let parent = args.folder.clone().unwrap_or_else(std::env::temp_dir);
        let folder = parent.join(format!("plimsoll-bench-kv-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left for whoever cleans temporary folders.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) fn cold(args: &KvArgs, device: &Arc<dyn Device>) -> Result<Vec<KvRow>, KvBenchError> {
    let mut rows = Vec::new();
    for (what, precision) in
        [("cold restore, native", Precision::Native), ("cold restore, from 4 bits", Precision::Four)]
    {
        let scratch = Scratch::new(args, "cold")?;
        let folder = scratch.path().join("store");
        let stand = Stand::new(device, &layout(), args.blocks(), |engine, settings| {
            let account: Option<plimsoll::governor::Account> = Some((*engine.account("kv/cold")?).clone());
            let store = FolderSettings { account, ..FolderSettings::new(&folder, Bytes::gib(12)) };
            let store = Folder::open(&store)?.0;
            let cold = ColdSettings {
                precision,
                packing: Packing::None,
                settle: Some(Duration::ZERO),
                patience: Duration::from_mins(2),
                ..ColdSettings::new(Arc::new(store))
            };
            let mut settings = settings.cold(cold);
            settings.warm.precision = Precision::Native;
            settings.threads = true;
            Ok(settings)
        })?;
        let prompts = prompts(&stand, args);
        for prompt in &prompts {
            drop(stand.fill(prompt)?);
            stand.cache.flush();
        }
        let stored = files_bytes(&folder)? / 2;
        let plain = scratch.path().join("plain");
        write_plain(&plain, stored)?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for turn in 0..2 + args.turns().min(6) {
            stand.press_warm()?;
            forget(&folder)?;
            let seconds = restore(&stand.cache, &prompts[turn % 2], args)?;
            forget(&plain)?;
            let read = read_plain(&plain)?;
            if turn >= 2 {
                ours.push(seconds);
                theirs.push(read);
            }
        }
        let stored = usize::try_from(stored).unwrap_or(usize::MAX);
        rows.push(KvRow {
            what: what.to_owned(),
            value: speed(stored, median(ours)),
            unit: "GB/s",
            beside: "one file of as many bytes, read from front to back, in turns".to_owned(),
            peer: Some(speed(stored, median(theirs))),
            target: Some(Target::PartOfPeer(0.85)),
        });
    }
    Ok(rows)
}

/// What the files of a folder hold.
fn files_bytes(folder: &Path) -> std::io::Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        sum += entry?.metadata()?.len();
    }
    Ok(sum)
}

fn write_plain(path: &Path, bytes: u64) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    let mut seed = 1_u64;
    let mut chunk = vec![0; 1 << 20];
    for _ in 0..bytes.div_ceil(chunk.len() as u64) {
        for part in chunk.chunks_exact_mut(8) {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            part.copy_from_slice(&seed.to_le_bytes());
        }
        file.write_all(&chunk)?;
    }
    file.sync_all()
}

fn read_plain(path: &Path) -> std::io::Result<f64> {
    let mut file = File::open(path)?;
    let mut chunk = vec![0; 4 << 20];
    let began = Instant::now();
    while file.read(&mut chunk)? > 0 {}
    Ok(began.elapsed().as_secs_f64())
}

/// The system forgets what it has read of a file, or of a folder's files.
#[cfg(target_os = "linux")]
fn forget(path: &Path) -> std::io::Result<()> {
    let files: Vec<PathBuf> = if path.is_dir() {
        std::fs::read_dir(path)?.filter_map(|entry| Some(entry.ok()?.path())).collect()
    } else {
        vec![path.to_owned()]
    };
    for path in files {
        let file = File::open(path)?;
        file.sync_all()?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn forget(_: &Path) -> std::io::Result<()> {
    Ok(())
}
