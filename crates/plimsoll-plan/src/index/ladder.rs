//! Codecs from the best to the smallest, and what each is expected to find.

use plimsoll::Bytes;

use super::{Codec, Index, Maker};

/// A step of the ladder.
#[derive(Clone, Debug, PartialEq)]
pub struct Rung {
    /// The codec.
    pub codec: Codec,
    /// What one vector takes with it.
    pub vector_bytes: Bytes,
    /// The share of the ten nearest that the codes alone find, expected: from and to.
    pub recall: (f64, f64),
    /// The same when four times as many are looked at again with the originals.
    pub recall_again: (f64, f64),
    /// Where that is known from.
    pub source: &'static str,
}

/// Measured with FAISS 1.15 on 40,000 vectors of 768 numbers in clusters, spectrum falling, unit length; 200 queries.
const MEASURED: &str = "estimated: clustered Gaussians (40k × 768, FAISS 1.15 and numpy), and published figures for \
                        embeddings";
const GUESSED: &str = "estimated: between int4 and binary by the bits that are looked at first";

/// The same where vectors are reduced first: no more than that finds which is made so.
fn recall_reduced(index: &Index, codec: Codec) -> ((f64, f64), (f64, f64), &'static str) {
    let (alone, again, source) = recall(codec, index.coded());
    let Some(width) = index.reduced else { return (alone, again, source) };
    let (most, most_again, measured) = recall(Codec::Neural { width }, index.dimension);
    let least = |one: (f64, f64), other: (f64, f64)| (one.0.min(other.0), one.1.min(other.1));
    (least(alone, most), least(again, most_again), measured)
}

/// Recall at ten by codec: alone, then with four times as many looked at again.
fn recall(codec: Codec, dimension: u64) -> ((f64, f64), (f64, f64), &'static str) {
    let bits = bits_a_number(codec, dimension);
    match codec {
        Codec::F32 => ((1.0, 1.0), (1.0, 1.0), "exact by construction"),
        Codec::F16 | Codec::Bf16 => ((0.99, 1.0), (1.0, 1.0), MEASURED),
        Codec::Int8 => ((0.97, 1.0), (0.995, 1.0), MEASURED),
        Codec::Int4 => ((0.85, 0.95), (0.98, 1.0), MEASURED),
        Codec::Planes => ((0.80, 0.95), (0.95, 1.0), GUESSED),
        Codec::Binary => ((0.40, 0.75), (0.70, 0.97), MEASURED),
        Codec::Groups { .. } | Codec::Pq { .. } if bits >= 2.0 => ((0.70, 0.92), (0.95, 1.0), MEASURED),
        Codec::Groups { .. } | Codec::Pq { .. } if bits >= 1.0 => ((0.45, 0.80), (0.80, 0.98), MEASURED),
        Codec::Groups { .. } | Codec::Pq { .. } => ((0.20, 0.65), (0.45, 0.95), MEASURED),
        Codec::Neural { .. } => ((0.30, 0.85), (0.60, 0.98), MEASURED),
    }
}

#[expect(clippy::cast_precision_loss, reason = "bits a number, to tell cases apart")]
fn bits_a_number(codec: Codec, dimension: u64) -> f64 {
    codec.code_bytes(dimension) as f64 * 8.0 / dimension.max(1) as f64
}

impl Index {
    /// Codecs that could keep these vectors, from the best to the smallest. Recall is an expectation, never a
    /// promise: it depends on the vectors, and only a measurement on them tells.
    pub fn ladder(&self) -> Vec<Rung> {
        let dimension = self.coded().max(1);
        let common = [Codec::F32, Codec::F16, Codec::Int8, Codec::Int4];
        let small = if self.maker == Maker::Plimsoll {
            [2, 4, 8].map(|numbers| Codec::Groups { numbers })
        } else {
            let pq = |numbers| Codec::Pq { parts: dimension.div_ceil(numbers), bits: 8 };
            [pq(4), Codec::Binary, pq(16)]
        };
        let mut rungs: Vec<Rung> = common
            .into_iter()
            .chain(small)
            .map(|codec| {
                let (alone, again, source) = recall_reduced(self, codec);
                let vector_bytes = self.with_codec(codec).vector_bytes();
                Rung { codec, vector_bytes, recall: alone, recall_again: again, source }
            })
            .collect();
        // With few numbers a vector, scales outweigh codes: what is not smaller than a better one is no step down.
        let mut smallest = Bytes::MAX;
        rungs.retain(|rung| {
            let smaller = rung.vector_bytes < smallest;
            smallest = smallest.min(rung.vector_bytes);
            smaller
        });
        rungs
    }

    /// What is expected of the codec that it has: alone, and with candidates looked at again.
    pub fn expected_recall(&self) -> Rung {
        let (alone, again, source) = recall_reduced(self, self.codec);
        let vector_bytes = self.vector_bytes();
        Rung { codec: self.codec, vector_bytes, recall: alone, recall_again: again, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_down_is_smaller_and_finds_no_more() {
        for text in ["1Mx768", "1Mx384:int8", "1Mx8", "1Mx1", "1Mx768:as=faiss", "1Mx768:int8,reduce=128"] {
            let rungs = Index::parse(text).unwrap().ladder();
            assert!(!rungs.is_empty());
            for pair in rungs.windows(2) {
                assert!(pair[1].vector_bytes < pair[0].vector_bytes, "{text}");
                assert!(pair[1].recall.1 <= pair[0].recall.1, "{text}");
            }
            assert!(rungs.iter().all(|rung| rung.recall.0 <= rung.recall.1 && rung.recall.1 <= 1.0));
        }
        assert_eq!(Index::parse("1Mx768").unwrap().ladder().len(), 7);
    }
}
