//! Why a model cannot be computed with, or a sequence not go on.

use std::path::PathBuf;

use plimsoll::Place;
use plimsoll::holding::streaming::StreamError;
use plimsoll_device::DeviceError;
use plimsoll_kv::block::Token;
use plimsoll_plan::read::ReadError;
use plimsoll_tensor::TensorError;

/// Why a file is no model that this decoder computes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Its header cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It cannot be mapped.
    #[error("{}: cannot be mapped ({source}); check the path and who may read it", path.display())]
    Map {
        /// The file.
        path: PathBuf,
        /// What the device says.
        source: DeviceError,
    },
    /// Its configuration cannot be read.
    #[error("{}: the configuration cannot be read ({source}); put the model's config.json beside its weights", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: std::io::Error,
    },
    /// Another architecture.
    #[error("{}: its architecture is {found:?}, and only {known} are computed here; use another engine for it", path.display())]
    Architecture {
        /// The file.
        path: PathBuf,
        /// Which.
        found: String,
        /// Those that are.
        known: &'static str,
    },
    /// It asks for something that is not computed.
    #[error("{}: it asks for {what}, which is not computed here; use another engine for it", path.display())]
    Feature {
        /// The file.
        path: PathBuf,
        /// What.
        what: String,
    },
    /// A number of its metadata is missing or makes no sense.
    #[error("{}: {key} is {found}, and {wanted} is needed; convert the model again", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Which key.
        key: &'static str,
        /// What it is.
        found: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// A tensor is not there.
    #[error("{}: the tensor {name:?} is missing; convert the model again", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// Which.
        name: String,
    },
    /// A tensor has another shape than the metadata says.
    #[error("{}: the tensor {name:?} has the sides {found:?}, and the metadata says {wanted:?}; convert the model again", path.display())]
    Sides {
        /// The file.
        path: PathBuf,
        /// Which.
        name: String,
        /// What it has, the fastest first.
        found: Vec<u64>,
        /// What it should have.
        wanted: Vec<u64>,
    },
    /// A tensor of a type that is not computed with.
    #[error("{}: the tensor {name:?} is of type {found}, and {wanted} are computed with; quantize the model to q8_0", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// Which.
        name: String,
        /// Its type.
        found: String,
        /// What can be.
        wanted: &'static str,
    },
    /// An adapter of something else, or damaged.
    #[error("{}: it is no adapter for this model: {what}; take the model that it was made for", path.display())]
    Adapter {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Weights cannot be read when they are needed.
    #[error("{}: its weights cannot be read on demand ({source}); give it the memory for all of them", path.display())]
    Demand {
        /// The model.
        path: PathBuf,
        /// Why.
        source: StreamError,
    },
    /// Its weights cannot be brought to a device.
    #[error("{}: its weights cannot be brought to {place} ({source}); compute on the host, or take a device with room for them", path.display())]
    Bring {
        /// The model.
        path: PathBuf,
        /// Where to.
        place: Place,
        /// Why.
        source: TensorError,
    },
    /// The file ends before its tensors do.
    #[error("{}: the file is cut short: {missing} bytes of its tensors are missing; download it again", path.display())]
    CutShort {
        /// The file.
        path: PathBuf,
        /// How many bytes it lacks.
        missing: u64,
    },
}

/// Why a sequence did not go on. What was decoded before stands, and the same step may be tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// The pages are of another form than this model's.
    #[error("pages of the form {found:?} are not this model's; take Decoder::layout with f32, f16 or bf16")]
    Layout {
        /// The form of the pages.
        found: String,
    },
    /// A token that the vocabulary has not.
    #[error("token {token} is not in the vocabulary of {vocabulary}; use the model's own tokenizer")]
    Token {
        /// Which.
        token: Token,
        /// How many there are.
        vocabulary: usize,
    },
    /// The context is full.
    #[error("{wanted} tokens do not fit the model's context of {context}; begin anew with fewer")]
    Context {
        /// How many the sequence would have.
        wanted: usize,
        /// How many it may have.
        context: usize,
    },
    /// Nothing to decode.
    #[error(
        "a step needs one token at least; pass the last token again after truncating the sequence by one"
    )]
    Empty,
    /// A page is not there, or not as long as the layout says.
    #[error("page {page} of the sequence is not there or not {bytes} bytes long; the table must lend it")]
    Page {
        /// Which.
        page: usize,
        /// How long it should be.
        bytes: usize,
    },
    /// Weights could not be read when they were needed.
    #[error(
        "weights could not be read (shard {shard}): {why}; check that the model's file is there, whole and unchanged"
    )]
    Weights {
        /// Which layer, or which piece of the output behind them.
        shard: usize,
        /// What was wrong.
        why: String,
    },
    /// A device did not do something.
    #[error("the device that has the model failed: {why}; load the model again, or compute on the host")]
    Device {
        /// What it says.
        why: String,
    },
    /// A layer of the pages did not arrive.
    #[error("layer {layer} of the sequence's pages could not be had; recompute the prefix, or try again")]
    Layer {
        /// Which.
        layer: usize,
    },
}
