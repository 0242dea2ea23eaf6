//! What can be typed after `bench kv`.

use std::path::PathBuf;

use plimsoll::Place;

const EXAMPLES: &str = "\
Examples:
  plimsoll bench kv
  plimsoll bench kv --quick --json
  plimsoll bench kv --folder /mnt/nvme/scratch
  plimsoll bench kv --place cuda:0

It takes up to 3 GiB of memory and 1 GiB of disk, and gives both back. Files are read past the system's page cache.";

/// What can be typed after `bench kv`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct KvArgs {
    /// Where the engine's pages are: host, cuda:N, gpu:N
    #[arg(long, value_name = "PLACE", default_value = "host")]
    pub place: Place,

    /// The folder whose disk is measured; by default that of temporary files
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,

    /// A tenth of everything: shows that it works, measures little
    #[arg(long)]
    pub quick: bool,
}

impl KvArgs {
    /// Blocks in the index.
    pub(super) fn indexed(&self) -> usize {
        if self.quick { 100_000 } else { 1_000_000 }
    }

    /// Blocks of 2 MiB that are restored.
    pub(super) fn blocks(&self) -> usize {
        if self.quick { 24 } else { 240 }
    }

    /// How often everything is measured; the median counts.
    pub(super) fn turns(&self) -> usize {
        if self.quick { 3 } else { 7 }
    }
}
