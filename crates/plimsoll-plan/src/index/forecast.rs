//! What asking costs when the codes are larger than the memory for them.

use plimsoll::Bytes;

use super::{Index, Kind};
use crate::machine::Rate;
use crate::phase::{product, total};

/// What a batch of queries will cost under a budget.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// Codes that stay in memory.
    pub kept: Bytes,
    /// Codes that are read in each pass.
    pub streamed: Bytes,
    /// Passes that the batch takes; none where all codes stay.
    pub passes: u64,
    /// Queries that share a pass.
    pub queries_a_pass: u64,
    /// What is read for the batch altogether.
    pub read: Bytes,
    /// What is read besides for candidates that are looked at again: originals, and planes that stand apart.
    pub again: Bytes,
    /// How long both take at least; zero where nothing is read.
    pub seconds: f64,
    /// The most memory it takes: within the budget.
    pub peak: Bytes,
}

/// Why a budget does not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForecastError {
    /// Less than one query needs.
    #[error(
        "{budget} is too little for one query at a time, which takes {needed}; give it that much, a smaller chunk or \
         fewer neighbours"
    )]
    Budget {
        /// What was given.
        budget: Bytes,
        /// What would do.
        needed: Bytes,
    },
    /// A graph that does not fit.
    #[error(
        "a graph of {needed} does not fit {budget}, and walks along it cannot stream; take ivf or flat, or a smaller \
         codec"
    )]
    Graph {
        /// What was given.
        budget: Bytes,
        /// What would do.
        needed: Bytes,
    },
}

impl Index {
    /// What a batch of queries costs when its place has only so many bytes for this index, and what does not fit
    /// comes from below at such a rate.
    ///
    /// Codes and ids stay as far as there is room; the rest comes through the ring, and one pass serves as many
    /// queries as there is room for. More passes leave more room for codes, so what is chosen is what reads least.
    /// A list that no query looks at is not read. What would not do for one query is refused. Of replicas one is
    /// looked at.
    pub fn forecast(&self, budget: Bytes, bandwidth: Rate) -> Result<Forecast, ForecastError> {
        let index = Self { replicas: 1, ..self.clone() };
        let codes = product(&[index.vectors, index.scanned_bytes()]);
        let fixed = index.fixed();
        // No chunk is larger than the codes.
        let ring = product(&[index.ring.slots, index.ring.chunk.get().min(codes.max(1))]);
        let queries = index.load.queries.max(1);
        let again = index.again_bytes(queries);
        let one = fixed.saturating_add(index.asked_without_ring(1));
        if matches!(index.kind, Kind::Hnsw { .. }) && one.saturating_add(codes) > budget.get() {
            return Err(ForecastError::Graph { budget, needed: Bytes::new(one.saturating_add(codes)) });
        }
        let mut best: Option<Forecast> = None;
        for passes in passes_up_to(queries) {
            let together = queries.div_ceil(passes);
            let needed = fixed.saturating_add(index.asked_without_ring(together));
            let whole = needed.saturating_add(codes);
            let taken = needed.saturating_add(ring);
            let (kept, peak) = if whole <= budget.get() {
                (codes, whole)
            } else if taken <= budget.get() && !matches!(index.kind, Kind::Hnsw { .. }) {
                let kept = (budget.get() - taken).min(codes);
                (kept, taken.saturating_add(kept))
            } else {
                continue;
            };
            let streamed = Bytes::new(codes - kept).fraction(index.kind.share(together));
            let passes = if kept == codes { 0 } else { queries.div_ceil(together) };
            let read = Bytes::new(product(&[streamed.get(), passes]));
            if best.as_ref().is_none_or(|best| read < best.read) {
                let (kept, peak) = (Bytes::new(kept), Bytes::new(peak));
                let seconds = bandwidth.seconds(read.saturating_add(again));
                best = Some(Forecast {
                    kept,
                    streamed,
                    passes,
                    queries_a_pass: together,
                    read,
                    again,
                    seconds,
                    peak,
                });
            }
        }
        best.ok_or_else(|| ForecastError::Budget {
            budget,
            needed: Bytes::new(one.saturating_add(ring.min(codes))),
        })
    }

