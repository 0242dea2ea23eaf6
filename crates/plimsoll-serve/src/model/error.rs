//! Why a model does not answer.

use plimsoll::holding::resident::ResidentError;
use plimsoll_llm::ModelError;
use plimsoll_llm::text::{ChatError, TextError};

/// Why a model does not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelFault {
    /// There is none of that name.
    #[error("there is no model {name:?}; there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// It failed before and its file has not changed since: it is not tried again.
    #[error(
        "the model {name} cannot be served: {why}; it is tried again when its file changes, and after a minute"
    )]
    Broken {
        /// Which.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// It is larger than all models together may be.
    #[error(
        "the model {name} takes {asked}, and {most} is all there is for models; raise the line or take a smaller one"
    )]
    Large {
        /// Which.
        name: String,
        /// What it takes.
        asked: plimsoll::Bytes,
        /// What there is.
        most: plimsoll::Bytes,
    },
    /// It is larger than all models together may be on a device, even with all of its layers coming from elsewhere.
    #[error("the model {name} takes {asked} of {place}; {floor}")]
    Floor {
        /// Which.
        name: String,
        /// What it takes there, whole.
        asked: plimsoll::Bytes,
        /// Where.
        place: plimsoll::Place,
        /// What it takes at least.
        floor: plimsoll_llm::DeviceFloor,
    },
    /// It is larger than all models together may be on a device, and there is no page-locked memory for the rest of it.
    #[error(
        "the model {name} takes {asked} of {place}, where {most} is all there is for models; {} of its {} layers would come from page-locked memory of the \
         host, {wanted}, of which there are {away}: give `--away {}MiB` (or more `--device-memory`), or take a smaller model or one with fewer bits",
        layers.0, layers.1, wanted.get().div_ceil(1 << 20)
    )]
    Away {
        /// Which.
        name: String,
        /// What it takes there, whole.
        asked: plimsoll::Bytes,
        /// Where.
        place: plimsoll::Place,
        /// What there is.
        most: plimsoll::Bytes,
        /// How many layers would come, and of how many.
        layers: (usize, usize),
        /// What these take.
        wanted: plimsoll::Bytes,
        /// What page-locked memory there is.
        away: plimsoll::Bytes,
    },
    /// There is no room for it now, since others are in use.
    #[error("there is no room for the model {name} now: {why}")]
    NoRoom {
        /// Which.
        name: String,
        /// Who holds it.
        why: String,
    },
    /// The device that was to compute it does not answer any more.
    #[error("{place} does not answer any more; ask again, and the model is loaded on the host")]
    Lost {
        /// Which.
        place: plimsoll::Place,
    },
    /// llama.cpp is to compute it, and the program has no llama.cpp.
    #[error(
        "the model {name} is to be computed by llama.cpp, which this program was built without; build it with `--features llama-cpp`"
    )]
    NotBuilt {
        /// Which.
        name: String,
    },
    /// llama.cpp is to compute it, and it is no GGUF file.
    #[error(
        "llama.cpp computes GGUF files, and the model {name} is none: {what}; convert it, or leave the engine to `auto`"
    )]
    NoGguf {
        /// Which.
        name: String,
        /// What it is.
        what: String,
    },
    /// llama.cpp took more than it had said before.
    #[error(
        "llama.cpp took {allocated}, and had reckoned with {rehearsed}: it is not charged, so it is not kept; tell us which model it is"
    )]
    Reckoned {
        /// What it had said.
        rehearsed: plimsoll::Bytes,
        /// What it took.
        allocated: plimsoll::Bytes,
    },
    /// llama.cpp does not take it.
    #[cfg(feature = "llama-cpp")]
    #[error(transparent)]
    Llama(#[from] plimsoll_llama::LlamaError),
    /// Its file.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Its tokenizer.
    #[error(transparent)]
    Text(#[from] TextError),
    /// Its chat template.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// Loading it failed otherwise.
    #[error("the model could not be loaded: {0}")]
    Load(#[from] ResidentError),
    /// Its cache, or its thread.
    #[error("the model could not be set up: {0}")]
    Setup(String),
}

impl ModelFault {
    /// Whether it is its file that must change before it is worth another try.
    pub(super) const fn is_of_the_file(&self) -> bool {
        #[cfg(feature = "llama-cpp")]
        if let Self::Llama(fault) = self {
            return !matches!(fault, plimsoll_llama::LlamaError::Context { .. });
        }
        // What a device does not do passes with it.
        if matches!(self, Self::Model(ModelError::Bring { .. })) {
            return false;
        }
        matches!(
            self,
            Self::Model(_)
                | Self::Text(_)
                | Self::Chat(_)
                | Self::Large { .. }
                | Self::Floor { .. }
                | Self::Away { .. }
                | Self::NotBuilt { .. }
                | Self::NoGguf { .. }
                | Self::Reckoned { .. }
        )
    }

    /// Whether another engine may compute what this one does not: the file asks for something that is not done here.
    pub(super) const fn is_for_another_engine(&self) -> bool {
        matches!(
            self,
            Self::Model(
                ModelError::Architecture { .. } | ModelError::Feature { .. } | ModelError::Kind { .. }
            ) | Self::Text(TextError::Feature { .. })
        )
    }
}
