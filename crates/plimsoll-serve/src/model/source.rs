//! Where models come from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use plimsoll::Bytes;
use plimsoll_llm::text::{Chat, Tokenizer};
use plimsoll_llm::{Decoder, ModelBytes};

use super::{EngineChoice, ModelFault};
use crate::ServeError;

/// Where a model's bytes are.
#[derive(Clone)]
pub enum Origin {
    /// A GGUF file, or a folder of safetensors.
    Path(PathBuf),
    /// Bytes of a GGUF file that are part of the program.
    BuiltIn(ModelBytes),
}

/// A model that can be asked for.
#[derive(Clone)]
pub struct ModelSource {
    /// What requests call it.
    pub name: String,
    /// Where it is.
    pub origin: Origin,
    /// What it is guaranteed of the line, whatever other models are asked for.
    pub guaranteed: Bytes,
    /// What is to compute it.
    pub engine: EngineChoice,
}

impl ModelSource {
    /// A model at a path, called as the file is.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let stem = if path.is_dir() { path.file_name() } else { path.file_stem() };
        let name = stem.map_or_else(|| "model".to_owned(), |stem| stem.to_string_lossy().into_owned());
        Self { name, origin: Origin::Path(path), guaranteed: Bytes::ZERO, engine: EngineChoice::Auto }
    }

    /// A model that is part of the program.
    pub fn built_in(name: impl Into<String>, bytes: ModelBytes) -> Self {
        let origin = Origin::BuiltIn(bytes);
        Self { name: name.into(), origin, guaranteed: Bytes::ZERO, engine: EngineChoice::Auto }
    }

    /// Where it is, for people.
    pub fn path(&self) -> &Path {
        match &self.origin {
            Origin::Path(path) => path,
            Origin::BuiltIn(_) => Path::new("built in"),
        }
    }

    /// Reads its header and maps its weights.
    pub(super) fn decoder(&self) -> Result<Decoder, ModelFault> {
        Ok(match &self.origin {
            Origin::Path(path) => Decoder::open(path)?,
            Origin::BuiltIn(bytes) => Decoder::over(&self.name, Arc::clone(bytes))?,
        })
    }

    /// Reads its tokenizer.
    pub(super) fn tokenizer(&self, decoder: &Decoder) -> Result<Tokenizer, ModelFault> {
        let tokenizer = match &self.origin {
            Origin::Path(_) => Tokenizer::open(decoder.path())?,
            Origin::BuiltIn(bytes) => Tokenizer::of_gguf(&(**bytes).as_ref(), decoder.path())?,
        };
        tokenizer.check(decoder.shape().vocabulary, decoder.path())?;
        Ok(tokenizer)
    }

    /// Reads its chat template.
    pub(super) fn chat(&self, decoder: &Decoder, tokenizer: &Arc<Tokenizer>) -> Result<Chat, ModelFault> {
        Ok(match &self.origin {
            Origin::Path(_) => Chat::open(decoder.path(), tokenizer)?,
            Origin::BuiltIn(bytes) => Chat::of_gguf(&(**bytes).as_ref(), decoder.path(), tokenizer)?,
        })
    }
}

impl std::fmt::Debug for ModelSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelSource")
            .field("name", &self.name)
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

/// The models of a folder: GGUF files, and folders with safetensors. What it is called is all that a request can name, so none
/// leads out of the folder.
pub fn found(folder: &Path) -> Result<Vec<ModelSource>, ServeError> {
    let unread = |source| ServeError::Folder { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        let is = |path: &Path, extension: &str| path.extension().is_some_and(|found| found == extension);
        let weights = |path: &Path| {
            let inside = std::fs::read_dir(path).into_iter().flatten().flatten();
            inside.map(|entry| entry.path()).any(|path| is(&path, "safetensors") || is(&path, "gguf"))
        };
        // Hidden ones are downloads that are not whole, most often.
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && (if path.is_dir() { weights(&path) } else { is(&path, "gguf") }) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths.into_iter().map(ModelSource::at).collect())
}
