//! How a language model is asked for.

use std::path::{Path, PathBuf};

use plimsoll::Bytes;

use super::LanguageModel;
use crate::WordingError;
use crate::catalogue::{self, NameError, Scheme};
use crate::model::{Model, ParseTensorTypeError, TensorType};
use crate::read::{self, ReadError};
use crate::wording::{Wording, number};

const WHAT: &str = "a language model";
const EXAMPLE: &str = "qwen3-14b:Q4_K_M,context=32k";
const KEYS: [&str; 15] = [
    "context",
    "parallel",
    "unified",
    "batch",
    "ubatch",
    "kv",
    "kv_k",
    "kv_v",
    "flash",
    "layers",
    "cpu_moe",
    "draft",
    "mmproj",
    "lora",
    "cache_ram",
];
/// As a server has it unless it is told otherwise.
const PROMPT_CACHE: Bytes = Bytes::gib(8);

/// What holds for language models whose own text does not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usual {
    /// Tokens of context.
    pub context: Option<u64>,
    /// Sequences at a time.
    pub parallel: Option<u64>,
    /// Tokens that are handed over, and computed, at a time.
    pub batch: (Option<u64>, Option<u64>),
    /// Types of keys and values.
    pub kv: Option<(TensorType, TensorType)>,
    /// Whether attention is fused.
    pub flash: Option<bool>,
    /// Layers on GPUs.
    pub layers: Option<u64>,
    /// Host memory for prompts that were seen before.
    pub prompt_cache: Option<Bytes>,
}

/// Why a text is no language model that can be planned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LanguageError {
    /// The text.
    #[error(transparent)]
    Wording(#[from] WordingError),
    /// A type of numbers.
    #[error(transparent)]
    Type(#[from] ParseTensorTypeError),
    /// A type that a cache cannot have.
    #[error(
        "a key-value cache cannot be {0}; it can be f32, f16, bf16, q8_0, q5_1, q5_0, q4_1, q4_0 or iq4_nl"
    )]
    CacheType(TensorType),
    /// Values that are quantized without fused attention.
    #[error(
        "values of the cache cannot be {0} without fused attention: leave flash=off out, or give kv_v=f16"
    )]
    ValuesNeedFlash(TensorType),
    /// A name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A file.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A quantization was asked for and the file has one.
    #[error("{} is a file of its own quantization, and {scheme} was asked for: leave it out, or name the model instead of the file", path.display())]
    FileHasScheme {
        /// Which file.
        path: PathBuf,
        /// What was asked for.
        scheme: Scheme,
    },
    /// A file that holds no language model.
    #[error("{} holds no layers of a language model; it may be {hint}", path.display())]
    NoLayers {
        /// Which file.
        path: PathBuf,
        /// What it may be instead.
        hint: &'static str,
    },
}

/// A model that is known: its file, or its entry in the catalogue.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Known {
    File(PathBuf, Box<Model>),
    Entry(catalogue::Entry),
}

/// A model that goes with another: what guesses ahead, what sees, what adapts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Companion {
    pub known: Known,
    pub scheme: Scheme,
}

impl Companion {
    /// With its weights.
    pub fn model(&self) -> Model {
        match &self.known {
            Known::File(_, model) => (**model).clone(),
            Known::Entry(entry) => entry.model(self.scheme),
        }
    }
}

/// Everything else that was asked for; `None` where the plan may choose.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    pub context: Option<u64>,
    pub parallel: u64,
    pub unified: bool,
    pub batch: u64,
    pub micro_batch: u64,
    pub kv: Option<(TensorType, TensorType)>,
    pub flash: bool,
    pub layers: Option<u64>,
    pub host_experts: u64,
    pub draft: Option<Companion>,
    pub projector: Option<Companion>,
    pub adapters: Vec<Companion>,
    pub prompt_cache: Bytes,
}

/// So many tokens, sequences or layers are more than anything has.
const TOKENS_MOST: u64 = 1 << 30;
const LAYERS_MOST: u64 = 1 << 16;

impl LanguageModel {
    /// Reads a text such as `qwen3-14b:Q4_K_M,context=32k,parallel=4`. The model is a file, a folder of one, or a name of
    /// the catalogue; for a file its header is read.
    pub fn parse(text: &str, usual: &Usual) -> Result<Self, LanguageError> {
        let spec = Wording::parse(WHAT, text, EXAMPLE)?;
        spec.keys(&KEYS)?;
        let mut words = spec.words();
        let shape = || WordingError::Shape { what: WHAT, found: text.to_owned(), example: EXAMPLE };
        let name = words.next().ok_or_else(shape)?;
        if let Some(word) = words.find(|word| !["unified", "flash"].contains(word)) {
            let known = format!("unified, flash and {}, each with a value", KEYS.join("=, "));
            return Err(WordingError::Unknown { found: word.to_owned(), known }.into());
        }
        let (known, scheme) = known(name)?;
        let wanted = wanted(&spec, usual)?;
        Ok(Self { known, scheme, wanted })
    }
}

