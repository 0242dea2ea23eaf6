//! The plan itself.

use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};

use plimsoll::{Bytes, Place};

use super::ways::{self, Way};
use super::{Configuration, LineWishes, Lines};
use crate::Lessons;
use crate::machine::Machine;
use crate::solve::{Choice, Need, solve};

/// For the sake of a thousandth nothing more is looked for: worths are judgements.
const GIVEN_UP: f64 = 1e-3;

/// Leaving a workload out is worse than any way to run it.
const LEFT_OUT: f64 = -10.0;

/// Where a plan is made for.
#[derive(Clone, Debug)]
pub struct Site<'s> {
    /// The machine.
    pub machine: &'s Machine,
    /// Its lines.
    pub lines: &'s Lines,
    /// What earlier runs teach.
    pub lessons: &'s Lessons,
}

/// A workload, as a plan sees it: it knows in what ways it can be run.
pub trait Choices: Debug {
    /// The ways to run it as it was asked for, whether they fit or not.
    fn configurations(&self, site: &Site<'_>) -> Vec<Configuration>;

    /// Ways between the one that was taken and the next better one, where there are more than `configurations` tells.
    fn finer(&self, _site: &Site<'_>, _taken: &Configuration) -> Vec<Configuration> {
        Vec::new()
    }

    /// Ways that come near to what was asked for, when none of those fits.
    fn relaxed(&self, _site: &Site<'_>) -> Vec<Configuration> {
        Vec::new()
    }
}

/// A workload that a plan is asked to carry.
#[derive(Debug)]
pub struct Request {
    /// What it is called: its account.
    pub name: String,
    /// The higher, the more it counts, and the later it is asked to shrink.
    pub priority: u8,
    /// The workload.
    pub workload: Box<dyn Choices + Send + Sync>,
}

/// What fits, how memory is split, and what does not fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The lines that it holds.
    pub lines: Lines,
    /// The workloads that it carries.
    pub planned: Vec<Planned>,
    /// Those that it does not.
    pub left_out: Vec<LeftOut>,
    /// Whether no other choice is worth more.
    pub best: bool,
}

/// A workload that is carried.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// Its name.
    pub name: String,
    /// Its priority.
    pub priority: u8,
    /// How it is to be run.
    pub configuration: Configuration,
    /// What another choice would bring and cost.
    pub trades: Vec<Way>,
}

/// A workload that is not.
#[derive(Clone, Debug, PartialEq)]
pub struct LeftOut {
    /// Its name.
    pub name: String,
    /// Its priority.
    pub priority: u8,
    /// The way that comes nearest to fitting, of those that were asked for.
    pub least: Option<Configuration>,
    /// What is missing for it, by place.
    pub short: Vec<Need>,
    /// What would fit instead.
    pub ways: Vec<Way>,
}

impl Plan {
    /// Makes a plan: the most useful ways to run all workloads that fit their machine's lines together.
    pub fn make(machine: &Machine, wishes: &LineWishes, lessons: &Lessons, requests: &[Request]) -> Self {
        let lines = Lines::of(machine, wishes);
        let site = Site { machine, lines: &lines, lessons };
        let mut ways = in_threads(requests, |_, request| found(request, &site));
        let (mut taken, mut best) = take(&lines, requests, &ways);
        // What was coarse is looked at again between what was taken and what did not fit.
        let more = in_threads(requests, |at, request| {
            let finer = taken[at].map(|number| request.workload.finer(&site, &ways[at][number]));
            taught(request, &site, finer.unwrap_or_default())
        });
        let finer = more.iter().any(|more| !more.is_empty());
        ways.iter_mut().zip(more).for_each(|(ways, more)| ways.extend(more));
        if finer {
            (taken, best) = take(&lines, requests, &ways);
        }
        let mut plan = Self { lines: lines.clone(), planned: Vec::new(), left_out: Vec::new(), best };
        for (at, request) in requests.iter().enumerate() {
            if let Some(number) = taken[at] {
                plan.planned.push(Planned {
                    name: request.name.clone(),
                    priority: request.priority,
                    configuration: ways[at][number].clone(),
                    trades: Vec::new(),
                });
            }
        }
        for (at, request) in requests.iter().enumerate() {
            let Some(number) = taken[at] else {
                let relaxed = taught(request, &site, request.workload.relaxed(&site));
                let out = LeftOut::of(request, &ways[at], &relaxed, &plan.left_without(None));
                plan.left_out.push(out);
                continue;
            };
            let trades = ways::trades(&ways[at], &ways[at][number], &plan.left_without(Some(&request.name)));
            if let Some(planned) = plan.planned.iter_mut().find(|planned| planned.name == request.name) {
                planned.trades = trades;
            }
        }
        plan.lines = lines.settled(plan.needed(Place::Host));
        plan
    }

