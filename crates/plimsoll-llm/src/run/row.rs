//! What is looked for in a row of logits, by the host: where the greatest is, the greatest some, how often all are drawn, and where a lot
//! falls. A row is read once or twice, by vector instructions.

use plimsoll_kv::block::Token;
use plimsoll_tensor::exp_double;
use plimsoll_tensor::flow::Lot;
use plimsoll_tensor::wide::{Work, widest};

use super::choice::{Candidate, fall, reach, sort_first};

/// Chances are added up by stretches of so many tokens: a lot is looked for in one of them, so none is kept.
const STRETCH: usize = 1024;
/// So many of the greatest are looked at first where those are wanted that have a share of all chances.
const FEW: usize = 256;
/// Numbers that are looked at together.
const SIXTEEN: usize = 16;

/// Whether something can be chosen by them. Minus infinity is a token that cannot be; anything else that is not finite is damage.
pub(super) fn are_sound(row: &[f32]) -> bool {
    let (sixteens, rest) = row.as_chunks::<SIXTEEN>();
    // All of some are looked at, and nothing is decided between them: so this becomes vector instructions.
    let odd = |some: &[f32]| some.iter().fold(false, |odd, logit| odd | is_odd(*logit));
    let whole = !sixteens.iter().fold(false, |any, some| any | odd(some)) && !odd(rest);
    whole && row.iter().any(|logit| *logit > f32::NEG_INFINITY)
}

/// Whether a logit is damage.
pub(super) const fn is_odd(logit: f32) -> bool {
    logit.is_nan() || logit == f32::INFINITY
}

/// The place of the greatest; of equals the first.
pub(super) fn likeliest(row: &[f32]) -> usize {
    let most = most(row);
    row.iter().position(|logit| *logit >= most).unwrap_or(0)
}

/// The greatest. What is no number is never greater.
fn most(row: &[f32]) -> f32 {
    let greater = |most: f32, logit: f32| if logit > most { logit } else { most };
    let mut lanes = [f32::NEG_INFINITY; SIXTEEN];
    let (sixteens, rest) = row.as_chunks::<SIXTEEN>();
    for sixteen in sixteens {
        for (most, logit) in lanes.iter_mut().zip(sixteen) {
            *most = greater(*most, *logit);
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, greater)
}

/// The greatest and whose they are, in order, of equals the first; minus infinities are left out.
pub(super) fn greatest(row: &[f32], count: usize) -> Vec<Candidate> {
    let room = 4 * count.max(SIXTEEN);
    let (mut found, mut least): (Vec<(f32, Token)>, _) =
        (Vec::with_capacity(room + SIXTEEN), f32::NEG_INFINITY);
    for (some, first) in row.chunks(SIXTEEN).zip((0..).step_by(SIXTEEN)) {
        // Most are below what was found long before the end.
        if most(some) < least {
            continue;
        }
        let above =
            some.iter().copied().zip(first..).filter(|one| one.0 >= least && one.0 > f32::NEG_INFINITY);
        found.extend(above);
        if found.len() >= room {
            sort_first(&mut found, count);
            found.truncate(count);
            least = found.last().map_or(least, |last| last.0);
        }
    }
    sort_first(&mut found, count);
    found.truncate(count);
    found
}

/// How often all tokens together are drawn, against the likeliest.
pub(super) fn sum(row: &[f32]) -> f64 {
    Chances { most: most(row), least: f32::NEG_INFINITY, temperature: 1.0 }.sums(row).iter().sum()
}

/// Whom a lot falls on: the token at which the running sum of chances, of those that may be drawn, passes its share of their whole.
pub(super) fn fallen(row: &[f32], lot: &Lot) -> Token {
    if lot.top_p >= 1.0 {
        return Token::try_from(fallen_among_all(row, lot)).unwrap_or(0);
    }
    let (most, wanted) = (most(row), sum(row) * lot.top_p);
    // Most often few are enough.
    let mut count = FEW;
    loop {
        let mut some = greatest(row, count);
        let all = some.len() < count;
        if reach(&mut some, most, wanted) || all {
            some.retain(|one| one.0 >= most + lot.least);
            some.sort_unstable_by_key(|one| one.1);
            return fall(&some, (lot.share, lot.temperature), &mut Vec::new());
        }
        count *= 8;
    }
}

fn fallen_among_all(row: &[f32], lot: &Lot) -> usize {
    let most = most(row);
    let chances = Chances { most, least: most + lot.least, temperature: lot.temperature };
    let sums = chances.sums(row);
    let mut left = lot.share * sums.iter().sum::<f64>();
    for ((stretch, sum), number) in row.chunks(STRETCH).zip(sums).zip(0..) {
        if left >= sum {
            left -= sum;
            continue;
        }
        for (chance, at) in chances.of(stretch).into_iter().zip(0..stretch.len()) {
            left -= chance;
            if left < 0.0 {
                return number * STRETCH + at;
            }
        }
    }
    // Rounding left a crumb.
    likeliest(row)
}

/// How often tokens are drawn, against the likeliest.
#[derive(Clone, Copy)]
struct Chances {
    most: f32,
    /// Those below are not drawn.
    least: f32,
    temperature: f64,
}

/// Those of a stretch.
struct Stretch<'s> {
    of: Chances,
    logits: &'s [f32],
    into: &'s mut [f64; STRETCH],
}

