//! Several sequences in one step.

use std::collections::HashMap;
use std::sync::Arc;

use plimsoll_kv::block::Token;
use plimsoll_kv::layout::Layout;

use super::pages::PageTable;
use super::stage::{Next, Share, Stage};
use super::wish::{Found, Need, Wish};
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
    drawn: Drawn,
}

/// What was found in the last step.
#[derive(Debug, Default)]
struct Drawn {
    wishes: Vec<Wish>,
    found: Vec<Found>,
    /// Which of the tokens that were computed last is each strand's; none of one that had come to its end before.
    ends: Vec<Option<usize>>,
    /// The rows of these: nobody can ask for them afterwards.
    brought: HashMap<usize, Vec<f32>>,
}

impl Batch {
    /// Over pages of this form.
    pub fn begin(decoder: &Arc<Decoder>, layout: &Layout) -> Result<Self, StepError> {
        Ok(Self { stage: Stage::begin(decoder, layout)?, logits: Vec::new(), drawn: Drawn::default() })
    }

    /// Decodes the new tokens of all strands; each has at least one. What comes back are the logits of the tokens that
    /// follow, a row for each strand.
    pub fn step(&mut self, strands: &mut [Strand<'_>]) -> Result<&[f32], BatchError> {
        let Self { stage, logits, .. } = self;
        let row = stage.vocabulary();
        // Each strand's row is written over.
        logits.resize(strands.len() * row, 0.0);
        walk(stage, strands, None, &mut |stage, End { first, rows, .. }| {
            stage.logits(rows, &mut logits[first * row..][..rows.len() * row])
        })?;
        Ok(logits)
    }

    /// The same for who needs to know little of the logits: what is found of each strand's row, as it is wished. On a device no more than
    /// that comes to the host.
    pub fn draw(&mut self, strands: &mut [Strand<'_>], wishes: Vec<Wish>) -> Result<&[Found], BatchError> {
        let Self { stage, drawn, .. } = self;
        assert!(strands.len() == wishes.len(), "a wish for each strand");
        *drawn = Drawn { wishes, ..Drawn::default() };
        let Drawn { wishes, found, ends, brought } = drawn;
        found.resize(strands.len(), Found::Nothing);
        ends.resize(strands.len(), None);
        let row = stage.vocabulary();
        walk(stage, strands, Some(wishes), &mut |stage, End { first, rows, last }| {
            let some = first..first + rows.len();
            stage.draw(rows, &wishes[some.clone()], &mut found[some.clone()])?;
            for (strand, end) in some.zip(rows) {
                if last {
                    ends[strand] = Some(*end);
                } else if wishes[strand].need != Need::Nothing {
                    let mut logits = vec![0.0; row];
                    stage.row(*end, (&wishes[strand], &found[strand]), &mut logits)?;
                    brought.insert(strand, logits);
                }
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// All logits behind a strand of the last step, for who found that what it wished was not enough: changed as it wished, unless what
    /// was found says that they are as they came.
    pub fn row(&mut self, strand: usize) -> Result<&mut [f32], StepError> {
        let Self { stage, logits, drawn: Drawn { wishes, found, ends, brought } } = self;
        if let Some(row) = brought.get_mut(&strand) {
            return Ok(row);
        }
        let end = ends.get(strand).copied().flatten().ok_or(StepError::Empty)?;
        logits.resize(stage.vocabulary().max(logits.len()), 0.0);
        let row = &mut logits[..stage.vocabulary()];
        stage.row(end, (&wishes[strand], &found[strand]), row)?;
        Ok(row)
    }
}

/// Strands one behind the other that were computed to their ends.
struct End<'e> {
    /// The first one's number.
    first: usize,
    /// The last token of each, among those that were computed last.
    rows: &'e [usize],
    /// Whether nothing is computed after them.
    last: bool,
}

/// Decodes the new tokens of all strands, as many side by side as the stage takes, and tells `told` of those that were computed to their
/// ends. `wishes`: what will be asked for then, if not logits.
fn walk(
    stage: &mut Stage,
    strands: &mut [Strand<'_>],
    wishes: Option<&[Wish]>,
    told: &mut dyn FnMut(&mut Stage, End<'_>) -> Result<(), StepError>,
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
        let begin = first.unwrap_or(0);
        let next = match wishes {
            None => Next::Logits(&rows),
            Some(wishes) => Next::Drawn(&rows, &wishes[begin..][..rows.len()]),
        };
        stage.part(&mut shares, next).map_err(failed)?;
        drop(shares);
        if !rows.is_empty() {
            let last = strands.iter().zip(&done).all(|(strand, done)| *done == strand.tokens.len());
            let end = End { first: begin, rows: &rows, last };
            told(stage, end).map_err(|error| failed((0, error)))?;
        }
    }
    for strand in strands {
        strand.len += strand.tokens.len();
    }
    Ok(())
}
