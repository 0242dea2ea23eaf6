//! Whole indexes on a device: few of many lists, and signs, as a user would search them.

use std::path::Path;
use std::time::Instant;

use plimsoll::Place;
use plimsoll_vec::index::{Answer, Index, OnDevice, Probe, Search, Shape};
use plimsoll_vec::{Codec, Hit, Metric};

use super::BenchRow;
use super::data::Source;
use super::stand::Settings;
use crate::CliError;
use crate::bench::median;
use crate::vec::budget;

const K: usize = 10;
/// Lists that are looked into.
const PROBES: [usize; 5] = [1, 4, 16, 32, 64];
/// What is built, and whether in lists.
const INDEXES: [(Codec, bool); 4] =
    [(Codec::F16, true), (Codec::Int8, true), (Codec::Int4, true), (Codec::Binary, false)];

/// What is asked, and what would be right.
pub(super) struct Asked<'a> {
    pub(super) source: &'a Source,
    pub(super) queries: &'a [f32],
    pub(super) exact: &'a [Vec<Hit>],
    /// Bytes a second that the device reads and writes in copies.
    pub(super) limit: f64,
}

/// Measures them within a folder.
pub(super) fn all(
    settings: &Settings,
    place: Place,
    asked: &Asked<'_>,
    note: &dyn Fn(&str),
) -> Result<Vec<BenchRow>, CliError> {
    let home = settings.within.join(format!("plimsoll-vec-device-{}", std::process::id()));
    let failed = |source| CliError::Write { path: home.clone(), source };
    std::fs::create_dir_all(&home).map_err(failed)?;
    let measured = within(settings, place, asked, (&home, note));
    let _ = std::fs::remove_dir_all(&home);
    measured
}

fn within(
    settings: &Settings,
    place: Place,
    asked: &Asked<'_>,
    (home, note): (&Path, &dyn Fn(&str)),
) -> Result<Vec<BenchRow>, CliError> {
    let vectors = home.join("base.npy");
    note("vectors are made");
    let failed = |source| CliError::Write { path: vectors.clone(), source };
    asked.source.write(2, settings.rows, &vectors).map_err(failed)?;
    let mut rows = Vec::new();
    // Quick is quick: one codec tells what lists do.
    let indexes = INDEXES
        .into_iter()
        .filter(|(codec, _)| settings.has(*codec) && (!settings.quick || *codec == Codec::Int8));
    for (codec, lists) in indexes {
        let folder = home.join(codec.name());
        let lists = lists.then_some(settings.lists);
        let shape = Shape {
            dimension: settings.dimension,
            metric: Metric::L2,
            codec,
            originals: false,
            lists,
            reduced: None,
        };
        note(&format!("{codec} is built{}", if lists.is_some() { " in lists" } else { "" }));
        Index::create(&folder, shape, &budget::account(None)?)?.build(&vectors, None, |_| {})?;
        let account = budget::account_with(None, place, None)?;
        let index = Index::open(&folder, &account)?;
        note(&format!("{codec} is measured on {place}"));
        measure(settings, (&index, codec), asked, (place, &mut rows))?;
        drop(index);
        let _ = std::fs::remove_dir_all(&folder);
    }
    Ok(rows)
}

fn measure(
    settings: &Settings,
    (index, codec): (&Index, Codec),
    asked: &Asked<'_>,
    (place, rows): (Place, &mut Vec<BenchRow>),
) -> Result<(), CliError> {
    let mut device = index.on_device(place)?;
    let all = asked.queries.len() / settings.dimension;
    let probes = PROBES.into_iter().map(|probes| (all, Probe::Lists(probes)));
    let ways: Vec<(usize, Probe)> = match index.facts().lists {
        Some(facts) => probes
            .filter(|(_, probe)| matches!(probe, Probe::Lists(probes) if *probes < facts.count))
            .chain([(1, Probe::Recall(0.95))])
            .collect(),
        None => [1, 100, all].map(|queries| (queries, Probe::All)).into(),
    };
    for (queries, probe) in ways {
        let search = Search { probe, threads: settings.threads, ..Search::nearest(K) };
        // Codes come to the device, and all queries tell what is found.
        let found = device.search(asked.queries, &search)?;
        let seconds = timed(settings, &mut device, &asked.queries[..queries * settings.dimension], &search)?;
        let batch = if queries == 1 { "one query".to_owned() } else { format!("batch {queries}") };
        let (way, share) = match found.forecast.lists {
            Some(looked) => (
                format!("ivf {codec}, {batch}, {} of {} lists", looked.lists, looked.of),
                share(looked.lists, looked.of),
            ),
            None => (format!("index of {codec}, {batch}"), 1.0),
        };
        rows.push(row((way, place), (queries, seconds, share), (index, codec), asked, &found));
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a share")]
fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

fn timed(
    settings: &Settings,
    device: &mut OnDevice<'_>,
    queries: &[f32],
    search: &Search,
) -> Result<f64, CliError> {
    let mut took = Vec::new();
    for _ in 0..settings.turns {
        let began = Instant::now();
        device.search(queries, search)?;
        took.push(began.elapsed().as_secs_f64());
    }
    Ok(median(took))
}

#[expect(clippy::cast_precision_loss, reason = "rates")]
fn row(
    (way, place): (String, Place),
    (queries, seconds, share): (usize, f64, f64),
    (index, codec): (&Index, Codec),
    asked: &Asked<'_>,
    found: &Answer,
) -> BenchRow {
    let facts = index.facts();
    let bytes = facts.vectors as f64 * codec.row_bytes(facts.shape.dimension) as f64;
    // Of lists what queries look at, each for itself; else all rows once.
    let looked = if share < 1.0 { bytes * share * queries as f64 } else { bytes };
    let (mut hits, mut all) = (0, 0);
    for (query, exact) in asked.exact.iter().enumerate() {
        all += exact.len();
        hits += found.of(query).filter(|(id, _)| exact.iter().any(|hit| hit.row == *id)).count();
    }
    BenchRow {
        work: format!("{way} on {place}"),
        engine: "plimsoll",
        qps: queries as f64 / seconds,
        ms: seconds * 1e3,
        gb_per_s: looked / seconds / 1e9,
        bandwidth_fraction: looked / seconds / asked.limit,
        recall: hits as f64 / all.max(1) as f64,
    }
}
