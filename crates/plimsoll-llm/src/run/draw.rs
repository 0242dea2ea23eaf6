//! The choice of the next token.

use plimsoll_kv::block::Token;
use plimsoll_tensor::flow::Lot;

use super::row::{fallen, likeliest};

/// How the next token is chosen from the logits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Draw {
    /// The likeliest; of equals the first.
    Likeliest,
    /// By lot, each token as often as the model expects it (temperature 1); the number is the state of the lots, which
    /// are the same for the same seed on every machine.
    Lot(u64),
}

impl Draw {
    /// Chooses. Zero if there are no logits.
    pub fn next(&mut self, logits: &[f32]) -> Token {
        match self {
            Self::Likeliest => Token::try_from(likeliest(logits)).unwrap_or(0),
            Self::Lot(state) => fallen(
                logits,
                &Lot {
                    temperature: 1.0,
                    share: share(state),
                    top_k: 0,
                    top_p: 1.0,
                    least: f32::NEG_INFINITY,
                },
            ),
        }
    }
}

/// A number in 0..1 (`SplitMix64`).
#[expect(clippy::cast_precision_loss, reason = "53 bits are kept")]
pub(super) fn share(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lots_fall_as_often_as_the_chances_say() {
        let logits = [0.0, 3_f32.ln(), f32::NEG_INFINITY, 0.0];
        let mut draw = Draw::Lot(7);
        let mut counts = [0_u32; 4];
        (0..10_000).for_each(|_| counts[draw.next(&logits) as usize] += 1);
        assert_eq!(counts[2], 0);
        assert!((5700..6300).contains(&counts[1]) && (1800..2200).contains(&counts[0]), "{counts:?}");
        assert_eq!(Draw::Likeliest.next(&logits), 1);
    }

    #[test]
    fn one_seed_gives_one_text() {
        let logits: Vec<f32> = (0_u8..50).map(|n| f32::from(n % 7)).collect();
        let draws = |seed| {
            let mut draw = Draw::Lot(seed);
            (0..20).map(|_| draw.next(&logits)).collect::<Vec<_>>()
        };
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
    }
}
