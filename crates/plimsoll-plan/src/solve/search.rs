//! The search: branch and bound under prices.
//!
//! Taking one configuration of each workload within several limits is a knapsack of many dimensions with groups, and
//! hard in general. Real plans are small: ten workloads with some dozens of configurations that are not simply worse
//! than another. What makes the search quick is its bound. Each limit gets a price a byte; a configuration is then worth
//! its value less the price of what it takes, and no plan can be worth more than the price of all that there is plus the
//! best of each workload at these prices. The prices that make this bound lowest are found first by walking downhill; a
//! branch that cannot beat what is already found even at these prices is left.

use super::{Choice, Room};

/// A branch costs about 100 ns, so a search that does not end by itself ends in some 10 ms.
const MOST_BRANCHES: u64 = 100_000;
const PRICE_STEPS: u32 = 80;

/// What to take of each workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// By workload: the number of its configuration.
    pub taken: Vec<usize>,
    /// What it is worth in all.
    pub value: f64,
    /// Whether nothing can be worth more, but for the share that was given up. Where the search was cut short, something
    /// may.
    pub best: bool,
    /// How many branches were looked at.
    pub branches: u64,
}

/// Takes one configuration of each workload so that all fit and are worth the most; `None` if nothing fits. A workload
/// that may be left out has a configuration that needs nothing. `given_up` is the share of the worth for whose sake
/// nothing more is looked for: zero looks for the last bit.
pub fn solve(room: &Room, workloads: &[Vec<Choice>], given_up: f64) -> Option<Solution> {
    let allowed = room.allowances();
    let groups: Vec<Vec<Item>> = workloads.iter().map(|choices| front(room, choices, &allowed)).collect();
    if groups.iter().any(Vec::is_empty) {
        return None;
    }
    let prices = prices(&groups, &allowed);
    let mut order: Vec<usize> = (0..groups.len()).collect();
    // Where the choice matters most is decided first.
    order.sort_by(|&a, &b| spread(&groups[b], &prices).total_cmp(&spread(&groups[a], &prices)));
    let groups: Vec<Vec<Item>> = order.iter().map(|&group| by_worth(&groups[group], &prices)).collect();
    let mut best_of_rest = vec![0.0; groups.len() + 1];
    for (at, group) in groups.iter().enumerate().rev() {
        best_of_rest[at] = best_of_rest[at + 1] + group[0].worth(&prices);
    }
    let mut search = Search {
        groups: &groups,
        prices: &prices,
        best_of_rest: &best_of_rest,
        path: Vec::new(),
        found: None,
        branches: 0,
        given_up,
    };
    search.descend(0.0, &allowed);
    let (branches, (value, path)) = (search.branches, search.found?);
    let mut taken = vec![0; groups.len()];
    for (&group, number) in order.iter().zip(path) {
        taken[group] = number;
    }
    Some(Solution { taken, value, best: branches < MOST_BRANCHES, branches })
}

/// A configuration: its number in the list that was given, its loads and its value.
#[derive(Clone, Debug)]
struct Item {
    number: usize,
    loads: Vec<u64>,
    value: f64,
}

impl Item {
    #[expect(clippy::cast_precision_loss, reason = "worth is approximate by nature")]
    fn worth(&self, prices: &[f64]) -> f64 {
        self.value - self.loads.iter().zip(prices).map(|(&load, price)| load as f64 * price).sum::<f64>()
    }

    fn beats(&self, other: &Self) -> bool {
        let as_small = self.loads.iter().zip(&other.loads).all(|(mine, other)| mine <= other);
        as_small && (self.value > other.value || (self.value >= other.value && self.number < other.number))
    }
}

/// Those that could fit alone and are not simply worse than another.
fn front(room: &Room, choices: &[Choice], allowed: &[u64]) -> Vec<Item> {
    let fits =
        |item: &Item| item.value.is_finite() && item.loads.iter().zip(allowed).all(|(load, all)| load <= all);
    let item =
        |(number, choice): (usize, &Choice)| Item { number, loads: room.loads(choice), value: choice.value };
    let mut items: Vec<Item> = choices.iter().enumerate().map(item).filter(fits).collect();
    items.sort_by(|a, b| b.value.total_cmp(&a.value));
    let mut front: Vec<Item> = Vec::new();
    for item in items {
        if !front.iter().any(|other| other.beats(&item)) {
            front.push(item);
        }
    }
    front
}

