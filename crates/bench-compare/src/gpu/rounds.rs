//! Taking turns.

use std::time::Duration;

/// What one engine does in a round: the time it took, or why it could not.
pub type Turn<'t, E> = &'t mut dyn FnMut() -> Result<Duration, E>;

/// Runs each engine once in every round, and once before for warmth; the median time of each.
pub fn medians<E>(rounds: usize, engines: &mut [Turn<'_, E>]) -> Result<Vec<Duration>, E> {
    let mut times = vec![Vec::with_capacity(rounds); engines.len()];
    for round in 0..=rounds {
        for (engine, times) in engines.iter_mut().zip(&mut times) {
            let time = engine()?;
            if round > 0 {
                times.push(time);
            }
        }
    }
    for times in &mut times {
        times.sort_unstable();
    }
    Ok(times.iter().map(|times| times[times.len() / 2]).collect())
}
