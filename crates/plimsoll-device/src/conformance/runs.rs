//! Rows that only some queries look at, held to the reference and to the search of all rows.

use super::Check;
use super::kernels::offered;
use super::nearest::{Data, empty, same, shape};
use super::trial::{Stop, Trial, failed, must, pattern, refused};
use crate::Stream;
use crate::kernels::nearest::{self, Form, Measure, Nearest, NearestRuns, NearestShape, Run, RunsShape};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "runs of rows are looked at by the queries that want them", run: wanted },
    Check { name: "runs of all rows are all rows, to the bit", run: all },
    Check { name: "squares change nothing about what is found in runs", run: squares },
    Check { name: "a search of runs refuses what does not fit", run: refusals },
];

/// Runs of uneven lengths with gaps between, numbered from `number` on with jumps, and who wants them: nobody, one, a few, all.
fn tables(shape: &NearestShape, number: u32, seed: u64) -> (Vec<Run>, Vec<u32>) {
    let lots = pattern(4096, seed);
    let (mut runs, mut wants) = (Vec::new(), Vec::new());
    let (mut begin, mut at) = (0, 0);
    let mut next = || {
        at += 1;
        u32::from(lots[at % lots.len()])
    };
    while begin < shape.rows {
        let end = (begin + [1, 7, 33, 64, 150][next() as usize % 5]).min(shape.rows);
        let from = wants.len();
        match next() % 4 {
            0 => {}
            1 => wants.push(next() % shape.queries),
            2 => wants.extend((0..shape.queries).filter(|_| next() % 3 == 0)),
            _ => wants.extend(0..shape.queries),
        }
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        runs.push(Run { begin, end, first: number + begin, from: narrow(from), to: narrow(wants.len()) });
        begin = end + next() % 3;
    }
    (runs, wants)
}

fn possible(trial: &Trial<'_>) -> Result<(), Stop> {
    if offered(trial)?.searches_runs() { Ok(()) } else { Err(Stop::Skipped("it searches all rows")) }
}

fn wanted(trial: &Trial<'_>) -> Result<(), Stop> {
    possible(trial)?;
    let modes = trial.modes()?;
    let sizes = [(65, 1, 7, 3), (400, 3, 33, 10), (500, 20, 64, 300), (600, 40, 32, 5), (200, 9, 31, 4)];
    for (sizes, seed) in sizes.into_iter().zip(0..) {
        for (form, at) in Form::ALL.into_iter().zip(seed..) {
            let measure = match form {
                Form::Sign => Measure::Hamming,
                _ => [Measure::Distance, Measure::Product][at % 2],
            };
            let mut data = Data::whole(shape(sizes, form, measure), 2000 + at as u64);
            data.first = 5000;
            let data = if at % 3 == 0 { data.masked() } else { data };
            let (runs, wants) = tables(&data.shape, 5000, 30 + at as u64);
            let mode = modes[at % modes.len()];
            let step = format!("{}, among {} runs", data.step(mode), runs.len());
            let mut right = empty(&data.shape);
            let mut found = right.clone();
            // In two calls: what is in the lists before stays there.
            for runs in runs.chunks(runs.len().div_ceil(2)) {
                found = data.search_with(trial, mode, &found, (&step, None, Some((runs, &wants))))?;
            }
            nearest::reference_runs(&data.shape, &data.stored(), (&runs, &wants), &mut right);
            same(trial, &step, &found, &right)?;
        }
    }
    Ok(())
}

fn all(trial: &Trial<'_>) -> Result<(), Stop> {
    possible(trial)?;
    let mode = trial.any_mode()?;
    for (sizes, seed) in [((500, 1, 100, 10), 1), ((300, 17, 64, 20), 2), ((130, 5, 768, 100), 3)] {
        for form in Form::ALL {
            for measure in [Measure::Distance, Measure::Product] {
                let data = Data::near(shape(sizes, form, measure), seed);
                let rows = data.shape.rows;
                let everyone: Vec<u32> = (0..data.shape.queries).collect();
                let run = |begin, end| Run { begin, end, first: begin, from: 0, to: data.shape.queries };
                let runs = [run(0, 3), run(3, 3), run(3, 90), run(90, rows)];
                let step = format!("{}, in runs", data.step(mode));
                let lists = empty(&data.shape);
                let right = data.search(trial, mode, &lists, &step)?;
                let found = data.search_with(trial, mode, &lists, (&step, None, Some((&runs, &everyone))))?;
                same(trial, &step, &found, &right)?;
            }
        }
    }
    Ok(())
}