/// Prices a byte of each limit that make the bound low, by subgradient steps that shrink.
#[expect(clippy::cast_precision_loss, reason = "any prices give a true bound; these are only good ones")]
fn prices(groups: &[Vec<Item>], allowed: &[u64]) -> Vec<f64> {
    let span: f64 = groups.iter().map(|group| span(group)).sum();
    let mut prices = vec![0.0; allowed.len()];
    let (mut lowest, mut best) = (f64::INFINITY, prices.clone());
    for step in 1..=PRICE_STEPS {
        let mut over: Vec<f64> = allowed.iter().map(|&all| -(all as f64)).collect();
        let mut bound: f64 = allowed.iter().zip(&prices).map(|(&all, price)| all as f64 * price).sum();
        for group in groups {
            let Some(item) = group.iter().max_by(|a, b| a.worth(&prices).total_cmp(&b.worth(&prices))) else {
                continue;
            };
            bound += item.worth(&prices);
            over.iter_mut().zip(&item.loads).for_each(|(over, &load)| *over += load as f64);
        }
        if bound < lowest {
            (lowest, best) = (bound, prices.clone());
        }
        for ((price, over), &all) in prices.iter_mut().zip(over).zip(allowed) {
            let all = (all as f64).max(1.0);
            *price = (*price + span / all / f64::from(step) * (over / all).clamp(-1.0, 1.0)).max(0.0);
        }
    }
    best
}

fn span(group: &[Item]) -> f64 {
    let (least, most) = group.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), item| {
        (least.min(item.value), most.max(item.value))
    });
    (most - least).max(0.0)
}

/// How much worse the second best of a workload is.
fn spread(group: &[Item], prices: &[f64]) -> f64 {
    let mut worths: Vec<f64> = group.iter().map(|item| item.worth(prices)).collect();
    worths.sort_by(|a, b| b.total_cmp(a));
    worths.first().zip(worths.get(1)).map_or(f64::INFINITY, |(first, second)| first - second)
}

fn by_worth(group: &[Item], prices: &[f64]) -> Vec<Item> {
    let mut group = group.to_vec();
    group.sort_by(|a, b| b.worth(prices).total_cmp(&a.worth(prices)));
    group
}

struct Search<'s> {
    groups: &'s [Vec<Item>],
    prices: &'s [f64],
    /// The best worth of all workloads from this one on.
    best_of_rest: &'s [f64],
    path: Vec<usize>,
    found: Option<(f64, Vec<usize>)>,
    branches: u64,
    given_up: f64,
}

