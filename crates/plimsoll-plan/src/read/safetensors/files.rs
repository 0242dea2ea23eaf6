//! One file or several, with their configuration, as a model.

use std::path::{Path, PathBuf};

use plimsoll::Bytes;

use super::header::{Header, header};
use super::index::index;
use super::infer;
use crate::model::{Doubt, Hyper, Model, Origin, Tensor};
use crate::read::budget::Budget;
use crate::read::gguf::distinct;
use crate::read::{FileSource, ReadError, Source, config, role, tied};

/// How many missing files a message names.
const NAMED: usize = 8;

/// Reads a model from one source, without a configuration: its shape is what its tensors show.
///
/// `path` is what messages call it, and gives it its name. Files beside it are not looked for:
/// [`open`](crate::read::open) does that.
pub fn read(source: &dyn Source, path: &Path) -> Result<Model, ReadError> {
    let mut files = Files::new();
    files.append(source, path)?;
    files.model(path, None)
}

/// Reads a model from its file, and the configuration beside it; or from all files if it is one of several.
pub(in crate::read) fn open(path: &Path, source: &dyn Source) -> Result<Model, ReadError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let part = name.contains("-of-");
    let beside = path.with_file_name("model.safetensors.index.json");
    if part && beside.is_file() {
        let source = FileSource::open(&beside)?;
        let known = index(&source, &beside)?;
        if known.files.contains(name) {
            return several(
                &beside,
                known.files.iter().map(|name| path.with_file_name(name)),
                Some(known.tensors),
            );
        }
    }
    if let Some(parts) = parts(path) {
        return several(path, parts.into_iter(), None);
    }
    let mut files = Files::new();
    files.append(source, path)?;
    files.model(path, Some(path))
}

/// Reads a model from the files that an index names.
pub(in crate::read) fn open_index(path: &Path, source: &dyn Source) -> Result<Model, ReadError> {
    let known = index(source, path)?;
    several(path, known.files.iter().map(|name| path.with_file_name(name)), Some(known.tensors))
}

/// All parts of `NAME-00001-of-00003.safetensors`.
fn parts(path: &Path) -> Option<Vec<PathBuf>> {
    let name = path.file_name()?.to_str()?.strip_suffix(".safetensors")?;
    let (rest, count) = name.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    let digits = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let total = count
        .parse::<u32>()
        .ok()
        .filter(|total| digits(number) && digits(count) && (2..=8192).contains(total))?;
    Some(
        (1..=total)
            .map(|part| path.with_file_name(format!("{stem}-{part:05}-of-{count}.safetensors")))
            .collect(),
    )
}

fn several(
    path: &Path,
    paths: impl Iterator<Item = PathBuf>,
    stated: Option<u64>,
) -> Result<Model, ReadError> {
    let paths: Vec<PathBuf> = paths.collect();
    complete(path, &paths)?;
    let mut files = Files::new();
    for part in &paths {
        let source = FileSource::open(part)?;
        files.append(&source, part)?;
    }
    let found = files.tensors.len() as u64;
    if let Some(stated) = stated.filter(|stated| *stated != found) {
        let text =
            format!("the index lists {stated} tensors, and the files have {found}: the latter are counted");
        files.doubts.push(Doubt { text, share: 0.0 });
    }
    files.model(path, Some(path))
}

