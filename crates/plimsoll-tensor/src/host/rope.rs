//! Heads turned by their positions.

use super::numbers::{floats, singles};
use super::place::Host;
use crate::Tensor;
use crate::compute::{Done, Rotation};

impl Host {
    pub(super) fn turn(
        &self,
        rotation: Rotation,
        back: bool,
        x: &Tensor,
        frequencies: &Tensor,
        out: &mut Tensor,
    ) -> Done {
        let (rows, heads, width) = (x.dim(1), x.dim(2), x.dim(3));
        let (from, frequencies) = (floats("a rotation", x)?, singles("a rotation", frequencies)?);
        let pairs = frequencies.len();
        self.by_rows("a rotation", heads * width, out, |row, into| {
            from.load(row * heads * width, into);
            let position = rotation.position + row % rows;
            for (pair, frequency) in frequencies.iter().enumerate() {
                #[expect(clippy::cast_precision_loss, reason = "positions are far below 2^24")]
                let angle = position as f32 * frequency;
                let (sine, cosine) = if back { (-angle).sin_cos() } else { angle.sin_cos() };
                let (one, other) =
                    if rotation.neighbours { (2 * pair, 2 * pair + 1) } else { (pair, pair + pairs) };
                for head in into.chunks_exact_mut(width) {
                    let (x, y) = (head[one], head[other]);
                    head[one] = x * cosine - y * sine;
                    head[other] = x * sine + y * cosine;
                }
            }
        })
    }
}
