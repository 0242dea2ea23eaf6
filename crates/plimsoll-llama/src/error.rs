//! Why llama.cpp does not do something.

use std::path::PathBuf;

/// Why a model or a context cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LlamaError {
    /// A path that C has no text for.
    #[error("{}: the path has a zero byte in it; rename the file", path.display())]
    Path {
        /// Which.
        path: PathBuf,
    },
    /// It refuses the model.
    #[error("{}: llama.cpp refuses it ({why}); download or convert the model again, or take a newer build", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// What it says.
        why: String,
    },
    /// It makes no context.
    #[error("{}: llama.cpp makes no context for it ({why}); give it fewer tokens or sequences, or more memory", path.display())]
    Context {
        /// The file.
        path: PathBuf,
        /// What it says.
        why: String,
    },
    /// A model of another sort.
    #[error("{}: it {what}, which is not served; take a model that writes texts", path.display())]
    Sort {
        /// The file.
        path: PathBuf,
        /// What it does.
        what: &'static str,
    },
    /// A text that could not be cut into tokens.
    #[error("llama.cpp cuts no text of {bytes} bytes into tokens; give it in parts")]
    Text {
        /// How long it is.
        bytes: usize,
    },
}

/// Why a step came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StepFault {
    /// There are no cells for its tokens.
    #[error("llama.cpp has no free cells for {tokens} more tokens")]
    NoCells {
        /// Of how many.
        tokens: usize,
    },
    /// Anything else.
    #[error("llama.cpp could not compute a step (code {code}): {why}")]
    Failed {
        /// What it returned.
        code: i32,
        /// What it says.
        why: String,
    },
}
