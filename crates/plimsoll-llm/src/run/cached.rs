//! Pages of a sequence that are blocks of the tiered cache.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll::pool::Lease;
use plimsoll_kv::block::{Chain, Root, Token};
use plimsoll_kv::cache::{Cache, CacheError, Filling, Restore, Shared};
use plimsoll_kv::engine::Pages;
use plimsoll_kv::policy::Hint;

use super::{Draw, Found, Need, PageTable, SampleError, Sequence, Wish};
use crate::{Decoder, StepError};

/// What came of a prompt through a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// The text, without the prompt.
    pub text: Vec<Token>,
    /// Tokens of the prompt that were not computed, because a cache had them.
    pub reused: usize,
    /// How long it took to the first token.
    pub first: Duration,
}

/// Why a prompt came to nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CachedError {
    /// The decoder.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The cache.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// No token could be drawn.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// The text could not be written where it goes.
    #[error("the text could not be written: {0}")]
    Output(#[source] std::io::Error),
}

/// The pages of one sequence in a cache: a prefix that it shares, perhaps still on its way, and blocks that it fills.
/// Pages must be where the weights are: what the host computes with it must see.
pub struct CachedPages<P: Pages> {
    cache: Cache<P>,
    root: Root,
    chain: Chain,
    coming: Option<Restore<P>>,
    shared: Vec<Shared<P>>,
    filling: Vec<Filling<P>>,
    /// Why there was no page; told when the step has failed.
    trouble: Option<CacheError>,
}

impl<P: Pages> CachedPages<P> {
    /// The pages for a prompt; what the cache has of it is on its way. At least one token is left to be computed, since
    /// what comes next follows from it.
    pub fn begin(cache: &Cache<P>, root: Root, prompt: &[Token]) -> Self {
        let mut chain = Chain::new(root, cache.layout().block_tokens as usize);
        chain.extend(&prompt[..prompt.len().saturating_sub(1)]);
        let coming = cache.seek(&chain).map(|prefix| prefix.restore(&chain));
        let (shared, filling) = (Vec::new(), Vec::new());
        Self { cache: cache.clone(), root, chain, coming, shared, filling, trouble: None }
    }

    /// How many tokens are there, or on their way.
    pub fn tokens(&self) -> usize {
        let blocks = self.coming.as_ref().map_or(self.shared.len(), Restore::blocks);
        blocks * self.chain.block_tokens()
            + self.filling.iter().map(|block| block.tokens().len()).sum::<usize>()
    }

    /// Waits for what is on its way; how many tokens came.
    pub fn settle(&mut self) -> usize {
        if let Some(coming) = self.coming.take() {
            self.shared = coming.finish().blocks;
        }
        self.tokens()
    }

    /// Why there was no page at the last step, if that was why it failed.
    pub fn trouble(&mut self) -> Option<CacheError> {
        self.trouble.take()
    }

    /// Gives back pages that were taken for a step that failed.
    pub fn let_go(&mut self) {
        self.filling.retain(|block| !block.tokens().is_empty());
    }

    /// Says something about the future of what it shares.
    pub fn hint(&self, hint: Hint) {
        if let Some(last) = self.shared.last() {
            last.hint(hint);
        }
    }

    /// The decoder has computed these tokens into the pages. Blocks that are whole are shared.
    pub fn computed(&mut self, tokens: &[Token], took: Duration) {
        self.settle();
        let mut left = tokens;
        let each = took / u32::try_from(tokens.len().max(1)).unwrap_or(u32::MAX);
        for mut block in std::mem::take(&mut self.filling) {
            let (now, later) = left.split_at(block.room().min(left.len()));
            left = later;
            // It is no more than there is room for.
            let _ = block.push(now);
            let cost = each * u32::try_from(self.chain.block_tokens()).unwrap_or(u32::MAX);
            match block.complete(cost) {
                Ok(whole) => self.shared.push(whole.share(&self.root, self.shared.last())),
                Err(open) => self.filling.push(open),
            }
        }
        // A page that was taken and got no token is not needed yet.
        self.let_go();
    }
}

impl<P: Pages> CachedPages<P> {
    /// A page, shared or still being filled.
    fn any(&self, index: usize) -> Option<&P::Page> {
        if let Some(coming) = &self.coming {
            if index < coming.blocks() {
                return coming.page(index);
            }
            return Some(self.filling.get(index - coming.blocks())?.page());
        }
        match index.checked_sub(self.shared.len()) {
            None => Some(self.shared[index].page()),
            Some(index) => Some(self.filling.get(index)?.page()),
        }
    }

    /// The place of a page among those that are filled; it is taken if it is not there.
    fn filled(&mut self, index: usize) -> Option<usize> {
        let before = self.coming.as_ref().map_or(self.shared.len(), Restore::blocks);
        let index = index.checked_sub(before)?;
        while self.filling.len() <= index {
            match self.cache.fill() {
                Ok(block) => self.filling.push(block),
                Err(error) => {
                    self.trouble = Some(error);
                    return None;
                }
            }
        }
        Some(index)
    }
}

impl<P: Pages> PageTable for CachedPages<P> {
    fn page(&self, index: usize) -> Option<&[u8]> {
        self.cache.pages().bytes(self.any(index)?)
    }

