//! The answer no, with everything needed to act on it.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use super::Account;
use super::pressure::PressureLevel;
use super::queue::Hindrance;
use super::state::State;
use crate::ledger::{Charter, NodeId};
use crate::{Bytes, Place};

/// How many holders a refusal names.
const TOP: usize = 5;

/// Why a request was not granted. Nothing is lost by it: nothing was charged, and the account is as it was.
///
/// It reads as its [`RefusalFacts`] and prints as a sentence a user can act on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(Box<RefusalFacts>);

/// What was asked, what there is, and what holds it up.
#[derive(Clone, Debug, PartialEq)]
pub struct RefusalFacts {
    /// How much was asked.
    pub asked: Bytes,
    /// By whom.
    pub account: String,
    /// Where.
    pub place: Place,
    /// What is free on the place's line.
    pub free: Bytes,
    /// What the account has there.
    pub charged: Bytes,
    /// What it may have.
    pub limit: Bytes,
    /// What its own limit leaves it.
    pub limit_left: Bytes,
    /// What would be granted at this moment.
    pub fits_now: Bytes,
    /// The largest run that a pool of this account could lease at once, where one told.
    pub largest_free_run: Option<Bytes>,
    /// What waits for devices to finish and will come free by itself.
    pub pending: Bytes,
    /// Who has most on the place, most first.
    pub top_holders: Vec<(String, Bytes)>,
    /// How many requests wait there.
    pub waiting: usize,
    /// How long it waited, when it did.
    pub waited: Option<Duration>,
    /// Holders that did not do what they said.
    pub faults: Vec<Fault>,
    /// What holds it up.
    pub why: Why,
}

/// What holds a request up.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Why {
    /// The place is full.
    Line {
        /// By how much it is too much.
        short: Bytes,
    },
    /// An account on the way up is at its limit.
    Limit {
        /// Which.
        account: String,
        /// Its limit.
        limit: Bytes,
        /// What it and its children have.
        charged: Bytes,
        /// By how much it is too much.
        short: Bytes,
    },
    /// There is room, but it is guaranteed to accounts that do not lend it.
    SetAside {
        /// For whom, and how much of it they do not use.
        kept_for: Vec<(String, Bytes)>,
        /// By how much it is too much.
        short: Bytes,
    },
    /// Others came first.
    Behind {
        /// The account at which they stand; none for the line.
        account: Option<String>,
    },
    /// Memory is under pressure and this request goes beyond what the account is guaranteed.
    Pressure {
        /// How hard.
        level: PressureLevel,
    },
    /// It is more than could ever be granted.
    Never {
        /// The most that could be.
        most: Bytes,
        /// Whose limit that is; none for the line.
        account: Option<String>,
    },
    /// The account has no share of the place.
    NoShare,
    /// Asked while giving memory back, when only the emergency reserve can serve, and that is spent.
    EmergencySpent {
        /// What is left of it.
        left: Bytes,
    },
    /// The account is with another governor.
    OtherGovernor,
}

impl Why {
    /// A number for it, as recordings keep it.
    pub const fn code(&self) -> u8 {
        match self {
            Self::Line { .. } => 1,
            Self::Limit { .. } => 2,
            Self::SetAside { .. } => 3,
            Self::Behind { .. } => 4,
            Self::Pressure { .. } => 5,
            Self::Never { .. } => 6,
            Self::NoShare => 7,
            Self::EmergencySpent { .. } => 8,
            Self::OtherGovernor => 9,
        }
    }

    /// What such a number says.
    pub const fn of_code(code: u64) -> &'static str {
        match code {
            1 => "the line is reached",
            2 => "an account is at its limit",
            3 => "the rest is set aside for others",
            4 => "others came first",
            5 => "memory is under pressure",
            6 => "more than could ever be granted",
            7 => "the account has no share there",
            8 => "the emergency reserve is spent",
            9 => "the account is another governor's",
            _ => "another reason",
        }
    }
}

/// A holder that did not do what it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It panicked and will not be called again.
    Panicked {
        /// Its name.
        holder: String,
    },
    /// The ledger shows less than it said it gave.
    GaveLess {
        /// Its name.
        holder: String,
        /// What it said.
        said: Bytes,
        /// What the ledger shows.
        gave: Bytes,
    },
}