/// Refuses several files of which some are not there.
fn complete(path: &Path, paths: &[PathBuf]) -> Result<(), ReadError> {
    let missing: Vec<&PathBuf> = paths.iter().filter(|path| !path.is_file()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let name = |path: &&PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let mut names = missing.iter().filter_map(name).take(NAMED).collect::<Vec<_>>().join(", ");
    if missing.len() > NAMED {
        names = format!("{names} and {} more", missing.len() - NAMED);
    }
    Err(ReadError::Parts { path: path.to_owned(), count: paths.len() as u64, missing: names })
}

/// All files of the model that a path means: a folder, an index, or any of the files.
pub(super) fn of_model(path: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let named = |index: &Path| {
        let source = FileSource::open(index)?;
        Ok(super::index::index(&source, index)?.files)
    };
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let beside = path.with_file_name("model.safetensors.index.json");
    let found = if path.is_dir() {
        let index = path.join("model.safetensors.index.json");
        if index.is_file() {
            named(&index)?.iter().map(|name| path.join(name)).collect()
        } else {
            let one = crate::read::open::one_of(path, "safetensors")?;
            parts(&one).unwrap_or_else(|| vec![one])
        }
    } else if name.ends_with(".index.json") {
        named(path)?.iter().map(|name| path.with_file_name(name)).collect()
    } else if name.contains("-of-") && beside.is_file() {
        let all = named(&beside)?;
        if all.contains(name) {
            all.iter().map(|name| path.with_file_name(name)).collect()
        } else {
            vec![path.to_owned()]
        }
    } else {
        parts(path).unwrap_or_else(|| vec![path.to_owned()])
    };
    complete(path, &found)?;
    Ok(found)
}

/// What has been read of a model so far.
struct Files {
    budget: Budget,
    tensors: Vec<Tensor>,
    doubts: Vec<Doubt>,
    missing: u64,
}

impl Files {
    fn new() -> Self {
        Self { budget: Budget::new(), tensors: Vec::new(), doubts: Vec::new(), missing: 0 }
    }

    /// Adds what a file has.
    fn append(&mut self, source: &dyn Source, path: &Path) -> Result<(), ReadError> {
        let Header { tensors, doubts, missing, .. } = header(source, path, &mut self.budget)?;
        self.budget.append(&mut self.tensors, tensors, path)?;
        for doubt in doubts {
            if !self.doubts.contains(&doubt) {
                self.doubts.push(doubt);
            }
        }
        self.missing = self.missing.saturating_add(missing);
        Ok(())
    }

    /// The model of these tensors, with the shape of a configuration beside a path, if one is to be looked for.
    fn model(self, path: &Path, beside: Option<&Path>) -> Result<Model, ReadError> {
        let Self { tensors, mut doubts, missing, .. } = self;
        let fault = |fault| ReadError::Fault { path: path.to_owned(), offset: 8, fault };
        distinct(&tensors).map_err(fault)?;
        let adapter = tensors.iter().any(|tensor| role::is_adapter(&tensor.name));
        let config =
            beside.map(|path| path.with_file_name("config.json")).filter(|path| path.is_file() && !adapter);
        let mut hyper = match config {
            Some(config) => {
                let read = config::beside(&config)?;
                doubts.extend(read.doubts);
                Hyper { tied_embedding: read.hyper.tied_embedding && tied::tied(&tensors), ..read.hyper }
            }
            None if adapter => Hyper::default(),
            None => infer::hyper(&tensors, &mut doubts),
        };
        if hyper.layers.is_empty() {
            hyper.tied_embedding = false;
        }
        doubts.sort_by(|one, other| other.share.total_cmp(&one.share));
        if missing > 0 {
            let missing = Bytes::new(missing);
            let text = format!("the file is cut short: {missing} of its data are missing; download it again");
            doubts.insert(0, Doubt { text, share: 0.0 });
        }
        Ok(Model { name: name(path), hyper, tensors, origin: Origin::File(path.to_owned()), doubts })
    }
}

/// The name of a model: that of its file, or of the folder where the file has a name that all have.
fn name(path: &Path) -> String {
    let text = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
    let stem = text(path.file_stem()).unwrap_or_default();
    if !(stem == "model"
        || stem.starts_with("model-")
        || stem.starts_with("model.")
        || stem == "adapter_model")
    {
        return stem;
    }
    let folder = path.parent().and_then(|folder| text(folder.file_name()));
    folder.filter(|folder| !folder.is_empty()).unwrap_or(stem)
}
