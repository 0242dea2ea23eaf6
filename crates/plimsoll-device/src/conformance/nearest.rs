//! The nearest rows of queries, held to the reference.

use super::Check;
use super::kernels::{MARGIN, Target, filled, offered, stored};
use super::trial::{Held, Stop, Trial, failed, index, must, pattern, refused};
use crate::kernels::nearest::{
    self, Form, Key, Measure, Nearest, NearestRuns, NearestShape, NearestStored, Run, RunsShape, Squares,
};
use crate::kernels::{Kernels, Number};
use crate::{DeviceError, Region, StorageMode, Stream};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "the nearest rows are found, ties by row", run: whole },
    Check { name: "near scores are as near as they should be", run: near },
    Check { name: "lists are filled from the parts of an index", run: parts },
    Check { name: "what no row took says so", run: short },
    Check { name: "rows without a score are near nothing", run: without },
    Check { name: "squares of rows are kept for searches", run: squares },
    Check { name: "a search refuses what does not fit", run: refusals },
];

const STREAM: Stream = Stream(0);
/// Runs of rows, and the queries that want them.
pub(super) type Wanted<'w> = (&'w [Run], &'w [u32]);

/// What is searched, on the host.
#[derive(Clone)]
pub(super) struct Data {
    pub(super) shape: NearestShape,
    rows: Vec<u8>,
    scales: Vec<u8>,
    queries: Vec<u8>,
    pub(super) mask: Option<Vec<u8>>,
    pub(super) first: u32,
}

impl Data {
    /// Small whole numbers: every sum is exact in any order, and many scores are equal.
    pub(super) fn whole(shape: NearestShape, seed: u64) -> Self {
        let number = |byte| f32::from(byte % 7) - 3.0;
        let queries = numbers(u64::from(shape.queries) * u64::from(shape.dimension), seed + 2, number);
        let rows = rows(&shape, seed, number, |byte| byte % 7);
        let scales = sides(&shape, seed + 1, |_| 0.5);
        Self { shape, rows, scales, queries: stored(&queries, Number::F32), mask: None, first: 0 }
    }

    /// Numbers of all kinds around zero.
    pub(super) fn near(shape: NearestShape, seed: u64) -> Self {
        let number = |byte| (f32::from(byte) - 127.3) * 0.013;
        let queries = numbers(u64::from(shape.queries) * u64::from(shape.dimension), seed + 2, number);
        let level = |byte: u8| if shape.form == Form::Int8 { byte.max(129) } else { byte };
        let rows = rows(&shape, seed, number, level);
        let scales = sides(&shape, seed + 1, |byte| 0.003 + f32::from(byte) * 0.000_1);
        Self { shape, rows, scales, queries: stored(&queries, Number::F32), mask: None, first: 0 }
    }

    /// Every third row may be found, and none of rows 64 to 127.
    pub(super) fn masked(mut self) -> Self {
        let mut mask = vec![0; index(self.shape.mask_bytes())];
        for row in (0..self.shape.rows as usize).filter(|row| row % 3 == 1 && row / 64 != 1) {
            mask[row / 8] |= 1 << (row % 8);
        }
        self.mask = Some(mask);
        self
    }

    /// Rows `from..to` of it.
    fn part(&self, from: u32, to: u32) -> Self {
        let shape = NearestShape { rows: to - from, ..self.shape };
        let bytes = |bytes: &[u8], unit: u64| {
            bytes[index(u64::from(from) * unit)..index(u64::from(to) * unit)].to_vec()
        };
        let row = shape.row_bytes();
        let side = shape.form.side_bytes();
        let scales = if shape.scales_bytes() > 0 { bytes(&self.scales, side) } else { Vec::new() };
        let queries = self.queries.clone();
        let first = self.first + from;
        Self { shape, rows: bytes(&self.rows, row), scales, queries, mask: None, first }
    }