impl Deref for Refusal {
    type Target = RefusalFacts;

    fn deref(&self) -> &RefusalFacts {
        &self.0
    }
}

impl RefusalFacts {
    /// What to do about it.
    pub fn next_step(&self) -> String {
        let fits = if self.fits_now.is_zero() {
            "nothing fits at this moment".to_owned()
        } else {
            format!("{} would fit now", self.fits_now)
        };
        match &self.why {
            Why::Line { .. } => {
                format!("{fits}; wait with within(…), release memory there, or raise the line")
            }
            Why::Limit { account, .. } => {
                format!(
                    "{fits}; release memory of {account}, wait with within(…), or raise its limit in the plan"
                )
            }
            Why::SetAside { .. } => {
                format!("{fits}; ask for less, or let those accounts lend what they do not use")
            }
            Why::Behind { .. } => "wait in line with within(…), or ask for less under a guarantee".to_owned(),
            Why::Pressure { .. } => {
                format!("wait with within(…) until it eases, or raise what {} is guaranteed", self.account)
            }
            Why::Never { most, .. } => format!("ask for {most} or less at a time, or change the plan"),
            Why::NoShare => format!("give {} a share of {} in the plan", self.account, self.place),
            Why::EmergencySpent { .. } => {
                format!("shrink with less memory at a time, or raise the emergency reserve of {}", self.place)
            }
            Why::OtherGovernor => "use accounts of one governor".to_owned(),
        }
    }

    fn write_why(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |account: &Option<String>| {
            account.as_ref().map_or("the line".to_owned(), |a| format!("account {a}"))
        };
        match &self.why {
            Why::Line { short } => write!(f, "the line is full ({short} short)"),
            Why::Limit { account, limit, charged, short } => {
                write!(f, "account {account} has {charged} of its limit of {limit} ({short} short)")
            }
            Why::SetAside { kept_for, short } => {
                write!(f, "what is free is set aside ({short} short) for ")?;
                list(f, kept_for)
            }
            Why::Behind { account } => {
                write!(f, "{} requests wait there, and those at {} came first", self.waiting, at(account))
            }
            Why::Pressure { level } => {
                write!(f, "memory is under pressure ({level:?}) and this goes beyond its guarantee")
            }
            Why::Never { most, account } => write!(f, "{} allows {most} at most", at(account)),
            Why::NoShare => write!(f, "the account has no share of {}", self.place),
            Why::EmergencySpent { left } => {
                write!(
                    f,
                    "it was asked while giving memory back, and {left} of the emergency reserve is left"
                )
            }
            Why::OtherGovernor => write!(f, "the target account is with another governor"),
        }
    }
}

impl fmt::Display for RefusalFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} asked for {} on {} and was refused", self.account, self.asked, self.place)?;
        if let Some(waited) = self.waited {
            write!(f, " after waiting {waited:.1?}")?;
        }
        f.write_str(": ")?;
        self.write_why(f)?;
        if !matches!(self.why, Why::NoShare | Why::OtherGovernor) {
            write!(f, "; {} free on the line", self.free)?;
            write!(f, ", the account has {} of {}", self.charged, self.limit)?;
        }
        if let Some(run) = self.largest_free_run {
            write!(f, ", the largest free run is {run}")?;
        }
        if !self.pending.is_zero() {
            write!(f, ", {} wait for a device", self.pending)?;
        }
        if !self.top_holders.is_empty() {
            f.write_str("; most is held by ")?;
            list(f, &self.top_holders)?;
        }
        for fault in &self.faults {
            match fault {
                Fault::Panicked { holder } => write!(f, "; holder {holder} panicked and is set aside")?,
                Fault::GaveLess { holder, said, gave } => {
                    write!(f, "; holder {holder} said it gave {said} and gave {gave}")?;
                }
            }
        }
        write!(f, ". Next step: {}.", self.next_step())
    }
}

fn list(f: &mut fmt::Formatter<'_>, items: &[(String, Bytes)]) -> fmt::Result {
    for (index, (name, bytes)) in items.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(f, "{comma}{name} {bytes}")?;
    }
    Ok(())
}

