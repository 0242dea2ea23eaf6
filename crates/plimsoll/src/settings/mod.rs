//! The configuration file: which line each place has, and which account may carry how much of it.
//!
//! ```toml
//! [places.host]
//! line = "75%"            # of what this machine lets us use; or a size: "96GiB"
//! reserve = "2GiB"        # part of the line that nobody may take
//! emergency = "256MiB"    # part of the line that only shrinking may take
//!
//! [accounts.kv]
//! priority = 3
//! host = { guaranteed = "8GiB", limit = "15GiB" }
//!
//! [accounts."models/qwen"]
//! host = { guaranteed = "25%" }        # a percentage of the line; no limit: all that is not set aside
//! ```
//!
//! The same in YAML gives the same settings: both are read into one small tree with positions, and only that
//! tree is looked at. So every error names the file, the line and column, the key, what was found and what to
//! write instead, whichever the format.
//!
//! Strictness is the point. A number without a unit, a key that is not known, a guarantee above its limit and
//! guarantees that do not fit their line are refused here, before anything is allocated: a plan that does not
//! add up fails later in the worst place, under load. (One published profile that we started from promised
//! 123 GB on a line of 120.)

mod capacities;
mod error;
mod load;
// The monitor reads files and starts threads, which loom and shuttle do not model.
#[cfg(not(any(loom, shuttle)))]
mod monitor;
mod node;
mod read;
mod runs;
mod size;
mod toml_tree;
mod write;
mod yaml_tree;

use std::fmt;
use std::path::Path;

pub use capacities::Capacities;
pub use error::{Position, Problem, SettingsError};
#[cfg(not(any(loom, shuttle)))]
pub use load::load_monitor;
pub use load::{load, load_runs, parse};
pub use runs::RunsSettings;
pub use write::{to_toml, to_yaml};

/// How a configuration is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// TOML 1.0 and later.
    Toml,
    /// YAML 1.2.
    Yaml,
}

impl Format {
    /// By the ending of a file's name: `.toml`, `.yaml`, `.yml`.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "toml" => Some(Self::Toml),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Toml => "TOML",
            Self::Yaml => "YAML",
        })
    }
}
