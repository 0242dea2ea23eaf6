//! The native engine: the decoder of `plimsoll-llm`, whose pages are blocks of the tiered cache.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use plimsoll_kv::block::{Root, Token};
use plimsoll_kv::cache::{Cache, CacheError};
use plimsoll_kv::engine::{LeasedPages, PageError};
use plimsoll_kv::policy::Hint;
use plimsoll_llm::{Batch, BatchError, CachedPages, Decoder, Found, Sequence, StepError, Strand, Wish};

use super::{Engine, EngineFault, Facts, Failed, Part};

/// A decoder over a cache of keys and values.
pub struct Native {
    decoder: Arc<Decoder>,
    cache: Cache<LeasedPages>,
    root: Root,
    facts: Facts,
    /// What embeds, made at the first call; one text at a time.
    embedder: Mutex<Option<Sequence>>,
}

/// A sequence of the native engine.
pub struct NativeSequence {
    pages: CachedPages<LeasedPages>,
}

impl Native {
    /// Over this cache. The root says whose blocks are whose: see [`Decoder::root`].
    pub fn new(decoder: Arc<Decoder>, cache: Cache<LeasedPages>, root: Root, facts: Facts) -> Self {
        Self { decoder, cache, root, facts, embedder: Mutex::default() }
    }

    /// Why there was no page says more than that there was none; and a device that is lost is lost for everybody.
    fn fault(&self, trouble: Option<CacheError>, error: &StepError) -> EngineFault {
        let lost = self.decoder.device().is_some_and(|device| device.memory().is_err());
        match trouble {
            _ if lost => EngineFault::Lost(error.to_string()),
            Some(CacheError::Page(PageError::NoRoom { why, .. })) => EngineFault::NoRoom(why.to_string()),
            Some(error) => EngineFault::Failed(error.to_string()),
            None => EngineFault::Failed(error.to_string()),
        }
    }
}

impl Engine for Native {
    type Sequence = NativeSequence;
    type Batch = Batch;

    fn name(&self) -> &'static str {
        "native"
    }

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn cache(&self) -> Option<&Cache<LeasedPages>> {
        Some(&self.cache)
    }

    fn begin(&self, prompt: &[Token]) -> NativeSequence {
        let mut pages = CachedPages::begin(&self.cache, self.root, prompt);
        // What comes from a disk is waited for here, not in a step that others share.
        pages.settle();
        NativeSequence { pages }
    }

    fn tokens(&self, sequence: &NativeSequence) -> usize {
        sequence.pages.tokens()
    }

    fn hint(&self, sequence: &NativeSequence, hint: Hint) {
        sequence.pages.hint(hint);
    }

    fn embed(&self, tokens: &[Token]) -> Result<Vec<f32>, EngineFault> {
        // Pages of its own, which no prefix is looked up for and which are given back unshared.
        let mut pages = CachedPages::begin(&self.cache, self.root, &[]);
        let mut embedder = self.embedder.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sequence = match embedder.take() {
            Some(sequence) => sequence,
            None => Sequence::begin(&self.decoder, self.cache.layout())
                .map_err(|error| self.fault(None, &error))?,
        };
        sequence.resume(0);
        let made = sequence.embed(tokens, &mut pages).map_err(|error| self.fault(pages.trouble(), &error));
        *embedder = Some(sequence);
        made
    }

    fn is_even(&self) -> bool {
        self.decoder.device_split().is_some_and(|split| split.come > 0)
    }

    fn batch(&self) -> Result<Batch, EngineFault> {
        Batch::begin(&self.decoder, self.cache.layout())
            .map_err(|error| EngineFault::Failed(error.to_string()))
    }

    fn step<'b>(
        &self,
        batch: &'b mut Batch,
        parts: &mut [Part<'_, NativeSequence>],
    ) -> Result<&'b [f32], Failed> {
        self.stepped(parts, |strands| batch.step(strands))
    }

    fn draws(&self) -> bool {
        // The host has logits where they are drawn from.
        self.decoder.device().is_some()
    }

    fn draw(
        &self,
        batch: &mut Batch,
        parts: &mut [Part<'_, NativeSequence>],
        wishes: Vec<Wish>,
    ) -> Result<Vec<Found>, Failed> {
        self.stepped(parts, |strands| batch.draw(strands, wishes).map(<[_]>::to_vec))
    }

    fn row<'b>(&self, batch: &'b mut Batch, part: usize) -> Result<&'b mut [f32], EngineFault> {
        batch.row(part).map_err(|error| self.fault(None, &error))
    }
}

impl Native {
    /// A step of all parts, and what it means for their pages.
    fn stepped<T>(
        &self,
        parts: &mut [Part<'_, NativeSequence>],
        step: impl FnOnce(&mut [Strand<'_>]) -> Result<T, BatchError>,
    ) -> Result<T, Failed> {
        let began = Instant::now();
        let tokens: Vec<&[Token]> = parts.iter().map(|part| part.tokens).collect();
        let mut strands: Vec<Strand<'_>> = parts
            .iter_mut()
            .zip(&tokens)
            .map(|(part, tokens)| {
                let len = part.sequence.pages.tokens();
                Strand { tokens, len, table: &mut part.sequence.pages }
            })
            .collect();
        let stepped = step(&mut strands);
        drop(strands);
        match stepped {
            Ok(found) => {
                // Each token took its share of the step: what its block would cost to compute again.
                let took = began.elapsed();
                let all: usize = tokens.iter().map(|tokens| tokens.len()).sum();
                for (part, tokens) in parts.iter_mut().zip(&tokens) {
                    let (mine, all) = (u32::try_from(tokens.len()), u32::try_from(all.max(1)));
                    let share = took * mine.unwrap_or(u32::MAX) / all.unwrap_or(u32::MAX);
                    part.sequence.pages.computed(tokens, share);
                }
                Ok(found)
            }
            Err(failed) => {
                let trouble = parts.get_mut(failed.strand).and_then(|part| part.sequence.pages.trouble());
                // Pages that were taken for this step and got no token go back.
                for part in parts.iter_mut() {
                    part.sequence.pages.let_go();
                }
                Err(Failed { part: failed.strand, fault: self.fault(trouble, &failed.source) })
            }
        }
    }
}
