//! The measurements.

use std::time::Instant;

use plimsoll::pool::{Lease, LeaseRequest};
use plimsoll::{Bytes, Place};
use plimsoll_vec::neural::{LatentRows, NeuralCodec, NeuralError, NeuralShape, Weights};

use super::product::Product;
use super::{BenchCodecArgs, CodecRow};
use crate::CliError;
use crate::bench::median;
use crate::vec::bench::Source;
use crate::vec::budget;

/// What is measured.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) rows: usize,
    pub(super) shape: NeuralShape,
    pub(super) threads: usize,
    pub(super) turns: usize,
}

impl Settings {
    pub(super) fn new(args: &BenchCodecArgs) -> Self {
        let all = std::thread::available_parallelism().map_or(1, usize::from);
        let usual = match (args.device, args.quick) {
            (Some(_), false) => 1_000_000,
            (None, false) | (Some(_), true) => 100_000,
            (None, true) => 20_000,
        };
        let rows = args.rows.unwrap_or(usual);
        Self {
            rows: usize::try_from(rows).unwrap_or(usize::MAX),
            shape: NeuralShape::new(args.dimension, args.latent),
            threads: if args.threads == 0 { all } else { args.threads },
            turns: if args.quick { 5 } else { 11 },
        }
    }
}

/// What is done in each turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    DecodeProduct,
    DecodeFlat,
    Decode,
    DecodeInto,
    EncodeProduct,
    Encode,
}

impl Work {
    const ALL: [Self; 6] = [
        Self::DecodeProduct,
        Self::DecodeFlat,
        Self::Decode,
        Self::DecodeInto,
        Self::EncodeProduct,
        Self::Encode,
    ];

    fn name(self, NeuralShape { dimension, latent, .. }: NeuralShape) -> String {
        match self {
            Self::DecodeProduct => format!("the product {dimension}<-{latent} alone"),
            Self::DecodeFlat => format!("decode_flat {dimension}<-{latent}"),
            Self::Decode => format!("decode {dimension}<-{latent}"),
            Self::DecodeInto => format!("decode_into {dimension}<-{latent}"),
            Self::EncodeProduct => format!("the product {dimension}->{latent} alone"),
            Self::Encode => format!("encode {dimension}->{latent}"),
        }
    }

    /// The product that it is measured against.
    fn limit(self) -> Self {
        if matches!(self, Self::Encode | Self::EncodeProduct) {
            Self::EncodeProduct
        } else {
            Self::DecodeProduct
        }
    }

    fn engine(self) -> &'static str {
        if self == self.limit() { "gemm" } else { "plimsoll" }
    }
}

/// Codec, vectors and targets.
struct Stand<'s> {
    codec: &'s NeuralCodec,
    weights: &'s Weights,
    threads: usize,
    vectors: &'s [f32],
    latents: LatentRows<'s>,
    numbers: Vec<f32>,
    flat: Vec<f32>,
    apart: Vec<Vec<f32>>,
    lease: Lease,
    levels: Vec<i8>,
    scales: Vec<f32>,
}

impl Stand<'_> {
    fn run(&mut self, work: Work) -> Result<(), NeuralError> {
        let NeuralShape { dimension, latent, .. } = self.weights.shape();
        match work {
            Work::DecodeProduct => {
                let right = self.weights.decoder();
                Product { left: &self.numbers, right, into: &mut self.flat, depth: latent }.run(self.threads);
                Ok(())
            }
            Work::EncodeProduct => {
                let right = self.weights.encoder();
                Product { left: self.vectors, right, into: &mut self.numbers, depth: dimension }
                    .run(self.threads);
                Ok(())
            }
            Work::DecodeFlat => self.codec.decode_flat(self.latents, &mut self.flat),
            Work::Decode => self.codec.decode(self.latents, &mut self.apart),
            Work::DecodeInto => self.codec.decode_into(self.latents, &mut self.lease),
            Work::Encode => self.codec.encode_into(self.vectors, &mut self.levels, &mut self.scales),
        }
    }
}

