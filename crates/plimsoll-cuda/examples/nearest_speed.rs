//! How fast the nearest rows are found on the first GPU, beside its own copies, and whether the answers are right.
//!
//! `cargo run --release -p plimsoll-cuda --example nearest_speed [ROWS [DIMENSION [many]]]`, `many` for one search by
//! a thousand queries alone, under a profiler. Rows are random, the same each
//! time. Answers are compared with the host's, which adds up in another order, and those of many queries with those of
//! each query alone, to the bit. One line of JSON for each figure.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll_cuda::{Cuda, CudaSettings};
use plimsoll_device::kernels::nearest::{
    self, Form, Key, Measure, Nearest, NearestShape, NearestStored, Squares,
};
use plimsoll_device::kernels::{Kernels, Number, Numbers, Scales};
use plimsoll_device::{
    Bytes, Device, DeviceError, HostDevice, HostSettings, Region, Request, Span, StorageMode, Stream,
};

const STREAM: Stream = Stream(0);
const PATIENCE: Duration = Duration::from_mins(5);
const K: u32 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let rows = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let dimension = arguments.next().map_or(Ok(768), |text| text.parse())?;
    let cuda = Cuda::load(CudaSettings::default())?;
    let device: Arc<dyn Device> = cuda.device(0)?;
    let bench = Bench::new(device, rows, dimension)?;
    if arguments.next().is_some_and(|word| word == "many") {
        bench.many(Form::F16)?;
        return bench.many(Form::Bf16);
    }
    bench.copies()?;
    bench.checked()?;
    for form in Form::ALL {
        bench.kind(form, Measure::Distance)?;
    }
    bench.kind(Form::Sign, Measure::Hamming)
}

fn told(what: &str, value: f64, unit: &str) {
    println!("{{\"what\": \"{what}\", \"value\": {value:.4}, \"unit\": \"{unit}\"}}");
}

struct Bench {
    device: Arc<dyn Device>,
    host: HostDevice,
    rows: u32,
    dimension: u32,
    numbers: Vec<u8>,
    queries: Vec<u8>,
}

/// Bytes of any kind.
fn any(count: u64) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..count.div_ceil(8)).flat_map(|_| word()).take(Bytes::new(count).as_usize()).collect()
}

/// Nearly normal numbers.
fn random(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut number = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let word = state.wrapping_mul(0x2545_f491_4f6c_dd1d);
        let sum: u64 = (0..4).map(|part| word >> (16 * part) & 0xffff).sum();
        #[expect(clippy::cast_precision_loss, reason = "18 bits")]
        let value = (sum as f32 / 65_536.0 - 2.0) * 1.732_050_8;
        value
    };
    (0..count).flat_map(|_| number().to_le_bytes()).collect()
}

const QUERIES: u32 = 1000;

impl Bench {
    fn new(device: Arc<dyn Device>, rows: u32, dimension: u32) -> Result<Self, Box<dyn Error>> {
        let host = HostDevice::open(HostSettings::default())?;
        let numbers = random(rows as usize * dimension as usize, 7);
        let queries = random(QUERIES as usize * dimension as usize, 11);
        Ok(Self { device, host, rows, dimension, numbers, queries })
    }

    fn kernels(&self) -> Result<&dyn Kernels, Box<dyn Error>> {
        Ok(self.device.kernels().ok_or("no kernels: NVRTC is missing")?)
    }

    fn take(&self, bytes: u64) -> Result<Region, DeviceError> {
        self.device.allocate(Request::new(Bytes::new(bytes.max(256)), StorageMode::Private))
    }

    fn wait(&self) -> Result<(), DeviceError> {
        self.device.wait(self.device.fence(STREAM)?, PATIENCE)
    }

    /// The median of some rounds of several in a row.
    fn time(
        &self,
        depth: u32,
        mut work: impl FnMut() -> Result<(), Box<dyn Error>>,
    ) -> Result<f64, Box<dyn Error>> {
        work()?;
        self.wait()?;
        let mut times = Vec::new();
        for _ in 0..7 {
            let began = Instant::now();
            for _ in 0..depth {
                work()?;
            }
            self.wait()?;
            times.push(began.elapsed().as_secs_f64() / f64::from(depth));
        }
        times.sort_by(f64::total_cmp);
        Ok(times[times.len() / 2])
    }

