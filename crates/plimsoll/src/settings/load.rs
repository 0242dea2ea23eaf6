//! Files → settings.

use std::path::Path;

use super::{
    Capacities, Format, Problem, RunsSettings, SettingsError, error, node, read, runs, toml_tree, yaml_tree,
};
use crate::ledger::LedgerSettings;

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
    let read = tree.and_then(|tree| super::monitor::settings(tree.table("", "a table")?));
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
