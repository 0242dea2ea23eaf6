//! What other choices there are: better ones and what they cost, and the nearest ones when nothing fits.

use std::fmt::Write as _;

use plimsoll::Bytes;

use super::plan::Rest;
use super::{Configuration, Knob};
use crate::solve::Need;

/// Another way to run a workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    /// What would be different: "quantization `Q5_K_M` instead of `Q4_K_M`".
    pub change: String,
    /// The whole way, for people.
    pub title: String,
    /// Whether it fits beside the others.
    pub fits: bool,
    /// What is missing for it, by place.
    pub short: Vec<Need>,
    /// How useful it is, and how useful what it is compared with.
    pub worth: (f64, f64),
    /// How much more it takes than what it is compared with (less than zero: it takes less), over all places.
    pub more_bytes: i128,
}

/// A knob's name, what it was, and what it is.
type Change = (&'static str, String, String);

/// The knob that is turned by whatever else is: where layers lie.
const FOLLOWS: &str = "layers";

/// For each knob the next better and the next worse value, everything else as it is.
pub(super) fn trades(ways: &[Configuration], taken: &Configuration, rest: &Rest) -> Vec<Way> {
    let mut trades = Vec::new();
    for knob in taken.knobs.iter().filter(|knob| knob.name != FOLLOWS) {
        let others: Vec<(&Configuration, &Knob)> =
            ways.iter().filter_map(|way| Some((way, only_change(way, taken, knob)?))).collect();
        let ranks = || others.iter().map(|(_, other)| other.rank);
        let better = ranks().filter(|rank| *rank > knob.rank).min_by(f64::total_cmp);
        let worse = ranks().filter(|rank| *rank < knob.rank).max_by(f64::total_cmp);
        for rank in [better, worse].into_iter().flatten() {
            let there = others.iter().filter(|(_, other)| other.rank.total_cmp(&rank).is_eq());
            let key = |way: &Configuration| (rest.holds(way), way.worth);
            let best = there.max_by(|a, b| {
                let (a, b) = (key(a.0), key(b.0));
                a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
            });
            let Some((way, other)) = best else { continue };
            let mut change = format!("{} {} instead of {}", knob.name, other.value, knob.value);
            if let (Some(here), Some(there)) = (taken.knob(FOLLOWS), way.knob(FOLLOWS)) {
                let moved = if there.rank < here.rank { "fewer" } else { "more" };
                if there.value != here.value {
                    let _ = write!(change, ", with {moved} layers on GPUs");
                }
            }
            trades.push(Way::of(way, change, Some(taken), rest));
        }
    }
    trades
}

/// The other value of a knob, if a way differs in nothing else that matters.
fn only_change<'w>(way: &'w Configuration, taken: &Configuration, knob: &Knob) -> Option<&'w Knob> {
    let other = way.knob(knob.name).filter(|other| other.value != knob.value)?;
    let same = |mine: &Knob| {
        [knob.name, FOLLOWS].contains(&mine.name)
            || way.knob(mine.name).is_some_and(|other| other.value == mine.value)
    };
    taken.knobs.iter().all(same).then_some(other)
}

/// The ways that fit and differ in the fewest knobs from what was asked for; of those the most useful for each set of
/// knobs.
pub(super) fn nearest(relaxed: &[Configuration], asked: Option<&Configuration>, rest: &Rest) -> Vec<Way> {
    const MOST: usize = 4;
    let changed = |way: &Configuration| -> Vec<Change> {
        let Some(asked) = asked else { return Vec::new() };
        let differs = |knob: &Knob| {
            let other = way.knob(knob.name).filter(|other| other.value != knob.value)?;
            Some((knob.name, knob.value.clone(), other.value.clone()))
        };
        asked.knobs.iter().filter_map(differs).collect()
    };
    let mut fitting: Vec<(Vec<Change>, &Configuration)> =
        relaxed.iter().filter(|way| rest.holds(way)).map(|way| (changed(way), way)).collect();
    fitting.sort_by(|a, b| a.0.len().cmp(&b.0.len()).then(b.1.worth.total_cmp(&a.1.worth)));
    let mut ways: Vec<Way> = Vec::new();
    let mut seen: Vec<Vec<&'static str>> = Vec::new();
    for (changes, way) in fitting {
        let names: Vec<&'static str> = changes.iter().map(|(name, ..)| *name).collect();
        // More changes than another way that fits needs are no nearer.
        if ways.len() == MOST || seen.iter().any(|other| other.iter().all(|name| names.contains(name))) {
            continue;
        }
        let told = changes.iter().map(|(name, was, is)| format!("{name} {is} instead of {was}"));
        ways.push(Way::of(way, told.collect::<Vec<_>>().join(", "), asked, rest));
        seen.push(names);
    }
    ways
}

impl Way {
    fn of(way: &Configuration, change: String, than: Option<&Configuration>, rest: &Rest) -> Self {
        let all = |way: &Configuration| {
            let needs = way.needs();
            i128::from(needs.iter().fold(Bytes::ZERO, |sum, need| sum.saturating_add(need.bytes)).get())
        };
        Self {
            change,
            title: way.title.clone(),
            fits: rest.holds(way),
            short: rest.short(way),
            worth: (way.worth, than.map_or(way.worth, |than| than.worth)),
            more_bytes: all(way) - than.map_or(0, all),
        }
    }
}