    /// What all that is planned needs of a place.
    pub fn needed(&self, place: Place) -> Bytes {
        let needs = self.planned.iter().map(|planned| planned.configuration.need(place));
        needs.fold(Bytes::ZERO, Bytes::saturating_add)
    }

    /// What stays free at a place when everything needs its most.
    pub fn headroom(&self, place: Place) -> Bytes {
        self.lines.shareable(place).saturating_sub(self.needed(place))
    }

    /// Whether everything that was asked for is carried.
    pub fn fits(&self) -> bool {
        self.left_out.is_empty()
    }

    /// What is left of each line, without what one workload takes.
    fn left_without(&self, name: Option<&str>) -> Rest {
        let others = self.planned.iter().filter(|planned| Some(planned.name.as_str()) != name);
        Rest {
            lines: self.lines.clone(),
            others: others.map(|other| other.configuration.choice(1.0)).collect(),
        }
    }
}

/// What others leave.
#[derive(Clone, Debug)]
pub(super) struct Rest {
    lines: Lines,
    others: Vec<Choice>,
}

impl Rest {
    /// Whether a configuration fits beside the others.
    pub fn holds(&self, configuration: &Configuration) -> bool {
        let choice = configuration.choice(1.0);
        self.lines.room().holds(self.others.iter().chain(std::iter::once(&choice)))
    }

    /// What is missing for it, by place.
    pub fn short(&self, configuration: &Configuration) -> Vec<Need> {
        let left = |place: Place| {
            let taken =
                self.others.iter().flat_map(|choice| &choice.needs).filter(|need| need.place == place);
            let taken = taken.fold(Bytes::ZERO, |sum, need| sum.saturating_add(need.bytes));
            self.lines.shareable(place).saturating_sub(taken)
        };
        let short = |need: Need| Need { bytes: need.bytes.saturating_sub(left(need.place)), ..need };
        configuration.needs().into_iter().map(short).filter(|need| !need.bytes.is_zero()).collect()
    }
}

impl LeftOut {
    fn of(request: &Request, ways: &[Configuration], relaxed: &[Configuration], rest: &Rest) -> Self {
        let missing = |configuration: &&Configuration| {
            rest.short(configuration).iter().fold(0, |sum: u64, need| sum.saturating_add(need.bytes.get()))
        };
        let least = ways.iter().min_by_key(missing);
        Self {
            name: request.name.clone(),
            priority: request.priority,
            short: least.map(|least| rest.short(least)).unwrap_or_default(),
            ways: ways::nearest(relaxed, least, rest),
            least: least.cloned(),
        }
    }
}

/// What comes of each request, found on as many threads as there are cores.
fn in_threads<T: Send>(requests: &[Request], find: impl Fn(usize, &Request) -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(requests.len()).max(1);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut found = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(request) = requests.get(at) else { return found };
            found.push((at, find(at, request)));
        }
    };
    let mut found: Vec<(usize, T)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut found = work();
        for other in others {
            match other.join() {
                Ok(more) => found.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        found
    });
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, found)| found).collect()
}

fn found(request: &Request, site: &Site<'_>) -> Vec<Configuration> {
    taught(request, site, request.workload.configurations(site))
}

fn taught(request: &Request, site: &Site<'_>, ways: Vec<Configuration>) -> Vec<Configuration> {
    ways.into_iter().map(|way| way.taught(&request.name, site.lessons)).collect()
}

/// The ways to take, by workload, and whether nothing is better.
fn take(lines: &Lines, requests: &[Request], ways: &[Vec<Configuration>]) -> (Vec<Option<usize>>, bool) {
    let weight = |request: &Request| f64::from(request.priority).exp2().max(1.0);
    let choices = |(request, ways): (&Request, &Vec<Configuration>)| {
        let weight = weight(request);
        let mut choices: Vec<Choice> = ways.iter().map(|way| way.choice(weight)).collect();
        choices.push(Choice { needs: Vec::new(), value: LEFT_OUT * weight });
        choices
    };
    let workloads: Vec<Vec<Choice>> = requests.iter().zip(ways).map(choices).collect();
    let Some(solution) = solve(&lines.room(), &workloads, GIVEN_UP) else {
        return (vec![None; requests.len()], true);
    };
    let taken =
        solution.taken.iter().zip(ways).map(|(&number, ways)| (number < ways.len()).then_some(number));
    (taken.collect(), solution.best)
}