/// With squares a back end may bound what many look at first: of rows that are numbered as they lie, and of others.
fn squares(trial: &Trial<'_>) -> Result<(), Stop> {
    possible(trial)?;
    let (kernels, mode) = (offered(trial)?, trial.any_mode()?);
    for (sizes, form) in [
        ((500, 130, 64, 20), Form::F32),
        ((700, 300, 32, 10), Form::F16),
        ((400, 40, 96, 7), Form::Bf16),
        ((513, 33, 48, 300), Form::Int8),
        ((260, 150, 256, 10), Form::F16),
        ((300, 40, 64, 5), Form::Level4),
    ] {
        for (measure, seed) in [(Measure::Distance, 1), (Measure::Product, 2)] {
            let mut data = Data::near(shape(sizes, form, measure), u64::from(sizes.0) + seed);
            data.first = 640;
            if !kernels.wants_squares(&data.shape) {
                continue;
            }
            let data = if seed == 2 { data.masked() } else { data };
            let step = format!("{}, in runs with squares", data.step(mode));
            let kept = data.squared(trial, mode, &step)?;
            let (mut runs, wants) = tables(&data.shape, data.first, seed);
            let lists = empty(&data.shape);
            let without = data.search_with(trial, mode, &lists, (&step, None, Some((&runs, &wants))))?;
            let with = data.search_with(trial, mode, &lists, (&step, Some(&kept), Some((&runs, &wants))))?;
            same(trial, &step, &with, &without)?;
            // What is in lists already bounds what comes: half of the runs, then the rest.
            let (one, other) = runs.split_at(runs.len() / 2);
            let mut found = lists.clone();
            for runs in [one, other] {
                found = data.search_with(trial, mode, &found, (&step, Some(&kept), Some((runs, &wants))))?;
            }
            same(trial, &step, &found, &without)?;
            if let Some(last) = runs.last_mut().filter(|_| data.mask.is_none()) {
                last.first += 1;
                let without = data.search_with(trial, mode, &lists, (&step, None, Some((&runs, &wants))))?;
                let with =
                    data.search_with(trial, mode, &lists, (&step, Some(&kept), Some((&runs, &wants))))?;
                same(trial, &format!("{step}, the last one further"), &with, &without)?;
            }
        }
    }
    Ok(())
}

fn refusals(trial: &Trial<'_>) -> Result<(), Stop> {
    use crate::DeviceError::BadOperation;
    possible(trial)?;
    let kernels = offered(trial)?;
    let good = shape((64, 2, 16, 4), Form::F32, Measure::Distance);
    let run = Run { begin: 0, end: 40, first: 0, from: 0, to: 2 };
    let [all, least] = [[run].as_slice(), &[Run { end: 8, ..run }]]
        .map(|runs| kernels.nearest_runs_desk(&RunsShape::of(good, runs)).get());
    if least > all {
        return Err(failed("the desk of runs", format!("{least} for fewer looks, {all} for all")));
    }
    let region = trial.allocate(16_384, trial.any_mode()?)?;
    let room = trial.allocate(all.max(16), trial.any_mode()?)?;
    let ask = Nearest {
        shape: good,
        rows: region.part(0, 4096)?,
        scales: None,
        squares: None,
        queries: region.part(4096, 4224)?,
        mask: None,
        first: 0,
        lists: region.part(8192, 8256)?,
        desk: room.whole(),
    };
    let with =
        |runs: &[Run], wants: &[u32]| kernels.nearest_runs(Stream(0), &NearestRuns { ask, runs, wants });
    refused!(
        "searching rows that are not there",
        with(&[Run { end: 65, ..run }], &[0, 1]),
        BadOperation { .. }
    );
    refused!("searching a run backwards", with(&[Run { begin: 41, ..run }], &[0, 1]), BadOperation { .. });
    refused!(
        "searching runs that overlap",
        with(&[run, Run { begin: 39, ..run }], &[0, 1]),
        BadOperation { .. }
    );
    refused!("searching for a query that is not there", with(&[run], &[0, 2]), BadOperation { .. });
    refused!("searching for a query twice", with(&[run], &[1, 1]), BadOperation { .. });
    refused!("searching for wants that are not there", with(&[run], &[0]), BadOperation { .. });
    let unnumbered = Run { first: u32::MAX - 40, ..run };
    refused!("searching runs without numbers", with(&[unnumbered], &[0, 1]), BadOperation { .. });
    let masked = Nearest { mask: Some(region.part(12_288, 12_296)?), ..ask };
    let far = Run { first: 30, ..run };
    let done = kernels.nearest_runs(Stream(0), &NearestRuns { ask: masked, runs: &[far], wants: &[0, 1] });
    refused!("searching runs that the mask does not know", done, BadOperation { .. });
    if all > 0 {
        let desk = room.part(0, all - 1)?;
        let ask = Nearest { desk, ..ask };
        let done = kernels.nearest_runs(Stream(0), &NearestRuns { ask, runs: &[run], wants: &[0, 1] });
        refused!("searching runs on a small desk", done, BadOperation { .. });
    }
    must("searching no runs", with(&[], &[]))
}
