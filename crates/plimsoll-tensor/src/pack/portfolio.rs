//! Searches one after another, each in another order.
//!
//! An order that leads straight to an arrangement of one instance leads into the desert with another, and a search that
//! went wrong early does not come back in any time. So searches are short and many. Orders are by the load of the fullest
//! section that an item lives in, by how long it lives and by its size, with weights that are drawn anew each time, and by
//! how often earlier searches failed for its sake: what is hard is placed first. The numbers drawn are the same each time.

use std::cmp::Reverse;

use super::effort::Effort;
use super::instance::Instance;
use super::search::{Dead, Glance, Outcome, Search};

/// The most items of a search: sets of items are kept for each choice.
pub(super) const MOST_ITEMS: usize = 4096;

/// Steps of a search that chooses by its order alone, and of one that looks at what each choice leaves.
const SHORT_STEPS: u64 = 1_000_000;
const LONG_STEPS: u64 = 8_000_000;

/// The orders that are tried before any is drawn: which of load, life and size counts first.
const PLAIN: [[usize; 3]; 4] = [[0, 1, 2], [1, 2, 0], [0, 2, 1], [2, 1, 0]];

/// Searches for an arrangement within so many units, until one is found, there is none, or the effort is spent.
pub(super) fn search(instance: &Instance, capacity: u64, effort: &mut Effort<'_>) -> Outcome {
    let Ok(capacity) = u32::try_from(capacity) else { return Outcome::Spent };
    if capacity > u32::MAX >> 1 || instance.items.len() > MOST_ITEMS {
        return Outcome::Spent;
    }
    let mut dead = Dead::default();
    let mut orders = Orders::of(instance);
    let mut round = 0;
    loop {
        let order = orders.next(round);
        let (glance, steps) = match round % 4 {
            _ if round < PLAIN.len() => (Glance::No, SHORT_STEPS),
            0 => (Glance::AmongLevel, LONG_STEPS),
            2 => (if round % 8 == 2 { Glance::AmongLevel } else { Glance::AmongAll }, LONG_STEPS),
            _ => (Glance::No, SHORT_STEPS),
        };
        let ample = 1 << (3 * (round / 4 % 4));
        let mut search =
            Search::new(&instance.items, instance.sections, capacity, &order, (glance, ample), &mut dead);
        let outcome = search.run(steps, effort);
        if outcome != Outcome::Spent || effort.is_spent() {
            return outcome;
        }
        orders.learn(search.blame());
        round += 1;
    }
}

/// Where the drawn numbers begin: of five beginnings that were tried the one whose slowest of eleven known instances was
/// the fastest.
const SEED: u64 = 0x5384_5412_7b09_6493;

/// Orders of items.
struct Orders {
    /// By item: the logarithms of load, life and size.
    measures: Vec<[f64; 3]>,
    /// By item: its share of failures, the older ones counted less.
    blame: Vec<f64>,
    draw: Draw,
    drawn: usize,
}

impl Orders {
    #[expect(clippy::cast_precision_loss, reason = "only their order matters")]
    fn of(instance: &Instance) -> Self {
        let loads = instance.loads();
        let measures = instance.items.iter().map(|item| {
            let load = loads[item.from as usize..item.to as usize].iter().max().copied().unwrap_or(1);
            [load as f64, item.steps as f64, item.size as f64].map(f64::ln)
        });
        Self {
            measures: measures.collect(),
            blame: vec![0.0; instance.items.len()],
            draw: Draw(SEED),
            drawn: 0,
        }
    }

    fn next(&mut self, round: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..).take(self.measures.len()).collect();
        if let Some(plain) = PLAIN.get(round) {
            let key = |item: &u32| plain.map(|which| Reverse(Total(self.measures[*item as usize][which])));
            order.sort_by_key(key);
            return order;
        }
        let load = if (round / 2).is_multiple_of(2) { 100.0 } else { 8.0 * self.draw.share() };
        let weights = [load, 2.0 * self.draw.share(), 2.0 * self.draw.share() - 0.3];
        let noise = 0.9 * self.draw.share();
        self.drawn += 1;
        let fear = [0.0, 0.5, 1.0, 2.0][self.drawn % 4];
        let worst = self.blame.iter().copied().fold(1e-9, f64::max);
        let keys: Vec<f64> = self
            .measures
            .iter()
            .zip(&self.blame)
            .map(|(measures, blame)| {
                let plain: f64 =
                    measures.iter().zip(&weights).map(|(measure, weight)| measure * weight).sum();
                plain + fear * (0.01 + blame / worst).ln() + noise * self.draw.share()
            })
            .collect();
        order.sort_by_key(|item| Reverse(Total(keys[*item as usize])));
        order
    }

    fn learn(&mut self, blame: &[u32]) {
        let sum: f64 = 1.0 + blame.iter().map(|count| f64::from(*count)).sum::<f64>();
        for (old, new) in self.blame.iter_mut().zip(blame) {
            *old = *old * 0.9 + f64::from(*new) / sum;
        }
    }
}

/// A number with a total order.
struct Total(f64);

impl PartialEq for Total {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Total {}

impl PartialOrd for Total {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Total {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// Numbers that look drawn (xorshift).
struct Draw(u64);

impl Draw {
    /// One from 0 until 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    fn share(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}
