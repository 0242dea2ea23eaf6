//! Why nothing is served.

use std::path::PathBuf;

use plimsoll::Place;
use plimsoll_serve::ServeError;
use plimsoll_serve::model::ModelFault;

use crate::backends::BackendError;

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeFailure {
    /// The service itself.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The only model.
    #[error("the model cannot be served: {0}")]
    Model(#[from] ModelFault),
    /// A file of settings.
    #[error("{} cannot be used: {what}", path.display())]
    Config {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A setting of the environment.
    #[error("{name} is {text:?}, which is no value for it")]
    Environment {
        /// Which.
        name: String,
        /// What it is.
        text: String,
    },
    /// The device that is to compute.
    #[error("nothing can be computed at {place}: {why}")]
    Device {
        /// Which.
        place: Place,
        /// Why.
        why: BackendError,
    },
    /// What the machine should spare is not known.
    #[error("how much memory this machine has is not known; give --line")]
    Line,
}

impl ServeFailure {
    /// What to do about it.
    pub fn next_step(&self) -> String {
        match self {
            Self::Serve(ServeError::Listen { .. }) => "stop who listens there, or choose another with `--listen`".to_owned(),
            Self::Serve(ServeError::Store(_)) => {
                "check the folder, and that no process has it open; `--no-cache` serves without one".to_owned()
            }
            Self::Serve(_) => "`plimsoll machine` says what this machine can carry".to_owned(),
            Self::Model(ModelFault::Large { .. } | ModelFault::Floor { .. } | ModelFault::Away { .. }) => {
                "`--line`, `--device-memory`, `--kv` and `--away` say what there is for models".to_owned()
            }
            Self::Model(_) => {
                "give a GGUF file, or a folder with safetensors, of the Llama, Mistral, Qwen 2 or Qwen 3 family".to_owned()
            }
            Self::Config { .. } | Self::Environment { .. } => "`plimsoll serve --help` lists what there is".to_owned(),
            Self::Device { .. } => "`plimsoll machine` lists the devices; without `--device` the host computes".to_owned(),
            Self::Line => "for example `--line 8GiB`".to_owned(),
        }
    }
}
