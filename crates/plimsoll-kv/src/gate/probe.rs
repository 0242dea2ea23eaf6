//! What a model must be able to do to be measured.

use crate::block::Token;
use crate::codec::CodecError;
use crate::layout::Layout;

/// Why an engine did not answer, in its own words.
pub type ProbeError = Box<dyn std::error::Error + Send + Sync>;

/// What a block's native bytes go through.
pub type Through<'a> = &'a mut dyn FnMut(&mut [u8]) -> Result<(), CodecError>;

/// An engine that is asked what it makes of tokens.
pub trait Probe {
    /// The form of its blocks.
    fn layout(&self) -> &Layout;

    /// How many tokens there are to choose from.
    fn vocabulary(&self) -> usize;

    /// Reads `context`, which is whole blocks; passes each of its blocks through `through`, if there is one; then reads
    /// `continuation` from there. What comes back are log-probabilities, a row of the vocabulary for each token of the
    /// continuation: of what follows that token. Nothing may be kept from one call to the next.
    fn judge(
        &mut self,
        context: &[Token],
        continuation: &[Token],
        through: Option<Through<'_>>,
    ) -> Result<Vec<f32>, ProbeError>;
}
