//! One fine-tuning on several stages: each has the whole model and takes its share of the passes.

use std::sync::Arc;
use std::thread;

use plimsoll::Bytes;
use plimsoll_tensor::{Share, Together};

use super::error::TuneError;
use super::fit::Fit;
use super::settings::TuneSettings;
use super::tuner::{Batch, StepReport, Tuner};

/// One fine-tuning on one stage or several.
///
/// All begin with the same changes. In a step each goes there and back through its share of the passes, the gradients are
/// added up over all of them, and each makes the same step of them, so that what is learned stays the same everywhere. When
/// one fails, all do.
///
/// The optimizer's states may be divided ([`TuneSettings::share`]): then each makes the step of its own part, and what it made
/// of it goes to all.
#[derive(Debug)]
pub struct Team {
    tuners: Vec<Tuner>,
}

impl From<Tuner> for Team {
    fn from(tuner: Tuner) -> Self {
        Self { tuners: vec![tuner] }
    }
}

impl AsRef<[Tuner]> for Team {
    fn as_ref(&self) -> &[Tuner] {
        &self.tuners
    }
}

impl Team {
    /// These, which are of one model and were asked for the same, with their places among those that add up together.
    pub fn of(members: Vec<(Tuner, Arc<dyn Together>)>) -> Result<Self, TuneError> {
        let count = members.len();
        let asked = |tuner: &Tuner| TuneSettings { share: Share::ALL, ..tuner.settings().clone() };
        let alike = members.windows(2).all(|two| asked(&two[0].0) == asked(&two[1].0));
        let shares = |divided: bool| {
            let wanted = |place| if divided { Share { place, members: count } } else { Share::ALL };
            members.iter().enumerate().all(|(place, (tuner, _))| tuner.settings().share == wanted(place))
        };
        if count == 0
            || !alike
            || !(shares(true) || shares(false))
            || members.iter().any(|(_, together)| together.members() != count)
        {
            let what =
                "those that learn together are to be asked for the same, each with a place of its own and all of \
                 the optimizer's states or its share of them; give one for each stage"
                    .to_owned();
            return Err(TuneError::Settings { what });
        }
        let tuners = members.into_iter().map(|(mut tuner, together)| {
            tuner.join(together);
            tuner
        });
        Ok(Self { tuners: tuners.collect() })
    }

    /// How many there are.
    pub fn members(&self) -> usize {
        self.tuners.len()
    }

    /// One of them, as good as any.
    pub fn first(&self) -> &Tuner {
        &self.tuners[0]
    }

    /// The same, to be changed as long as it learns alone or the others are changed alike.
    pub fn first_mut(&mut self) -> &mut Tuner {
        &mut self.tuners[0]
    }

    /// All of them: what is changed of one is to be changed of all.
    pub fn each(&mut self) -> impl Iterator<Item = &mut Tuner> {
        self.tuners.iter_mut()
    }

    /// How many passes a step takes, over all.
    pub fn passes(&self) -> usize {
        self.members() * self.first().settings().passes
    }

    /// Chooses for each what its layers keep so that a step stays below the line of its place, and holds it to a plan. What
    /// each has beside tensors is asked for by place among the members.
    pub fn fit_and_hold(
        &mut self,
        line: Bytes,
        beside: impl Fn(usize, &Tuner) -> Bytes,
    ) -> Result<Fit, TuneError> {
        let mut largest: Option<Fit> = None;
        for (place, tuner) in self.tuners.iter_mut().enumerate() {
            let fit = tuner.fit_and_hold(line, beside(place, tuner))?;
            largest = largest.filter(|other| other.peak >= fit.peak).or(Some(fit));
        }
        largest.ok_or_else(|| TuneError::Settings { what: "there is nobody to learn".to_owned() })
    }

    /// One step, of as many passes as [all of them](Self::passes) take. What is told of memory is the most that one had.
    pub fn step(&mut self, passes: &[Batch]) -> Result<StepReport, TuneError> {
        if self.tuners.len() == 1 {
            return self.tuners[0].step(passes);
        }
        let share = self.first().settings().passes;
        if passes.len() != share * self.members() {
            return Err(TuneError::Batch { found: passes.len(), wanted: share * self.members() });
        }
        let done: Vec<Result<StepReport, TuneError>> = thread::scope(|scope| {
            let all = self.tuners.iter_mut().zip(passes.chunks(share));
            let running: Vec<_> = all.map(|(tuner, own)| scope.spawn(|| tuner.step(own))).collect();
            let done = running.into_iter().map(|one| match one.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            done.collect()
        });
        let mut found: Option<StepReport> = None;
        let mut failed: Option<TuneError> = None;
        for done in done {
            match done {
                Ok(report) => {
                    let before = found.get_or_insert(report);
                    before.peak = before.peak.max(report.peak);
                    before.away = before.away.max(report.away);
                    before.as_planned &= report.as_planned;
                }
                // Who failed first made the others fail; what it says is worth more.
                Err(error) if failed.as_ref().is_none_or(TuneError::is_of_another) => failed = Some(error),
                Err(_) => {}
            }
        }
        match (failed, found) {
            (None, Some(report)) => Ok(report),
            (Some(error), _) => Err(error),
            (None, None) => Err(TuneError::Settings { what: "there is nobody to learn".to_owned() }),
        }
    }
}
