//! Whether a learned codec was worth it: others at the same bytes, on vectors that nobody learned from.

use std::cmp::Ordering;

use super::mill::Mill;
use crate::neural::packed::{Packed, TILES};
use crate::neural::{Fidelity, NeuralCodec, NeuralError, NeuralShape};
use crate::{BLOCK_ROWS, Codec, Coder, Layout, Metric, Queries, Tops, scan};

/// Rows that are coded at once.
const ROWS: usize = WORDS * BLOCK_ROWS;
/// Words of a bit for each of them.
const WORDS: usize = 8;
/// Neighbours that are looked for.
const K: usize = 10;
/// Recall that differs by less is the same.
const SAME: f64 = 0.002;
/// The most components that are found for a comparison alone.
const PLANES_MOST: usize = 640;

/// One codec among those that were compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Contender {
    /// What it is.
    pub name: String,
    /// Whether it is the one that was learned.
    pub learned: bool,
    /// How vectors are built with it by `vec build`; none where they cannot be.
    pub codec: Option<Codec>,
    /// Bytes of a vector.
    pub row_bytes: usize,
    /// What came back of the vectors.
    pub fidelity: Fidelity,
    /// Of the ten nearest of each query, how many were found.
    pub recall: f64,
}

/// What the comparison says.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Who found most at the bytes of the learned codec, or fewer.
    pub winner: String,
    /// Whether that is the learned one.
    pub learned_wins: bool,
    /// The same as a sentence.
    pub text: String,
}

/// How many numbers four planes have room for in the bytes of a latent.
pub(super) fn planes_width(shape: NeuralShape) -> Option<usize> {
    let numbers = shape.latent.checked_sub(4)? / 4 * 8;
    let numbers = numbers.min(shape.dimension);
    (1..=PLANES_MOST).contains(&numbers).then_some(numbers)
}

/// What chooses among weights: all of a trial but the codec.
pub(super) fn trial_bytes(shape: NeuralShape, threads: usize) -> u64 {
    let NeuralShape { dimension, latent, .. } = shape;
    let rows = ROWS * (dimension * 4 + latent + 4);
    let desks = threads * ((dimension + latent) * BLOCK_ROWS + TILES) * 4;
    (rows + desks) as u64
}

/// What a comparison takes, besides a codec and its trial.
pub(super) fn bytes_for(shape: NeuralShape, components: usize, threads: usize) -> u64 {
    let dimension = shape.dimension;
    let block = |codec: Codec| codec.block_bytes(dimension) * ROWS / BLOCK_ROWS;
    let queries = 200;
    let of = |codec| {
        Queries::bytes_for(codec, Metric::L2, dimension, queries).get()
            + Tops::bytes_for(codec, Metric::L2, dimension, queries, K).get()
    };
    let reduced = (ROWS * (dimension + 2 * components) + queries * (dimension + components)) * 4;
    let packed = Packed::bytes_for(components, dimension) + Packed::bytes_for(dimension, components);
    let truth = queries * K * 8 + queries * 64;
    of(Codec::F32).max(of(Codec::Planes)).max(of(Codec::Int8)) * 2
        + (block(Codec::F32) + reduced + truth + ROWS * dimension * 4) as u64
        + packed
        + Mill::desk_bytes(threads, dimension)
}

/// Vectors that are coded, and vectors that are asked with.
#[derive(Debug)]
pub(super) struct Trial<'t> {
    dimension: usize,
    metric: Metric,
    base: &'t [f32],
    queries: &'t [f32],
    truth: Vec<Vec<u64>>,
}

/// Components to reduce vectors to, before they are coded otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reduced<'t> {
    pub(super) mill: &'t Mill,
    pub(super) components: &'t [f32],
    pub(super) mean: &'t [f32],
}

impl<'t> Trial<'t> {
    /// Finds the nearest first.
    pub(super) fn new(shape: NeuralShape, base: &'t [f32], queries: &'t [f32]) -> Result<Self, NeuralError> {
        let metric = if shape.normalized { Metric::Cosine } else { Metric::L2 };
        let mut trial = Self { dimension: shape.dimension, metric, base, queries, truth: Vec::new() };
        let mut run = Run::new(Codec::F32, metric, shape.dimension, queries)?;
        for part in base.chunks(ROWS * shape.dimension) {
            run.look(part)?;
        }
        trial.truth = run.found();
        Ok(trial)
    }

    /// A codec that codes latents: what comes back is searched.
    pub(super) fn latents(&self, codec: &NeuralCodec) -> Result<(Fidelity, f64), NeuralError> {
        let mut run = Run::new(Codec::F32, self.metric, self.dimension, self.queries)?;
        let mut fidelity = Fidelity::default();
        let mut back = vec![0.0; ROWS * self.dimension];
        for part in self.base.chunks(ROWS * self.dimension) {
            let back = &mut back[..part.len()];
            codec.decode_flat(codec.encode(part)?.view(), back)?;
            fidelity.add(part, back, self.dimension)?;
            let seen =
                if self.metric == Metric::Cosine { aside(back, self.dimension) } else { [u64::MAX; WORDS] };
            run.look_at(back, &seen)?;
        }
        Ok((fidelity, self.recall(&run)))
    }

