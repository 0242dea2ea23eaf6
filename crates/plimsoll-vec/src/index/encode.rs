//! Coding many vectors with several threads, and work that threads share.

use std::sync::{Mutex, PoisonError};

use super::build::numbered_by;
use crate::BLOCK_ROWS;
use crate::code::{CodeError, Coder};

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

/// Codes vectors as the rows of blocks, from the first on; places of the last block that are not taken are zeros.
pub(super) fn encode(
    coder: &Coder,
    vectors: &[f32],
    blocks: &mut [u8],
    threads: usize,
) -> Result<(), CodeError> {
    let layout = coder.layout();
    let rows = BLOCKS * BLOCK_ROWS;
    let parts =
        vectors.chunks(rows * layout.dimension()).zip(blocks.chunks_mut(BLOCKS * layout.block_bytes()));
    let count = vectors.len().div_ceil(rows * layout.dimension());
    let work = Mutex::new(parts.enumerate());
    let failed = Mutex::new(None);
    on_threads(threads.min(count), &|| {
        loop {
            let next = work.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((part, (vectors, blocks))) = next else { return };
            blocks.fill(0);
            if let Err(error) = coder.encode(vectors, 0, blocks) {
                let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                // The first vector that is wrong is told, whoever found one first.
                if failed.as_ref().is_none_or(|(other, _)| part < *other) {
                    *failed = Some((part, numbered_by(error, part * rows)));
                }
            }
        }
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((_, error)) => Err(error),
        None => Ok(()),
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
        encode(&coder, &vectors, &mut one, 1).unwrap();
        encode(&coder, &vectors, &mut many, 3).unwrap();
        assert_eq!(one, many);
        let mut plain = vec![0; bytes];
        coder.encode(&vectors, 0, &mut plain).unwrap();
        assert_eq!(one, plain);
        vectors[9 * 1400] = f32::NAN;
        vectors[9 * 700 + 2] = f32::INFINITY;
        let error = encode(&coder, &vectors, &mut many, 3).unwrap_err();
        assert!(matches!(error, CodeError::NotFinite { vector: 700, component: 2, .. }), "{error}");
    }
}
