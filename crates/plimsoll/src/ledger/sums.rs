//! Whether guarantees add up. Pure arithmetic on settings, so that a file, a planner and the governor can all ask.
//!
//! Each line must hold `Σ guaranteed + reserve + emergency`. Accounts form a tree: where a parent has a guarantee,
//! its children's are part of it and must fit it; where it has none, it needs what its children need, and its
//! limit must hold that.

use std::collections::BTreeMap;
use std::fmt;

use super::settings::{LedgerSettings, LineSettings};
use crate::{Bytes, Place};

/// One term of the sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summand {
    /// An account's path, or what of the line is set aside.
    pub name: String,
    /// How much.
    pub bytes: Bytes,
}

/// What promises must fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The place's line.
    Line,
    /// The guarantee of the account that the others are below.
    Guarantee(String),
    /// The limit of the account that the others are below.
    Limit(String),
}

/// More was promised than there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overcommit {
    /// On which place.
    pub place: Place,
    /// What is too small.
    pub bound: Bound,
    /// What was promised, largest first.
    pub summands: Vec<Summand>,
    /// Their sum.
    pub sum: Bytes,
    /// What there is of it.
    pub line: Bytes,
}

impl Overcommit {
    /// How much too much.
    pub fn excess(&self) -> Bytes {
        self.sum.saturating_sub(self.line)
    }

    /// A size in the family of units that the configuration is written in: whoever wrote 120GB looks for 120 in
    /// the sum, not for 111.76.
    pub fn size(&self, bytes: Bytes) -> String {
        const MEGA: u64 = 1_000_000;
        let sizes = self.summands.iter().map(|summand| summand.bytes).chain([self.line]);
        let decimal = sizes.into_iter().all(|size| size.get().is_multiple_of(MEGA));
        let hundredths = bytes.get() / (MEGA * 10);
        if decimal { format!("{}.{:02} GB", hundredths / 100, hundredths % 100) } else { bytes.to_string() }
    }
}

impl fmt::Display for Overcommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match &self.bound {
            Bound::Line => format!("line of {}", self.place),
            Bound::Guarantee(account) => format!("guarantee of {account} on {}", self.place),
            Bound::Limit(account) => format!("limit of {account} on {}", self.place),
        };
        writeln!(f, "the guarantees do not fit the {what}:")?;
        for (index, summand) in self.summands.iter().enumerate() {
            let sign = if index == 0 { ' ' } else { '+' };
            writeln!(f, "  {sign} {:>11}  {}", self.size(summand.bytes), summand.name)?;
        }
        writeln!(f, "  = {:>11}  promised", self.size(self.sum))?;
        writeln!(f, "  - {:>11}  {what}", self.size(self.line))?;
        write!(f, "  = {:>11}  too much", self.size(self.excess()))
    }
}

impl std::error::Error for Overcommit {}

/// Checks every line, and every guarantee or limit above children.
pub(crate) fn check_sums(settings: &LedgerSettings) -> Result<(), Overcommit> {
    settings.places.iter().try_for_each(|line| check_line(settings, line))
}

impl LedgerSettings {
    /// What is guaranteed on a place in all; the children of an account count within it.
    pub fn promised(&self, place: Place) -> Bytes {
        let needs = needs(self, place);
        let parts = summands(&needs, None);
        parts.iter().fold(Bytes::ZERO, |sum, part| sum.saturating_add(part.bytes))
    }
}

/// What an account has and needs on one place.
#[derive(Clone, Copy, Debug, Default)]
struct Need {
    own: Bytes,
    limit: Option<Bytes>,
    children: Bytes,
}

impl Need {
    fn bytes(&self) -> Bytes {
        if self.own.is_zero() { self.children } else { self.own }
    }
}

fn check_line(settings: &LedgerSettings, line: &LineSettings) -> Result<(), Overcommit> {
    let needs = needs(settings, line.place);
    for (path, need) in &needs {
        let account = (*path).to_owned();
        let (bound, most) = if need.own.is_zero() {
            (Bound::Limit(account), need.limit.unwrap_or(Bytes::MAX))
        } else {
            (Bound::Guarantee(account), need.own)
        };
        if need.children > most {
            let parts = summands(&needs, Some(path));
            return Err(overcommit(line.place, bound, parts, most));
        }
    }
    let mut parts = summands(&needs, None);
    for (name, bytes) in [("(reserve)", line.reserve), ("(emergency)", line.emergency)] {
        parts.push(Summand { name: name.to_owned(), bytes });
    }
    let sum: u128 = parts.iter().map(|part| u128::from(part.bytes.get())).sum();
    if sum > u128::from(line.line.get()) {
        return Err(overcommit(line.place, Bound::Line, parts, line.line));
    }
    Ok(())
}

/// Every account on a place, listed or implied by its children, with what its children need.
fn needs(settings: &LedgerSettings, place: Place) -> BTreeMap<&str, Need> {
    let mut needs: BTreeMap<&str, Need> = BTreeMap::new();
    for account in &settings.accounts {
        let share = account.shares.iter().find(|share| share.place == place);
        let need = needs.entry(account.path.as_str()).or_default();
        need.own = share.map_or(Bytes::ZERO, |share| share.guaranteed);
        need.limit = share.map(|share| share.limit);
        let mut path = account.path.as_str();
        while let Some((parent, _)) = path.rsplit_once('/') {
            needs.entry(parent).or_default();
            path = parent;
        }
    }
    // Deepest first, so that each child is complete before its parent reads it.
    let mut deepest: Vec<&str> = needs.keys().copied().collect();
    deepest.sort_by_key(|path| std::cmp::Reverse(path.matches('/').count()));
    for path in deepest {
        let bytes = needs[path].bytes();
        if let Some((parent, _)) = path.rsplit_once('/') {
            let parent = needs.entry(parent).or_default();
            parent.children = parent.children.saturating_add(bytes);
        }
    }
    needs
}

/// The accounts directly below `parent`, largest first.
fn summands(needs: &BTreeMap<&str, Need>, parent: Option<&str>) -> Vec<Summand> {
    let below = |path: &str| path.rsplit_once('/').map(|(parent, _)| parent) == parent;
    let of_parent = needs.iter().filter(|(path, _)| below(path));
    let mut parts: Vec<_> = of_parent
        .map(|(path, need)| Summand {
            name: if need.own.is_zero() && !need.children.is_zero() {
                format!("{path}/*")
            } else {
                (*path).to_owned()
            },
            bytes: need.bytes(),
        })
        .collect();
    parts.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    parts
}

/// The sum as a report. It saturates: what is beyond 2⁶⁴ bytes is too much in any case.
fn overcommit(place: Place, bound: Bound, mut parts: Vec<Summand>, line: Bytes) -> Overcommit {
    parts.retain(|part| !part.bytes.is_zero());
    let sum = parts.iter().fold(Bytes::ZERO, |sum, part| sum.saturating_add(part.bytes));
    Overcommit { place, bound, summands: parts, sum, line }
}
