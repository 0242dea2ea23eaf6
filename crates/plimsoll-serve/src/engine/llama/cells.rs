//! A context and what its steps need: who stands in which sequence of it, and steps of any length.

use plimsoll_kv::block::Token;
use plimsoll_llama::{Batch, Context, SequenceId, StepFault};

use crate::engine::EngineFault;

/// A context of llama.cpp with its sequences given out.
pub(super) struct Cells {
    pub(super) context: Context,
    /// Sequences that nobody has.
    free: Vec<SequenceId>,
    /// Where parts of others stand while their state is read or written.
    pub(super) spare: SequenceId,
    /// Where texts are embedded.
    aside: SequenceId,
    /// Tokens of a call at most.
    most: usize,
    /// Tokens that give vectors in a call at most.
    vectors: usize,
    batch: Batch,
    /// Room for a state of some blocks.
    pub(super) room: Vec<u8>,
}

/// Tokens that one sequence is to have computed, in two pieces: what it has lost, and what is new.
pub(super) struct Strand<'t> {
    pub(super) slot: SequenceId,
    /// Tokens that stand in its cells.
    pub(super) standing: usize,
    pub(super) lost: &'t [Token],
    pub(super) new: &'t [Token],
}

impl Cells {
    /// Over a context for so many sequences and two more.
    pub(super) fn new(
        context: Context,
        sequences: u16,
        (most, vectors): (usize, usize),
        room: usize,
    ) -> Self {
        Self {
            context,
            free: (0..sequences).rev().map(SequenceId).collect(),
            spare: SequenceId(sequences),
            aside: SequenceId(sequences.saturating_add(1)),
            most: most.max(1),
            vectors: vectors.max(1),
            batch: Batch::default(),
            room: vec![0; room],
        }
    }

    /// A sequence that is empty.
    pub(super) fn take(&mut self) -> Option<SequenceId> {
        self.free.pop()
    }

    /// It is nobody's any more, and its cells are free.
    pub(super) fn give_back(&mut self, slot: SequenceId) {
        self.context.remove(slot, 0, None);
        self.free.push(slot);
    }

    /// Makes the room for states at least so large.
    pub(super) fn grow(&mut self, bytes: usize) {
        if self.room.len() < bytes {
            self.room.resize(bytes, 0);
        }
    }

    /// Computes strands; the logits behind each go into `rows`, a row a strand. After a fault some tokens may stand.
    pub(super) fn compute(&mut self, strands: &[Strand<'_>], rows: &mut [f32]) -> Result<(), StepFault> {
        let row = self.context.model().facts().vocabulary;
        let mut asked: Vec<(usize, usize)> = Vec::with_capacity(strands.len());
        self.batch.clear();
        for (index, strand) in strands.iter().enumerate() {
            let last = strand.lost.len() + strand.new.len() - 1;
            for (at, token) in strand.lost.iter().chain(strand.new).enumerate() {
                if at == last {
                    asked.push((self.batch.len(), index));
                }
                self.batch.push(*token, strand.standing + at, strand.slot, at == last);
                if self.batch.len() == self.most {
                    self.flush(&mut asked, row, rows)?;
                }
            }
        }
        if self.batch.is_empty() { Ok(()) } else { self.flush(&mut asked, row, rows) }
    }

    fn flush(
        &mut self,
        asked: &mut Vec<(usize, usize)>,
        row: usize,
        rows: &mut [f32],
    ) -> Result<(), StepFault> {
        let stepped = self.context.step(&mut self.batch);
        self.batch.clear();
        stepped?;
        for (at, index) in asked.drain(..) {
            let missing = || StepFault::Failed { code: 0, why: "there are no logits".to_owned() };
            let logits = self.context.logits(at).ok_or_else(missing)?;
            rows[index * row..(index + 1) * row].copy_from_slice(logits);
        }
        Ok(())
    }

    /// What tokens mean together: the mean of the vectors behind them, of length one. The sequence aside is empty before and behind.
    pub(super) fn embed(&mut self, tokens: &[Token]) -> Result<Vec<f32>, EngineFault> {
        self.context.want_vectors(true);
        let made = self.sum(tokens);
        self.context.want_vectors(false);
        self.context.remove(self.aside, 0, None);
        let mut sum = made.map_err(fault)?;
        let length = sum.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
        if length > 0.0 {
            for number in &mut sum {
                #[expect(clippy::cast_possible_truncation, reason = "a number of at most one")]
                let part = (f64::from(*number) / length) as f32;
                *number = part;
            }
        }
        Ok(sum)
    }

    fn sum(&mut self, tokens: &[Token]) -> Result<Vec<f32>, StepFault> {
        let mut sum = vec![0.0; self.context.model().facts().width];
        for (part, some) in tokens.chunks(self.vectors).enumerate() {
            self.batch.clear();
            for (at, token) in some.iter().enumerate() {
                self.batch.push(*token, part * self.vectors + at, self.aside, true);
            }
            let stepped = self.context.step(&mut self.batch);
            self.batch.clear();
            stepped?;
            for at in 0..some.len() {
                let missing = || StepFault::Failed { code: 0, why: "there is no vector".to_owned() };
                let vector = self.context.vector(at).ok_or_else(missing)?;
                sum.iter_mut().zip(vector).for_each(|(sum, number)| *sum += number);
            }
        }
        Ok(sum)
    }
}

/// As a scheduler hears it: without cells it may be tried again.
pub(super) fn fault(fault: StepFault) -> EngineFault {
    match fault {
        StepFault::NoCells { .. } => EngineFault::NoRoom(fault.to_string()),
        fault => EngineFault::Failed(fault.to_string()),
    }
}
