//! Why a state could not be cut or joined.

/// Why bytes are no state that is understood, or blocks cannot become one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// It ends too early.
    #[error(
        "the state ends at byte {len}, and {what} should reach to byte {wanted}; take it from the engine again"
    )]
    CutShort {
        /// What is not all there.
        what: &'static str,
        /// Where it should end.
        wanted: u64,
        /// How long the state is.
        len: usize,
    },
    /// It goes on behind its end.
    #[error(
        "{bytes} bytes follow the last layer: a state with more parts, as of models with sliding windows or recurrent \
         layers, which cannot be cut; keep it whole"
    )]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// A number that no state of a known version has there.
    #[error(
        "{what} is {found} at byte {at}: no sequence state of a llama.cpp version that is known; compute it anew"
    )]
    Foreign {
        /// Which number.
        what: &'static str,
        /// What it is.
        found: u64,
        /// Where it stands.
        at: usize,
    },
    /// Cells in more than one stream.
    #[error("cells stand in several streams: the state of all sequences; take that of one")]
    Streams,
    /// The tokens are not the first ones of a sequence, each once.
    #[error(
        "no cell has position {position}, though there are {cells} cells: tokens were removed or moved; only an unbroken prefix can be cut"
    )]
    Gap {
        /// The position that is missing.
        position: usize,
        /// How many cells there are.
        cells: usize,
    },
    /// Layers differ in their types.
    #[error("layer {layer} is of types {found:?}, and the first of {first:?}; keep this state whole")]
    Types {
        /// Which layer.
        layer: usize,
        /// The numbers of its types, of keys and values.
        found: (i32, i32),
        /// Those of the first.
        first: (i32, i32),
    },
    /// Blocks of another form.
    #[error("blocks of the form {found:?} are not those of this state, {wanted:?}; take State::layout")]
    Layout {
        /// The form that was given.
        found: String,
        /// The form that the state has.
        wanted: String,
    },
    /// A block that is not there.
    #[error("block {index} is not whole in a state of {tokens} tokens; only whole blocks are cut")]
    Block {
        /// Which.
        index: usize,
        /// How many tokens there are.
        tokens: usize,
    },
    /// Bytes to read or to write that are not as many as the form says.
    #[error("{what} has {found} bytes, and {wanted} are needed; give it that length")]
    Length {
        /// What is too long or too short.
        what: &'static str,
        /// How long it is.
        found: usize,
        /// How long it should be.
        wanted: usize,
    },
    /// More tokens than the blocks have.
    #[error("{tokens} tokens are more than {blocks} blocks have; give the blocks that hold them")]
    Tokens {
        /// How many were asked for.
        tokens: usize,
        /// How many blocks were given.
        blocks: usize,
    },
}
