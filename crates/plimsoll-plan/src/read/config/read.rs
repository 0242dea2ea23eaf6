//! A configuration as a model without tensors: which there are depends on the quantization, and whoever plans chooses
//! that ([`crate::catalogue::derive`]).

use std::path::Path;

use serde_json::Value as Json;

use super::architectures::gguf_name;
use super::facts::Facts;
use super::keys::keys;
use crate::model::{Doubt, Hyper, Model, Origin};
use crate::read::{FileSource, ReadError, Source, safetensors, shape};

/// The longest configuration. Those in use have some KB; lists of what is not quantized make some a hundred.
const CONFIG_MAX: u64 = 512 * 1024;

/// What a configuration says.
pub(in crate::read) struct Config {
    pub(in crate::read) hyper: Hyper,
    pub(in crate::read) doubts: Vec<Doubt>,
}

/// Reads a configuration. `path` is what messages call it, and its folder gives the model's name.
pub fn read_config(source: &dyn Source, path: &Path) -> Result<Model, ReadError> {
    let Config { hyper, doubts } = parse(source, path)?;
    let folder = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let stem = || path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name = folder.filter(|name| !name.is_empty()).unwrap_or_else(stem);
    Ok(Model { name, hyper, tensors: Vec::new(), origin: Origin::Config(path.to_owned()), doubts })
}

/// Reads a configuration alone.
pub(in crate::read) fn open(path: &Path, source: &dyn Source) -> Result<Model, ReadError> {
    read_config(source, path)
}

/// Reads the configuration beside weights.
pub(in crate::read) fn beside(path: &Path) -> Result<Config, ReadError> {
    let source = FileSource::open(path)?;
    parse(&source, path)
}

fn parse(source: &dyn Source, path: &Path) -> Result<Config, ReadError> {
    let len = source.len();
    if len > CONFIG_MAX {
        let (path, what) = (path.to_owned(), "bytes of configuration");
        return Err(ReadError::Excess { path, offset: 0, what, found: len, most: CONFIG_MAX });
    }
    let parsed: Result<Json, _> = serde_json::from_reader(safetensors::json(source, 0, len));
    let parsed = parsed.map_err(|source| ReadError::Json { path: path.to_owned(), source })?;
    let silent = |missing| ReadError::Silent { path: path.to_owned(), missing };
    let outer = parsed.as_object().ok_or(silent("anything, as an object"))?;
    if outer.contains_key("_class_name") || outer.contains_key("_diffusers_version") {
        let kind = "the configuration of an image model's part".to_owned();
        return Err(ReadError::Other { path: path.to_owned(), kind });
    }
    if outer.contains_key("peft_type") {
        let kind =
            "the configuration of an adapter, whose weights are in adapter_model.safetensors".to_owned();
        return Err(ReadError::Other { path: path.to_owned(), kind });
    }
    let facts = Facts::of(outer);
    let model_type = facts.text(&["model_type"]).unwrap_or_default();
    let outer_type = outer.get("model_type").and_then(Json::as_str).unwrap_or_default();
    let architecture = gguf_name(model_type).or_else(|| gguf_name(outer_type));
    let architecture = architecture.map_or_else(|| model_type.chars().take(64).collect(), str::to_owned);
    let architecture = match architecture.as_str() {
        "nemotron_h" if facts.positive(&["n_routed_experts"]).is_some() => "nemotron_h_moe".to_owned(),
        _ => architecture,
    };
    let keys = keys(&facts, &architecture);
    let mut doubts = Vec::new();
    let mut hyper = shape::hyper(&keys, &[], path, &mut doubts)?;
    let usual = matches!(
        architecture.as_str(),
        "gemma" | "gemma2" | "gemma3" | "gemma3n" | "gemma4" | "command-r" | "cohere2"
    );
    hyper.tied_embedding = facts.flag(&["tie_word_embeddings"]).unwrap_or(usual);
    Ok(Config { hyper, doubts })
}
