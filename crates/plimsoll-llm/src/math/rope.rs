//! Rotary positions: pairs of numbers are turned by angles that grow with the position.

use crate::weights::Pairs;

/// Sines and cosines for some positions.
#[derive(Debug, Default)]
pub(crate) struct Rope {
    /// Numbers of a head that are rotated.
    width: usize,
    pairs: Pairs,
    /// A (cosine, sine) for each pair of each position.
    turns: Vec<(f32, f32)>,
}

/// What the angles follow from.
pub(crate) struct Angles<'a> {
    pub(crate) width: usize,
    pub(crate) base: f32,
    pub(crate) divisor: f32,
    pub(crate) pairs: Pairs,
    /// A number for each pair, or none.
    pub(crate) factors: &'a [f32],
    /// How much longer what is rotated becomes.
    pub(crate) length: f32,
}

impl Rope {
    /// Makes it that of so many positions from one on.
    #[expect(clippy::cast_precision_loss, reason = "positions and widths are small")]
    pub(crate) fn set(&mut self, angles: &Angles<'_>, first: usize, count: usize) {
        (self.width, self.pairs) = (angles.width, angles.pairs);
        self.turns.clear();
        // The angle of each pair follows from the one before, in singles: that is how these models were trained and
        // how other engines compute it, and in thousands of positions it shows.
        let step = angles.base.powf(-2.0 / angles.width as f32);
        for position in first..first + count {
            let mut angle = position as f32;
            for pair in 0..angles.width / 2 {
                let factor = angles.factors.get(pair).copied().unwrap_or(1.0);
                let (sine, cosine) = (angle / factor / angles.divisor).sin_cos();
                self.turns.push((cosine * angles.length, sine * angles.length));
                angle *= step;
            }
        }
    }

    /// A cosine and a sine for each pair of each position.
    pub(crate) fn turns(&self) -> &[(f32, f32)] {
        &self.turns
    }

    /// Rotates the heads of a row, which stands at the position that comes `index` after the first.
    pub(crate) fn turn(&self, row: &mut [f32], head_width: usize, index: usize) {
        let pairs = self.width / 2;
        let turns = &self.turns[index * pairs..(index + 1) * pairs];
        for head in row.chunks_exact_mut(head_width) {
            if self.pairs == Pairs::Halves {
                let (firsts, seconds) = head[..self.width].split_at_mut(pairs);
                for ((first, second), (cosine, sine)) in firsts.iter_mut().zip(seconds).zip(turns) {
                    (*first, *second) = (*first * cosine - *second * sine, *first * sine + *second * cosine);
                }
                continue;
            }
            for (pair, (cosine, sine)) in head.chunks_exact_mut(2).zip(turns) {
                let (x, y) = (pair[0], pair[1]);
                pair[0] = x * cosine - y * sine;
                pair[1] = x * sine + y * cosine;
            }
        }
    }
}
