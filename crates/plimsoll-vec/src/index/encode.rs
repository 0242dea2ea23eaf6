//! Coding many vectors with several threads, and work that threads share.

use std::sync::{Arc, Mutex};

use super::Shape;
use super::reduced::Reduced;
use crate::code::{CodeError, Coder};
use crate::held::{lock, unlocked};
use crate::{BLOCK_ROWS, Layout};

/// Blocks that a thread codes at once.
const BLOCKS: usize = 4;

/// How many threads the machine has.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Does the same on so many threads, this one among them, until all have come back. If one dies, so does this one.
pub(super) fn on_threads(threads: usize, work: &(impl Fn() + Sync)) {
    if threads <= 1 {
        work();
        return;
    }
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
}

/// Gives threads parts of so many vectors, each with a desk of so many numbers. The first vector that is wrong is told,
/// whoever found one first.
pub(super) fn share<T: Send>(
    parts: impl ExactSizeIterator<Item = T> + Send,
    (rows, desk): (usize, usize),
    threads: usize,
    work: impl Fn(T, &mut [f32]) -> Result<(), CodeError> + Sync,
) -> Result<(), CodeError> {
    let count = parts.len();
    let left = Mutex::new(parts.enumerate());
    let failed = Mutex::new(None);
    on_threads(threads.min(count), &|| {
        let mut desk = vec![0.0; desk];
        loop {
            let next = lock(&left).next();
            let Some((at, part)) = next else { return };
            if let Err(error) = work(part, &mut desk) {
                let mut failed = lock(&failed);
                if failed.as_ref().is_none_or(|(other, _)| at < *other) {
                    *failed = Some((at, error.after(at * rows)));
                }
            }
        }
    });
    match unlocked(failed) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

/// What vectors of an index are coded by: reduced first, where the index is.
#[derive(Debug)]
pub(super) struct Coding {
    coder: Coder,
    reduced: Option<Arc<Reduced>>,
}

impl Coding {
    /// By a coder of what vectors are reduced to, if they are.
    pub(super) fn new(coder: Coder, reduced: Option<Arc<Reduced>>) -> Self {
        Self { coder, reduced }
    }

    /// What a thread needs for it.
    pub(super) fn scratch_bytes(shape: &Shape) -> u64 {
        let Shape { codec, dimension, .. } = shape.coded();
        Coder::scratch_bytes(codec, dimension) + shape.desk_bytes()
    }

    /// Where things are in a block.
    pub(super) fn layout(&self) -> Layout {
        self.coder.layout()
    }

    /// Codes vectors of so many numbers as the rows of blocks, from the first on, with several threads; places of the last
    /// block that are not taken are zeros.
    pub(super) fn encode(
        &self,
        dimension: usize,
        vectors: &[f32],
        blocks: &mut [u8],
        threads: usize,
    ) -> Result<(), CodeError> {
        let (bytes, rows) = (self.layout().block_bytes(), BLOCKS * BLOCK_ROWS);
        let parts = vectors.chunks(rows * dimension).zip(blocks.chunks_mut(BLOCKS * bytes));
        let desk = self.reduced.as_ref().map_or(0, |reduced| reduced.desk());
        share(parts, (rows, desk), threads, |(vectors, blocks), desk| {
            blocks.fill(0);
            let Some(reduced) = &self.reduced else { return self.coder.encode(vectors, 0, blocks) };
            let each = vectors.chunks(BLOCK_ROWS * dimension).zip(blocks.chunks_mut(bytes));
            for (at, (vectors, block)) in each.enumerate() {
                let coded = reduced.block(vectors, desk).and_then(|found| self.coder.encode(found, 0, block));
                coded.map_err(|error| error.after(at * BLOCK_ROWS))?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Codec, Metric};

    #[test]
    fn threads_code_what_one_codes_and_tell_the_first_error() {
        let coder = Coder::new(Codec::Int4, Metric::L2, 9).unwrap();
        let mut vectors: Vec<f32> = (0_u16..9 * 1500).map(|n| f32::from(n % 101 * 7 % 101) - 50.0).collect();
        let bytes = 1500_usize.div_ceil(BLOCK_ROWS) * coder.layout().block_bytes();
        let (mut one, mut many) = (vec![1; bytes], vec![2; bytes]);
        let coding = Coding::new(Coder::new(Codec::Int4, Metric::L2, 9).unwrap(), None);
        coding.encode(9, &vectors, &mut one, 1).unwrap();
        coding.encode(9, &vectors, &mut many, 3).unwrap();
        assert_eq!(one, many);
        let mut plain = vec![0; bytes];
        coder.encode(&vectors, 0, &mut plain).unwrap();
        assert_eq!(one, plain);
        vectors[9 * 1400] = f32::NAN;
        vectors[9 * 700 + 2] = f32::INFINITY;
        let error = coding.encode(9, &vectors, &mut many, 3).unwrap_err();
        assert!(matches!(error, CodeError::NotFinite { vector: 700, component: 2, .. }), "{error}");
    }
}
