//! What can be typed after `bench memory`.

use std::path::PathBuf;

use plimsoll::Place;

const EXAMPLES: &str = "\
Examples:
  plimsoll bench memory
  plimsoll bench memory --svg memory.svg --disk /data
  plimsoll bench memory --place host --json
  plimsoll bench memory --place cuda:0

Counts bytes as STREAM does: read and write 8 a number, copy 16, triad 24. Takes a minute or two; build with
--release, close what else is running. The file on disk has at most 1 GiB, never fills the disk, and is gone at
the end whatever happens.";

/// What can be typed after `bench memory`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct MemoryArgs {
    /// Also draw the host's figures into a file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,

    /// Measure the disk under this folder instead of the current one
    #[arg(long, value_name = "FOLDER")]
    pub disk: Option<PathBuf>,

    /// Measure only this place (may be given several times): host, disk, pinned, cuda:N, gpu:N, sim:N
    #[arg(long = "place", value_name = "PLACE")]
    pub places: Vec<Place>,

    /// Everything with small sizes: whether it runs, not how fast
    #[arg(long)]
    pub smoke: bool,
}
