//! How well a passage answers words: BM25.
//!
//! `Σ idf(t) · times · (k₁ + 1) ÷ (times + k₁ · (1 − b + b · length ÷ mean length))` over the terms of the question, with
//! `idf(t) = ln(1 + (n − nₜ + ½) ÷ (nₜ + ½))`, `n` passages of which `nₜ` have the term, `k₁ = 1.2` and `b = 0.75`.

use std::cmp::Ordering;

use super::Postings;
use crate::bytes::Cut;

const K1: f32 = 1.2;
const B: f32 = 0.75;

/// How long a passage is, in a byte: exact below 32, then within a sixteenth.
pub(crate) fn length_code(terms: u32) -> u8 {
    if terms < 32 {
        return u8::try_from(terms).unwrap_or(u8::MAX);
    }
    // A power of two and its upper three bits.
    let power = terms.ilog2();
    let upper = (terms >> (power - 3)) & 7;
    u8::try_from(32 + (power - 5) * 8 + upper).unwrap_or(u8::MAX)
}

/// The length that a code stands for.
const fn length_of(code: u8) -> u32 {
    if code < 32 {
        return code as u32;
    }
    let (power, upper) = ((code as u32 - 32) / 8 + 5, (code as u32 - 32) % 8);
    ((8 + upper) << (power - 3)) + (1 << (power - 3)) / 2
}

/// What all passages together say of one question.
#[derive(Clone, Debug)]
pub(crate) struct Weights {
    /// For each term how rare it is.
    rarity: Vec<f32>,
    /// For each code of a length, what it adds to how often.
    norms: Vec<f32>,
}

impl Weights {
    /// For terms that so many of `passages` have, where passages are so long in the mean.
    pub(crate) fn new(passages: u64, mean: f64, having: &[u64]) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a ratio")]
        let rarity = |having: u64| {
            let (all, having) = (passages as f64, having as f64);
            ((all - having + 0.5).max(0.0) / (having + 0.5)).ln_1p() as f32
        };
        #[expect(clippy::cast_possible_truncation, reason = "a ratio")]
        let norm = |code: u8| K1 * (1.0 - B + B * (f64::from(length_of(code)) / mean.max(1.0)) as f32);
        Self { rarity: having.iter().map(|&one| rarity(one)).collect(), norms: (0..=255).map(norm).collect() }
    }
}

/// A passage and how well it answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scored {
    pub(crate) passage: u64,
    pub(crate) score: f32,
}

impl Scored {
    /// The better first; of those that are as good the earlier.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then(self.passage.cmp(&other.passage))
    }
}

/// One term's passages of a part.
struct Cursor<'b> {
    term: usize,
    postings: Postings<'b>,
    at: u32,
    times: u8,
}

/// The best of a part into `best`, which keeps `k`. `lists` are passages of the terms that the part has.
pub(crate) fn best(
    weights: &Weights,
    lists: &[(usize, &[u8])],
    lengths: &[u8],
    alive: &mut dyn FnMut(u32) -> bool,
    first: u64,
    best: &mut Vec<Scored>,
    k: usize,
) -> Result<(), Cut> {
    let mut cursors = Vec::with_capacity(lists.len());
    for &(term, list) in lists {
        let mut postings = Postings::new(list);
        if let Some((at, times)) = postings.next()? {
            cursors.push(Cursor { term, postings, at, times });
        }
    }
    while let Some(passage) = cursors.iter().map(|cursor| cursor.at).min() {
        let norm = weights.norms[*lengths.get(passage as usize).ok_or(Cut)? as usize];
        let mut score = 0.0;
        let mut ended = false;
        for cursor in cursors.iter_mut().filter(|cursor| cursor.at == passage) {
            let times = f32::from(cursor.times);
            score += weights.rarity[cursor.term] * times * (K1 + 1.0) / (times + norm);
            if let Some((at, times)) = cursor.postings.next()? {
                (cursor.at, cursor.times) = (at, times);
            } else {
                (cursor.times, ended) = (0, true);
            }
        }
        if ended {
            cursors.retain(|cursor| cursor.times > 0);
        }
        keep(Scored { passage: first + u64::from(passage), score }, best, k, || alive(passage));
    }
    Ok(())
}

fn keep(scored: Scored, best: &mut Vec<Scored>, k: usize, alive: impl FnOnce() -> bool) {
    let full = best.len() >= k;
    if full && best.last().is_none_or(|last| scored.order(last) != Ordering::Less) || !alive() {
        return;
    }
    let place = best.partition_point(|one| one.order(&scored) == Ordering::Less);
    best.insert(place, scored);
    best.truncate(k);
}

#[cfg(test)]
mod tests {
    use super::super::append;
    use super::*;

    #[test]
    fn lengths_come_back_within_a_sixteenth() {
        for terms in (0..2000).chain([5000, 65_535, 1 << 20]) {
            let back = length_of(length_code(terms));
            assert!(back.abs_diff(terms) * 16 <= terms, "{terms} became {back}");
        }
    }

    #[test]
    fn rare_words_and_short_passages_win() {
        // Three passages of 10, 10 and 1,000 terms; term 0 is in all of them, term 1 in the last two.
        let lengths = [length_code(10), length_code(10), length_code(1000)];
        let (mut all, mut two) = (Vec::new(), Vec::new());
        append(&mut all, 0, 0, 1);
        append(&mut all, 0, 1, 1);
        append(&mut all, 1, 2, 1);
        append(&mut two, 0, 1, 1);
        append(&mut two, 1, 2, 1);
        let weights = Weights::new(3, 340.0, &[3, 2]);
        let mut found = Vec::new();
        best(&weights, &[(0, &all), (1, &two)], &lengths, &mut |_| true, 100, &mut found, 10).expect("whole");
        let order: Vec<_> = found.iter().map(|one| one.passage).collect();
        assert_eq!(order, [101, 102, 100]);
        assert!(found[0].score > found[1].score && found[1].score > found[2].score);
        let mut alive = Vec::new();
        best(&weights, &[(0, &all), (1, &two)], &lengths, &mut |one| one != 1, 100, &mut alive, 1)
            .expect("whole");
        assert_eq!(alive.iter().map(|one| one.passage).collect::<Vec<_>>(), [102]);
        let cut = best(&weights, &[(0, &[0xfb, 1])], &lengths, &mut |_| true, 0, &mut Vec::new(), 1);
        assert_eq!(cut, Err(Cut), "a list that is longer than the part");
    }
}
