//! The model that writes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use plimsoll_llm::text::{Chat, Tokenizer};
use plimsoll_llm::{Adapter, Decoder};

use super::GenerateError;
use crate::built_in;

/// What the built-in model is called.
const BUILT_IN: &str = "tiny-7m-q8_0.gguf (built in)";

/// A model and, unless tokens go by number, its tokenizer.
pub(super) struct Model {
    pub decoder: Decoder,
    pub tokenizer: Option<Arc<Tokenizer>>,
    pub name: PathBuf,
    built_in: bool,
}

impl Model {
    pub(super) fn open(
        path: Option<&Path>,
        adapter: Option<&Path>,
        ids: bool,
    ) -> Result<Self, GenerateError> {
        let decoder = match path {
            Some(path) => Decoder::open(path)?,
            None => Decoder::over(BUILT_IN, built_in::model())?,
        };
        let decoder = match adapter {
            Some(folder) => {
                let adapter = Adapter::open(folder, decoder.shape())?;
                decoder.with_adapter(adapter)
            }
            None => decoder,
        };
        let tokenizer = match path {
            _ if ids => None,
            Some(_) => Some(Tokenizer::open(decoder.path())?),
            None => Some(Tokenizer::of_gguf(&(*built_in::model()).as_ref(), Path::new(BUILT_IN))?),
        };
        if let Some(tokenizer) = &tokenizer {
            tokenizer.check(decoder.shape().vocabulary, decoder.path())?;
        }
        let name = decoder.path().to_owned();
        Ok(Self { decoder, tokenizer: tokenizer.map(Arc::new), name, built_in: path.is_none() })
    }

    /// How its conversations are written.
    pub(super) fn chat(&self, tokenizer: &Arc<Tokenizer>) -> Result<Chat, GenerateError> {
        let path = self.decoder.path();
        Ok(if self.built_in {
            Chat::of_gguf(&(*built_in::model()).as_ref(), path, tokenizer)?
        } else {
            Chat::open(path, tokenizer)?
        })
    }

    /// The token that texts begin with.
    pub(super) fn first(&self) -> Option<u32> {
        self.tokenizer.as_ref().and_then(|tokenizer| tokenizer.first()).or(self.decoder.shape().first_token)
    }
}