    /// What of a vector is looked at in a pass: all of its code, or the signs where the other planes stand apart.
    fn scanned_bytes(&self) -> u64 {
        let all = self.vector_bytes().get();
        if self.planes_apart() { all.saturating_sub(self.lower_bytes()) } else { all }
    }

    /// What is read of candidates from places below.
    fn again_bytes(&self, queries: u64) -> Bytes {
        let planes = if self.planes_apart() { self.lower_bytes() } else { 0 };
        let again = self.originals.filter(|there| there.place != self.memory() && self.load.oversampling > 1);
        let vector = again.map_or(0, |there| product(&[self.dimension, there.number_bytes]));
        Bytes::new(product(&[queries, self.candidates(), planes.saturating_add(vector)]))
    }

    /// What can neither stream nor be done without: tables, centroids, marks of what is deleted, a graph.
    fn fixed(&self) -> u64 {
        let place = self.memory();
        let moving = |name: &str| ["codes", "sign plane", "ids"].contains(&name);
        let parts = self.resident().into_iter().filter(|part| part.place == place && !moving(&part.name));
        parts.fold(0, |sum, part| sum.saturating_add(part.bytes.get()))
    }

    /// What so many queries need at once, without the ring: that is reckoned apart.
    fn asked_without_ring(&self, queries: u64) -> u64 {
        let mut parts = self.asked(queries);
        parts.retain(|part| part.name != "ring");
        total(&parts, self.memory()).get()
    }
}

/// Numbers of passes that are looked at: each of the first, then an eighth more each time, and one for every query.
fn passes_up_to(queries: u64) -> impl Iterator<Item = u64> {
    let next = |passes: &u64| Some(passes.saturating_add((passes / 8).max(1)));
    std::iter::successors(Some(1), next).take_while(move |passes| *passes < queries).chain([queries])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forecast(text: &str, budget: Bytes) -> Result<Forecast, ForecastError> {
        Index::parse(text).unwrap().forecast(budget, Rate::gb(2))
    }

    #[test]
    fn what_fits_is_not_read_and_what_does_not_is_read_once_for_all_queries() {
        let text = "10Mx768:int8,flat,originals=none,queries=100,k=10";
        let all = forecast(text, Bytes::gib(10)).unwrap();
        assert_eq!((all.passes, all.read), (0, Bytes::ZERO));
        let tight = forecast(text, Bytes::gib(2)).unwrap();
        assert_eq!((tight.passes, tight.queries_a_pass), (1, 100));
        assert!(tight.peak <= Bytes::gib(2));
        assert_eq!(tight.kept + tight.streamed, Bytes::new(10_000_000 * (768 + 4)));
        assert!((tight.seconds - tight.read.ratio(Bytes::new(2_000_000_000))).abs() < 1e-9);
    }

    #[test]
    fn candidates_are_read_again_from_where_they_are() {
        let index = "1Mx768:planes,lower=disk,queries=10,k=10,oversampling=4";
        let all = forecast(index, Bytes::gib(4)).unwrap();
        assert_eq!((all.passes, all.kept), (0, Bytes::new(1_000_000 * (96 + 8))));
        assert_eq!(all.again, Bytes::new(10 * 40 * (3 * 96 + 768 * 4)));
        assert!(all.seconds > 0.0);
    }

    #[test]
    fn less_memory_never_reads_less() {
        let text = "10Mx768:int8,ivf,queries=5000,k=100,oversampling=8";
        let mut last = 0;
        let mut answered = 0;
        for mib in (100..9_000).rev().step_by(100) {
            if let Ok(forecast) = forecast(text, Bytes::mib(mib)) {
                assert!(forecast.read.get() >= last, "{mib} MiB");
                assert!(forecast.peak <= Bytes::mib(mib));
                last = forecast.read.get();
                answered += 1;
            }
        }
        assert!(answered > 50);
    }

    #[test]
    fn a_graph_does_not_stream_and_a_budget_has_a_floor() {
        let graph = forecast("10Mx768:f32,hnsw", Bytes::gib(8)).unwrap_err();
        assert!(matches!(graph, ForecastError::Graph { .. }), "{graph}");
        let error = forecast("10Mx768:int8,originals=none", Bytes::mib(10)).unwrap_err();
        let ForecastError::Budget { needed, .. } = error else { panic!("{error}") };
        assert!(forecast("10Mx768:int8,originals=none", needed).is_ok(), "what it asks for does");
    }
}
