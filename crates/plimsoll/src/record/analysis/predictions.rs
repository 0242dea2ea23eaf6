//! What a plan predicted, beside what was measured.

use super::{Atlas, PlaceSummary, Step, Tracker};
use crate::record::{Event, Facts, Kind, Names, Prediction};

/// What a prediction is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Charged bytes, as lines count them.
    Charged,
    /// Leased bytes as placed: the recording does not tell what was charged.
    Placed,
}

/// A prediction and the measured peak of the same.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictionCheck {
    /// What was predicted.
    pub prediction: Prediction,
    /// The most there was.
    pub measured: u64,
    /// Of what.
    pub measure: Measure,
}

impl PredictionCheck {
    /// By how much the measured peak differs, as a share of the prediction: 0.1 is ten percent more than predicted.
    #[expect(clippy::cast_precision_loss, reason = "a share is for people")]
    pub fn difference(&self) -> Option<f64> {
        let predicted = self.prediction.bytes.get();
        (predicted > 0).then(|| self.measured as f64 / predicted as f64 - 1.0)
    }
}

/// One account's sums at one place.
#[derive(Debug)]
struct Account {
    prediction: usize,
    placed: u64,
    placed_peak: u64,
    charged: u64,
    charged_peak: u64,
    charges: bool,
}

/// Follows the accounts that somebody predicted.
#[derive(Debug)]
pub(super) struct Checks {
    accounts: Vec<Account>,
    /// By source: which of them it counts for.
    of_source: Vec<Vec<usize>>,
    /// By source: what it surely has charged when the recording begins, until it says how much that is.
    assumed: Vec<u64>,
    preface: bool,
}

impl Checks {
    pub(super) fn new(facts: &Facts, names: &Names) -> Self {
        let mut of_source = vec![Vec::new(); names.sources.len()];
        let mut accounts = Vec::new();
        let mut assumed = vec![0_u64; names.sources.len()];
        for base in &facts.baseline {
            if let Some(assumed) = assumed.get_mut(usize::from(base.source)) {
                *assumed = assumed.saturating_add(base.placed.get());
            }
        }
        for (at, prediction) in facts.predictions.iter().enumerate() {
            let Some(account) = &prediction.account else { continue };
            let mut sum = Account {
                prediction: at,
                placed: 0,
                placed_peak: 0,
                charged: 0,
                charged_peak: 0,
                charges: false,
            };
            for (number, source) in names.sources.iter().enumerate() {
                if source.place != prediction.place || !within(&source.account, account) {
                    continue;
                }
                of_source[number].push(accounts.len());
                sum.charged = sum.charged.saturating_add(assumed[number]);
            }
            sum.charged_peak = sum.charged;
            accounts.push(sum);
        }
        Self { accounts, of_source, assumed, preface: true }
    }

    pub(super) fn see(&mut self, event: &Event, step: &Step, tracker: &Tracker<'_>) {
        if self.accounts.is_empty() {
            return;
        }
        match step {
            Step::Began { block, lost } => {
                self.place(event.source, block.placed, lost.map_or(0, |lost| lost.placed));
            }
            Step::Ended(block) => self.place(event.source, 0, block.placed),
            Step::Unknown { lost: Some(lost) } => self.place(event.source, 0, lost.placed),
            Step::GivenBack => {
                let gone = tracker.lost().iter().map(|(_, block)| block.placed).sum();
                self.place(event.source, 0, gone);
            }
            _ => {}
        }
        self.preface = self.preface && event.kind == Kind::Charge && event.at_ns == 0;
        match event.kind {
            Kind::Charge => self.charge(event.source, event.bytes, 0),
            Kind::Discharge => self.charge(event.source, 0, event.bytes),
            Kind::Demote | Kind::Promote => {
                self.charge(event.source, 0, event.bytes);
                if let Ok(to) = u16::try_from(event.address) {
                    self.charge(to, event.bytes, 0);
                }
            }
            _ => {}
        }
    }

    fn place(&mut self, source: u16, more: u64, less: u64) {
        for &at in self.of_source.get(usize::from(source)).into_iter().flatten() {
            let account = &mut self.accounts[at];
            account.placed = account.placed.saturating_sub(less).saturating_add(more);
            account.placed_peak = account.placed_peak.max(account.placed);
        }
    }

    fn charge(&mut self, source: u16, more: u64, less: u64) {
        let assumed =
            self.assumed.get_mut(usize::from(source)).filter(|_| self.preface).map_or(0, std::mem::take);
        for &at in self.of_source.get(usize::from(source)).into_iter().flatten() {
            let account = &mut self.accounts[at];
            if self.preface {
                account.charged_peak = 0;
            }
            account.charged =
                account.charged.saturating_sub(assumed).saturating_sub(less).saturating_add(more);
            account.charged_peak = account.charged_peak.max(account.charged);
            account.charges = true;
        }
    }

    pub(super) fn finish(
        self,
        facts: &Facts,
        atlas: &Atlas,
        places: &[PlaceSummary],
    ) -> Vec<PredictionCheck> {
        let of = |(at, prediction): (usize, &Prediction)| {
            let account = self.accounts.iter().find(|account| account.prediction == at);
            let place = || places.get(atlas.number(prediction.place)?);
            let (measured, measure) = match (account, place()) {
                (Some(account), _) if account.charges => (account.charged_peak, Measure::Charged),
                (Some(account), _) => (account.placed_peak, Measure::Placed),
                (None, Some(PlaceSummary { charged: Some(charged), .. })) => {
                    (charged.bytes, Measure::Charged)
                }
                (None, place) => (place.map_or(0, |place| place.placed.bytes), Measure::Placed),
            };
            PredictionCheck { prediction: prediction.clone(), measured, measure }
        };
        facts.predictions.iter().enumerate().map(of).collect()
    }
}

/// Whether an account is this one or below it.
fn within(account: &str, of: &str) -> bool {
    account.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