/// Measures all: each turn does every work once, so that what else the machine does falls on all alike.
pub(super) fn all(settings: &Settings, note: &dyn Fn(&str)) -> Result<Vec<CodecRow>, CliError> {
    let Settings { rows, shape, threads, turns } = *settings;
    shape.check()?;
    let NeuralShape { dimension, latent, .. } = shape;
    let account = budget::account(None)?;
    // Vectors; what comes back, flat and by rows; latents, as levels and as numbers.
    let own = rows as u64 * (dimension as u64 * 12 + latent as u64 * 5 + 28) + shape.weight_bytes();
    let _charge = account.reserve(Place::Host, Bytes::new(own)).now().map_err(NeuralError::from)?.back();
    note("vectors are made");
    let small = |seed, width, count| random(seed, width, count).into_iter().map(|x| x * 0.05).collect();
    let vectors = random(2, dimension, rows);
    let weights =
        Weights::new(shape, small(3, dimension, latent), small(4, latent, dimension), vec![0.1; dimension])?;
    let codec = NeuralCodec::new(&weights, &account)?.threads(threads);
    let latents = codec.encode(&vectors)?;
    note("the codec is measured");
    let began = Instant::now();
    drop(codec.decoded(latents.view())?);
    let first = began.elapsed().as_secs_f64();
    let pool = account.scratch(Place::Host).map_err(NeuralError::from)?;
    let request = LeaseRequest::new(Bytes::new(rows as u64 * dimension as u64 * 4)).align(64);
    let mut stand = Stand {
        codec: &codec,
        weights: &weights,
        threads,
        vectors: &vectors,
        latents: latents.view(),
        numbers: latents.view().levels().iter().map(|level| f32::from(*level)).collect(),
        flat: vec![0.0; rows * dimension],
        apart: vec![vec![0.0; dimension]; rows],
        lease: pool.lease_with(request).map_err(NeuralError::from)?,
        levels: vec![0; rows * latent],
        scales: vec![0.0; rows],
    };
    let mut took = Work::ALL.map(|_| Vec::new());
    // In the first turn memory is touched for the first time, which has a row of its own.
    for turn in 0..=turns {
        for (work, took) in Work::ALL.into_iter().zip(&mut took) {
            let began = Instant::now();
            stand.run(work)?;
            if turn > 0 {
                took.push(began.elapsed().as_secs_f64());
            }
        }
    }
    let seconds = took.map(median);
    let of = |work: Work| {
        Work::ALL.iter().zip(seconds).find(|(one, _)| **one == work).map_or(f64::NAN, |(_, s)| s)
    };
    let mut rows: Vec<CodecRow> = Work::ALL
        .into_iter()
        .map(|work| row(settings, work.name(shape), work.engine(), of(work), of(work.limit())))
        .collect();
    let name = format!("decode {dimension}<-{latent} into a new lease, the first call");
    rows.push(row(settings, name, "plimsoll", first, of(Work::DecodeProduct)));
    Ok(rows)
}

/// Vectors of so many numbers.
pub(super) fn random(seed: u64, width: usize, count: usize) -> Vec<f32> {
    Source::new(width).vectors(seed, count as u64)
}

#[expect(clippy::cast_precision_loss, reason = "rates")]
pub(super) fn row(
    settings: &Settings,
    work: String,
    engine: &'static str,
    seconds: f64,
    limit: f64,
) -> CodecRow {
    let NeuralShape { dimension, latent, .. } = settings.shape;
    let rate = settings.rows as f64 / seconds;
    CodecRow {
        work,
        engine,
        vectors_per_second: rate,
        ms: seconds * 1e3,
        gflops: rate * (2 * dimension * latent) as f64 / 1e9,
        limit_fraction: limit / seconds,
    }
}