    fn page_mut(&mut self, index: usize) -> Option<&mut [u8]> {
        let index = self.filled(index)?;
        self.cache.pages().bytes_mut(self.filling[index].page_mut())
    }

    fn lease(&self, index: usize) -> Option<&Lease> {
        self.cache.pages().lease(self.any(index)?)
    }

    fn hold(&mut self, index: usize) -> bool {
        self.filled(index).is_some()
    }

    fn arrived(&mut self, layer: usize) -> bool {
        let Some(coming) = &mut self.coming else { return true };
        let before = coming.blocks();
        coming.layer(layer) == before
    }
}

/// Whoever writes a text: chooses its tokens, and may end it.
pub trait Writer {
    /// Asked before each step, the prompt's too, with how many tokens stand in the pages. False ends the text.
    fn goes_on(&mut self, tokens: usize) -> bool {
        let _ = tokens;
        true
    }

    /// The next token, from the logits behind all that there are; none ends the text.
    fn next(&mut self, logits: &[f32]) -> Result<Option<Token>, CachedError>;

    /// What it needs of these logits, if that is little: asked before a step on a device, which need not bring all of them then.
    fn wish(&self) -> Option<Wish> {
        None
    }

    /// The next token, from what was found as it wished; `row` brings all logits.
    fn next_found(
        &mut self,
        found: &Found,
        row: &mut dyn FnMut() -> Result<Vec<f32>, CachedError>,
    ) -> Result<Option<Token>, CachedError> {
        let _ = found;
        self.next(&row()?)
    }
}

/// Tokens of a prompt that are computed in a step, so that whoever waits may be asked in between.
const PART: usize = 512;

/// What a writer makes of the last step.
fn said(writer: &mut dyn Writer, sequence: &mut Sequence, drawn: bool) -> Result<Option<Token>, CachedError> {
    if !drawn {
        return writer.next(sequence.logits());
    }
    let found = sequence.found().clone();
    writer.next_found(&found, &mut || Ok(sequence.row()?.to_vec()))
}

impl Decoder {
    /// Goes on after a prompt, as [`generate`](Self::generate) does, in pages of a cache: what it has of the prompt is
    /// not computed, and what is computed stays in it. An empty prompt gives an empty text.
    pub fn generate_cached<P: Pages>(
        self: &Arc<Self>,
        cache: &Cache<P>,
        root: Root,
        prompt: &[Token],
        tokens: usize,
        draw: Draw,
    ) -> Result<Generated, CachedError> {
        struct Count<'d> {
            left: usize,
            draw: &'d mut Draw,
        }
        impl Writer for Count<'_> {
            fn goes_on(&mut self, _: usize) -> bool {
                self.left > 0
            }
            fn next(&mut self, logits: &[f32]) -> Result<Option<Token>, CachedError> {
                self.left -= 1;
                Ok(Some(self.draw.next(logits)))
            }
        }
        let mut draw = draw;
        self.write_cached(cache, root, prompt, &mut Count { left: tokens, draw: &mut draw })
    }

    /// The same as a writer wants it, until that ends it or the context is full.
    pub fn write_cached<P: Pages>(
        self: &Arc<Self>,
        cache: &Cache<P>,
        root: Root,
        prompt: &[Token],
        writer: &mut dyn Writer,
    ) -> Result<Generated, CachedError> {
        let began = Instant::now();
        let mut made = Generated { text: Vec::new(), reused: 0, first: Duration::ZERO };
        let context = self.shape().context;
        if prompt.len() > context {
            return Err(StepError::Context { wanted: prompt.len(), context }.into());
        }
        if prompt.is_empty() {
            return Ok(made);
        }
        let mut table = CachedPages::begin(cache, root, prompt);
        let mut sequence = Sequence::begin(self, cache.layout())?;
        made.reused = table.tokens();
        let mut next: Option<Token> = None;
        while writer.goes_on(table.tokens()) {
            let from = table.tokens();
            let now = match &next {
                Some(token) => std::slice::from_ref(token),
                None => &prompt[from..prompt.len().min(from + PART)],
            };
            sequence.resume(from);
            let stepped = Instant::now();
            // The host has logits where they are drawn from. What stands behind a prompt that is not computed to its end interests nobody.
            let wish = match self.device() {
                Some(_) if from + now.len() < prompt.len() => Some(Wish::plain(Need::Nothing)),
                there => there.and_then(|_| writer.wish()),
            };
            let drawn = wish.is_some();
            let done = match wish {
                Some(wish) => sequence.draw(now, &mut table, wish).map(drop),
                None => sequence.step(now, &mut table).map(drop),
            };
            match done {
                Ok(()) => {}
                // A prefix that did not come whole is computed from where it ends.
                Err(_) if table.coming.is_some() => {
                    table.filling.clear();
                    made.reused = table.settle();
                    continue;
                }
                Err(StepError::Context { .. }) if !made.text.is_empty() => break,
                Err(error) => return Err(table.trouble.take().map_or(error.into(), CachedError::Cache)),
            }
            table.computed(now, stepped.elapsed());
            if table.tokens() < prompt.len() {
                continue;
            }
            if made.text.is_empty() {
                made.first = began.elapsed();
            }
            let Some(token) = said(writer, &mut sequence, drawn)? else { break };
            made.text.push(token);
            next = Some(token);
        }
        Ok(made)
    }
}
