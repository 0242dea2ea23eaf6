//! In which order accounts stand: a tree, siblings sorted.

use std::cmp::Ordering;

use plimsoll::Bytes;
use plimsoll::monitor::{AccountSample, PlaceSample};

/// What siblings are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// By name: nothing moves.
    #[default]
    Name,
    /// The largest first.
    Charged,
    /// The fullest first, measured against the limit.
    Fullest,
    /// Who is asked to shrink first.
    Priority,
}

impl Sort {
    /// The next one round.
    #[must_use]
    pub const fn next(self) -> Self {
        match self {
            Self::Name => Self::Charged,
            Self::Charged => Self::Fullest,
            Self::Fullest => Self::Priority,
            Self::Priority => Self::Name,
        }
    }

    /// Its name on the screen.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Charged => "charged",
            Self::Fullest => "fullest",
            Self::Priority => "priority",
        }
    }

    fn compare(self, one: &AccountSample, other: &AccountSample) -> Ordering {
        let charged = |a: &AccountSample, b: &AccountSample| b.charged_bytes.cmp(&a.charged_bytes);
        match self {
            Self::Name => one.path.cmp(&other.path),
            Self::Charged => charged(one, other),
            Self::Fullest => share(other).total_cmp(&share(one)).then_with(|| charged(one, other)),
            Self::Priority => one.priority.cmp(&other.priority).then_with(|| charged(one, other)),
        }
    }
}

fn share(account: &AccountSample) -> f64 {
    Bytes::new(account.charged_bytes).ratio(Bytes::new(account.limit_bytes))
}

/// A row of the tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row<'s> {
    /// Which account.
    pub account: &'s AccountSample,
    /// How far below the top.
    pub depth: usize,
}

impl<'s> Row<'s> {
    /// Its name without those above it; an account whose parent has no share here keeps the whole path.
    pub fn name(&self) -> &'s str {
        let path = self.account.path.as_str();
        if self.depth == 0 { path } else { path.rsplit_once('/').map_or(path, |(_, name)| name) }
    }
}

/// The accounts of a place as a tree, each above those below it.
pub fn rows(place: &PlaceSample, sort: Sort) -> Vec<Row<'_>> {
    let mut rows = Vec::with_capacity(place.accounts.len());
    let known = |path: &str| place.accounts.iter().any(|account| account.path == path);
    let tops = place.accounts.iter().filter(|account| !above(&account.path).is_some_and(known));
    put(place, sort, tops.collect(), 0, &mut rows);
    rows
}

fn above(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(above, _)| above)
}

fn put<'s>(
    place: &'s PlaceSample,
    sort: Sort,
    mut siblings: Vec<&'s AccountSample>,
    depth: usize,
    rows: &mut Vec<Row<'s>>,
) {
    siblings.sort_by(|one, other| sort.compare(one, other));
    for account in siblings {
        rows.push(Row { account, depth });
        let below = place.accounts.iter().filter(|other| above(&other.path) == Some(&account.path));
        put(place, sort, below.collect(), depth + 1, rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(path: &str, charged: u64, limit: u64, priority: u8) -> AccountSample {
        AccountSample {
            path: path.to_owned(),
            charged_bytes: charged,
            limit_bytes: limit,
            priority,
            ..AccountSample::default()
        }
    }

    #[test]
    fn siblings_are_sorted_and_stay_below_their_parent() {
        let place = PlaceSample {
            accounts: vec![
                account("models", 60, 100, 9),
                account("models/a", 10, 10, 2),
                account("models/b", 50, 90, 1),
                account("kv", 70, 200, 1),
                account("lost/child", 1, 1, 0),
            ],
            ..PlaceSample::default()
        };
        let names = |sort| rows(&place, sort).iter().map(Row::name).collect::<Vec<_>>();
        assert_eq!(names(Sort::Name), ["kv", "lost/child", "models", "a", "b"]);
        assert_eq!(names(Sort::Charged), ["kv", "models", "b", "a", "lost/child"]);
        assert_eq!(names(Sort::Fullest), ["lost/child", "models", "a", "b", "kv"]);
        assert_eq!(names(Sort::Priority), ["lost/child", "kv", "models", "b", "a"]);
        assert_eq!(rows(&place, Sort::Name)[3].depth, 1);
    }

    #[test]
    fn sorting_goes_round() {
        let mut sort = Sort::default();
        for _ in 0..4 {
            sort = sort.next();
        }
        assert_eq!(sort, Sort::Name);
    }
}
