//! What `plimsoll recording show --json` prints.

use std::collections::BTreeMap;

use plimsoll::record::Kind;
use plimsoll::record::analysis::{
    Evictions, LeaseAtPeak, Measure, Moment, Oddities, Peak, PlaceSummary, PredictionCheck, PressureAt,
    Refusals, ScopeUse, Share, Study,
};
use serde::Serialize;

/// A recording in numbers. What it does not tell is null.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecordingReport {
    /// The program that was recorded.
    pub program: String,
    /// When it began, in milliseconds since 1970.
    pub started_unix_ms: u64,
    /// How long it took.
    pub duration_ns: u64,
    /// Events that are in it.
    pub events: u64,
    /// Events that happened and are missing.
    pub dropped: u64,
    /// The file ended before its end.
    pub cut: bool,
    /// What did not add up, in words; null when everything did.
    pub odd: Option<String>,
    /// Events by kind.
    pub counts: BTreeMap<&'static str, u64>,
    /// Place by place.
    pub places: Vec<PlaceReport>,
    /// Predictions beside what was measured.
    pub predictions: Vec<PredictionReport>,
    /// What was given up, most bytes first.
    pub evictions: Vec<EvictionsReport>,
    /// What was refused, most often first.
    pub refusals: Vec<RefusalsReport>,
    /// Changes of pressure.
    pub pressure: Vec<PressureReport>,
    /// What scopes did, the highest peak first.
    pub scopes: Vec<ScopeReport>,
}

/// A peak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MomentReport {
    /// How many bytes.
    pub bytes: u64,
    /// When, after the beginning.
    pub at_ns: u64,
}

/// A part of a peak.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShareReport {
    /// The label or the account.
    pub name: String,
    /// Bytes as asked.
    pub bytes: u64,
    /// In how many leases.
    pub leases: Option<u64>,
}

/// A line of code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SiteReport {
    /// The file.
    pub file: String,
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// A lease that was alive at a peak.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeaseReport {
    /// Whose.
    pub account: String,
    /// Bytes as asked.
    pub bytes: u64,
    /// Bytes as placed.
    pub placed: u64,
    /// Its tag.
    pub tag: Option<String>,
    /// Its scope.
    pub scope: Option<String>,
    /// The line of code.
    pub site: Option<SiteReport>,
    /// How old it was; null when it is older than the recording.
    pub age_ns: Option<u64>,
    /// It waited for the device.
    pub pending: bool,
}

/// One place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlaceReport {
    /// Which.
    pub place: String,
    /// Its line.
    pub line: Option<u64>,
    /// The most leased at once, as asked.
    pub peak_requested: MomentReport,
    /// The same as placed.
    pub peak_placed: MomentReport,
    /// The most that pools had.
    pub peak_backed: Option<MomentReport>,
    /// The most that was charged.
    pub peak_charged: Option<MomentReport>,
    /// The most leases at once.
    pub peak_leases: u64,
    /// Bytes that were leased before it began.
    pub leased_before: u64,
    /// Leases that it has.
    pub leases: u64,
    /// Their bytes.
    pub leased_bytes: u64,
    /// Bytes still leased at the end.
    pub end_leased: u64,
    /// Leases that had not ended.
    pub end_leases: u64,
    /// The peak by label.
    pub peak_by_label: Vec<ShareReport>,
    /// The peak by account.
    pub peak_by_account: Vec<ShareReport>,
    /// The largest leases at the peak.
    pub largest: Vec<LeaseReport>,
    /// At the peak: the share of backed memory that was not placed.
    pub idle: Option<f64>,
    /// At the peak: the share of free memory that the largest run was not.
    pub scattered: Option<f64>,
}

/// A prediction and what came.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PredictionReport {
    /// Where.
    pub place: String,
    /// Whose; null is all of the place.
    pub account: Option<String>,
    /// How much was predicted.
    pub predicted: u64,
    /// How much there was.
    pub measured: u64,
    /// Of what: charged or placed bytes.
    pub measure: &'static str,
    /// Measured over predicted, less one.
    pub difference: Option<f64>,
}

/// What was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EvictionsReport {
    /// Where.
    pub place: String,
    /// Whose.
    pub account: String,
    /// From which cache.
    pub cache: String,
    /// Why.
    pub reason: &'static str,
    /// How many values.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusalsReport {
    /// Where.
    pub place: String,
    /// Whom.
    pub account: String,
    /// Why.
    pub reason: &'static str,
    /// How many requests.
    pub count: u64,
    /// The largest.
    pub largest: u64,
}

/// A change of pressure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PressureReport {
    /// When.
    pub at_ns: u64,
    /// Where.
    pub place: String,
    /// From then on.
    pub level: &'static str,
    /// What may be carried from then on.
    pub carry: u64,
}

