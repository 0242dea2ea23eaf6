//! What a step computes, wherever the weights are.

use std::sync::Arc;

use plimsoll_kv::block::Token;
use plimsoll_kv::layout::Layout;
use plimsoll_tensor::wide::widest;

use super::device::DeviceStage;
use super::host::{self, HostStage};
use super::pages::PageTable;
use super::wish::{Found, Wish, change};
use crate::math::{Angles, Normalize};
use crate::{Decoder, StepError};

/// Some tokens of a sequence, and the pages that it has.
pub(super) struct Share<'s> {
    pub(super) tokens: &'s [Token],
    /// How many tokens stand in the pages.
    pub(super) begin: usize,
    pub(super) table: &'s mut dyn PageTable,
}

/// What will be asked for behind a step, told before it: a device computes it in the same stretch.
#[derive(Clone, Copy)]
pub(super) enum Next<'n> {
    /// Nothing, or not yet known what.
    Nothing,
    /// Logits behind these of its tokens.
    Logits(&'n [usize]),
    /// What is wished of logits behind these.
    Drawn(&'n [usize], &'n [Wish]),
}

/// A decoder, and what its steps need where its weights are.
#[derive(Debug)]
pub(super) struct Stage {
    decoder: Arc<Decoder>,
    place: Where,
}

#[derive(Debug)]
enum Where {
    Host(Box<HostStage>),
    Device(Box<DeviceStage>),
}

/// How many tokens of a decoder are computed side by side at most.
pub(crate) fn side_by_side(decoder: &Decoder) -> usize {
    decoder.device_split().map_or(host::SIDE_BY_SIDE, |split| split.side_by_side)
}

impl Stage {
    /// Over pages of this form: on the device that has the weights, or on the host.
    pub(super) fn begin(decoder: &Arc<Decoder>, layout: &Layout) -> Result<Self, StepError> {
        let place = match decoder.kept().on_device() {
            Some(weights) => Where::Device(Box::new(DeviceStage::begin(decoder, weights, layout)?)),
            None => Where::Host(Box::new(HostStage::begin(decoder, layout)?)),
        };
        Ok(Self { decoder: Arc::clone(decoder), place })
    }

    /// How many tokens are computed side by side at most.
    pub(super) fn side_by_side(&self) -> usize {
        side_by_side(&self.decoder)
    }

    /// Whether a sequence can go on by these tokens.
    pub(super) fn check(&self, begin: usize, tokens: &[Token]) -> Result<(), StepError> {
        let shape = self.decoder.shape();
        if tokens.is_empty() {
            return Err(StepError::Empty);
        }
        let wanted = begin.saturating_add(tokens.len());
        if wanted > shape.context {
            return Err(StepError::Context { wanted, context: shape.context });
        }
        let vocabulary = shape.vocabulary;
        match tokens.iter().find(|token| **token as usize >= vocabulary) {
            Some(token) => Err(StepError::Token { token: *token, vocabulary }),
            None => Ok(()),
        }
    }

    /// Computes tokens side by side, up to the last layer. What fails is told with the share that it failed for.
    pub(super) fn part(
        &mut self,
        shares: &mut [Share<'_>],
        next: Next<'_>,
    ) -> Result<(), (usize, StepError)> {
        match &mut self.place {
            Where::Host(stage) => stage.part(shares),
            Where::Device(stage) => stage.part(shares, next),
        }
    }

    /// The logits behind some of the tokens that were computed last, a row for each, into as much room.
    pub(super) fn logits(&mut self, tokens: &[usize], into: &mut [f32]) -> Result<(), StepError> {
        match &mut self.place {
            Where::Host(stage) => into.copy_from_slice(stage.logits(tokens)?),
            Where::Device(stage) => stage.logits(tokens, into)?,
        }
        Ok(())
    }

    /// What is found behind some of the tokens that were computed last, as it is wished of each. Where a device has the logits only that
    /// comes to the host.
    pub(super) fn draw(
        &mut self,
        tokens: &[usize],
        wishes: &[Wish],
        into: &mut [Found],
    ) -> Result<(), StepError> {
        let vocabulary = self.vocabulary();
        match &mut self.place {
            Where::Host(stage) => {
                let rows = stage.logits(tokens)?.chunks_exact_mut(vocabulary);
                let all = into.iter_mut().zip(wishes).zip(rows);
                all.for_each(|((found, wish), row)| *found = wish.look(row));
            }
            Where::Device(stage) => stage.draw(tokens, wishes, into)?,
        }
        Ok(())
    }

    /// The logits behind one of the tokens that were computed last, whole: changed as they were wished, unless they were wished unchanged.
    pub(super) fn row(
        &mut self,
        token: usize,
        (wish, found): (&Wish, &Found),
        into: &mut [f32],
    ) -> Result<(), StepError> {
        match &mut self.place {
            Where::Host(stage) => {
                into.copy_from_slice(stage.logits(&[token])?);
                if *found != Found::Whole {
                    change(into, &wish.changes);
                }
            }
            Where::Device(stage) => stage.row(token, wish, into)?,
        }
        Ok(())
    }

    /// Adds what so many tokens that were computed last are behind the last layer and its norm.
    pub(super) fn add_inner(&mut self, tokens: usize, sum: &mut [f64]) -> Result<(), StepError> {
        let (width, epsilon) = (self.width(), self.decoder.shape().epsilon);
        let rows = match &mut self.place {
            Where::Host(stage) => stage.inner(tokens),
            Where::Device(stage) => stage.inner(tokens)?,
        };
        let mut into = vec![0.0; width];
        for rows in rows.chunks_exact(width) {
            widest(Normalize { rows, weights: &self.decoder.weights.norm, epsilon, into: &mut into });
            sum.iter_mut().zip(&into).for_each(|(sum, number)| *sum += f64::from(*number));
        }
        Ok(())
    }

    /// How wide the model is.
    pub(super) fn width(&self) -> usize {
        self.decoder.shape().width
    }

    /// Tokens in the vocabulary: how many logits a row has.
    pub(super) fn vocabulary(&self) -> usize {
        self.decoder.shape().vocabulary
    }
}

/// What a model's angles follow from.
pub(super) fn angles(decoder: &Decoder) -> Angles<'_> {
    let (shape, scaling) = (decoder.shape(), &decoder.weights.scaling);
    Angles {
        width: shape.rope_width,
        base: shape.rope_base,
        divisor: shape.rope_divisor,
        pairs: shape.rope_pairs,
        factors: &scaling.factors,
        length: scaling.length,
    }
}
