//! What a step computes, wherever the weights are.

use std::sync::Arc;

use plimsoll_kv::block::Token;
use plimsoll_kv::layout::Layout;
use plimsoll_tensor::wide::widest;

use super::device::{self, DeviceStage};
use super::host::{self, HostStage};
use super::pages::PageTable;
use crate::math::{Angles, Normalize};
use crate::{Decoder, StepError};

/// Some tokens of a sequence, and the pages that it has.
pub(super) struct Share<'s> {
    pub(super) tokens: &'s [Token],
    /// How many tokens stand in the pages.
    pub(super) begin: usize,
    pub(super) table: &'s mut dyn PageTable,
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
    pub(super) const fn side_by_side(&self) -> usize {
        match self.place {
            Where::Host(_) => host::SIDE_BY_SIDE,
            Where::Device(_) => device::SIDE_BY_SIDE,
        }
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
    pub(super) fn part(&mut self, shares: &mut [Share<'_>]) -> Result<(), (usize, StepError)> {
        match &mut self.place {
            Where::Host(stage) => stage.part(shares),
            Where::Device(stage) => stage.part(shares),
        }
    }

    /// The logits behind some of the tokens that were computed last, a row for each.
    pub(super) fn logits(&mut self, tokens: &[usize]) -> Result<&[f32], StepError> {
        match &mut self.place {
            Where::Host(stage) => stage.logits(tokens),
            Where::Device(stage) => stage.logits(tokens),
        }
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
