//! Why there is no tokenizer, or a text is none.

use std::path::PathBuf;

use plimsoll_plan::read::ReadError;

/// Why a file's tokenizer cannot be had, or a text not be cut into tokens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is none.
    #[error("{}: there is no tokenizer ({missing}); give tokens as ids, or put the model's tokenizer.json beside it", path.display())]
    Missing {
        /// The file or folder.
        path: PathBuf,
        /// What is not there.
        missing: String,
    },
    /// It asks for something that is not done here.
    #[error("{}: its tokenizer asks for {what}, which is not done here; give tokens as ids, or use another engine", path.display())]
    Feature {
        /// The file.
        path: PathBuf,
        /// What.
        what: String,
    },
    /// It contradicts itself.
    #[error("{}: its tokenizer is damaged: {what}; download or convert the model again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// In what way.
        what: String,
    },
    /// The tokenizer is that of another model.
    #[error("{}: its tokenizer has {tokens} tokens, and the model knows {vocabulary}; put the model's own beside it", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// Tokens of the tokenizer.
        tokens: usize,
        /// Tokens of the model.
        vocabulary: usize,
    },
    /// Bytes that are no text.
    #[error("the text is no UTF-8 from byte {at} on; convert it, or give tokens as ids")]
    NotUtf8 {
        /// Where it ceases to be.
        at: usize,
    },
    /// A letter that the vocabulary cannot express.
    #[error("the tokenizer has no token for {what:?} and none for what is unknown; leave it out of the text")]
    Letter {
        /// Which.
        what: String,
    },
    /// A text that is too long.
    #[error("a text of {bytes} bytes is longer than is cut into tokens at once ({most}); give it in parts")]
    Long {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        most: usize,
    },
    /// Another program's tokenizer does not cut a text.
    #[error("the tokenizer that is lent cuts no such text: {what}; give tokens as ids")]
    Lent {
        /// What it says.
        what: String,
    },
}