impl Chances {
    /// The chances of each of a stretch, and zeros behind them.
    fn of(self, stretch: &[f32]) -> [f64; STRETCH] {
        let mut chances = [0.0; STRETCH];
        widest(Stretch { of: self, logits: stretch, into: &mut chances });
        chances
    }

    /// Their sum by stretches.
    fn sums(self, row: &[f32]) -> Vec<f64> {
        let sum = |stretch: &[f32]| {
            let mut lanes = [0.0; SIXTEEN];
            for sixteen in self.of(stretch).as_chunks::<SIXTEEN>().0 {
                lanes.iter_mut().zip(sixteen).for_each(|(lane, chance)| *lane += chance);
            }
            lanes.iter().sum()
        };
        row.chunks(STRETCH).map(sum).collect()
    }
}

impl Work for Stretch<'_> {
    #[inline(always)]
    fn run(self) {
        let Chances { most, least, temperature } = self.of;
        for (chance, logit) in self.into.iter_mut().zip(self.logits) {
            let found = exp_double(f64::from(*logit - most) / temperature);
            *chance = if *logit >= least && *logit > f32::NEG_INFINITY { found } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};
    use proptest::strategy::Just;

    use super::*;

    fn logit() -> impl Strategy<Value = f32> {
        prop_oneof![
            20 => -9.0_f32..9.0,
            // Equals, zeros of both signs, and what cannot be.
            6 => (-12_i8..12).prop_map(|level| f32::from(level) / 2.0),
            1 => Just(-0.0_f32),
            2 => Just(f32::NEG_INFINITY),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_greatest_are_those_of_a_sorted_row(
            row in proptest::collection::vec(logit(), 1..3000), count in 1_usize..300,
        ) {
            let mut wanted: Vec<(f32, Token)> = row.iter().copied().zip(0..).collect();
            wanted.retain(|one| one.0 > f32::NEG_INFINITY);
            wanted.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
            wanted.truncate(count);
            let bits = |some: &[(f32, Token)]| -> Vec<(u32, Token)> {
                some.iter().map(|one| (one.0.to_bits(), one.1)).collect()
            };
            prop_assert_eq!(bits(&greatest(&row, count)), bits(&wanted));
        }

        #[test]
        fn a_lot_falls_where_the_running_sum_passes_its_share(
            row in proptest::collection::vec(logit(), 1..5000),
            temperature in 0.2_f64..3.0, share in 0.0_f64..1.0, least in -9.0_f32..0.0, some in 0_u8..2,
        ) {
            let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            if most == f32::NEG_INFINITY {
                return Ok(());
            }
            let least = if some > 0 { least } else { f32::NEG_INFINITY };
            let lot = Lot { temperature, share, top_p: 1.0, least };
            let chance = |logit: &f32| {
                let takes_part = *logit >= most + least && *logit > f32::NEG_INFINITY;
                if takes_part { (f64::from(*logit - most) / temperature).exp() } else { 0.0 }
            };
            let chances: Vec<f64> = row.iter().map(chance).collect();
            let whole: f64 = chances.iter().sum();
            let fallen = fallen(&row, &lot) as usize;
            let before: f64 = chances[..fallen].iter().sum();
            // At an edge rounding decides.
            let edge = 1e-12 * whole;
            prop_assert!(chances[fallen] > 0.0);
            prop_assert!(before <= share * whole + edge && share * whole <= before + chances[fallen] + edge);
        }
    }

    #[test]
    fn all_chances_are_added_up() {
        let row: Vec<f32> = (0_u16..3000).map(|at| f32::from(at % 977) / 100.0).collect();
        let wanted: f64 = row.iter().map(|logit| f64::from(logit - 9.76).exp()).sum();
        assert!((sum(&row) - wanted).abs() <= 1e-12 * wanted, "{} for {wanted}", sum(&row));
    }

    #[test]
    fn damage_is_seen_wherever_it_is() {
        for len in [1, 15, 16, 17, 40] {
            let sound = vec![f32::NEG_INFINITY; len - 1].into_iter().chain([0.5]).collect::<Vec<_>>();
            assert!(are_sound(&sound) && !are_sound(&vec![f32::NEG_INFINITY; len]));
            for at in 0..len {
                for odd in [f32::NAN, f32::INFINITY] {
                    let mut row = vec![0.5; len];
                    row[at] = odd;
                    assert!(!are_sound(&row), "{odd} at {at} of {len}");
                }
            }
        }
        assert!(!are_sound(&[]));
    }
}
