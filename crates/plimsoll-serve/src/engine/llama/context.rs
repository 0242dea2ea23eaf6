//! A context of llama.cpp as an engine.

use std::sync::Arc;
use std::time::Instant;

use plimsoll_kv::block::Token;
use plimsoll_kv::cache::Cache;
use plimsoll_kv::engine::LeasedPages;
use plimsoll_kv::engine::llama_state::{Form, State};
use plimsoll_kv::policy::Hint;
use plimsoll_llama::Context;

use super::cells::{Cells, Strand, fault as told};
use super::past::Past;
use super::sequence::LlamaSequence;
use super::turn::Turn;
use crate::engine::{Engine, EngineFault, Facts, Failed, Part};

/// Bytes of a state that is put into cells or taken out of them at once.
pub const STATE_ROOM: usize = 8 << 20;

/// A context of llama.cpp and a cache for what it has computed.
pub struct Llama {
    cells: Arc<Turn<Cells>>,
    past: Option<Arc<Past>>,
    facts: Facts,
}

/// The past of an engine: the cache, what blocks descend from, and the form of this context's states.
pub struct LlamaPast {
    /// Its blocks.
    pub cache: Cache<LeasedPages>,
    /// See [`Root`](plimsoll_kv::block::Root): another than that of any other engine.
    pub root: plimsoll_kv::block::Root,
    /// As [`Llama::form`] found it.
    pub form: Form,
}

impl Llama {
    /// Over a context for so many sequences and two more, which takes so many tokens a call and gives so many vectors.
    pub fn new(
        context: Context,
        sequences: u16,
        (call, vectors): (usize, usize),
        past: Option<LlamaPast>,
        facts: Facts,
    ) -> Self {
        let mut cells =
            Cells::new(context, sequences, (call, vectors), if past.is_some() { STATE_ROOM } else { 0 });
        let past = past.map(|LlamaPast { cache, root, form }| {
            // A block must fit, however large it is.
            cells.grow(form.bytes(cache.layout().block_tokens as usize));
            let layout = cache.layout().clone();
            Arc::new(Past::new(cache, root, form, layout))
        });
        Self { cells: Arc::new(Turn::new(cells)), past, facts }
    }

    /// The form of a context's states, from one of a single token. None where they cannot be cut into blocks: sliding windows,
    /// recurrent layers, positions of several numbers. Such a model computes every prompt whole.
    pub fn form(
        context: &mut Context,
        sequence: plimsoll_llama::SequenceId,
    ) -> Result<Option<Form>, EngineFault> {
        let mut batch = plimsoll_llama::Batch::default();
        batch.push(0, 0, sequence, true);
        context.step(&mut batch).map_err(told)?;
        let mut room = vec![0; context.state_bytes(sequence)];
        let written = context.state(sequence, &mut room).unwrap_or(0);
        context.remove(sequence, 0, None);
        let state = State::read(&room[..written]).ok().filter(|state| state.tokens() == 1);
        Ok(state.map(|state| state.form().clone()))
    }
}

impl Engine for Llama {
    type Sequence = LlamaSequence;
    /// The logits of a step.
    type Batch = Vec<f32>;

    fn name(&self) -> &'static str {
        "llama.cpp"
    }

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn cache(&self) -> Option<&Cache<LeasedPages>> {
        self.past.as_ref().map(|past| &past.cache)
    }

    fn begin(&self, prompt: &[Token]) -> LlamaSequence {
        LlamaSequence::begin(&self.cells, self.past.as_ref(), prompt)
    }

    fn tokens(&self, sequence: &LlamaSequence) -> usize {
        sequence.len()
    }

    fn hint(&self, sequence: &LlamaSequence, hint: Hint) {
        sequence.hint(hint);
    }

    fn embed(&self, tokens: &[Token]) -> Result<Vec<f32>, EngineFault> {
        self.cells.take().embed(tokens)
    }

    fn batch(&self) -> Result<Vec<f32>, EngineFault> {
        Ok(Vec::new())
    }

    fn step<'b>(
        &self,
        batch: &'b mut Vec<f32>,
        parts: &mut [Part<'_, LlamaSequence>],
    ) -> Result<&'b [f32], Failed> {
        let began = Instant::now();
        let mut cells = self.cells.take();
        for (index, part) in parts.iter_mut().enumerate() {
            part.sequence.place(&mut cells).map_err(|fault| Failed { part: index, fault })?;
        }
        batch.resize(parts.len() * self.facts.vocabulary, 0.0);
        let strands: Vec<Strand<'_>> =
            parts.iter().filter_map(|part| part.sequence.strand(part.tokens)).collect();
        if let Err(fault) = cells.compute(&strands, batch) {
            drop(strands);
            for part in parts.iter_mut() {
                part.sequence.rewind(&mut cells);
            }
            return Err(Failed { part: 0, fault: told(fault) });
        }
        drop(strands);
        let took = began.elapsed();
        let all: usize = parts.iter().map(|part| part.tokens.len()).sum();
        for part in parts.iter_mut() {
            let (mine, all) = (u32::try_from(part.tokens.len()), u32::try_from(all.max(1)));
            let share = took * mine.unwrap_or(u32::MAX) / all.unwrap_or(u32::MAX);
            part.sequence.computed(part.tokens, share, &mut cells);
        }
        Ok(batch)
    }
}