    /// A codec of vectors as they are: its own scan.
    pub(super) fn codes(&self, codec: Codec) -> Result<(Fidelity, f64), NeuralError> {
        let mut run = Run::new(codec, self.metric, self.dimension, self.queries)?;
        let mut fidelity = Fidelity::default();
        let mut back = vec![0.0; ROWS * self.dimension];
        for part in self.base.chunks(ROWS * self.dimension) {
            let back = &mut back[..part.len()];
            run.look(part)?;
            run.back(back)?;
            fidelity.add(part, back, self.dimension)?;
        }
        Ok((fidelity, self.recall(&run)))
    }

    /// A codec of components.
    pub(super) fn reduced(&self, codec: Codec, by: Reduced<'_>) -> Result<(Fidelity, f64), NeuralError> {
        let dimension = self.dimension;
        let count = by.components.len() / dimension;
        let down = Packed::of(count, dimension, by.components);
        let mut up = Packed::new(dimension, count);
        up.set_rows(by.components);
        let mut centred = vec![0.0; ROWS.max(self.queries.len() / dimension) * dimension];
        let mut project = |rows: &[f32], into: &mut [f32]| {
            let centred = &mut centred[..rows.len()];
            for (into, row) in centred.chunks_exact_mut(dimension).zip(rows.chunks_exact(dimension)) {
                for ((into, x), mean) in into.iter_mut().zip(row).zip(by.mean) {
                    *into = x - mean;
                }
            }
            by.mill.multiply(centred, &down, false, into)
        };
        let mut queries = vec![0.0; self.queries.len() / dimension * count];
        project(self.queries, &mut queries)?;
        // Of vectors of length one, the nearest by cosine are the nearest.
        let mut run = Run::new(codec, Metric::L2, count, &queries)?;
        let (mut small, mut small_back) = (vec![0.0; ROWS * count], vec![0.0; ROWS * count]);
        let mut back = vec![0.0; ROWS * dimension];
        let mut fidelity = Fidelity::default();
        for part in self.base.chunks(ROWS * dimension) {
            let rows = part.len() / dimension;
            let (small, small_back) = (&mut small[..rows * count], &mut small_back[..rows * count]);
            let back = &mut back[..part.len()];
            project(part, small)?;
            run.look(small)?;
            run.back(small_back)?;
            by.mill.multiply(small_back, &up, false, back)?;
            for row in back.chunks_exact_mut(dimension) {
                row.iter_mut().zip(by.mean).for_each(|(x, mean)| *x += mean);
            }
            fidelity.add(part, back, dimension)?;
        }
        Ok((fidelity, self.recall(&run)))
    }

    /// How near the vectors come back, without looking for any.
    pub(super) fn fidelity(weights: &NeuralCodec, vectors: &[f32]) -> Result<Fidelity, NeuralError> {
        let dimension = weights.shape().dimension;
        let mut fidelity = Fidelity::default();
        let mut back = vec![0.0; ROWS * dimension];
        for part in vectors.chunks(ROWS * dimension) {
            let back = &mut back[..part.len()];
            weights.decode_flat(weights.encode(part)?.view(), back)?;
            fidelity.add(part, back, dimension)?;
        }
        Ok(fidelity)
    }

    #[expect(clippy::cast_precision_loss, reason = "a share")]
    fn recall(&self, run: &Run) -> f64 {
        let pairs = self.truth.iter().zip(run.found());
        let found: usize =
            pairs.map(|(truth, found)| found.iter().filter(|row| truth.contains(row)).count()).sum();
        found as f64 / self.truth.iter().map(Vec::len).sum::<usize>().max(1) as f64
    }
}

/// A search through vectors that are coded part by part.
#[derive(Debug)]
struct Run {
    kept: Coder,
    queries: Queries,
    tops: Tops,
    blocks: Vec<u8>,
    rows: usize,
    seen: u64,
}

impl Run {
    fn new(codec: Codec, metric: Metric, dimension: usize, queries: &[f32]) -> Result<Self, NeuralError> {
        let kept = Coder::new(codec, metric, dimension)?;
        let queries = Queries::new(codec, metric, dimension, queries)?;
        let tops = Tops::new(&queries, K)?;
        let blocks = vec![0; ROWS / BLOCK_ROWS * Layout::new(codec, dimension).block_bytes()];
        Ok(Self { kept, queries, tops, blocks, rows: 0, seen: 0 })
    }

