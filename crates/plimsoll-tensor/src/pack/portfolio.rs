//! Searches one after another, each in another order.
//!
//! An order that leads straight to an arrangement of one instance leads into the desert with another, and a search that
//! went wrong early does not come back in any time: of the searches that find anything most have made no more than three
//! choices an item by then. So searches are short and many. Orders are by the load of the fullest section that an item
//! lives in, by how long it lives and by its size, with weights that are drawn anew each time, and by how often earlier
//! searches failed for its sake: what is hard is placed first. Searches whose number is a power of two are the longer the
//! later they come, so that what only a long one can tell is told in the end.

use std::cmp::Reverse;

use super::effort::Effort;
use super::instance::Instance;
use super::search::{Among, Dead, Glance, Outcome, Search, mix};

/// The most items of a search: sets of items are kept for each choice.
pub(super) const MOST_ITEMS: usize = 4096;

/// Steps of a search in one of the orders that are not drawn.
const PLAIN_STEPS: u64 = 1_000_000;

/// Of a hundred searches, so many choose by their order alone, so many look at what a choice leaves at the lowest offset,
/// and the others at any offset.
const BLIND: f64 = 0.22;
const LEVEL: f64 = 0.66;

/// How many choices an item each of these makes, more or less.
const BLIND_CHOICES: f64 = 8.0;
const LEVEL_CHOICES: f64 = 3.0;
const ALL_CHOICES: f64 = 2.0;
/// By how many doublings more or less.
const SPREAD: f64 = 1.5;

/// The orders that are tried before any is drawn: which of load, life and size counts first.
const PLAIN: [[usize; 3]; 4] = [[0, 1, 2], [1, 2, 0], [0, 2, 1], [2, 1, 0]];

/// Searches for an arrangement within so many units, until one is found, there is none, or the effort is spent.
pub(super) fn search(instance: &Instance, capacity: u64, effort: &mut Effort<'_>) -> Outcome {
    let Ok(capacity) = u32::try_from(capacity) else { return Outcome::Spent };
    if capacity > u32::MAX >> 1 || instance.items.len() > MOST_ITEMS {
        return Outcome::Spent;
    }
    let mut dead = Dead::default();
    let mut orders = Orders::of(instance, effort.beginning());
    let mut round = 0;
    loop {
        let way =
            PLAIN.get(round).map_or_else(|| orders.draw.way(instance, capacity), |_| Way::plain(instance));
        let order = orders.next(round, way.glance.is_some());
        let mut search =
            Search::new(&instance.items, instance.sections, capacity, &order, way.glance, &mut dead);
        let longer = if round >= 16 && round.is_power_of_two() { round as u64 / 8 } else { 1 };
        let outcome = search.run(way.choices * longer, effort);
        if outcome != Outcome::Spent || effort.is_spent() {
            return outcome;
        }
        orders.learn(search.blame());
        round += 1;
    }
}

/// How a search chooses, and how often.
#[derive(Clone, Copy, Debug)]
struct Way {
    glance: Option<Glance>,
    choices: u64,
}

impl Way {
    fn plain(instance: &Instance) -> Self {
        Self { glance: None, choices: PLAIN_STEPS / (instance.items.len() as u64 + 8) }
    }
}

/// Orders of items.
struct Orders {
    /// By item: the logarithms of load, life and size.
    measures: Vec<[f64; 3]>,
    /// By item: its share of failures, the older ones counted less.
    blame: Vec<f64>,
    draw: Draw,
}

impl Orders {
    #[expect(clippy::cast_precision_loss, reason = "only their order matters")]
    fn of(instance: &Instance, beginning: u64) -> Self {
        let loads = instance.loads();
        let measures = instance.items.iter().map(|item| {
            let load = loads[item.from as usize..item.to as usize].iter().max().copied().unwrap_or(1);
            [load as f64, item.steps as f64, item.size as f64].map(f64::ln)
        });
        Self {
            measures: measures.collect(),
            blame: vec![0.0; instance.items.len()],
            draw: Draw(mix(beginning).max(1)),
        }
    }

    /// An order: for a search that looks at what its choices leave, or for one that does not. What leaves least room needs
    /// no help from sizes, so these count less to a search that looks.
    fn next(&mut self, round: usize, looks: bool) -> Vec<u32> {
        let mut order: Vec<u32> = (0..).take(self.measures.len()).collect();
        if let Some(plain) = PLAIN.get(round) {
            let key = |item: &u32| plain.map(|which| Reverse(Total(self.measures[*item as usize][which])));
            order.sort_by_key(key);
            return order;
        }
        let load = if self.draw.share() < 0.25 { 100.0 } else { 8.0 * self.draw.share() };
        let (life, size) = if looks { ((0.4, 1.6), 1.5) } else { ((0.0, 2.0), 2.0) };
        let weights = [load, life.0 + life.1 * self.draw.share(), size * self.draw.share() - 0.3];
        let noise = 0.9 * self.draw.share();
        let fear = self.draw.one_of([0.0, 0.5, 1.0, 2.0]);
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

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a share of a short list"
    )]
    fn one_of<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        choices[((self.share() * N as f64) as usize).min(N - 1)]
    }

    /// How a search chooses.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "about so many"
    )]
    fn way(&mut self, instance: &Instance, capacity: u32) -> Way {
        let kind = self.share();
        let among = if kind < BLIND + LEVEL { Among::Level } else { Among::All };
        let ample = capacity as f32 / self.one_of([16.0, 32.0, 64.0, 128.0]);
        let glance = Glance { among, most: self.one_of([16, 32, 64]), ample };
        let (glance, each) = match among {
            _ if kind < BLIND => (None, BLIND_CHOICES),
            Among::Level => (Some(glance), LEVEL_CHOICES),
            Among::All => (Some(glance), ALL_CHOICES),
        };
        let spread = (SPREAD * (2.0 * self.share() - 1.0)).exp2();
        Way { glance, choices: (each * spread * instance.items.len() as f64) as u64 + 1 }
    }
}