    pub(super) fn stored(&self) -> NearestStored<'_> {
        NearestStored {
            rows: &self.rows,
            scales: &self.scales,
            queries: &self.queries,
            mask: self.mask.as_deref(),
            first: self.first,
        }
    }

    /// What the reference makes of lists.
    fn reference(&self, lists: &mut [u8]) {
        nearest::reference(&self.shape, &self.stored(), lists);
    }

    /// What the device makes of lists, which are written before.
    pub(super) fn search(
        &self,
        trial: &Trial<'_>,
        mode: StorageMode,
        lists: &[u8],
        step: &str,
    ) -> Result<Vec<u8>, Stop> {
        self.search_with(trial, mode, lists, (step, None, None))
    }

    /// The same with squares of the rows, or among runs of them, if there are some.
    pub(super) fn search_with(
        &self,
        trial: &Trial<'_>,
        mode: StorageMode,
        lists: &[u8],
        (step, squares, runs): (&str, Option<&[u8]>, Option<Wanted<'_>>),
    ) -> Result<Vec<u8>, Stop> {
        let kernels = offered(trial)?;
        let shape = NearestShape { squares: squares.is_some(), ..self.shape };
        let squares = squares.map(|squares| filled(trial, squares, mode)).transpose()?;
        let (rows, scales) = (filled(trial, &self.rows, mode)?, filled(trial, &self.scales, mode)?);
        let queries = filled(trial, &self.queries, mode)?;
        let mask = self.mask.as_ref().map(|mask| filled(trial, mask, mode)).transpose()?;
        let desk = match runs {
            Some((runs, _)) => kernels.nearest_runs_desk(&RunsShape::of(shape, runs)),
            None => kernels.nearest_desk(&shape),
        };
        let desk = trial.allocate(desk.get().max(16), mode)?;
        let target = Target::new(trial, self.shape.lists_bytes(), mode, 900)?;
        trial.put(target.span()?, lists)?;
        let ask = Nearest {
            shape,
            rows: part(&rows, self.rows.len())?,
            scales: (shape.scales_bytes() > 0).then(|| part(&scales, self.scales.len())).transpose()?,
            squares: squares
                .as_ref()
                .map(|squares| part(squares, index(shape.squares_bytes())))
                .transpose()?,
            queries: part(&queries, self.queries.len())?,
            mask: mask.as_ref().map(|mask| part(mask, index(self.shape.mask_bytes()))).transpose()?,
            first: self.first,
            lists: target.span()?,
            desk: desk.whole(),
        };
        let done = match runs {
            Some((runs, wants)) => kernels.nearest_runs(STREAM, &NearestRuns { ask, runs, wants }),
            None => kernels.nearest(STREAM, &ask),
        };
        must(step, done)?;
        target.take(trial, step)
    }

    /// The squares of its rows, as the device makes them.
    pub(super) fn squared(&self, trial: &Trial<'_>, mode: StorageMode, step: &str) -> Result<Vec<u8>, Stop> {
        let (rows, scales) = (filled(trial, &self.rows, mode)?, filled(trial, &self.scales, mode)?);
        let target = Target::new(trial, self.shape.squares_bytes(), mode, 910)?;
        let sides = self.shape.form.side_bytes() > 0;
        let ask = Squares {
            shape: self.shape,
            rows: part(&rows, self.rows.len())?,
            scales: sides.then(|| part(&scales, self.scales.len())).transpose()?,
            target: target.span()?,
        };
        must(step, offered(trial)?.squares(STREAM, &ask))?;
        target.take(trial, step)
    }

    pub(super) fn step(&self, mode: StorageMode) -> String {
        let masked = if self.mask.is_some() { ", masked" } else { "" };
        format!("searching {:?}{masked} as {mode:?}", self.shape)
    }
}

fn part<'h>(region: &'h Held<'_>, bytes: usize) -> Result<crate::Span<'h>, Stop> {
    region.part(0, bytes as u64)
}

fn numbers(count: u64, seed: u64, number: impl Fn(u8) -> f32) -> Vec<f32> {
    pattern(index(count), seed).into_iter().map(number).collect()
}

/// Rows as they are stored. Levels of any kind are what they are said to be; halves of bytes are taken as they come.
fn rows(shape: &NearestShape, seed: u64, number: impl Fn(u8) -> f32, level: impl Fn(u8) -> u8) -> Vec<u8> {
    if let Some(of) = shape.form.number().filter(|of| !of.scaled()) {
        return stored(&numbers(u64::from(shape.rows) * u64::from(shape.dimension), seed, number), of);
    }
    let mut bytes = pattern(index(shape.rows_bytes()), seed);
    match shape.form {
        Form::Sign => signs_end(shape, &mut bytes),
        Form::Level4 => {}
        _ => bytes.iter_mut().for_each(|byte| *byte = level(*byte)),
    }
    bytes
}

/// Bits behind the last number of a row are none.
fn signs_end(shape: &NearestShape, bytes: &mut [u8]) {
    let row_bytes = index(shape.row_bytes());
    let over = row_bytes * 8 - shape.dimension as usize;
    for row in 0..bytes.len() / row_bytes {
        bytes[nearest::sign_at(row_bytes, row, row_bytes - 1)] &= 0xff >> over;
    }
}

