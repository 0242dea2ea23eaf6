//! What cannot be coded.

use crate::code::DIMENSION_MAX;
use crate::{Codec, Metric};

/// Why vectors cannot be coded, or codes not be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// Vectors have 1 to [`DIMENSION_MAX`] numbers.
    #[error("vectors of {dimension} numbers cannot be kept: 1 to {DIMENSION_MAX} can")]
    Dimension {
        /// What was asked for.
        dimension: usize,
    },
    /// The metric needs another code.
    #[error(
        "{codec} vectors cannot be compared by {metric}: take codec binary for hamming, or another metric"
    )]
    Metric {
        /// The code.
        codec: Codec,
        /// The metric.
        metric: Metric,
    },
    /// The numbers do not make whole vectors.
    #[error("{numbers} numbers are not whole vectors of {dimension}: check the dimension")]
    Ragged {
        /// How many came.
        numbers: usize,
        /// How many a vector has.
        dimension: usize,
    },
    /// A component is NaN or infinite.
    #[error("component {component} of vector {vector} is {value}: remove or repair that vector")]
    NotFinite {
        /// Which of those given.
        vector: usize,
        /// Which of its numbers.
        component: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// A component is larger than the code can hold.
    #[error("component {component} of vector {vector} is {value}, too large for {codec}: take codec f32")]
    TooLarge {
        /// Which of those given.
        vector: usize,
        /// Which of its numbers.
        component: usize,
        /// The number.
        value: f32,
        /// The code.
        codec: Codec,
    },
    /// A vector of zeros has no direction.
    #[error(
        "vector {vector} is all zeros and has no direction to compare by cosine: remove it, or take l2 or ip"
    )]
    NoDirection {
        /// Which of those given.
        vector: usize,
    },
    /// What a vector is reduced to is beyond singles.
    #[error(
        "vector {vector} is too large: what it is reduced to is beyond what singles can say; scale the vectors down"
    )]
    Reduced {
        /// Which of those given.
        vector: usize,
    },
    /// The memory is not that of these rows.
    #[error(
        "rows {from} to {to} are not in blocks of {bytes} bytes: give whole blocks, and as many as the rows need"
    )]
    Blocks {
        /// The first row.
        from: usize,
        /// The row after the last.
        to: usize,
        /// What was given.
        bytes: usize,
    },
    /// The codec needs to learn first.
    #[error(
        "{codec} is learnt from vectors, and there are no codebooks for it yet: train them, or build an index first"
    )]
    Untrained {
        /// The code.
        codec: Codec,
    },
    /// Nothing to learn from.
    #[error("{codec} is learnt from vectors, and none were given: give a few hundred at least")]
    NoSample {
        /// The code.
        codec: Codec,
    },
    /// The codec needs no books.
    #[error("{codec} learns nothing and has no codebooks: take pq2, pq4 or pq8, or code without them")]
    NothingToLearn {
        /// The code.
        codec: Codec,
    },
    /// Bytes that are no books of this kind.
    #[error("{bytes} bytes are no codebooks of {codec} for vectors of {dimension}: those are {} bytes, of finite numbers", dimension * 64)]
    Books {
        /// The code.
        codec: Codec,
        /// Numbers of a vector.
        dimension: usize,
        /// How many there are.
        bytes: usize,
    },
    /// Books of something else.
    #[error(
        "these codebooks are for {of}, and the vectors are {codec} by {metric} of {dimension} numbers: take those that the codes were made with"
    )]
    OtherBooks {
        /// What they are for.
        of: String,
        /// The code.
        codec: Codec,
        /// The metric.
        metric: Metric,
        /// Numbers of a vector.
        dimension: usize,
    },
    /// The target does not have a number's place for each number.
    #[error("{numbers} numbers do not fit {places} places: give {numbers}")]
    Target {
        /// How many there are.
        numbers: usize,
        /// Room for so many.
        places: usize,
    },
}

impl CodeError {
    /// The same with the number that the vector has elsewhere.
    pub(crate) fn renamed(self, name: impl Fn(usize) -> usize) -> Self {
        match self {
            Self::NotFinite { vector, component, value } => {
                Self::NotFinite { vector: name(vector), component, value }
            }
            Self::TooLarge { vector, component, value, codec } => {
                Self::TooLarge { vector: name(vector), component, value, codec }
            }
            Self::NoDirection { vector } => Self::NoDirection { vector: name(vector) },
            Self::Reduced { vector } => Self::Reduced { vector: name(vector) },
            error => error,
        }
    }

    /// The same where so many vectors were before.
    pub(crate) fn after(self, before: usize) -> Self {
        self.renamed(|vector| before + vector)
    }
}

/// Whether there can be vectors like this.
pub(crate) fn check(codec: Codec, metric: Metric, dimension: usize) -> Result<(), CodeError> {
    if dimension == 0 || dimension > DIMENSION_MAX {
        return Err(CodeError::Dimension { dimension });
    }
    if !codec.serves(metric) {
        return Err(CodeError::Metric { codec, metric });
    }
    Ok(())
}
