//! Opening what is full: how long it takes, and what it takes in memory for each block.
//!
//! A store is opened by a process of its own, once with nothing in it and then with all of its blocks; what the second
//! takes more is the blocks'. The page cache has forgotten the files before.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::beside::{Plan, median};
use super::blocks::{Blocks, Keeper};
use super::folder;
#[cfg(feature = "foyer")]
use super::foyer;
use super::plain::drop_pages_of;
use crate::gpu::Row;

/// A block that is opened: small, since what it holds is not read.
const BLOCK_BYTES: usize = 4_096;

/// Who has something to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Who {
    /// Our cold store.
    Plimsoll,
    /// foyer's hybrid cache.
    #[cfg(feature = "foyer")]
    Foyer,
}

impl Who {
    const ALL: &[Self] = &[
        Self::Plimsoll,
        #[cfg(feature = "foyer")]
        Self::Foyer,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Plimsoll => "plimsoll",
            #[cfg(feature = "foyer")]
            Self::Foyer => "foyer 0.22",
        }
    }

    /// What it is called on the command line, and its folder.
    const fn word(self) -> &'static str {
        match self {
            Self::Plimsoll => "plimsoll",
            #[cfg(feature = "foyer")]
            Self::Foyer => "foyer",
        }
    }

    fn keeper(self, folder: &Path, blocks: Blocks) -> io::Result<Box<dyn Keeper>> {
        Ok(match self {
            Self::Plimsoll => Box::new(folder::Kept::new(folder, blocks)?),
            #[cfg(feature = "foyer")]
            Self::Foyer => Box::new(foyer::Foyer::new(folder, blocks, foyer::Way::Calls)?),
        })
    }
}

/// What a process tells that opened a store.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub struct Opened {
    /// How long it took.
    pub seconds: f64,
    /// How much more memory the process has, if the system tells.
    pub grown_bytes: Option<f64>,
}

/// Fills stores, and has each opened in turns.
#[expect(clippy::cast_precision_loss, reason = "bytes a block are given to two digits")]
pub(super) fn measure(within: &Path, plan: &Plan, row: &mut dyn FnMut(Row)) -> io::Result<()> {
    let Some(program) = &plan.program else {
        return Ok(());
    };
    let blocks = Blocks { count: plan.opened, bytes: BLOCK_BYTES };
    for &who in Who::ALL {
        let (empty, full) = (within.join("empty"), within.join("full"));
        std::fs::create_dir_all(&empty)?;
        std::fs::create_dir_all(&full)?;
        who.keeper(&full, blocks)?.write(&blocks)?;
        let (mut seconds, mut bytes) = (Vec::new(), Vec::new());
        for _ in 0..plan.turns {
            let before = in_a_process(program, who, &empty, blocks)?;
            drop_pages_of(&full.join(who.word()))?;
            let after = in_a_process(program, who, &full, blocks)?;
            seconds.push(after.seconds * 1e3);
            let grown = after.grown_bytes.zip(before.grown_bytes);
            bytes.extend(grown.map(|(after, before)| (after - before) / blocks.count as f64));
        }
        let what = |name: &str| format!("{name} {} blocks of {} KiB", blocks.count, BLOCK_BYTES >> 10);
        row(Row { what: what("open"), who: who.name(), value: median(&seconds), unit: "ms" });
        if !bytes.is_empty() {
            let value = median(&bytes);
            row(Row { what: what("memory of"), who: who.name(), value, unit: "bytes a block" });
        }
    }
    Ok(())
}

fn in_a_process(program: &Path, who: Who, folder: &Path, blocks: Blocks) -> io::Result<Opened> {
    let output = Command::new(program)
        .args(["--kv", "--within"])
        .arg(folder)
        .args(["--open", who.word(), "--blocks", &blocks.count.to_string()])
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(io::Error::other)
}

/// Opens the store that one of them has in a folder, with room for so many blocks.
pub fn open(who: Who, folder: &Path, count: usize) -> io::Result<Opened> {
    let blocks = Blocks { count, bytes: BLOCK_BYTES };
    let folder = folder.join(who.word());
    match who {
        Who::Plimsoll => {
            let (before, began) = (resident_bytes(), Instant::now());
            let store = folder::Kept::open(&folder, blocks)?;
            Ok(Opened::since(began, before, &store))
        }
        #[cfg(feature = "foyer")]
        Who::Foyer => {
            std::fs::create_dir_all(&folder)?;
            let runtime = foyer::runtime()?;
            let (before, began) = (resident_bytes(), Instant::now());
            let store = foyer::open(&runtime, &folder, blocks, foyer::Way::Calls)?;
            let opened = Opened::since(began, before, &store);
            runtime.block_on(store.close()).map_err(io::Error::other)?;
            Ok(opened)
        }
    }
}

impl Opened {
    /// What a store cost that is still open.
    fn since<T>(began: Instant, before: Option<f64>, _open: &T) -> Self {
        let seconds = began.elapsed().as_secs_f64();
        let grown = resident_bytes().zip(before).map(|(now, before)| now - before);
        Self { seconds, grown_bytes: grown }
    }
}

/// What this process has in memory, if the system tells.
fn resident_bytes() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().split(' ').next()?.parse::<f64>().ok()? * 1_024.0)
}