    fn copies(&self) -> Result<(), Box<dyn Error>> {
        let bytes = 1 << 30;
        let (one, two) = (self.take(bytes)?, self.take(bytes)?);
        let seconds = self.time(8, || Ok(self.device.copy(STREAM, one.whole(), two.whole())?))?;
        told("copy on the device, read and written", 2.0 * f64::from(1 << 30) / seconds / 1e9, "GB/s");
        Ok(())
    }

    fn shape(&self, rows: u32, queries: u32, form: Form, measure: Measure) -> NearestShape {
        NearestShape { rows, queries, dimension: self.dimension, form, measure, k: K, squares: false }
    }

    /// Rows of few bits: any bits, and sides of numbers of about one.
    fn packed(&self, shape: NearestShape) -> Result<(Region, Option<Region>), Box<dyn Error>> {
        let put = |bytes: &[u8]| -> Result<Region, DeviceError> {
            let region = self.take(bytes.len() as u64)?;
            self.device.upload(STREAM, bytes, region.span(0..bytes.len() as u64)?)?;
            self.wait()?;
            Ok(region)
        };
        let side = match shape.form {
            Form::Level8 => [(-2.0_f32).to_le_bytes(), (4.0_f32 / 255.0).to_le_bytes()].concat(),
            Form::Level4 => [(-2.0_f32).to_le_bytes(), (4.0_f32 / 15.0).to_le_bytes()].concat(),
            // The length of a vector of ones, and 1.25 as a half.
            _ => [27.7_f32.to_le_bytes(), [0, 0x3d, 0, 0]].concat(),
        };
        let sides = side.repeat(shape.rows as usize);
        Ok((put(&any(shape.rows_bytes()))?, Some(put(&sides)?)))
    }

    /// Rows and queries on the device, in a form, with squares where searches make use of them.
    fn stored(&self, rows: u32, form: Form) -> Result<Stored, Box<dyn Error>> {
        let kernels = self.kernels()?;
        let shape = self.shape(rows, 1, form, Measure::Distance);
        let upload = |bytes: &[u8], number: Number| -> Result<(Region, Option<Region>), Box<dyn Error>> {
            let raw = self.take(bytes.len() as u64)?;
            self.device.upload(STREAM, bytes, raw.whole())?;
            let count = bytes.len() as u64 / 4;
            let target = self.take(count * number.bits() / 8)?;
            let scales =
                if number.scaled() { Some(self.take(count / u64::from(self.dimension) * 4)?) } else { None };
            let from = Numbers { span: raw.whole(), number: Number::F32, scales: None };
            let group = self.dimension;
            let scales_of = scales.as_ref().map(|scales| Scales { span: scales.whole(), group });
            let to = Numbers { span: target.whole(), number, scales: scales_of };
            kernels.convert(STREAM, from, to)?;
            self.wait()?;
            Ok((target, scales))
        };
        let bytes = rows as usize * self.dimension as usize * 4;
        let (rows, scales) = match form.number() {
            Some(number) => upload(&self.numbers[..bytes], number)?,
            None => self.packed(shape)?,
        };
        let (queries, _) = upload(&self.queries, Number::F32)?;
        let mut stored = Stored { rows, scales, queries, squares: None };
        if kernels.wants_squares(&shape) {
            let squares = self.take(shape.squares_bytes())?;
            let rows = stored.rows.span(0..shape.rows_bytes())?;
            let ask = Squares {
                shape,
                rows,
                scales: stored.scales_of(&shape)?,
                target: squares.span(0..shape.squares_bytes())?,
            };
            kernels.squares(STREAM, &ask)?;
            self.wait()?;
            stored.squares = Some(squares);
        }
        Ok(stored)
    }

    fn get(&self, region: &Region, bytes: u64) -> Result<Vec<u8>, Box<dyn Error>> {
        let mut into = vec![0; Bytes::new(bytes).as_usize()];
        self.device.download(STREAM, region.span(0..bytes)?, &mut into)?;
        Ok(into)
    }

