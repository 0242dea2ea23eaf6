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

use crate::ledger::LedgerSettings;

pub use capacities::Capacities;
pub use error::{Position, Problem, SettingsError};
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

/// Reads and checks a configuration file. Percentages of a machine are taken of `capacities`.
pub fn load(path: &Path, capacities: &Capacities) -> Result<LedgerSettings, SettingsError> {
    let (name, text, format) = read_file(path)?;
    parse(&name, &text, format, capacities)
}

/// A file's name, text and format.
fn read_file(path: &Path) -> Result<(String, String, Format), SettingsError> {
    let name = path.display().to_string();
    let Some(format) = Format::of(path) else {
        return Err(SettingsError::of_file(name, Problem::UnknownFormat));
    };
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((name, text, format)),
        Err(error) => Err(SettingsError::of_file(name, Problem::Unreadable(error.to_string()))),
    }
}

fn tree(text: &str, format: Format) -> Result<node::Node, error::Wrong> {
    match format {
        Format::Toml => toml_tree::parse(text),
        Format::Yaml => yaml_tree::parse(text),
    }
}

/// Reads what a configuration file says of the monitor; the usual settings where it says nothing.
///
/// ```no_run
/// use plimsoll::monitor::Sampler;
/// let engine = plimsoll::Engine::open("plan.toml")?;
/// let sampler = Sampler::of(&engine).settings(plimsoll::settings::load_monitor("plan.toml".as_ref())?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(not(any(loom, shuttle)))]
pub fn load_monitor(path: &Path) -> Result<crate::monitor::MonitorSettings, SettingsError> {
    let (name, text, format) = read_file(path)?;
    let tree = tree(&text, format);
    let read = tree.and_then(|tree| monitor::settings(tree.table("", "a table")?));
    read.map_err(|wrong| wrong.in_file(&name, &text))
}

/// Reads where a configuration file wants each run's predictions kept beside what was measured, if it says so. A path
/// that does not begin at the root is below the file's own folder.
pub fn load_runs(path: &Path) -> Result<Option<RunsSettings>, SettingsError> {
    let (name, text, format) = read_file(path)?;
    let tree = tree(&text, format);
    let read = tree.and_then(|tree| runs::settings(tree.table("", "a table")?));
    let folder = path.parent().unwrap_or(Path::new(""));
    let found = read.map_err(|wrong| wrong.in_file(&name, &text))?;
    Ok(found.map(|runs| RunsSettings { file: folder.join(runs.file), ..runs }))
}

/// Reads and checks a configuration that is in memory already. `name` is what errors call it.
pub fn parse(
    name: &str,
    text: &str,
    format: Format,
    capacities: &Capacities,
) -> Result<LedgerSettings, SettingsError> {
    tree(text, format)
        .and_then(|tree| read::settings(&tree, capacities))
        .map_err(|wrong| wrong.in_file(name, text))
}
