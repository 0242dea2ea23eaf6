//! Why nothing was written.

use std::path::PathBuf;

use plimsoll::holding::resident::ResidentError;
use plimsoll::{Bytes, Place};
use plimsoll_kv::cache::CacheError;
use plimsoll_kv::store::StoreError;
use plimsoll_llm::text::{ChatError, TextError};
use plimsoll_llm::{CachedError, DeviceFloor, ModelError, SampleError, StepError};

use crate::backends::BackendError;

/// The least that a cache's folder may take.
pub(super) const CACHE_LEAST: Bytes = Bytes::mib(32);

/// Why nothing was written, or not all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// A model that is not computed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A tokenizer that is not there, or a text that is none.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A prompt that is no conversation.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// A name for a template that is none.
    #[error("{text:?} sets no name of a chat template")]
    Name {
        /// What was typed.
        text: String,
    },
    /// A prompt that cannot be read.
    #[error("{} could not be read: {source}", path.display())]
    Prompt {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A prompt of numbers that has something else in it.
    #[error("{word:?} is no token's number")]
    Id {
        /// What stands there.
        word: String,
    },
    /// A prompt without a token.
    #[error("the prompt is empty, and the model names no token that texts begin with")]
    Empty,
    /// A prompt that leaves no room.
    #[error("the prompt has {prompt} tokens, and the context {context}: there is no room to write")]
    Long {
        /// Its tokens.
        prompt: usize,
        /// Those of the context.
        context: usize,
    },
    /// A prompt that is far longer than any context.
    #[error("the prompt has {bytes} bytes, more than {context} tokens can be")]
    Huge {
        /// How long it is.
        bytes: u64,
        /// Tokens of the context.
        context: usize,
    },
    /// A context that the model was not trained for.
    #[error("a context of {asked} tokens is more than the model's {context}")]
    Context {
        /// What was asked for.
        asked: u64,
        /// What the model has.
        context: usize,
    },
    /// A line that is too low.
    #[error(
        "a context of {context} tokens needs {need}, and the line is {line}: {weights} of weights, {kv} of keys and \
         values, {work} to work with"
    )]
    Line {
        /// Tokens of the context.
        context: usize,
        /// What it needs.
        need: Bytes,
        /// The line.
        line: Bytes,
        /// Parts of the need.
        weights: Bytes,
        /// Keys and values, in pages and on their way to and from the cache.
        kv: Bytes,
        /// Everything else.
        work: Bytes,
        /// The largest context that fits the line; zero if none does.
        fits: usize,
    },
    /// Less than a model needs with all of its layers coming.
    #[error("a context of {context} tokens takes {kv} of {place} for keys and values; of the rest, {floor}")]
    Floor {
        /// Tokens of the context.
        context: usize,
        /// Keys and values.
        kv: Bytes,
        /// Where.
        place: Place,
        /// What the model needs of the rest.
        floor: DeviceFloor,
    },
    /// Too little page-locked memory for the layers that come.
    #[error(
        "{need} are needed at {place}, and the line is {line}: {} of {} layers would come from page-locked memory of the host, {wanted}, and there are {away}",
        layers.0, layers.1
    )]
    Away {
        /// Where.
        place: Place,
        /// What all of it needs there.
        need: Bytes,
        /// The line there.
        line: Bytes,
        /// How many layers would come, and of how many.
        layers: (usize, usize),
        /// What these take.
        wanted: Bytes,
        /// What may be taken.
        away: Bytes,
    },
    /// A device that is not there.
    #[error("nothing can be computed at {place}: {why}")]
    Place {
        /// Which.
        place: Place,
        /// Why.
        why: Box<BackendError>,
    },
    /// A device that computes no models.
    #[error("no model can be computed at {place}: {why}")]
    Computes {
        /// Which.
        place: Place,
        /// Why.
        why: plimsoll_device::DeviceError,
    },
    /// More than there is.
    #[error("{need} are needed, and {place} has {usable} to use")]
    Machine {
        /// Where.
        place: Place,
        /// What it needs.
        need: Bytes,
        /// What there is.
        usable: Bytes,
    },
    /// Settings for drawing, or logits that are no numbers.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// A step failed.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The ledger, or memory.
    #[error(transparent)]
    Engine(#[from] plimsoll::EngineError),
    /// The device.
    #[error(transparent)]
    Device(#[from] plimsoll_device::DeviceError),
    /// Weights that do not fit.
    #[error(transparent)]
    Weights(#[from] ResidentError),
    /// Working memory that was refused.
    #[error(transparent)]
    Refused(#[from] plimsoll::governor::Refusal),
    /// The cache of keys and values.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A folder that is too small. It is not opened, as what it has would be dropped.
    #[error("a cache of {size} is less than the {CACHE_LEAST} that its files and a prompt take")]
    CacheSize {
        /// How much it may take.
        size: Bytes,
    },
    /// The folder of the cache.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The text could not be written where it goes.
    #[error("the text could not be written: {0}")]
    Output(#[source] std::io::Error),
}

impl From<CachedError> for GenerateError {
    fn from(error: CachedError) -> Self {
        match error {
            CachedError::Step(error) => Self::Step(error),
            CachedError::Cache(error) => Self::Cache(error),
            CachedError::Sample(error) => Self::Sample(error),
            CachedError::Output(error) => Self::Output(error),
            other => Self::Output(std::io::Error::other(other)),
        }
    }
}

impl GenerateError {
    /// What to do about it.
    pub fn next_step(&self) -> String {
        match self {
            Self::Line { fits, need, .. } => {
                // Rounded up, so that what is typed is enough.
                let need = need.get().div_ceil(1 << 20);
                match fits {
                    0 => format!("give `--memory {need}MiB`, or a smaller model"),
                    _ => format!(
                        "give `--memory {need}MiB`, or `--context {fits}`, the largest that fits, with a shorter prompt or `-n`"
                    ),
                }
            }
            Self::Floor { .. } => "give more `--memory`, or a shorter prompt and `-n`, or take a smaller model".to_owned(),
            Self::Away { need, wanted, .. } => format!(
                "give `--away {}MiB` where the host has that, or `--memory {}MiB`, or take a smaller model or one with fewer bits",
                wanted.get().div_ceil(1 << 20),
                need.get().div_ceil(1 << 20)
            ),
            Self::CacheSize { .. } => format!("give `--cache-size {CACHE_LEAST}` or more"),
            Self::Model(_) => "give a GGUF file, or a folder with safetensors and config.json, of the Llama, Mistral, Qwen 2 \
                               or Qwen 3 family"
                .to_owned(),
            Self::Text(_) => "`--ids` takes and gives tokens as numbers, without a tokenizer".to_owned(),
            Self::Chat(_) => "without `--chat` the prompt is taken as it is; `--template` takes another template".to_owned(),
            Self::Name { .. } => "give a name, `=` and a value, such as `--set enable_thinking=false`".to_owned(),
            Self::Prompt { .. } => "check the path; `--file -` reads stdin".to_owned(),
            Self::Id { .. } => "with `--ids`, give whole numbers with spaces or commas between".to_owned(),
            Self::Empty => "give some text".to_owned(),
            Self::Long { .. } | Self::Huge { .. } => "shorten the prompt, or raise `--context` up to what the model has".to_owned(),
            Self::Context { context, .. } => format!("give `--context {context}` at most"),
            Self::Place { .. } | Self::Computes { .. } => "`plimsoll machine` lists the devices; without `--device` the host computes".to_owned(),
            Self::Machine { .. } => "shorten the prompt, `-n` or `--context`, or take a smaller model".to_owned(),
            Self::Sample(_) => "`plimsoll generate --help` says what the settings mean".to_owned(),
            Self::Store(_) => "check the folder, and that no process has it open".to_owned(),
            Self::Step(_) => "begin with a shorter prompt".to_owned(),
            Self::Engine(_) | Self::Device(_) | Self::Weights(_) | Self::Refused(_) | Self::Cache(_) => {
                "give more `--memory`, or a shorter prompt and `-n`".to_owned()
            }
            Self::Output(_) => "check that the disk has room and the target is writable".to_owned(),
        }
    }
}