    /// Codes a part and looks through it.
    fn look(&mut self, part: &[f32]) -> Result<(), NeuralError> {
        self.look_at(part, &[u64::MAX; WORDS])
    }

    /// The same, for the rows that may be found.
    fn look_at(&mut self, part: &[f32], seen: &[u64; WORDS]) -> Result<(), NeuralError> {
        self.rows = part.len() / self.kept.layout().dimension();
        self.kept.encode(part, 0, &mut self.blocks)?;
        scan(&self.queries, &self.blocks, self.rows, self.seen, Some(seen), &mut self.tops);
        self.seen += self.rows as u64;
        Ok(())
    }

    /// What came back of the part.
    fn back(&self, into: &mut [f32]) -> Result<(), NeuralError> {
        Ok(self.kept.decode(&self.blocks, 0..self.rows, into)?)
    }

    fn found(&self) -> Vec<Vec<u64>> {
        let of = |query| self.tops.hits(query).into_iter().map(|hit| hit.row).collect();
        (0..self.tops.count()).map(of).collect()
    }
}

/// A vector that came back as nothing has no direction, and cannot be found. It is made one that can be coded.
fn aside(back: &mut [f32], dimension: usize) -> [u64; WORDS] {
    let mut seen = [u64::MAX; WORDS];
    for (row, vector) in back.chunks_exact_mut(dimension).enumerate() {
        if vector.iter().all(|x| *x == 0.0) {
            vector[0] = 1.0;
            seen[row / BLOCK_ROWS] &= !(1 << (row % BLOCK_ROWS));
        }
    }
    seen
}

/// Who found most in the bytes of the learned codec. It must find more than any that needs no learning.
pub(super) fn verdict(contenders: &[Contender]) -> Option<Verdict> {
    let learned = contenders.iter().find(|one| one.learned)?;
    let others = contenders.iter().filter(|one| !one.learned && one.row_bytes <= learned.row_bytes);
    let best = others.max_by(|a, b| a.recall.partial_cmp(&b.recall).unwrap_or(Ordering::Equal))?;
    let bytes = learned.row_bytes;
    let ahead = learned.recall - best.recall;
    let learned_wins = ahead > SAME;
    let winner = if learned_wins { learned } else { best }.name.clone();
    let how = if learned_wins {
        format!(
            "{} finds most: {:.3} of the ten nearest, {} {:.3}",
            learned.name, learned.recall, best.name, best.recall
        )
    } else if ahead < -SAME {
        format!(
            "do not use it here: {} finds {:.3} of the ten nearest, {} {:.3}",
            best.name, best.recall, learned.name, learned.recall
        )
    } else {
        format!(
            "nothing was gained by learning: {} finds {:.3} of the ten nearest, {} {:.3}",
            best.name, best.recall, learned.name, learned.recall
        )
    };
    Some(Verdict { winner, learned_wins, text: format!("at {bytes} bytes a vector {how}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contender(name: &str, row_bytes: usize, recall: f64) -> Contender {
        let fidelity = Fidelity::default();
        Contender {
            name: name.to_owned(),
            learned: name == "neural",
            codec: None,
            row_bytes,
            fidelity,
            recall,
        }
    }

    #[test]
    fn the_learned_codec_wins_only_if_it_finds_more_in_no_more_bytes() {
        let said = |others: &[(&str, usize, f64)], own: f64| {
            let mut all = vec![contender("neural", 132, own)];
            all.extend(others.iter().map(|(name, bytes, recall)| contender(name, *bytes, *recall)));
            verdict(&all).unwrap()
        };
        let found = said(&[("binary", 104, 0.8), ("int8", 772, 0.99)], 0.9);
        assert!(found.learned_wins && found.winner == "neural", "{found:?}");
        let found = said(&[("binary", 104, 0.95), ("int8", 772, 0.99)], 0.9);
        assert!(
            !found.learned_wins && found.winner == "binary" && found.text.contains("do not"),
            "{found:?}"
        );
        let found = said(&[("pca", 132, 0.899)], 0.9);
        assert!(!found.learned_wins && found.text.contains("nothing was gained"), "{found:?}");
        assert!(verdict(&[contender("int8", 4, 0.5)]).is_none());
    }

    #[test]
    fn planes_have_room_in_the_bytes_of_a_latent() {
        for (dimension, latent) in [(768, 128), (768, 64), (384, 64), (768, 20), (100, 64)] {
            let shape = NeuralShape::new(dimension, latent);
            let width = planes_width(shape).unwrap();
            assert!(Codec::Planes.row_bytes(width) <= shape.row_bytes(), "{shape}: {width}");
        }
        assert_eq!(planes_width(NeuralShape::new(768, 128)), Some(248));
        assert_eq!(planes_width(NeuralShape::new(768, 4)), None);
    }
}
