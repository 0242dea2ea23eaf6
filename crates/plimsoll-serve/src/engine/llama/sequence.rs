//! A sequence in llama.cpp's cells.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use plimsoll_kv::block::Token;
use plimsoll_kv::cache::Shared;
use plimsoll_kv::engine::LeasedPages;
use plimsoll_kv::policy::Hint;
use plimsoll_llama::SequenceId;

use super::cells::{Cells, Strand};
use super::past::{Kept, Past};
use super::turn::Turn;
use crate::engine::EngineFault;

/// Whole blocks that gather before they are taken out of the cells, while a text is written.
const GATHER: usize = 16;

/// A sequence of the engine.
///
/// # Who owns what
/// Until its first step it has pages of the cache; from then on cells, and the cache gets what it computes. Dropped, its cells are
/// free at once.
pub struct LlamaSequence {
    cells: Arc<Turn<Cells>>,
    past: Option<Arc<Past>>,
    slot: Option<SequenceId>,
    tokens: Vec<Token>,
    /// How many of them stand in its cells; the others are computed again before anything new.
    standing: usize,
    prompt: usize,
    /// What the cache had, until it stands in cells.
    found: Vec<Shared<LeasedPages>>,
    kept: Kept,
    /// What tokens took that are not kept yet, and how many those are.
    spent: (Duration, u32),
    /// What its user said of what is kept of it.
    hint: Cell<Hint>,
}

impl LlamaSequence {
    pub(super) fn begin(cells: &Arc<Turn<Cells>>, past: Option<&Arc<Past>>, prompt: &[Token]) -> Self {
        let found = past.map(|past| past.find(prompt)).unwrap_or_default();
        let tokens: Vec<Token> = found.iter().flat_map(Shared::tokens).copied().collect();
        Self {
            cells: Arc::clone(cells),
            past: past.cloned(),
            slot: None,
            tokens,
            standing: 0,
            prompt: prompt.len(),
            found,
            kept: Kept::default(),
            spent: (Duration::ZERO, 0),
            hint: Cell::new(Hint::None),
        }
    }

    /// How many tokens it has.
    pub(super) const fn len(&self) -> usize {
        self.tokens.len()
    }

    /// What its user says of it: told to the cache when all of it is kept.
    pub(super) fn hint(&self, hint: Hint) {
        self.hint.set(hint);
    }

    /// Gives it cells, and those what the cache had.
    pub(super) fn place(&mut self, cells: &mut Cells) -> Result<(), EngineFault> {
        if self.slot.is_some() {
            return Ok(());
        }
        let none = || EngineFault::NoRoom("all sequences of the context are in use".to_owned());
        let slot = cells.take().ok_or_else(none)?;
        self.slot = Some(slot);
        let found = std::mem::take(&mut self.found);
        if let Some(past) = &self.past {
            self.standing = past.restore(cells, slot, &found);
        }
        self.kept = Kept::of(found);
        Ok(())
    }

    /// What is to be computed of it with these tokens.
    pub(super) fn strand<'t>(&'t self, new: &'t [Token]) -> Option<Strand<'t>> {
        let slot = self.slot?;
        Some(Strand { slot, standing: self.standing, lost: &self.tokens[self.standing..], new })
    }

    /// A step came to nothing: what it has computed of it is taken off again.
    pub(super) fn rewind(&mut self, cells: &mut Cells) {
        let Some(slot) = self.slot else { return };
        if !cells.context.remove(slot, self.standing, None) {
            // A model that cannot go back by some tokens goes back by all.
            cells.context.remove(slot, 0, None);
            self.standing = 0;
        }
    }

    /// These were computed, and took so long. What is whole is kept now and then: when the prompt is there, and in some size.
    pub(super) fn computed(&mut self, tokens: &[Token], took: Duration, cells: &mut Cells) {
        let prompt = self.tokens.len() < self.prompt && self.tokens.len() + tokens.len() >= self.prompt;
        self.tokens.extend_from_slice(tokens);
        self.standing = self.tokens.len();
        self.spent.0 += took;
        self.spent.1 = self.spent.1.saturating_add(u32::try_from(tokens.len()).unwrap_or(u32::MAX));
        self.keep(cells, if prompt { 1 } else { GATHER });
    }

    /// Keeps whole blocks if there are so many.
    fn keep(&mut self, cells: &mut Cells, least: usize) {
        let (Some(past), Some(slot)) = (&self.past, self.slot) else { return };
        let standing = &self.tokens[..self.standing];
        if past.whole(standing.len()) < self.kept.blocks + least {
            return;
        }
        let each = self.spent.0 / self.spent.1.max(1);
        past.keep(cells, slot, standing, each, &mut self.kept);
        self.spent = (Duration::ZERO, 0);
    }
}

impl Drop for LlamaSequence {
    fn drop(&mut self) {
        if self.slot.is_none() {
            return;
        }
        let cells = Arc::clone(&self.cells);
        let mut cells = cells.take();
        self.keep(&mut cells, 1);
        if self.hint.get() != Hint::None {
            self.kept.hint(self.hint.get());
        }
        if let Some(slot) = self.slot.take() {
            cells.give_back(slot);
        }
    }
}
