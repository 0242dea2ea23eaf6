//! How many lists an index has, and how many of them a search looks into.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::index::VecError;

/// The most lists that are looked into one by one; of more, all are.
pub(in crate::index) const PROBES_MAX: usize = crate::TOP_MAX;
/// The most lists there can be.
pub(super) const LISTS_MAX: u32 = 1 << 20;
/// Fewer vectors than this for each list do not tell where its middle is.
const ROWS_A_LIST: u64 = 39;
/// Parts of one that shares are written in.
const WHOLE: u32 = 10_000;

/// How many lists an index is divided into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lists {
    /// About 4 √n of the first n vectors, a power of two, with no fewer than 39 vectors each.
    Auto,
    /// So many.
    Count(u32),
}

impl Lists {
    /// Whether there can be so many.
    pub(in crate::index) fn check(self) -> Result<(), NoLists> {
        match self {
            Self::Count(lists) if !(1..=LISTS_MAX).contains(&lists) => Err(NoLists(lists.to_string())),
            _ => Ok(()),
        }
    }

    /// How many for so many vectors; refused where there are more lists than vectors.
    pub(in crate::index) fn of(self, vectors: u64) -> Result<usize, VecError> {
        match self {
            Self::Count(lists) if u64::from(lists) > vectors => {
                Err(VecError::Lists { lists: lists.into(), vectors })
            }
            Self::Count(lists) => Ok(lists as usize),
            Self::Auto => {
                // The power of two that is nearest to 4 √n: its square is between 8 n and 32 n.
                let mut lists = 1_u64;
                while lists * lists * 2 < vectors.saturating_mul(16) && lists < LISTS_MAX.into() {
                    lists *= 2;
                }
                while lists > 1 && lists * ROWS_A_LIST > vectors {
                    lists /= 2;
                }
                Ok(usize::try_from(lists).unwrap_or(1))
            }
        }
    }
}

impl fmt::Display for Lists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.pad("auto"),
            Self::Count(lists) => lists.fmt(f),
        }
    }
}

/// A word that is no number of lists.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there cannot be {0:?} lists: say auto, or a number from 1 to {LISTS_MAX}")]
pub struct NoLists(pub String);

impl FromStr for Lists {
    type Err = NoLists;
    fn from_str(word: &str) -> Result<Self, NoLists> {
        if word == "auto" {
            return Ok(Self::Auto);
        }
        let count = word.parse().ok().filter(|count| (1..=LISTS_MAX).contains(count));
        count.map(Self::Count).ok_or_else(|| NoLists(word.to_owned()))
    }
}

/// How much of an index that is divided into lists a search looks at. One that is not divided is always looked at as a
/// whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Probe {
    /// As many lists as were found to hold this share of the ten nearest, when the index was built; 1 looks at all, as no
    /// trial can promise everything.
    Recall(f64),
    /// So many lists, those whose middles are nearest to the query.
    Lists(usize),
    /// All of them.
    All,
}

/// What looking into some lists finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// How many lists.
    pub lists: u32,
    /// How many of the ten nearest of vectors that were held out lie in them, of 10,000.
    pub found: u32,
}

impl Expected {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 10,000")]
    pub(super) fn new(lists: usize, share: f64) -> Self {
        let found = (share * f64::from(WHOLE)).floor() as u32;
        Self { lists: u32::try_from(lists).unwrap_or(u32::MAX), found }
    }

    /// The share that is found.
    pub fn recall(self) -> f64 {
        f64::from(self.found) / f64::from(WHOLE)
    }
}

impl Probe {
    /// How many of so many lists, and how many of 10,000 of the nearest are expected there, where that is known.
    pub(super) fn of(self, lists: usize, expected: &[Expected]) -> Result<(usize, Option<u32>), VecError> {
        let known = |probes: usize| {
            let last = expected.iter().take_while(|one| one.lists as usize <= probes).last();
            last.map(|one| one.found)
        };
        let probes = match self {
            Self::All => lists,
            Self::Lists(0) => return Err(VecError::Probe { probes: 0, lists }),
            Self::Lists(probes) if probes > lists => return Err(VecError::Probe { probes, lists }),
            Self::Lists(probes) => probes,
            Self::Recall(share) if !(0.0..=1.0).contains(&share) => return Err(VecError::Recall { share }),
            Self::Recall(share) if share >= 1.0 => lists,
            Self::Recall(share) => {
                let enough = expected.iter().find(|one| one.recall() >= share);
                enough.map_or(lists, |one| (one.lists as usize).clamp(1, lists))
            }
        };
        // What cannot be told apart is looked at as a whole.
        let probes = if probes > PROBES_MAX { lists } else { probes };
        Ok((probes, if probes == lists { Some(WHOLE) } else { known(probes) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_a_power_of_two_near_four_roots_and_never_starve() {
        let of = |vectors| Lists::Auto.of(vectors).unwrap();
        assert_eq!(
            [of(1), of(77), of(78), of(20_000), of(200_000), of(1_000_000)],
            [1, 1, 2, 512, 2048, 4096]
        );
        for vectors in (1..200_000).step_by(777) {
            let lists = of(vectors) as u64;
            assert!(lists.is_power_of_two() && (lists == 1 || lists * 39 <= vectors), "{vectors}: {lists}");
        }
        assert_eq!(Lists::Count(5).of(5).unwrap(), 5);
        assert!(matches!(Lists::Count(6).of(5), Err(VecError::Lists { lists: 6, vectors: 5 })));
        for (word, expected) in
            [("auto", Some(Lists::Auto)), ("64", Some(Lists::Count(64))), ("0", None), ("x", None)]
        {
            assert_eq!(word.parse::<Lists>().ok(), expected);
        }
        assert_eq!(Lists::Auto.to_string(), "auto");
    }

    #[test]
    fn probes_are_the_fewest_that_were_enough() {
        let expected = [Expected::new(1, 0.6), Expected::new(4, 0.95), Expected::new(16, 1.0)];
        let of = |probe: Probe| probe.of(16, &expected).unwrap();
        assert_eq!(of(Probe::Recall(0.5)), (1, Some(6000)));
        assert_eq!(of(Probe::Recall(0.61)), (4, Some(9500)));
        assert_eq!(of(Probe::Recall(0.99)), (16, Some(WHOLE)));
        assert_eq!(of(Probe::Lists(5)), (5, Some(9500)), "what is known of fewer holds for more");
        assert_eq!(of(Probe::All), (16, Some(WHOLE)));
        assert_eq!(Probe::Recall(0.9).of(16, &[]).unwrap(), (16, Some(WHOLE)), "nothing is known");
        for probe in [Probe::Lists(0), Probe::Lists(17)] {
            assert!(matches!(probe.of(16, &expected), Err(VecError::Probe { .. })));
        }
        for share in [-0.1, 1.1, f64::NAN] {
            assert!(matches!(Probe::Recall(share).of(16, &expected), Err(VecError::Recall { .. })));
        }
        let many = Probe::Lists(5000).of(8192, &[]).unwrap();
        assert_eq!(many, (8192, Some(WHOLE)), "more than a list of the nearest can hold");
    }
}
