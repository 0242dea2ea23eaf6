//! What is looked for in a row of logits, by the host: where the greatest is, the greatest some, how often all are drawn, and where a lot
//! falls. A row is read once or twice, by vector instructions.

use plimsoll_kv::block::Token;
use plimsoll_tensor::exp_double;
use plimsoll_tensor::flow::Lot;
use plimsoll_tensor::wide::{Work, widest};

/// A logit and its token.
type Candidate = (f32, Token);

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
fn greatest(row: &[f32], count: usize) -> Vec<Candidate> {
    let room = 4 * count.max(SIXTEEN);
    let (mut found, mut least): (Vec<Candidate>, _) = (Vec::with_capacity(room + SIXTEEN), f32::NEG_INFINITY);
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

/// Brings the greatest to the beginning, sorted; of equals the first token.
fn sort_first(candidates: &mut [Candidate], count: usize) {
    let order = |one: &Candidate, other: &Candidate| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1));
    let count = count.min(candidates.len());
    if count == 0 {
        return;
    }
    if count < candidates.len() {
        candidates.select_nth_unstable_by(count - 1, order);
    }
    candidates[..count].sort_unstable_by(order);
}

/// Whom a lot falls on: the token at which the running sum of chances, of those that may be drawn, passes its share of their whole.
pub(super) fn fallen(row: &[f32], lot: &Lot) -> Token {
    let Lot { top_k, top_p, .. } = *lot;
    if top_k == 0 && top_p >= 1.0 {
        return Token::try_from(fallen_among_all(row, lot)).unwrap_or(0);
    }
    let most = most(row);
    let chance = |one: &Candidate| exp_double(f64::from(one.0 - most));
    let mut some;
    if top_k > 0 {
        some = greatest(row, top_k);
        let wanted = some.iter().map(chance).sum::<f64>() * top_p;
        if top_p < 1.0 {
            reach(&mut some, wanted, chance);
        }
    } else {
        let wanted = Chances { most, least: f32::NEG_INFINITY, temperature: 1.0 }.sum(row) * top_p;
        let mut count = FEW;
        loop {
            some = greatest(row, count);
            let all = some.len() < count;
            // Most often few are enough.
            if reach(&mut some, wanted, chance) || all {
                break;
            }
            count *= 8;
        }
    }
    some.retain(|one| one.0 >= most + lot.least);
    some.sort_unstable_by_key(|one| one.1);
    let chance = |one: &Candidate| exp_double(f64::from(one.0 - most) / lot.temperature);
    let mut left = lot.share * some.iter().map(chance).sum::<f64>();
    let found = some.iter().find(|one| {
        left -= chance(one);
        left < 0.0
    });
    // Without one rounding left a crumb.
    found.or_else(|| some.iter().find(|one| one.0 >= most)).map_or(0, |one| one.1)
}

/// Leaves the fewest of the greatest, which are in order, whose chances together are `wanted`; false if all of them have less.
fn reach(some: &mut Vec<Candidate>, wanted: f64, chance: impl Fn(&Candidate) -> f64) -> bool {
    let mut sum = 0.0;
    let last = some.iter().position(|one| {
        sum += chance(one);
        sum >= wanted
    });
    some.truncate(last.map_or(some.len(), |last| last + 1));
    last.is_some()
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

    fn sum(self, row: &[f32]) -> f64 {
        self.sums(row).iter().sum()
    }
}

impl Work for Stretch<'_> {
    #[expect(clippy::inline_always, reason = "compiled once for each set of instructions, within the caller")]
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
pub(super) mod tests {
    use proptest::prelude::{ProptestConfig, Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};
    use proptest::strategy::Just;

    use super::*;

    pub(in crate::run) fn logit() -> impl Strategy<Value = f32> {
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
            let mut wanted: Vec<Candidate> = row.iter().copied().zip(0..).collect();
            wanted.retain(|one| one.0 > f32::NEG_INFINITY);
            wanted.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
            wanted.truncate(count);
            let bits = |some: &[Candidate]| -> Vec<(u32, Token)> {
                some.iter().map(|one| (one.0.to_bits(), one.1)).collect()
            };
            prop_assert_eq!(bits(&greatest(&row, count)), bits(&wanted));
        }

        #[test]
        fn a_lot_falls_where_the_running_sum_passes_its_share(
            row in proptest::collection::vec(logit(), 1..3000), settings in lot(),
        ) {
            let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            if most == f32::NEG_INFINITY {
                return Ok(());
            }
            let Some(may) = allowed(&row, most, &settings) else { return Ok(()) };
            let fallen = fallen(&row, &settings);
            let chance = |token: &Token| (f64::from(row[*token as usize] - most) / settings.temperature).exp();
            let whole: f64 = may.iter().map(chance).sum();
            let before: f64 = may.iter().filter(|token| **token < fallen).map(chance).sum();
            prop_assert!(may.contains(&fallen), "{} is not among {:?}", fallen, may);
            // At an edge rounding decides.
            let (edge, passed) = (1e-12 * whole, settings.share * whole);
            prop_assert!(before <= passed + edge && passed <= before + chance(&fallen) + edge);
        }
    }

    fn lot() -> impl Strategy<Value = Lot> {
        let top_k = prop_oneof![2 => Just(0_usize), 3 => 1_usize..90, 1 => 200_usize..4000];
        let top_p = prop_oneof![1 => Just(1.0_f64), 2 => 0.05_f64..1.0];
        let least = prop_oneof![1 => Just(f32::NEG_INFINITY), 1 => -9.0_f32..0.0];
        let lot = |(temperature, share, top_k, top_p, least)| Lot { temperature, share, top_k, top_p, least };
        (0.2_f64..3.0, 0.0_f64..1.0, top_k, top_p, least).prop_map(lot)
    }

    /// Who may be drawn, in the order of tokens, found by sorting all; none where rounding decides that.
    fn allowed(row: &[f32], most: f32, lot: &Lot) -> Option<Vec<Token>> {
        let mut all: Vec<Candidate> =
            row.iter().copied().zip(0..).filter(|one| one.0 > f32::NEG_INFINITY).collect();
        all.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
        if lot.top_k > 0 {
            all.truncate(lot.top_k);
        }
        if lot.top_p < 1.0 {
            let chance = |one: &Candidate| f64::from(one.0 - most).exp();
            let whole: f64 = all.iter().map(chance).sum();
            let mut sum = 0.0;
            let last = all.iter().position(|one| {
                sum += chance(one);
                sum >= whole * lot.top_p
            });
            if (sum - whole * lot.top_p).abs() < 1e-12 * whole {
                return None;
            }
            all.truncate(last.map_or(all.len(), |last| last + 1));
        }
        let mut tokens: Vec<Token> =
            all.iter().filter(|one| one.0 >= most + lot.least).map(|one| one.1).collect();
        tokens.sort_unstable();
        Some(tokens)
    }

    #[test]
    fn all_chances_are_added_up() {
        let row: Vec<f32> = (0_u16..3000).map(|at| f32::from(at % 977) / 100.0).collect();
        let wanted: f64 = row.iter().map(|logit| f64::from(logit - 9.76).exp()).sum();
        let found = Chances { most: 9.76, least: f32::NEG_INFINITY, temperature: 1.0 }.sum(&row);
        assert!((found - wanted).abs() <= 1e-12 * wanted, "{found} for {wanted}");
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
