//! What computes a model: sequences that begin with what a cache has of them, and steps of several at once.
//!
//! An engine is shared; its sequences are prepared on any thread, and one thread steps them together.

mod fault;
#[cfg(feature = "llama-cpp")]
mod llama;
mod native;

use plimsoll::Bytes;
use plimsoll_kv::block::Token;
use plimsoll_kv::cache::Cache;
use plimsoll_kv::engine::LeasedPages;
use plimsoll_kv::policy::Hint;
use plimsoll_llm::{Found, Wish};

pub use fault::{EngineFault, Failed};
#[cfg(feature = "llama-cpp")]
pub use llama::{Llama, LlamaPast, LlamaSequence, STATE_ROOM};
pub use native::{Native, NativeSequence};

/// What one needs to know of a model to admit and cut requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Tokens of a sequence at most.
    pub context: usize,
    /// How many tokens there are to choose from.
    pub vocabulary: usize,
    /// Tokens of a page.
    pub page_tokens: usize,
    /// What a page is charged.
    pub page_bytes: Bytes,
    /// Tokens of a step that it computes in one pass over its weights.
    pub pass_tokens: usize,
}

impl Facts {
    /// The most that a sequence of so many tokens holds in pages.
    pub fn worst_case(&self, tokens: usize) -> Bytes {
        Bytes::new((tokens.div_ceil(self.page_tokens.max(1)) as u64).saturating_mul(self.page_bytes.get()))
    }
}

/// One sequence's part in a step.
pub struct Part<'p, S> {
    /// The sequence.
    pub sequence: &'p mut S,
    /// Its new tokens, at least one.
    pub tokens: &'p [Token],
}

/// A model that can be computed with.
///
/// # What a scheduler counts on
/// What a sequence gives does not depend on what is stepped beside it: to the bit with the native engine, but for rounding with
/// llama.cpp. A step that fails has changed no sequence. A sequence
/// that is dropped gives back what it held at once, but for what the cache keeps by itself, which nobody holds.
pub trait Engine: Send + Sync + 'static {
    /// A sequence: its pages.
    type Sequence: Send;
    /// What steps need, kept from one to the next.
    type Batch: Send;

    /// What people call it.
    fn name(&self) -> &'static str;

    /// What its model is.
    fn facts(&self) -> &Facts;

    /// Where what it has computed is kept, if it can be.
    fn cache(&self) -> Option<&Cache<LeasedPages>>;

    /// A sequence for this prompt, with what a cache has of it in its pages already; waits for that to come.
    fn begin(&self, prompt: &[Token]) -> Self::Sequence;

    /// How many tokens stand in its pages.
    fn tokens(&self, sequence: &Self::Sequence) -> usize;

    /// Says what is to be expected of it, now that its text has ended.
    fn hint(&self, sequence: &Self::Sequence, hint: Hint);

    /// What tokens mean together, as a vector of length one; they are no sequence, and the cache keeps nothing of them.
    fn embed(&self, tokens: &[Token]) -> Result<Vec<f32>, EngineFault>;

    /// Whether a step takes about as long whatever it has, because weights come to it from elsewhere: it should have as much as a pass does.
    fn is_even(&self) -> bool {
        false
    }

    /// Room for steps.
    fn batch(&self) -> Result<Self::Batch, EngineFault>;

    /// Computes the new tokens of all parts. What comes back are the logits behind each, a row a part.
    fn step<'b>(
        &self,
        batch: &'b mut Self::Batch,
        parts: &mut [Part<'_, Self::Sequence>],
    ) -> Result<&'b [f32], Failed>;

    /// Whether it looks at logits where they are: then it is asked to [`draw`](Self::draw) and not to [`step`](Self::step). One that has
    /// them at hand anyway does not.
    fn draws(&self) -> bool {
        false
    }

    /// The same for who needs to know little of the logits: what is found behind each part, as it is wished.
    fn draw(
        &self,
        batch: &mut Self::Batch,
        parts: &mut [Part<'_, Self::Sequence>],
        wishes: Vec<Wish>,
    ) -> Result<Vec<Found>, Failed> {
        let _ = (batch, parts, wishes);
        Err(Failed { part: 0, fault: self.sees_all() })
    }

    /// All logits behind a part of the last step that was drawn from, for who found that what it wished was not enough: changed as it
    /// wished, unless what was found says that they are as they came.
    fn row<'b>(&self, batch: &'b mut Self::Batch, part: usize) -> Result<&'b mut [f32], EngineFault> {
        let _ = (batch, part);
        Err(self.sees_all())
    }

    /// Why nothing can be drawn by it.
    fn sees_all(&self) -> EngineFault {
        EngineFault::Failed(format!("{} gives all logits; ask it for a step", self.name()))
    }
}
