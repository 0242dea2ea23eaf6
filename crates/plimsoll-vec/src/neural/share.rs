//! Work that threads share, and the desk of each.

use std::sync::Mutex;

use plimsoll::Bytes;
use plimsoll::pool::{Lease, LeaseRequest, Pool};

use super::NeuralError;
use crate::held::{lock, unlocked};

/// Gives parts to threads, in order, until there are none or one fails. Each thread has a desk of so many bytes from the
/// pool. The error is that of the first part that failed.
pub(super) fn share<T: Send>(
    (pool, desk): (&Pool, u64),
    threads: usize,
    parts: impl ExactSizeIterator<Item = T> + Send,
    work: impl Fn(usize, T, &mut [u8]) -> Result<(), NeuralError> + Sync,
) -> Result<(), NeuralError> {
    let threads = threads.clamp(1, parts.len().max(1));
    // All desks are there before anything is done: a refusal leaves the target as it was.
    let request = || LeaseRequest::new(Bytes::new(desk)).align(64);
    let mut desks: Vec<Lease> = (0..threads).map(|_| pool.lease_with(request())).collect::<Result<_, _>>()?;
    let parts = Mutex::new(parts.enumerate());
    let failed: Mutex<Option<(usize, NeuralError)>> = Mutex::new(None);
    let run = |desk: &mut Lease| {
        let bytes = match desk.as_mut_slice() {
            Ok(bytes) => bytes,
            Err(error) => return keep(&failed, usize::MAX, error.into()),
        };
        loop {
            let part = lock(&parts).next();
            let Some((at, part)) = part else { return };
            if lock(&failed).is_some() {
                return;
            }
            if let Err(error) = work(at, part, bytes) {
                return keep(&failed, at, error);
            }
        }
    };
    // Desks go back where they came from, so that the next call finds them on this thread.
    if let Some((own, others)) = desks.split_first_mut() {
        std::thread::scope(|scope| {
            for desk in others {
                scope.spawn(|| run(desk));
            }
            run(own);
        });
    }
    match unlocked(failed) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

fn keep(failed: &Mutex<Option<(usize, NeuralError)>>, at: usize, error: NeuralError) {
    let mut failed = lock(failed);
    if failed.as_ref().is_none_or(|(first, _)| at < *first) {
        *failed = Some((at, error));
    }
}
