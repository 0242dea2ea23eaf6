//! Why a conversation is no text.

use std::path::PathBuf;

use minijinja::{Error, ErrorKind};
use plimsoll_plan::read::ReadError;

use super::engine::Raised;
use crate::text::TextError;

/// Why a template cannot be had, or does not write a conversation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChatError {
    /// The model's file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What is written cannot be cut into tokens.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A file with a template cannot be read.
    #[error("{}: the chat template cannot be read ({source}); check the path and who may read it", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: std::io::Error,
    },
    /// A file with a template says something else.
    #[error("{}: it has no chat template that can be read: {what}; download the model again", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// In what way.
        what: String,
    },
    /// A template that is no program.
    #[error("{}: line {line} of its chat template cannot be read: {what}; give another template, or write the prompt yourself", path.display())]
    Syntax {
        /// The model.
        path: PathBuf,
        /// Where, counted from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A template that stopped.
    #[error("{}: its chat template fails in line {line}: {what}; give another template, or write the prompt yourself", path.display())]
    Failed {
        /// The model.
        path: PathBuf,
        /// Where, counted from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// The template does not take this conversation.
    #[error("{}: its chat template refuses these messages (line {line}): {what}; change them as it says", path.display())]
    Refused {
        /// The model.
        path: PathBuf,
        /// Where it says so.
        line: usize,
        /// Why.
        what: String,
    },
    /// A template that does not end.
    #[error("{}: its chat template took more than {steps} steps (line {line}); give fewer messages, or another template", path.display())]
    Steps {
        /// The model.
        path: PathBuf,
        /// Where it was.
        line: usize,
        /// How many it may take for so long a conversation.
        steps: u64,
    },
    /// Tools, and no template that knows of any.
    #[error("{}: it brings no chat template, so it knows no tools; leave them out, or give a template", path.display())]
    Tools {
        /// The model.
        path: PathBuf,
    },
    /// Nothing was said.
    #[error("a conversation needs one message at least; give one")]
    Empty,
    /// Messages that hold each of the letters that Unicode keeps for programs' own use.
    #[error("the messages hold all of U+FDD0 to U+FDEF, which are no letters; take one of them out")]
    Letters,
}

impl ChatError {
    /// What a template's engine says, for a model.
    pub(super) fn of(error: &Error, path: &std::path::Path, steps: u64) -> Self {
        let (path, line) = (path.to_owned(), error.line().unwrap_or(1));
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(some) = cause {
            if let Some(raised) = some.downcast_ref::<Raised>() {
                return Self::Refused { path, line, what: raised.0.clone() };
            }
            if some.downcast_ref::<Error>().is_some_and(|error| error.kind() == ErrorKind::OutOfFuel) {
                return Self::Steps { path, line, steps };
            }
            cause = some.source();
        }
        let what = match error.detail() {
            Some(detail) => format!("{}: {detail}", error.kind()),
            None => error.kind().to_string(),
        };
        match error.kind() {
            ErrorKind::SyntaxError | ErrorKind::BadEscape => Self::Syntax { path, line, what },
            _ => Self::Failed { path, line, what },
        }
    }
}