impl Search<'_> {
    #[expect(clippy::cast_precision_loss, reason = "a bound with a little to spare")]
    fn descend(&mut self, value: f64, left: &[u64]) {
        let depth = self.path.len();
        if depth == self.groups.len() {
            if self.found.as_ref().is_none_or(|(best, _)| value > *best) {
                self.found = Some((value, self.path.clone()));
            }
            return;
        }
        let priced: f64 = left.iter().zip(self.prices).map(|(&left, price)| left as f64 * price).sum();
        for item in &self.groups[depth] {
            let bound = value + priced + item.worth(self.prices) + self.best_of_rest[depth + 1];
            // The rest of the group is worth no more than this one.
            if self
                .found
                .as_ref()
                .is_some_and(|(best, _)| bound <= *best + best.abs() * self.given_up.max(1e-12))
            {
                return;
            }
            if self.branches >= MOST_BRANCHES && self.found.is_some() {
                return;
            }
            self.branches += 1;
            let rest = left.iter().zip(&item.loads).map(|(left, load)| left.checked_sub(*load)).collect();
            let Some(rest) = rest else { continue };
            let rest: Vec<u64> = rest;
            self.path.push(item.number);
            self.descend(value + item.value, &rest);
            self.path.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use plimsoll::{Bytes, Place};
    use proptest::prelude::*;

    use super::*;
    use crate::solve::Need;

    fn choice(host: u64, gpu: u64, value: f64) -> Choice {
        let need = |place, gib| Need { place, bytes: Bytes::new(gib) };
        Choice { needs: vec![need(Place::Host, host), need(Place::Gpu(0), gpu)], value }
    }

    fn room(host: u64, gpu: u64, both: u64) -> Room {
        Room::default()
            .limit([Place::Host], Bytes::new(host))
            .limit([Place::Gpu(0)], Bytes::new(gpu))
            .limit([Place::Host, Place::Gpu(0)], Bytes::new(both))
    }

    /// Every combination, one after the other.
    fn by_hand(room: &Room, workloads: &[Vec<Choice>]) -> Option<f64> {
        fn walk<'c>(room: &Room, rest: &'c [Vec<Choice>], taken: &mut Vec<&'c Choice>) -> Option<f64> {
            let Some((first, rest)) = rest.split_first() else {
                let value = taken.iter().map(|choice| choice.value).sum();
                return room.holds(taken.iter().copied()).then_some(value);
            };
            let mut best: Option<f64> = None;
            for choice in first {
                taken.push(choice);
                if let Some(value) = walk(room, rest, taken) {
                    best = Some(best.map_or(value, |best: f64| best.max(value)));
                }
                taken.pop();
            }
            best
        }
        walk(room, workloads, &mut Vec::new())
    }

    proptest! {
        #[test]
        fn it_is_as_good_as_trying_everything(
            workloads in prop::collection::vec(
                prop::collection::vec((0_u64..40, 0_u64..40, 0_u32..100), 1..5), 1..6),
            host in 0_u64..100, gpu in 0_u64..100, both in 0_u64..150,
        ) {
            let choices = |list: &Vec<(u64, u64, u32)>| {
                list.iter().map(|&(host, gpu, value)| choice(host, gpu, f64::from(value))).collect()
            };
            let workloads: Vec<Vec<Choice>> = workloads.iter().map(choices).collect();
            let room = room(host, gpu, both);
            let (found, expected) = (solve(&room, &workloads, 0.0), by_hand(&room, &workloads));
            prop_assert_eq!(found.is_some(), expected.is_some());
            if let (Some(found), Some(expected)) = (found, expected) {
                prop_assert!((found.value - expected).abs() < 1e-9, "{} and {}", found.value, expected);
                let taken = workloads.iter().zip(&found.taken).map(|(choices, &number)| &choices[number]);
                prop_assert!(room.holds(taken));
            }
        }

        #[test]
        fn sizes_that_cannot_be_added_do_not_fit(sizes in prop::collection::vec(u64::MAX / 2..u64::MAX, 2..6)) {
            let workloads: Vec<Vec<Choice>> = sizes.iter().map(|&size| vec![choice(size, size, 1.0)]).collect();
            prop_assert!(solve(&room(u64::MAX, u64::MAX, u64::MAX), &workloads, 0.0).is_none());
        }
    }

    #[test]
    fn one_memory_behind_two_places_is_spent_once() {
        let workloads = [vec![choice(60, 0, 1.0)], vec![choice(0, 60, 1.0), choice(0, 40, 0.5)]];
        let found = solve(&room(80, 80, 100), &workloads, 0.0).unwrap();
        assert_eq!(found.taken, [0, 1]);
        assert!(found.best);
    }

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn ten_workloads_of_sixty_configurations_end_before_they_are_cut_short() {
        let mut seed = 7_u64;
        let mut next = |most: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % most
        };
        // More of either place is worth more, by less and less: as of a ladder of quantizations and contexts.
        let workloads: Vec<Vec<Choice>> = (0..10)
            .map(|_| {
                let scale = 1 + next(20);
                (0..60)
                    .map(|step| {
                        let (host, gpu) = (next(1 << 30), scale * (step + 1) * (1 << 25) + next(1 << 24));
                        choice(host, gpu, (step as f64 + 1.0).ln() * scale as f64)
                    })
                    .collect()
            })
            .collect();
        let found = solve(&room(8 << 30, 60 << 30, 64 << 30), &workloads, 1e-3).unwrap();
        println!("{} branches", found.branches);
        assert!(found.branches <= MOST_BRANCHES + 10);
    }

    #[test]
    fn nothing_to_place_is_placed_and_what_fits_nowhere_is_not() {
        assert_eq!(solve(&room(1, 1, 1), &[], 0.0).unwrap().taken, [0; 0]);
        assert!(solve(&room(1, 1, 1), &[vec![choice(2, 0, 1.0)]], 0.0).is_none());
        assert!(solve(&room(1, 1, 1), &[vec![]], 0.0).is_none());
        assert!(solve(&room(9, 9, 9), &[vec![choice(1, 1, f64::NAN)]], 0.0).is_none());
    }
}
