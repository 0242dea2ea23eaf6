//! What the model expects next when its keys and values have been through something: how codecs are judged.

use std::sync::Arc;

use plimsoll_kv::block::Token;
use plimsoll_kv::layout::{Element, Layout};

use super::{OwnPages, Sequence};
use crate::{Decoder, StepError};

/// Decodes a text whose beginning passes through a function, block by block, as it does in a cache whose colder tiers
/// keep less than every bit.
#[derive(Clone, Debug)]
pub struct Trial {
    decoder: Arc<Decoder>,
    layout: Layout,
}

/// Why a trial told nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrialError<E> {
    /// The text could not be decoded.
    #[error(transparent)]
    Step(#[from] StepError),
    /// A block did not pass.
    #[error("block {block} did not pass: {why}")]
    Passage {
        /// Which.
        block: usize,
        /// What the function says.
        why: E,
    },
}

impl Trial {
    /// Over pages of so many tokens.
    pub fn new(decoder: &Arc<Decoder>, block_tokens: u32, element: Element) -> Self {
        Self { decoder: Arc::clone(decoder), layout: decoder.layout(block_tokens, element) }
    }

    /// The form of the blocks that pass.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How many numbers a row of [`judge`](Self::judge) has.
    pub fn vocabulary(&self) -> usize {
        self.decoder.shape().vocabulary
    }

    /// The logarithms of what the model expects behind each token of `continuation`, row after row, when every whole block
    /// of `context` has passed through `through`. What is left of the context and the continuation itself are decoded
    /// behind them.
    pub fn judge<E>(
        &self,
        context: &[Token],
        continuation: &[Token],
        through: Option<&mut dyn FnMut(&mut [u8]) -> Result<(), E>>,
    ) -> Result<Vec<f32>, TrialError<E>> {
        let mut pages = OwnPages::new(&self.layout);
        let mut sequence = Sequence::begin(&self.decoder, &self.layout)?;
        let whole = context.len() - context.len() % self.layout.block_tokens as usize;
        let (blocks, rest) = context.split_at(whole);
        if !blocks.is_empty() {
            sequence.step(blocks, &mut pages)?;
        }
        if let Some(through) = through {
            for (block, page) in pages.pages_mut().iter_mut().enumerate() {
                through(page).map_err(|why| TrialError::Passage { block, why })?;
            }
        }
        if !rest.is_empty() {
            sequence.step(rest, &mut pages)?;
        }
        let mut rows = Vec::with_capacity(continuation.len().saturating_mul(self.vocabulary()));
        sequence.score(continuation, &mut pages, &mut |_, logits| logarithms(logits, &mut rows))?;
        Ok(rows)
    }
}

/// Logits as logarithms of chances.
fn logarithms(logits: &[f32], into: &mut Vec<f32>) {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let whole: f64 = logits.iter().map(|logit| f64::from(logit - most).exp()).sum();
    #[expect(clippy::cast_possible_truncation, reason = "a logarithm of a count at most")]
    let whole = whole.ln() as f32;
    into.extend(logits.iter().map(|logit| logit - most - whole));
}
