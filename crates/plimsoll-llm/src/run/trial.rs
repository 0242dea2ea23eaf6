//! What the model expects next when its keys and values have been through something: how precisions are judged.

use std::sync::Arc;

use plimsoll_kv::block::Token;
use plimsoll_kv::gate::{Probe, ProbeError, Through};
use plimsoll_kv::layout::{Element, Layout};

use super::{OwnPages, Sequence};
use crate::Decoder;

/// A model under the gate's eyes: each text is decoded in pages of its own, whose blocks pass through what the gate
/// brings, as they do in a cache whose colder tiers keep less than every bit.
#[derive(Clone, Debug)]
pub struct Trial {
    decoder: Arc<Decoder>,
    layout: Layout,
}

impl Trial {
    /// Over pages of so many tokens.
    pub fn new(decoder: &Arc<Decoder>, block_tokens: u32, element: Element) -> Self {
        Self { decoder: Arc::clone(decoder), layout: decoder.layout(block_tokens, element) }
    }
}

impl Probe for Trial {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn vocabulary(&self) -> usize {
        self.decoder.shape().vocabulary
    }

    fn judge(
        &mut self,
        context: &[Token],
        continuation: &[Token],
        through: Option<Through<'_>>,
    ) -> Result<Vec<f32>, ProbeError> {
        let mut pages = OwnPages::new(&self.layout);
        let mut sequence = Sequence::begin(&self.decoder, &self.layout)?;
        // What is left of a context that is no whole blocks does not pass: a cache keeps whole ones only.
        let whole = context.len() - context.len() % self.layout.block_tokens as usize;
        let (blocks, rest) = context.split_at(whole);
        if !blocks.is_empty() {
            sequence.step(blocks, &mut pages)?;
        }
        if let Some(through) = through {
            for page in pages.pages_mut() {
                through(page)?;
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
