//! Several sequences in one step.

use std::sync::Arc;

use plimsoll_kv::block::Token;
use plimsoll_kv::layout::Layout;

use super::pages::PageTable;
use super::stage::{Share, Stage};
use crate::{Decoder, StepError};

/// One sequence's part in a step.
pub struct Strand<'s> {
    /// Its new tokens.
    pub tokens: &'s [Token],
    /// How many stand in its pages; a step raises it.
    pub len: usize,
    /// Its pages.
    pub table: &'s mut dyn PageTable,
}

/// Why a step of several sequences came to nothing. None of them has gone on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sequence {strand} of the batch: {source}")]
pub struct BatchError {
    /// Which one it was.
    pub strand: usize,
    /// What it was.
    pub source: StepError,
}

/// Steps of several sequences at once: one pass over the weights serves all of them, and each has attention over its own
/// pages.
///
/// What a sequence gives is what it gives alone, to the bit on the host: nothing depends on what is computed beside it. On a device
/// it is the same but for rounding.
///
/// # What it is not
/// It does not say who steps with whom, and keeps no sequences: they are passed to each step, so that they come and go as
/// they like.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use plimsoll_kv::layout::Element;
/// # use plimsoll_llm::{Batch, Decoder, OwnPages, Strand};
/// # fn go(decoder: &Arc<Decoder>) -> Result<(), Box<dyn std::error::Error>> {
/// let layout = decoder.layout(16, Element::F16);
/// let (mut one, mut other) = (OwnPages::new(&layout), OwnPages::new(&layout));
/// let mut batch = Batch::begin(decoder, &layout)?;
/// let mut strands = [
///     Strand { tokens: &[0, 17], len: 0, table: &mut one },
///     Strand { tokens: &[0, 4, 9], len: 0, table: &mut other },
/// ];
/// let logits = batch.step(&mut strands)?;
/// assert_eq!(logits.len(), 2 * decoder.shape().vocabulary);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Batch {
    stage: Stage,
    logits: Vec<f32>,
}

impl Batch {
    /// Over pages of this form.
    pub fn begin(decoder: &Arc<Decoder>, layout: &Layout) -> Result<Self, StepError> {
        Ok(Self { stage: Stage::begin(decoder, layout)?, logits: Vec::new() })
    }

    /// Decodes the new tokens of all strands; each has at least one. What comes back are the logits of the tokens that
    /// follow, a row for each strand.
    pub fn step(&mut self, strands: &mut [Strand<'_>]) -> Result<&[f32], BatchError> {
        for (strand, it) in strands.iter().enumerate() {
            self.stage.check(it.len, it.tokens).map_err(|source| BatchError { strand, source })?;
        }
        let (vocabulary, side_by_side) = (self.stage.vocabulary(), self.stage.side_by_side());
        // Each strand's row is written over.
        self.logits.resize(strands.len() * vocabulary, 0.0);
        // How many tokens of each are computed.
        let mut done = vec![0; strands.len()];
        loop {
            let (mut room, mut shares, mut members) = (side_by_side, Vec::new(), Vec::new());
            for (number, (strand, done)) in strands.iter_mut().zip(&mut done).enumerate() {
                let left = &strand.tokens[*done..];
                let now = left.len().min(room);
                if now > 0 {
                    shares.push(Share {
                        tokens: &left[..now],
                        begin: strand.len + *done,
                        table: &mut *strand.table,
                    });
                    room -= now;
                    *done += now;
                    members.push((number, side_by_side - room - 1, now == left.len()));
                }
            }
            if shares.is_empty() {
                break;
            }
            let failed =
                |(share, source): (usize, StepError)| BatchError { strand: members[share].0, source };
            self.stage.part(&mut shares).map_err(failed)?;
            let ends = || members.iter().filter(|(_, _, whole)| *whole);
            let rows: Vec<usize> = ends().map(|(_, row, _)| *row).collect();
            if !rows.is_empty() {
                let logits = self.stage.logits(&rows).map_err(|error| failed((0, error)))?;
                let logits = logits.chunks_exact(vocabulary);
                for ((number, _, _), logits) in ends().zip(logits) {
                    self.logits[number * vocabulary..][..vocabulary].copy_from_slice(logits);
                }
            }
        }
        for strand in strands {
            strand.len += strand.tokens.len();
        }
        Ok(&self.logits)
    }
}