    fn search(&self, shape: NearestShape, stored: &Stored, first: u64) -> Result<Vec<u8>, Box<dyn Error>> {
        let lists = self.take(shape.lists_bytes())?;
        let desk = self.take(self.kernels()?.nearest_desk(&shape).get())?;
        self.ask(shape, stored, first, &lists, &desk)?;
        self.get(&lists, shape.lists_bytes())
    }

    fn ask(
        &self,
        shape: NearestShape,
        stored: &Stored,
        first: u64,
        lists: &Region,
        desk: &Region,
    ) -> Result<(), Box<dyn Error>> {
        let start = first * shape.queries_bytes() / u64::from(shape.queries);
        let lists = lists.span(0..shape.lists_bytes())?;
        self.device.fill(STREAM, lists, 0xff)?;
        let ask = Nearest {
            shape,
            rows: stored.rows.span(0..shape.rows_bytes())?,
            scales: stored.scales_of(&shape)?,
            squares: match &stored.squares {
                Some(squares) if shape.squares => Some(squares.span(0..shape.squares_bytes())?),
                _ => None,
            },
            queries: stored.queries.span(start..start + shape.queries_bytes())?,
            mask: None,
            first: 0,
            lists,
            desk: desk.whole(),
        };
        Ok(self.kernels()?.nearest(STREAM, &ask)?)
    }

    /// All kinds and ways on fewer rows, by the tolerance.
    fn checked(&self) -> Result<(), Box<dyn Error>> {
        let rows = self.rows.min(40_000);
        for form in Form::ALL {
            let stored = self.stored(rows, form)?;
            let mut asked = vec![
                (1, Measure::Distance),
                (3, Measure::Product),
                (8, Measure::Distance),
                (40, Measure::Distance),
                (150, Measure::Product),
            ];
            if form == Form::Sign {
                asked.extend([(1, Measure::Hamming), (40, Measure::Hamming)]);
            }
            for (queries, measure) in asked {
                let shape = self.shape(rows, queries, form, measure);
                let shape = NearestShape { squares: queries > 100 && stored.squares.is_some(), ..shape };
                let found = self.search(shape, &stored, 0)?;
                // A few of them: the reference takes its time.
                let some = NearestShape { queries: queries.min(6), ..shape };
                let bytes = self.get(&stored.rows, shape.rows_bytes())?;
                let scales = match &stored.scales {
                    Some(scales) => self.get(scales, shape.scales_bytes())?,
                    None => Vec::new(),
                };
                let asked = self.get(&stored.queries, some.queries_bytes())?;
                let on_host =
                    NearestStored { rows: &bytes, scales: &scales, queries: &asked, mask: None, first: 0 };
                let lists = Bytes::new(some.lists_bytes()).as_usize();
                let verdict = nearest::found(&some, &on_host, &vec![0xff; lists], &found[..lists]);
                println!("{shape:?}: {verdict:?}");
            }
        }
        Ok(())
    }

    fn many(&self, form: Form) -> Result<(), Box<dyn Error>> {
        let stored = self.stored(self.rows, form)?;
        let shape = self.shape(self.rows, QUERIES, form, Measure::Distance);
        let shape = NearestShape { squares: stored.squares.is_some(), ..shape };
        let (lists, desk) =
            (self.take(shape.lists_bytes())?, self.take(self.kernels()?.nearest_desk(&shape).get())?);
        let seconds = self.time(3, || self.ask(shape, &stored, 0, &lists, &desk))?;
        told(&format!("{form:?}, {QUERIES} queries: rate"), f64::from(QUERIES) / seconds, "queries/s");
        Ok(())
    }