/// Scales or sides: multiples of a scale each, and lengths.
fn sides(shape: &NearestShape, seed: u64, scale: impl Fn(u8) -> f32) -> Vec<u8> {
    if shape.scales_bytes() == 0 {
        return Vec::new();
    }
    let scales = numbers(u64::from(shape.rows), seed, scale);
    let side = |scale: f32| match shape.form {
        Form::Level8 | Form::Level4 => stored(&[-3.0 * scale, scale], Number::F32),
        Form::Sign => {
            [stored(&[scale * 700.0], Number::F32), stored(&[scale * 90.0, -1.0], Number::F16)].concat()
        }
        _ => stored(&[scale], Number::F32),
    };
    scales.into_iter().flat_map(side).collect()
}

pub(super) fn empty(shape: &NearestShape) -> Vec<u8> {
    vec![0xff; index(shape.lists_bytes())]
}

/// Rows, queries, dimension, k: with one query and with many, vectors of any length, lists shorter and longer than
/// what a block of threads holds, and more rows than a buffer of candidates.
const SHAPES: [(u32, u32, u32, u32); 9] = [
    (1, 1, 1, 1),
    (65, 1, 7, 3),
    (300, 3, 33, 10),
    (257, 5, 64, 300),
    (1000, 1, 96, 16),
    (700, 20, 32, 5),
    (513, 33, 40, 64),
    (90, 130, 8, 4),
    (4200, 1, 8, 4096),
];

pub(super) fn shape(sizes: (u32, u32, u32, u32), form: Form, measure: Measure) -> NearestShape {
    let (rows, queries, dimension, k) = sizes;
    NearestShape { rows, queries, dimension, form, measure, k, squares: false }
}

fn whole(trial: &Trial<'_>) -> Result<(), Stop> {
    offered(trial)?;
    let modes = trial.modes()?;
    for (sizes, seed) in SHAPES.into_iter().zip(0..) {
        for (form, at) in Form::ALL.into_iter().zip(seed..) {
            // Estimates by signs are no whole numbers.
            let measure = match form {
                Form::Sign => Measure::Hamming,
                _ => [Measure::Distance, Measure::Product][at % 2],
            };
            let data = Data::whole(shape(sizes, form, measure), 1000 + at as u64);
            let data = if at % 3 == 0 { data.masked() } else { data };
            let mode = modes[at % modes.len()];
            let mut wanted = empty(&data.shape);
            let step = data.step(mode);
            let found = data.search(trial, mode, &wanted, &step)?;
            data.reference(&mut wanted);
            same(trial, &step, &found, &wanted)?;
        }
    }
    Ok(())
}

/// Both as keys, so that a failure says which.
pub(super) fn same(trial: &Trial<'_>, step: &str, found: &[u8], wanted: &[u8]) -> Result<(), Stop> {
    let differs = Key::read(found).zip(Key::read(wanted)).position(|(found, wanted)| found != wanted);
    match differs.filter(|_| trial.options.contents) {
        None => Ok(()),
        Some(at) => {
            let of = |keys: &[u8]| Key::read(keys).nth(at).and_then(Key::found);
            Err(failed(step, format!("place {at} is {:?} instead of {:?}", of(found), of(wanted))))
        }
    }
}

fn near(trial: &Trial<'_>) -> Result<(), Stop> {
    offered(trial)?;
    let mode = trial.any_mode()?;
    for sizes in [(800, 1, 100, 10), (900, 17, 64, 20), (300, 2, 768, 100), (150, 30, 128, 9)] {
        for form in Form::ALL {
            let measures = [Measure::Distance, Measure::Product, Measure::Hamming];
            for measure in measures.into_iter().take(if form == Form::Sign { 3 } else { 2 }) {
                let data = Data::near(shape(sizes, form, measure), u64::from(sizes.0));
                let lists = empty(&data.shape);
                let step = data.step(mode);
                let found = data.search(trial, mode, &lists, &step)?;
                if trial.options.contents {
                    nearest::found(&data.shape, &data.stored(), &lists, &found)
                        .map_err(|why| failed(step, why))?;
                }
            }
        }
    }
    Ok(())
}

fn parts(trial: &Trial<'_>) -> Result<(), Stop> {
    offered(trial)?;
    let mode = trial.any_mode()?;
    for (form, queries) in [(Form::F32, 2), (Form::F16, 40), (Form::Int8, 1), (Form::Level4, 3)] {
        let data = Data::whole(shape((1300, queries, 32, 50), form, Measure::Distance), 77);
        let mut wanted = empty(&data.shape);
        let mut found = wanted.clone();
        // From behind, so that rows of a later part come before equals of an earlier one.
        for (from, to) in [(700, 1300), (0, 10), (10, 700)] {
            let step = format!("adding rows {from} to {to}, {form:?}");
            found = data.part(from, to).search(trial, mode, &found, &step)?;
        }
        data.reference(&mut wanted);
        same(trial, "searching an index in parts", &found, &wanted)?;
    }
    Ok(())
}