/// What holders could tell when a request was refused.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub largest_free_run: Option<Bytes>,
    pub pending: Bytes,
    pub faults: Vec<Fault>,
}

/// A refusal of a request that asked no holder.
pub(crate) fn refuse(account: &Account, place: Place, bytes: u64, why: Why) -> Refusal {
    account.inner.with(|state| draw_up(state, account, place, bytes, why, Told::default(), None))
}

/// Puts a refusal together under the lock, so that its figures are of one instant.
pub(crate) fn draw_up(
    state: &State,
    account: &Account,
    place: Place,
    bytes: u64,
    why: Why,
    told: Told,
    waited: Option<Duration>,
) -> Refusal {
    let charter = &account.inner.charter;
    let number = charter.place(place);
    let node = account.node(place).map(|node| state.books.node(node));
    let free = number.map_or(0, |number| {
        let root = state.books.node(state.books.place(number).root);
        root.limit.saturating_sub(root.charged)
    });
    let passing = !matches!(why, Why::Behind { .. } | Why::Pressure { .. });
    let room = account.node(place).filter(|_| passing).map_or(0, |node| state.books.room(node));
    Refusal(Box::new(RefusalFacts {
        asked: Bytes::new(bytes),
        account: account.path().to_owned(),
        place,
        free: Bytes::new(free),
        charged: Bytes::new(node.map_or(0, |node| node.charged)),
        limit: Bytes::new(node.map_or(0, |node| node.limit)),
        limit_left: Bytes::new(node.map_or(0, |node| node.limit.saturating_sub(node.charged))),
        fits_now: Bytes::new(room),
        largest_free_run: told.largest_free_run,
        pending: told.pending,
        top_holders: number.map_or_else(Vec::new, |number| top_holders(state, charter, number)),
        waiting: number.map_or(0, |number| state.queues.waiting(number)),
        waited,
        faults: told.faults,
        why,
    }))
}

/// What holds a request up, in the terms of accounts.
pub(crate) fn why(state: &State, charter: &Charter, hindrance: Hindrance) -> Why {
    let node = state.books.node(hindrance.node());
    let name =
        |node: NodeId| state.books.node(node).account.map(|a| charter.members[a as usize].path.clone());
    match hindrance {
        Hindrance::Behind(node) => Why::Behind { account: name(node) },
        Hindrance::Gated(_) => Why::Pressure { level: state.gauges[usize::from(node.place)].level() },
        Hindrance::Short(block) => {
            let short = Bytes::new(block.short);
            let kept_for = kept_at(state, charter, block.node);
            let kept: u64 = kept_for.iter().map(|(_, bytes)| bytes.get()).sum();
            match name(block.node) {
                _ if kept >= block.short && kept > 0 => Why::SetAside { kept_for, short },
                None => Why::Line { short },
                Some(account) => Why::Limit {
                    account,
                    limit: Bytes::new(node.limit),
                    charged: Bytes::new(node.charged),
                    short,
                },
            }
        }
    }
}

/// What a node's children neither use nor lend, most first.
fn kept_at(state: &State, charter: &Charter, parent: NodeId) -> Vec<(String, Bytes)> {
    let children = state.books.nodes().iter().filter(|node| node.parent == Some(parent));
    let mut kept = children
        .filter_map(|node| {
            let kept = node.hold() - node.charged.min(node.hold());
            Some((charter.members[node.account? as usize].path.clone(), Bytes::new(kept)))
        })
        .filter(|(_, kept)| !kept.is_zero())
        .collect::<Vec<_>>();
    kept.sort_by_key(|&(_, bytes)| std::cmp::Reverse(bytes));
    kept.truncate(TOP);
    kept
}

fn top_holders(state: &State, charter: &Charter, place: usize) -> Vec<(String, Bytes)> {
    let here = state.books.nodes().iter().filter(|node| usize::from(node.place) == place && node.own > 0);
    let mut top = here.filter_map(|node| Some((node.own, node.account?))).collect::<Vec<_>>();
    top.sort_unstable_by_key(|&(own, account)| (std::cmp::Reverse(own), account));
    top.truncate(TOP);
    let named =
        |(own, account): (u64, u32)| (charter.members[account as usize].path.clone(), Bytes::new(own));
    top.into_iter().map(named).collect()
}