    fn kind(&self, form: Form, measure: Measure) -> Result<(), Box<dyn Error>> {
        let stored = self.stored(self.rows, form)?;
        let single = self.shape(self.rows, 1, form, measure);
        let many = self.shape(self.rows, QUERIES, form, measure);
        let lists = self.take(many.lists_bytes())?;
        let kept = stored.squares.is_some();
        for (queries, depth, squares) in [
            (1, 10, false),
            (4, 10, false),
            (8, 10, false),
            (100, 3, kept),
            (QUERIES, 2, false),
            (QUERIES, 2, kept),
        ] {
            let shape = NearestShape { squares, ..self.shape(self.rows, queries, form, measure) };
            let desk = self.take(self.kernels()?.nearest_desk(&shape).get())?;
            let seconds = self.time(depth, || self.ask(shape, &stored, 0, &lists, &desk))?;
            let with = if squares { ", squares kept" } else { "" };
            let what = format!("{form:?}, {queries} queries, {measure:?}{with}");
            #[expect(clippy::cast_precision_loss, reason = "a rate")]
            let bytes = shape.rows_bytes() as f64;
            told(&format!("{what}: time"), seconds * 1e3, "ms");
            told(&format!("{what}: rows read"), bytes / seconds / 1e9, "GB/s");
            told(&format!("{what}: rate"), f64::from(queries) / seconds, "queries/s");
        }
        // Many together are as each alone.
        let together = self.search(many, &stored, 0)?;
        let list = Bytes::new(single.lists_bytes()).as_usize();
        let mut unlike = 0;
        for query in (0..u64::from(QUERIES)).step_by(37) {
            let alone = self.search(single, &stored, query)?;
            let at = Bytes::new(query).as_usize() * list;
            unlike += u32::from(alone != together[at..at + list]);
        }
        told(&format!("{form:?}: lists that differ when asked alone, of 28"), f64::from(unlike), "lists");
        self.beside_host(single, &stored, &together[..list])
    }

    /// The host finds the same rows, but for near ties.
    fn beside_host(&self, shape: NearestShape, stored: &Stored, found: &[u8]) -> Result<(), Box<dyn Error>> {
        let put = |bytes: &[u8]| -> Result<Region, DeviceError> {
            let request = Request::new(Bytes::new(bytes.len().max(64) as u64), StorageMode::Shared);
            let region = self.host.allocate(request)?;
            self.host.write(region.span(0..bytes.len() as u64)?, bytes)?;
            Ok(region)
        };
        let rows = put(&self.get(&stored.rows, shape.rows_bytes())?)?;
        let scales = match &stored.scales {
            Some(scales) if shape.scales_bytes() > 0 => Some(put(&self.get(scales, shape.scales_bytes())?)?),
            _ => None,
        };
        let queries = put(&self.get(&stored.queries, shape.queries_bytes())?)?;
        let (lists, desk) = (put(&vec![0xff; found.len()])?, put(&[])?);
        let ask = Nearest {
            shape,
            rows: rows.whole(),
            scales: scales.as_ref().map(|scales| scales.span(0..shape.scales_bytes())).transpose()?,
            squares: None,
            queries: queries.span(0..shape.queries_bytes())?,
            mask: None,
            first: 0,
            lists: lists.span(0..shape.lists_bytes())?,
            desk: desk.whole(),
        };
        self.host.kernels().ok_or("no kernels")?.nearest(STREAM, &ask)?;
        self.host.wait(self.host.fence(STREAM)?, PATIENCE)?;
        let mut wanted = vec![0; found.len()];
        self.host.read(ask.lists, &mut wanted)?;
        let rows_of = |list: &[u8]| -> Vec<u32> {
            Key::read(list).filter_map(Key::found).map(|(_, row)| row).collect()
        };
        let (found, wanted) = (rows_of(found), rows_of(&wanted));
        let hits = u32::try_from(found.iter().filter(|row| wanted.contains(row)).count())?;
        told(&format!("{:?}: recall against the host", shape.form), f64::from(hits) / f64::from(K), "");
        Ok(())
    }
}

/// Rows and queries where they are searched.
struct Stored {
    rows: Region,
    scales: Option<Region>,
    queries: Region,
    squares: Option<Region>,
}

impl Stored {
    /// Scales or sides, where they count.
    fn scales_of(&self, shape: &NearestShape) -> Result<Option<Span<'_>>, DeviceError> {
        match &self.scales {
            Some(scales) if shape.scales_bytes() > 0 => Ok(Some(scales.span(0..shape.scales_bytes())?)),
            _ => Ok(None),
        }
    }
}
