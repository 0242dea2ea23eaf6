//! What earlier runs teach of the planner's estimates.

use std::collections::BTreeMap;

use plimsoll::Bytes;
use plimsoll::runs::{Pair, Run};

use crate::{Certainty, Part};

/// Fewer runs teach nothing: one odd run must not bend every plan after it.
const FEWEST: usize = 3;
/// Only the newest count, so that a mended program is forgiven.
const MOST: usize = 64;
/// A factor beyond this is a mistake of the run (stopped early, another model), not of the estimate.
const WIDEST: f64 = 4.0;

/// By part and place kind: how measured peaks stood to what had been predicted.
///
/// Only estimates learn. What is exact is exact; when it is not met, the run was another one than was planned, or the
/// formula is wrong, and then it must be mended and not bent. A part of a workload learns from that workload's own runs
/// where there are enough, else from all runs of the part.
///
/// The middle of the ratios moves the estimate; what holds nine of ten of them around that becomes its margin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lessons {
    ratios: BTreeMap<(String, String), Vec<f64>>,
    runs: usize,
}

/// What was learnt of one part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lesson {
    /// Measured over predicted, in the middle.
    pub factor: f64,
    /// The share around it that holds nine of ten.
    pub margin: f64,
    /// From how many runs.
    pub runs: usize,
}

impl Lessons {
    /// From the runs that were kept, oldest first.
    pub fn of(runs: &[Run]) -> Self {
        let mut lessons = Self { runs: runs.len(), ..Self::default() };
        for pair in runs.iter().flat_map(|run| &run.pairs) {
            lessons.take(pair);
        }
        lessons
    }

    fn take(&mut self, pair: &Pair) {
        // A workload that never ran says nothing of what it needs.
        if pair.predicted_bytes == 0 || pair.measured_bytes == 0 {
            return;
        }
        let ratio = Bytes::new(pair.measured_bytes).ratio(Bytes::new(pair.predicted_bytes));
        if !(1.0 / WIDEST..=WIDEST).contains(&ratio) {
            return;
        }
        let workload = pair.account.rsplit_once('/').map_or("", |(workload, _)| workload);
        for key in [workload, ""] {
            let ratios = self.ratios.entry((key.to_owned(), pair.part().to_owned())).or_default();
            ratios.push(ratio);
            if workload.is_empty() {
                break;
            }
        }
    }

    /// From how many runs, whatever they say.
    pub const fn runs(&self) -> usize {
        self.runs
    }

    /// What was learnt of a part of a workload, if anything.
    pub fn lesson(&self, workload: &str, part: &str) -> Option<Lesson> {
        let found = |key: &str| {
            let ratios = self.ratios.get(&(key.to_owned(), part.to_owned()))?;
            lesson(&ratios[ratios.len().saturating_sub(MOST)..])
        };
        found(workload).or_else(|| found(""))
    }

    /// The part as these lessons have it.
    #[must_use]
    pub fn teach(&self, workload: &str, mut part: Part) -> Part {
        if !matches!(part.certainty, Certainty::Estimated(_)) {
            return part;
        }
        let Some(lesson) = self.lesson(workload, part.account) else { return part };
        part.bytes = times(part.bytes, lesson.factor);
        part.certainty = Certainty::Estimated(lesson.margin);
        part.formula =
            part.formula.term("learnt factor", format!("{:.3} of {} runs", lesson.factor, lesson.runs));
        part
    }
}

fn times(bytes: Bytes, factor: f64) -> Bytes {
    if factor < 1.0 { bytes.fraction(factor) } else { Certainty::Estimated(factor - 1.0).high(bytes) }
}

fn lesson(ratios: &[f64]) -> Option<Lesson> {
    if ratios.len() < FEWEST {
        return None;
    }
    let mut sorted = ratios.to_vec();
    sorted.sort_by(f64::total_cmp);
    let factor = sorted[sorted.len() / 2];
    let mut off: Vec<f64> = sorted.iter().map(|ratio| (ratio / factor - 1.0).abs()).collect();
    off.sort_by(f64::total_cmp);
    let margin = off[(off.len() * 9 / 10).min(off.len() - 1)];
    Some(Lesson { factor, margin, runs: ratios.len() })
}

#[cfg(test)]
mod tests {
    use plimsoll::Place;

    use super::*;
    use crate::Formula;

    fn run(account: &str, predicted: u64, measured: u64) -> Run {
        let pair = Pair {
            account: account.to_owned(),
            place: "host".to_owned(),
            predicted_bytes: predicted,
            measured_bytes: measured,
        };
        Run { plan: String::new(), ended_ms: 0, pairs: vec![pair] }
    }

    fn part(certainty: Certainty) -> Part {
        Part {
            name: "compute buffer".to_owned(),
            place: Place::Host,
            account: "scratch",
            bytes: Bytes::new(1000),
            certainty,
            formula: Formula::new("x"),
        }
    }

    #[test]
    fn estimates_move_to_the_middle_of_what_was_measured_and_take_its_margin() {
        let runs: Vec<Run> =
            [110, 120, 130, 120, 5000, 0].map(|measured| run("chat/scratch", 100, measured)).into();
        let lessons = Lessons::of(&runs);
        let taught = lessons.teach("chat", part(Certainty::Estimated(0.3)));
        assert_eq!(taught.bytes, Bytes::new(1200));
        let Certainty::Estimated(margin) = taught.certainty else { panic!("{taught:?}") };
        assert!((0.05..0.1).contains(&margin), "{margin}");
        assert!(taught.formula.to_string().contains("learnt factor = 1.200 of 4 runs"));
        assert_eq!(lessons.teach("chat", part(Certainty::Exact)), part(Certainty::Exact));
        let fewer = Lessons::of(&[
            run("chat/scratch", 100, 80),
            run("a/scratch", 100, 80),
            run("b/scratch", 100, 80),
        ]);
        assert_eq!(fewer.teach("other", part(Certainty::Estimated(0.3))).bytes, Bytes::new(800), "from all");
    }

    #[test]
    fn two_runs_teach_nothing_and_a_workload_is_not_taught_by_another_part() {
        let lessons = Lessons::of(&[run("chat/scratch", 100, 150), run("chat/scratch", 100, 150)]);
        assert_eq!(lessons.lesson("chat", "scratch"), None);
        let lessons = Lessons::of(&vec![run("chat/kv", 100, 150); 9]);
        assert_eq!(lessons.lesson("chat", "scratch"), None);
        assert_eq!(lessons.runs(), 9);
    }
}
