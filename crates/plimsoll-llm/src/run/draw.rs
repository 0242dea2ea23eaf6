//! The choice of the next token.

use plimsoll_kv::block::Token;

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
        let index = match self {
            Self::Likeliest => likeliest(logits),
            Self::Lot(state) => lot(logits, share(state)),
        };
        Token::try_from(index).unwrap_or(0)
    }
}

/// Whether something can be chosen by them. Minus infinity is a token that cannot be; anything else that is not finite is damage.
pub(super) fn are_sound(logits: &[f32]) -> bool {
    logits.iter().all(|logit| !is_odd(*logit)) && logits.iter().any(|logit| *logit > f32::NEG_INFINITY)
}

/// Whether a logit is damage.
pub(super) const fn is_odd(logit: f32) -> bool {
    logit.is_nan() || logit == f32::INFINITY
}

/// The place of the greatest; of equals the first.
pub(super) fn likeliest(logits: &[f32]) -> usize {
    // The greatest of sixteen lanes, which become a register's; then its place. What is no number is never greater.
    let mut most = [f32::NEG_INFINITY; 16];
    let (sixteens, rest) = logits.as_chunks::<16>();
    for sixteen in sixteens {
        for (most, logit) in most.iter_mut().zip(sixteen) {
            *most = if *logit > *most { *logit } else { *most };
        }
    }
    let most = most
        .iter()
        .chain(rest)
        .copied()
        .fold(f32::NEG_INFINITY, |most, logit| if logit > most { logit } else { most });
    logits.iter().position(|logit| *logit >= most).unwrap_or(0)
}

/// The token at which the running sum of chances passes `share` of their whole.
fn lot(logits: &[f32], share: f64) -> usize {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let chance = |logit: &f32| f64::from(logit - most).exp();
    let whole: f64 = logits.iter().map(chance).sum();
    let mut left = share * whole;
    for (index, logit) in logits.iter().enumerate() {
        left -= chance(logit);
        if left < 0.0 {
            return index;
        }
    }
    // Rounding left a crumb.
    likeliest(logits)
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