fn wanted(spec: &Wording, usual: &Usual) -> Result<Wanted, LanguageError> {
    let layers = match spec.text("layers") {
        Some("all") => Some(LAYERS_MOST),
        Some(_) => spec.number("layers", 0..=LAYERS_MOST)?,
        None => usual.layers,
    };
    let host_experts = match spec.text("cpu_moe") {
        Some("all" | "yes" | "on") => LAYERS_MOST,
        Some(_) => spec.number_or("cpu_moe", 0..=LAYERS_MOST, 0)?,
        None => 0,
    };
    let companion = |key: &str| spec.text(key).map(companion).transpose();
    let flash = spec.flag("flash", usual.flash.unwrap_or(true))?;
    let wanted = Wanted {
        context: tokens_in(spec, "context")?.or(usual.context),
        parallel: spec.number("parallel", 1..=1024)?.or(usual.parallel).unwrap_or(1),
        unified: spec.flag("unified", false)?,
        batch: tokens_in(spec, "batch")?.or(usual.batch.0).unwrap_or(2048),
        micro_batch: tokens_in(spec, "ubatch")?.or(usual.batch.1).unwrap_or(512),
        kv: cache_types(spec)?.or(usual.kv),
        flash,
        layers,
        host_experts,
        draft: companion("draft")?,
        projector: companion("mmproj")?,
        adapters: companion("lora")?.into_iter().collect(),
        prompt_cache: spec.size("cache_ram")?.or(usual.prompt_cache).unwrap_or(PROMPT_CACHE),
    };
    match wanted.kv {
        Some((key, value)) => {
            for kind in [key, value] {
                if !CACHE_TYPES.contains(&kind) {
                    return Err(LanguageError::CacheType(kind));
                }
            }
            if value.is_quantized() && !flash {
                return Err(LanguageError::ValuesNeedFlash(value));
            }
            Ok(wanted)
        }
        None => Ok(wanted),
    }
}

const CACHE_TYPES: [TensorType; 9] = [
    TensorType::F32,
    TensorType::F16,
    TensorType::BF16,
    TensorType::Q8_0,
    TensorType::Q5_1,
    TensorType::Q5_0,
    TensorType::Q4_1,
    TensorType::Q4_0,
    TensorType::IQ4_NL,
];

/// A number of tokens: "32k" are 32,768 of them, as contexts are counted.
pub fn tokens(text: &str) -> Result<u64, WordingError> {
    tokens_of("tokens", text)
}

fn tokens_of(key: &str, text: &str) -> Result<u64, WordingError> {
    let binary = match text.trim().strip_suffix(['k', 'K']) {
        Some(number) => format!("{number}Ki"),
        None => text.replace(['m', 'M'], "Mi"),
    };
    number(key, &binary, 1..=TOKENS_MOST)
}

fn tokens_in(spec: &Wording, key: &str) -> Result<Option<u64>, WordingError> {
    spec.text(key).map(|text| tokens_of(key, text)).transpose()
}

fn cache_types(spec: &Wording) -> Result<Option<(TensorType, TensorType)>, LanguageError> {
    let of = |key: &str| spec.text(key).map(str::parse::<TensorType>).transpose();
    let both = of("kv")?;
    let (key, value) = (of("kv_k")?.or(both), of("kv_v")?.or(both));
    Ok(match (key, value) {
        (None, None) => None,
        (key, value) => Some((key.unwrap_or(TensorType::F16), value.unwrap_or(TensorType::F16))),
    })
}

/// The model that a word means: a file where there is one, else a name.
pub(super) fn known(word: &str) -> Result<(Known, Option<Scheme>), LanguageError> {
    let (name, scheme) = match word.rsplit_once(':') {
        Some((name, scheme)) => match scheme.parse::<Scheme>() {
            Ok(scheme) => (name, Some(scheme)),
            Err(_) => (word, None),
        },
        None => (word, None),
    };
    let path = Path::new(name);
    // A path that leads nowhere is a mistake in the path, not the name of a model.
    let is_path =
        name.contains(std::path::MAIN_SEPARATOR) && path.extension().is_some_and(|end| end == "gguf");
    if path.exists() || is_path {
        let model = read::open(path)?;
        if let (Some(scheme), false) = (scheme, model.tensors.is_empty()) {
            return Err(LanguageError::FileHasScheme { path: path.to_owned(), scheme });
        }
        return Ok((Known::File(path.to_owned(), Box::new(model)), scheme));
    }
    let (entry, found) = catalogue::model(name)?;
    Ok((Known::Entry(entry), scheme.or(found)))
}

fn companion(word: &str) -> Result<Companion, LanguageError> {
    let (known, scheme) = known(word)?;
    Ok(Companion { known, scheme: scheme.unwrap_or(Scheme::Q8_0) })
}