fn short(trial: &Trial<'_>) -> Result<(), Stop> {
    offered(trial)?;
    let mode = trial.any_mode()?;
    for queries in [1, 40] {
        let data = Data::whole(shape((200, queries, 16, 150), Form::F16, Measure::Product), 5).masked();
        let mut wanted = empty(&data.shape);
        let step = "searching more rows than there are";
        let found = data.search(trial, mode, &wanted, step)?;
        data.reference(&mut wanted);
        same(trial, step, &found, &wanted)?;
        let mut none = data;
        none.mask = Some(vec![0; index(none.shape.mask_bytes())]);
        let step = "searching where no row may be found";
        let found = none.search(trial, mode, &wanted, step)?;
        same(trial, step, &found, &wanted)?;
    }
    Ok(())
}

fn without(trial: &Trial<'_>) -> Result<(), Stop> {
    offered(trial)?;
    let mode = trial.any_mode()?;
    for (measure, queries) in [(Measure::Distance, 1), (Measure::Product, 1), (Measure::Distance, 24)] {
        let mut data = Data::whole(shape((400, queries, 8, 390), Form::F32, measure), 9);
        for (row, value) in [(3, f32::NAN), (70, f32::INFINITY), (300, f32::NEG_INFINITY), (399, f32::MAX)] {
            let numbers = [value, -value, 1.0, value].map(f32::to_le_bytes);
            data.rows[row * 32..row * 32 + 16].copy_from_slice(numbers.as_flattened());
        }
        let lists = empty(&data.shape);
        let step = data.step(mode);
        let found = data.search(trial, mode, &lists, &step)?;
        if trial.options.contents {
            nearest::found(&data.shape, &data.stored(), &lists, &found).map_err(|why| failed(&step, why))?;
            let odd = Key::read(&found).filter_map(Key::found).find(|(score, _)| !score.is_finite());
            if let Some((score, row)) = odd {
                return Err(failed(step, format!("row {row} has the score {score}")));
            }
        }
    }
    Ok(())
}

/// Squares are near the reference's, and lists are the same with them.
fn squares(trial: &Trial<'_>) -> Result<(), Stop> {
    let kernels = offered(trial)?;
    let mode = trial.any_mode()?;
    if !kernels.wants_squares(&shape((64, 1, 64, 1), Form::F32, Measure::Distance)) {
        return Err(Stop::Skipped("searches need no squares"));
    }
    for (sizes, form) in [
        ((900, 130, 64, 20), Form::F32),
        ((700, 40, 96, 5), Form::F16),
        ((300, 20, 32, 7), Form::Bf16),
        ((513, 33, 48, 9), Form::Int8),
        ((65, 1, 7, 3), Form::F32),
        ((500, 20, 64, 9), Form::Level8),
        ((300, 40, 96, 5), Form::Level4),
        ((400, 30, 128, 7), Form::Sign),
    ] {
        for measure in [Measure::Distance, Measure::Product] {
            let data = Data::near(shape(sizes, form, measure), u64::from(sizes.0)).masked();
            if !kernels.wants_squares(&data.shape) {
                continue;
            }
            let step = format!("squaring {:?} as {mode:?}", data.shape);
            let kept = data.squared(trial, mode, &step)?;
            let lists = empty(&data.shape);
            let without = data.search(trial, mode, &lists, &step)?;
            let with = data.search_with(trial, mode, &lists, (&step, Some(&kept), None))?;
            if trial.options.contents {
                nearest::squares_found(&data.shape, &data.stored(), &kept)
                    .map_err(|why| failed(&step, why))?;
            }
            same(trial, &format!("searching with squares, {:?}", data.shape), &with, &without)?;
        }
    }
    Ok(())
}

/// What is enough for many is enough for fewer.
fn desks(kernels: &dyn Kernels) -> Result<(), Stop> {
    let asked =
        |rows, queries, form| kernels.nearest_desk(&shape((rows, queries, 64, 10), form, Measure::Distance));
    let sizes = [1, 500, 4096, 5120, 8192, 8193, 20_000, 300_000, 4_000_000];
    for (two, form) in sizes.windows(2).flat_map(|two| Form::ALL.map(|form| (two, form))) {
        for queries in [1, 9, 200, 299, 300, 1000] {
            let more = asked(two[1], queries, form);
            for less in [asked(two[0], queries, form), asked(two[1], queries.div_ceil(2), form)] {
                if less > more {
                    let why =
                        format!("{less} for fewer than {two:?} of {form:?} and {queries}, {more} for all");
                    return Err(failed("the desk of a part", why));
                }
            }
        }
    }
    Ok(())
}

