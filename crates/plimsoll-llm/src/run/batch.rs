//! Several sequences in one step.

use std::sync::Arc;

use plimsoll_kv::block::Token;
use plimsoll_kv::layout::Layout;

use super::pages::PageTable;
use super::stage::{Next, Share, Stage};
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
    tokens: Vec<Option<Token>>,
}

impl Batch {
    /// Over pages of this form.
    pub fn begin(decoder: &Arc<Decoder>, layout: &Layout) -> Result<Self, StepError> {
        Ok(Self { stage: Stage::begin(decoder, layout)?, logits: Vec::new(), tokens: Vec::new() })
    }

    /// Decodes the new tokens of all strands; each has at least one. What comes back are the logits of the tokens that
    /// follow, a row for each strand.
    pub fn step(&mut self, strands: &mut [Strand<'_>]) -> Result<&[f32], BatchError> {
        let Self { stage, logits, .. } = self;
        let row = stage.vocabulary();
        // Each strand's row is written over.
        logits.resize(strands.len() * row, 0.0);
        walk(stage, strands, |rows| Next::Logits(rows), &mut |stage, first, rows| {
            stage.logits(rows, &mut logits[first * row..][..rows.len() * row])
        })?;
        Ok(logits)
    }

    /// The same for who goes on by the likeliest tokens only: these, as [`Draw::Likeliest`](crate::Draw) chooses them, and none where
    /// logits are no numbers. On a device no logits come to the host.
    pub fn likeliest(&mut self, strands: &mut [Strand<'_>]) -> Result<&[Option<Token>], BatchError> {
        let Self { stage, tokens, .. } = self;
        tokens.resize(strands.len(), None);
        walk(stage, strands, |rows| Next::Likeliest(rows), &mut |stage, first, rows| {
            stage.likeliest(rows, &mut tokens[first..][..rows.len()])
        })?;
        Ok(tokens)
    }
}

/// Is told of strands that were computed to their ends: see [`walk`].
type End<'e> = &'e mut dyn FnMut(&mut Stage, usize, &[usize]) -> Result<(), StepError>;

/// Decodes the new tokens of all strands, as many side by side as the stage takes. `end` is told of strands one behind the other that were
/// computed to their ends: the first one's number, and the last token of each among those that were computed last.
fn walk(
    stage: &mut Stage,
    strands: &mut [Strand<'_>],
    next: for<'n> fn(&'n [usize]) -> Next<'n>,
    end: End<'_>,
) -> Result<(), BatchError> {
    for (strand, it) in strands.iter().enumerate() {
        stage.check(it.len, it.tokens).map_err(|source| BatchError { strand, source })?;
    }
    let side_by_side = stage.side_by_side();
    // How many tokens of each are computed.
    let mut done = vec![0; strands.len()];
    loop {
        let (mut room, mut shares, mut members) = (side_by_side, Vec::new(), Vec::new());
        // Only the last one of a part may be cut off.
        let (mut rows, mut first) = (Vec::new(), None);
        for (number, (strand, done)) in strands.iter_mut().zip(&mut done).enumerate() {
            let left = &strand.tokens[*done..];
            let now = left.len().min(room);
            if now > 0 {
                let begin = strand.len + *done;
                shares.push(Share { tokens: &left[..now], begin, table: &mut *strand.table });
                room -= now;
                *done += now;
                members.push(number);
                if now == left.len() {
                    rows.push(side_by_side - room - 1);
                    first.get_or_insert(number);
                }
            }
        }
        if shares.is_empty() {
            break;
        }
        let failed = |(share, source): (usize, StepError)| BatchError { strand: members[share], source };
        stage.part(&mut shares, next(&rows)).map_err(failed)?;
        if let Some(first) = first {
            end(stage, first, &rows).map_err(|error| failed((0, error)))?;
        }
    }
    for strand in strands {
        strand.len += strand.tokens.len();
    }
    Ok(())
}