/// What the scopes of a name did at a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScopeReport {
    /// Its name.
    pub name: String,
    /// Where.
    pub place: Option<String>,
    /// How often.
    pub calls: u64,
    /// How long in all.
    pub total_ns: u64,
    /// Leases.
    pub leases: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The most above what was leased on entry.
    pub peak_above_entry: u64,
}

impl RecordingReport {
    /// A study for printing.
    pub fn new(study: &Study) -> Self {
        let facts = &study.summary.facts;
        let odd = Oddities { dropped: 0, ..study.summary.odd };
        let counted = Kind::ALL.into_iter().map(|kind| (kind.name(), study.summary.count(kind)));
        let places = study.summary.places.iter().zip(&study.peaks);
        Self {
            program: facts.program.clone(),
            started_unix_ms: facts.started_unix_ms,
            duration_ns: study.summary.duration_ns(),
            events: facts.events,
            dropped: facts.dropped,
            cut: facts.cut,
            odd: (!odd.is_clear()).then(|| odd.to_string()),
            counts: counted.filter(|(_, count)| *count > 0).collect(),
            places: places.map(|(summary, peak)| place(summary, peak)).collect(),
            predictions: study.predictions.iter().map(prediction).collect(),
            evictions: study.troubles.evictions.iter().map(evictions).collect(),
            refusals: study.troubles.refusals.iter().map(refusals).collect(),
            pressure: study.troubles.pressure.iter().map(pressure).collect(),
            scopes: study.scopes.iter().map(scope).collect(),
        }
    }
}

const fn moment(moment: Moment) -> MomentReport {
    MomentReport { bytes: moment.bytes, at_ns: moment.at_ns }
}

fn place(summary: &PlaceSummary, peak: &Peak) -> PlaceReport {
    let share =
        |share: &Share| ShareReport { name: share.name.clone(), bytes: share.bytes, leases: share.leases };
    let known = summary.backed.is_some() && peak.fragmentation.backed > 0;
    PlaceReport {
        place: summary.place.to_string(),
        line: summary.line,
        peak_requested: moment(summary.requested),
        peak_placed: moment(summary.placed),
        peak_backed: summary.backed.map(moment),
        peak_charged: summary.charged.map(moment),
        peak_leases: summary.blocks,
        leased_before: summary.before,
        leases: summary.leases,
        leased_bytes: summary.leased_bytes,
        end_leased: summary.end_live,
        end_leases: summary.end_blocks,
        peak_by_label: peak.by_label.iter().map(share).collect(),
        peak_by_account: peak.by_account.iter().map(share).collect(),
        largest: peak.largest.iter().map(lease).collect(),
        idle: known.then(|| peak.fragmentation.idle()),
        scattered: known.then(|| peak.fragmentation.scattered()),
    }
}

fn lease(lease: &LeaseAtPeak) -> LeaseReport {
    let site = lease.site.as_ref();
    LeaseReport {
        account: lease.account.clone(),
        bytes: lease.bytes,
        placed: lease.placed,
        tag: lease.tag.clone(),
        scope: lease.scope.clone(),
        site: site.map(|site| SiteReport { file: site.file.clone(), line: site.line, column: site.column }),
        age_ns: lease.age_ns,
        pending: lease.pending,
    }
}

/// What a prediction was held against, for programs.
pub(crate) const fn measured_as(measure: Measure) -> &'static str {
    match measure {
        Measure::Charged => "charged",
        Measure::Placed => "placed",
    }
}

fn prediction(check: &PredictionCheck) -> PredictionReport {
    PredictionReport {
        place: check.prediction.place.to_string(),
        account: check.prediction.account.clone(),
        predicted: check.prediction.bytes.get(),
        measured: check.measured,
        measure: measured_as(check.measure),
        difference: check.difference(),
    }
}

fn evictions(evicted: &Evictions) -> EvictionsReport {
    EvictionsReport {
        place: evicted.place.to_string(),
        account: evicted.account.clone(),
        cache: evicted.cache.clone(),
        reason: evicted.reason,
        count: evicted.count,
        bytes: evicted.bytes,
    }
}

fn refusals(refused: &Refusals) -> RefusalsReport {
    RefusalsReport {
        place: refused.place.to_string(),
        account: refused.account.clone(),
        reason: refused.reason,
        count: refused.count,
        largest: refused.largest,
    }
}

fn pressure(change: &PressureAt) -> PressureReport {
    PressureReport {
        at_ns: change.at_ns,
        place: change.place.to_string(),
        level: change.level,
        carry: change.carry,
    }
}

fn scope(scope: &ScopeUse) -> ScopeReport {
    ScopeReport {
        name: scope.name.clone(),
        place: scope.place.map(|place| place.to_string()),
        calls: scope.calls,
        total_ns: scope.total_ns,
        leases: scope.leases,
        bytes: scope.bytes,
        peak_above_entry: scope.peak_above_entry,
    }
}