fn refusals(trial: &Trial<'_>) -> Result<(), Stop> {
    use DeviceError::{BadOperation, Overlap, UnknownStream};
    let kernels = offered(trial)?;
    let mode = trial.any_mode()?;
    let good = shape((64, 2, 16, 4), Form::F32, Measure::Distance);
    desks(kernels)?;
    let desk = kernels.nearest_desk(&good).get();
    let (region, target) = (trial.allocate(8192, mode)?, Target::new(trial, 4096, mode, 950)?);
    let room = trial.allocate(desk.max(16), mode)?;
    let (rows, queries) = (region.part(0, 4096)?, region.part(4096, 4224)?);
    let lists = target.region.part(MARGIN, MARGIN + 64)?;
    let ask = Nearest {
        shape: good,
        rows,
        scales: None,
        squares: None,
        queries,
        mask: None,
        first: 0,
        lists,
        desk: room.whole(),
    };
    let with = |shape| kernels.nearest(STREAM, &Nearest { shape, ..ask });
    refused!("searching none", with(NearestShape { k: 0, ..good }), BadOperation { .. });
    refused!("searching too many", with(NearestShape { k: 4097, ..good }), BadOperation { .. });
    refused!(
        "searching vectors of nothing",
        with(NearestShape { dimension: 0, ..good }),
        BadOperation { .. }
    );
    refused!("searching fewer rows", with(NearestShape { rows: 63, ..good }), BadOperation { .. });
    refused!("searching for more queries", with(NearestShape { queries: 3, ..good }), BadOperation { .. });
    let int8 = NearestShape { form: Form::Int8, dimension: 64, ..good };
    refused!("searching without scales", with(int8), BadOperation { .. });
    let levels = NearestShape { form: Form::Level4, dimension: 128, ..good };
    refused!("searching levels without sides", with(levels), BadOperation { .. });
    let counted = NearestShape { measure: Measure::Hamming, ..good };
    refused!("counting signs of numbers", with(counted), BadOperation { .. });
    let squared = NearestShape { squares: true, ..good };
    refused!("searching without the squares that are said", with(squared), BadOperation { .. });
    let with = |change: Nearest<'_>| kernels.nearest(STREAM, &change);
    let last = u32::MAX - 64;
    refused!("searching rows without numbers", with(Nearest { first: last, ..ask }), BadOperation { .. });
    let off = target.region.part(MARGIN + 8, MARGIN + 72)?;
    refused!("searching to an odd place", with(Nearest { lists: off, ..ask }), BadOperation { .. });
    let mask = Some(region.part(0, 4)?);
    refused!("searching with half a mask", with(Nearest { mask, ..ask }), BadOperation { .. });
    if desk > 0 {
        let less = room.part(0, desk - 1)?;
        refused!("searching on a small desk", with(Nearest { desk: less, ..ask }), BadOperation { .. });
    }
    let lists = region.part(64, 128)?;
    refused!("searching into the rows", with(Nearest { lists, ..ask }), Overlap);
    let odd = kernels.nearest(Stream(u32::MAX), &ask);
    refused!("searching on a stream that does not exist", odd, UnknownStream(_));
    let foreign = Trial::foreign()?;
    let theirs = foreign.span(0..4096).map_err(|error| failed("taking a part", error.to_string()))?;
    refused!("searching foreign rows", with(Nearest { rows: theirs, ..ask }), DeviceError::WrongDevice);
    target.check(trial, "after what was refused")?;
    must(
        "searching no rows",
        with(Nearest { shape: NearestShape { rows: 0, ..good }, rows: region.part(0, 0)?, ..ask }),
    )?;
    target.check(trial, "after a search of no rows")
}

/// A search that needs a region of 4 KiB, for devices that refuse everything.
pub(super) fn smallest(kernels: &dyn Kernels, stream: Stream, region: &Region) -> Result<(), DeviceError> {
    let shape = shape((1, 1, 4, 1), Form::F32, Measure::Product);
    let ask = Nearest {
        shape,
        rows: region.span(0..16)?,
        scales: None,
        squares: None,
        queries: region.span(16..32)?,
        mask: None,
        first: 0,
        lists: region.span(32..40)?,
        desk: region.span(48..4096)?,
    };
    kernels.nearest(stream, &ask)
}
