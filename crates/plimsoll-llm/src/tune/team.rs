//! One fine-tuning on several stages: each takes its share of the passes, with the whole model or with parts of it from the others.

use std::sync::Arc;
use std::thread;

use plimsoll::Bytes;
use plimsoll_tensor::{Share, Together};

use super::error::TuneError;
use super::fit::Fit;
use super::settings::TuneSettings;
use super::tuner::{Batch, StepReport, Tuner, mean};

/// One fine-tuning on one stage or several.
///
/// All begin with the same changes. In a step each goes there and back through its share of the passes, the gradients are
/// added up over all of them, and each makes the same step of them, so that what is learned stays the same everywhere. When
/// one fails, all do.
///
/// The optimizer's states may be divided ([`TuneSettings::share`]): then each makes the step of its own part, and what it made
/// of it goes to all. Matrices of layers may be too ([`Homes::divided`](super::Homes::divided)): then each has all of a layer's
/// only while it computes the layer.
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
        let of_weights = |place: usize, tuner: &Tuner| {
            let (frozen, first) = (tuner.frozen(), members[0].0.frozen());
            frozen.homes() == first.homes()
                && (frozen.homes().divided == 0 || frozen.stages.share == Share { place, members: count })
        };
        let shares = |divided: bool| {
            let wanted = |place| if divided { Share { place, members: count } } else { Share::ALL };
            members.iter().enumerate().all(|(place, (tuner, _))| tuner.settings().share == wanted(place))
        };
        if count == 0
            || !alike
            || !(shares(true) || shares(false))
            || !members.iter().enumerate().all(|(place, (tuner, _))| of_weights(place, tuner))
            || members.iter().any(|(_, together)| together.members() != count)
        {
            let what =
                "those that learn together are to be asked for the same, each with a place of its own and all of \
                 the optimizer's states or its share of them, and of divided weights its part; give one for each stage"
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

    /// The mean loss of some passes, of which each of them takes some; nothing is learned from them.
    pub fn evaluate(&self, passes: &[Batch]) -> Result<f32, TuneError> {
        let Some(first) = passes.first() else { return Ok(0.0) };
        if self.tuners.len() == 1 {
            return self.tuners[0].evaluate(passes);
        }
        let (members, rounds) = (self.members(), passes.len().div_ceil(self.members()));
        // Who has none left takes the first again, because the others may need what it has a part of.
        let of = |place| (0..rounds).map(move |round| passes.get(round * members + place).unwrap_or(first));
        let losses = each(self.tuners.iter().enumerate(), |(place, tuner)| {
            tuner.losses(&of(place).collect::<Vec<_>>())
        });
        let losses = of_all(losses)?;
        let in_turn = (0..passes.len()).map(|pass| losses[pass % members][pass / members]);
        Ok(mean(&in_turn.collect::<Vec<_>>()))
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
        let all = self.tuners.iter_mut().zip(passes.chunks(share));
        let reports = of_all(each(all, |(tuner, own)| tuner.step(own)))?;
        let together = reports.into_iter().reduce(|mut all, one| {
            all.peak = all.peak.max(one.peak);
            all.away = all.away.max(one.away);
            all.as_planned &= one.as_planned;
            all
        });
        together.ok_or_else(|| TuneError::Settings { what: "there is nobody to learn".to_owned() })
    }
}

/// Does something with each at once.
fn each<T: Send, R: Send>(all: impl Iterator<Item = T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let work = &work;
    thread::scope(|scope| {
        let running: Vec<_> = all.map(|one| scope.spawn(move || work(one))).collect();
        let done = running.into_iter().map(|one| match one.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        done.collect()
    })
}

/// What all have done, or why not. Who failed first made the others fail; what it says is worth more.
fn of_all<T>(done: Vec<Result<T, TuneError>>) -> Result<Vec<T>, TuneError> {
    let mut failed: Option<TuneError> = None;
    let mut all = Vec::with_capacity(done.len());
    for done in done {
        match done {
            Ok(found) => all.push(found),
            Err(error) if failed.as_ref().is_none_or(TuneError::is_of_another) => failed = Some(error),
            Err(_) => {}
        }
    }
    failed.map_or(Ok(all), Err)
}
