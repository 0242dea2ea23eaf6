//! Finds out what a path is, and reads it.

use std::fs;
use std::path::{Path, PathBuf};

use super::{FileSource, ReadError, Source, config, gguf, safetensors};
use crate::model::Model;

/// How many names of a folder a message lists.
const NAMED: usize = 8;

/// Reads a model: a GGUF file, or any of its parts; a safetensors file, an index of several, or a folder of them with
/// their config.json; an adapter in either format; or a config.json alone.
///
/// Only headers are read. See the module's documentation for what it holds at most, and [`role`](super::role) for
/// telling models from what goes with them.
pub fn open(path: impl AsRef<Path>) -> Result<Model, ReadError> {
    let path = path.as_ref();
    if path.is_dir() {
        return folder(path);
    }
    let source = FileSource::open(path)?;
    if source.is_empty() {
        return Err(ReadError::Empty { path: path.to_owned() });
    }
    let start = first(&source, path)?;
    if start.starts_with(b"GGUF") {
        return gguf::open(path, &source);
    }
    if start.starts_with(b"version https://git-lfs") {
        return Err(ReadError::Pointer { path: path.to_owned() });
    }
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if start.get(8) == Some(&b'{') && extension != "json" || extension == "safetensors" {
        return safetensors::open(path, &source);
    }
    if start.trim_ascii_start().starts_with(b"{") {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.ends_with(".index.json") {
            return safetensors::open_index(path, &source);
        }
        return config::open(path, &source);
    }
    Err(ReadError::Format { path: path.to_owned(), found: shown(&start) })
}

/// The first bytes of a source, as many as tell formats apart.
fn first(source: &dyn Source, path: &Path) -> Result<Vec<u8>, ReadError> {
    let mut start = vec![0; usize::try_from(source.len().min(64)).unwrap_or(64)];
    let read = source.read_at(0, &mut start);
    read.map_err(|source| ReadError::Read { path: path.to_owned(), offset: 0, source })?;
    Ok(start)
}

/// What a source begins with, for messages.
pub(super) fn beginning(source: &dyn Source, path: &Path) -> Result<String, ReadError> {
    first(source, path).map(|start| shown(&start))
}

fn shown(start: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(&start[..start.len().min(16)]))
}

/// Reads the one model of a folder.
fn folder(path: &Path) -> Result<Model, ReadError> {
    let index = path.join("model.safetensors.index.json");
    if index.is_file() {
        return open(index);
    }
    for name in ["model.safetensors", "adapter_model.safetensors"] {
        let file = path.join(name);
        if file.is_file() {
            return open(file);
        }
    }
    let models = models(path)?;
    match models.as_slice() {
        [one] => open(one),
        [] if path.join("config.json").is_file() => open(path.join("config.json")),
        [] => {
            let found = "the folder has no GGUF file, no safetensors and no config.json".to_owned();
            Err(ReadError::Folder { path: path.to_owned(), found })
        }
        several => Err(many(path, several)),
    }
}

/// The refusal of a folder with several models.
fn many(path: &Path, several: &[PathBuf]) -> ReadError {
    let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let mut names = several.iter().filter_map(name).take(NAMED).collect::<Vec<_>>().join(", ");
    if several.len() > NAMED {
        names = format!("{names} and {} more", several.len() - NAMED);
    }
    let found = format!("the folder has several models: {names}");
    ReadError::Folder { path: path.to_owned(), found }
}

/// The one model file of a folder that ends so; of a split one its first part.
pub(super) fn one_of(path: &Path, extension: &str) -> Result<PathBuf, ReadError> {
    let ends = |file: &PathBuf| file.extension().is_some_and(|found| found == extension);
    let mut found: Vec<PathBuf> = models(path)?.into_iter().filter(ends).collect();
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => {
            let found = format!("the folder has no .{extension} file");
            Err(ReadError::Folder { path: path.to_owned(), found })
        }
        _ => Err(many(path, &found)),
    }
}

/// Model files of a folder, of split ones the first part only, and no projectors if there is anything else.
fn models(path: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let failed = |source| ReadError::Open { path: path.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let Some(name) = name.to_str() else { continue };
        let part = name.contains("-of-") && !name.contains("-00001-of-");
        let file = path.join(name);
        let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if matches!(extension, "gguf" | "safetensors") && !part {
            found.push(file);
        }
    }
    found.sort_unstable();
    let projector =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().contains("mmproj"));
    if found.iter().any(|path| !projector(path)) {
        found.retain(|path| !projector(path));
    }
    Ok(found)
}
