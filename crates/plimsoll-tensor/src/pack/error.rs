//! Why buffers cannot be packed, and what to do about it.

use plimsoll::Bytes;

/// Why buffers cannot be packed.
///
/// Buffers are named by their place in the list, from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// A buffer that never lives.
    #[error("buffer {index} lives from step {lower} to step {upper}: it has to end after it begins")]
    Lifetime {
        /// Which one.
        index: usize,
        /// Where it begins.
        lower: u64,
        /// Where it ends.
        upper: u64,
    },
    /// An alignment that is none.
    #[error("buffer {index} is to be aligned to {} bytes: an alignment is a power of two", align.get())]
    Alignment {
        /// Which one.
        index: usize,
        /// What was asked.
        align: Bytes,
    },
    /// Sizes whose sum cannot be counted with.
    #[error("the sizes of all buffers add up to more than 2^62 bytes at buffer {index}: check its size")]
    TooLarge {
        /// Where the sum went over.
        index: usize,
    },
    /// More buffers than are numbered.
    #[error("{0} buffers are more than a plan may have ({max}): plan parts of it on their own", max = super::MOST)]
    TooMany(usize),
    /// A capacity in which what lives at once does not fit.
    #[error(
        "{} bytes cannot hold these buffers: {} bytes live at once; give at least that much",
        capacity.get(), bound.get()
    )]
    BelowBound {
        /// What was given.
        capacity: Bytes,
        /// What lives at once.
        bound: Bytes,
    },
    /// A capacity that no arrangement keeps.
    #[error(
        "no arrangement of these buffers fits {} bytes, though no more than {} live at once; the least height found \
         is {} bytes: give that much",
        capacity.get(), bound.get(), least.get()
    )]
    Impossible {
        /// What was given.
        capacity: Bytes,
        /// What lives at once.
        bound: Bytes,
        /// The least height that was reached.
        least: Bytes,
    },
    /// A capacity that was not reached with the work that was allowed.
    #[error(
        "no arrangement within {} bytes was found in the work that was allowed; {} bytes live at once, and the least \
         height found is {} bytes: give that much, or allow more work",
        capacity.get(), bound.get(), least.get()
    )]
    NotFound {
        /// What was given.
        capacity: Bytes,
        /// What lives at once.
        bound: Bytes,
        /// The least height that was reached.
        least: Bytes,
    },
}
