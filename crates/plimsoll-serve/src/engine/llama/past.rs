//! What the tiered cache has of a sequence, put into llama.cpp's cells and taken out of them.
//!
//! llama.cpp gives and takes the state of a whole sequence. A part of one is had by way of a spare sequence that shares its cells: a
//! turn costs its own tokens and not those before it, and states are never larger than the room for them.

use std::time::Duration;

use plimsoll_kv::block::{Chain, Root, Token};
use plimsoll_kv::cache::{Cache, Shared};
use plimsoll_kv::engine::llama_state::{Form, State};
use plimsoll_kv::engine::{LeasedPages, Pages as _};
use plimsoll_kv::layout::Layout;
use plimsoll_llama::SequenceId;

use super::cells::Cells;

/// A cache of keys and values, and the form in which this context gives and takes them.
pub(super) struct Past {
    pub(super) cache: Cache<LeasedPages>,
    root: Root,
    form: Form,
    layout: Layout,
}

/// How much of a sequence the cache has.
#[derive(Default)]
pub(super) struct Kept {
    /// Whole blocks, from the first on.
    pub(super) blocks: usize,
    /// The last of them.
    last: Option<Shared<LeasedPages>>,
    /// Whether no more can be kept of it: there was no page, or its state was not understood.
    ended: bool,
}

impl Kept {
    /// These are there.
    pub(super) fn of(mut found: Vec<Shared<LeasedPages>>) -> Self {
        Self { blocks: found.len(), last: found.pop(), ended: false }
    }

    /// Says something about its future.
    pub(super) fn hint(&self, hint: plimsoll_kv::policy::Hint) {
        if let Some(last) = &self.last {
            last.hint(hint);
        }
    }
}

impl Past {
    pub(super) const fn new(cache: Cache<LeasedPages>, root: Root, form: Form, layout: Layout) -> Self {
        Self { cache, root, form, layout }
    }

    fn block_tokens(&self) -> usize {
        self.layout.block_tokens as usize
    }

    /// Whole blocks of so many tokens.
    pub(super) fn whole(&self, tokens: usize) -> usize {
        tokens / self.block_tokens()
    }

    /// Bytes of a state of so many blocks.
    fn state_bytes(&self, blocks: usize) -> usize {
        self.form.bytes(blocks * self.block_tokens())
    }

    /// How many blocks a state may have that fits the room.
    fn blocks_in(&self, room: usize) -> usize {
        let one = self.state_bytes(1);
        let each = (self.state_bytes(2) - one).max(1);
        1 + room.saturating_sub(one) / each
    }

    /// What the cache has of a prompt, brought into pages. One token at least is left to be computed.
    pub(super) fn find(&self, prompt: &[Token]) -> Vec<Shared<LeasedPages>> {
        let mut chain = Chain::new(self.root, self.block_tokens());
        chain.extend(&prompt[..prompt.len().saturating_sub(1)]);
        let coming = self.cache.seek(&chain).map(|prefix| prefix.restore(&chain));
        coming.map(|coming| coming.finish().blocks).unwrap_or_default()
    }

    /// Puts blocks into an empty sequence; how many tokens stand in it then. Whatever llama.cpp refuses is to be computed.
    pub(super) fn restore(
        &self,
        cells: &mut Cells,
        slot: SequenceId,
        found: &[Shared<LeasedPages>],
    ) -> usize {
        let block = self.block_tokens();
        let mut standing = 0;
        for some in found.chunks(self.blocks_in(cells.room.len())) {
            let pages: Option<Vec<&[u8]>> =
                some.iter().map(|shared| self.cache.pages().bytes(shared.page())).collect();
            let Some(pages) = pages else { break };
            let (tokens, length) = (some.len() * block, self.state_bytes(some.len()));
            let room = &mut cells.room[..length];
            if self.form.join_from(&self.layout, &pages, standing, tokens, room).is_err()
                || !cells.context.set_state(cells.spare, room)
            {
                break;
            }
            cells.context.share(cells.spare, slot, standing, standing + tokens);
            cells.context.remove(cells.spare, 0, None);
            standing += tokens;
        }
        standing
    }

    /// Takes what is whole of a sequence and not kept yet out of its cells. `each` is what a token took to compute.
    pub(super) fn keep(
        &self,
        cells: &mut Cells,
        slot: SequenceId,
        tokens: &[Token],
        each: Duration,
        kept: &mut Kept,
    ) {
        let block = self.block_tokens();
        let most = self.blocks_in(cells.room.len());
        while !kept.ended && kept.blocks < tokens.len() / block {
            let blocks = (tokens.len() / block - kept.blocks).min(most);
            let (first, end) = (kept.blocks * block, (kept.blocks + blocks) * block);
            cells.context.share(slot, cells.spare, first, end);
            let written = cells.context.state(cells.spare, &mut cells.room);
            cells.context.remove(cells.spare, 0, None);
            let state = written.and_then(|written| State::read_from(&cells.room[..written], first).ok());
            let state = state.filter(|state| state.tokens() == end - first);
            let done = state.is_some_and(|state| self.fill(&state, &tokens[first..end], each, kept));
            kept.ended = !done;
        }
    }

    /// Makes blocks of a state. False if one could not be.
    fn fill(&self, state: &State<'_>, tokens: &[Token], each: Duration, kept: &mut Kept) -> bool {
        let block = self.block_tokens();
        let cost = each * self.layout.block_tokens;
        for (index, tokens) in tokens.chunks_exact(block).enumerate() {
            let Ok(mut page) = self.cache.fill() else { return false };
            let Some(bytes) = self.cache.pages().bytes_mut(page.page_mut()) else { return false };
            if state.block(&self.layout, index, bytes).is_err() || page.push(tokens).is_err() {
                return false;
            }
            let Ok(whole) = page.complete(cost) else { return false };
            kept.last = Some(whole.share(&self.root, kept.last.as_ref()));
            kept.blocks += 1;
        }
        true
    }
}
