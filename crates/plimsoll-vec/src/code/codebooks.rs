//! What half a byte of a group of numbers stands for.

use super::{CodeError, check};
use crate::{Codec, Metric};

/// Halves of a byte: so many words a group has.
pub(crate) const WORDS: usize = 16;

/// The sixteen words of each group of numbers, learnt from vectors.
///
/// They are for one codec, metric and dimension, and codes mean nothing without the books that they were made with: keep
/// them as long as the codes ([`to_bytes`](Self::to_bytes)). Words are in the shape that vectors have when they are coded:
/// rotated, and of length one.
///
/// ```
/// use std::sync::Arc;
/// use plimsoll_vec::{Codebooks, Codec, Coder, Metric};
///
/// let sample: Vec<f32> = (0..800).map(|n| ((n * 37 % 101) as f32).sin()).collect();
/// let books = Arc::new(Codebooks::train(Codec::Pq2, Metric::L2, 8, sample)?);
/// let coder = Coder::with_books(Codec::Pq2, Metric::L2, 8, Some(Arc::clone(&books)))?;
/// let mut block = vec![0; coder.layout().block_bytes()];
/// coder.encode(&[0.3; 8], 0, &mut block)?;
/// assert_eq!(books.to_bytes().len(), 16 * 8 * 4);
/// # Ok::<(), plimsoll_vec::CodeError>(())
/// ```
///
/// # Formula
/// 64 bytes for each number of a vector, in memory and on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Codebooks {
    codec: Codec,
    metric: Metric,
    dimension: usize,
    group: usize,
    /// For each number of a vector, what it is in each of the sixteen words of its group.
    words: Vec<f32>,
}

impl Codebooks {
    /// What they take.
    pub fn bytes_for(dimension: usize) -> u64 {
        (dimension as u64).saturating_mul(WORDS as u64 * 4)
    }

    /// Of words that were learnt.
    pub(super) fn new(
        codec: Codec,
        metric: Metric,
        dimension: usize,
        words: Vec<f32>,
    ) -> Result<Self, CodeError> {
        check(codec, metric, dimension)?;
        let group = codec.group().ok_or(CodeError::NothingToLearn { codec })?;
        let expected = dimension * WORDS;
        if words.len() != expected || words.iter().any(|word| !word.is_finite()) {
            return Err(CodeError::Books { codec, dimension, bytes: words.len() * 4 });
        }
        Ok(Self { codec, metric, dimension, group, words })
    }

    /// As bytes: the words as singles, the lowest byte first.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Of bytes that [`to_bytes`](Self::to_bytes) made of books of this kind. They carry no checksum: who keeps them does.
    pub fn from_bytes(
        codec: Codec,
        metric: Metric,
        dimension: usize,
        bytes: &[u8],
    ) -> Result<Self, CodeError> {
        let (words, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(CodeError::Books { codec, dimension, bytes: bytes.len() });
        }
        Self::new(codec, metric, dimension, words.iter().map(|word| f32::from_le_bytes(*word)).collect())
    }

    /// The codec that they are for.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// What near means for the vectors that they are of.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Numbers of a vector.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Groups of a vector.
    pub(crate) fn groups(&self) -> usize {
        self.dimension.div_ceil(self.group)
    }

    /// The words of a group: for each of its numbers, what that is in each word.
    pub(crate) fn words(&self, group: usize) -> &[[f32; WORDS]] {
        let from = group * self.group;
        let to = (from + self.group).min(self.dimension);
        &self.words.as_chunks().0[from..to]
    }

    /// Whether they are for such vectors.
    pub(crate) fn fit(&self, codec: Codec, metric: Metric, dimension: usize) -> Result<(), CodeError> {
        if (self.codec, self.metric, self.dimension) == (codec, metric, dimension) {
            return Ok(());
        }
        let of = format!("{} by {} of {} numbers", self.codec, self.metric, self.dimension);
        Err(CodeError::OtherBooks { of, codec, metric, dimension })
    }
}
