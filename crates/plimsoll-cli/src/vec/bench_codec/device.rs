//! The measurements on a device: rows that stay there, and rows that go to the host.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll::pool::{Lease, Pool};
use plimsoll::{Bytes, Place};
use plimsoll_vec::gpu::GpuError;
use plimsoll_vec::neural::{DeviceDecoder, NeuralCodec, NeuralError, NeuralShape, Weights};

use super::CodecRow;
use super::trial::{Settings, random};
use crate::bench::median;
use crate::vec::{bench, budget};
use crate::{CliError, Printer, backends::Backends};

const PATIENCE: Duration = Duration::from_mins(1);
/// Decoded again so often in a turn: a launch costs little beside it.
const DEPTH: usize = 8;

/// What the works of a turn share.
struct Stand {
    decoder: DeviceDecoder,
    /// Of the device, and of the memory that it brings rows to.
    own: Pool,
    near: Pool,
    rows: usize,
    there: Lease,
    here: Lease,
    bytes: Bytes,
}

/// Measures all on the device of a place.
pub(super) fn all(settings: &Settings, place: Place, note: &dyn Fn(&str)) -> Result<Vec<CodecRow>, CliError> {
    let Settings { rows, shape, .. } = *settings;
    shape.check()?;
    let NeuralShape { dimension, latent, .. } = shape;
    let bytes = Bytes::new(rows as u64 * dimension as u64 * 4);
    let backends = Backends::new(Printer::notice());
    let device = backends.device(place)?;
    let beside = matches!(place, Place::Cuda(_)).then(|| backends.device(Place::Pinned)).transpose()?;
    let (own, near) = bench::pools(&device, beside, bytes)?;
    note("vectors are made and coded by the host");
    let account = budget::account(None)?;
    let vectors = random(2, dimension, rows);
    let small = |seed, width, count| random(seed, width, count).into_iter().map(|x| x * 0.05).collect();
    let weights =
        Weights::new(shape, small(3, dimension, latent), small(4, latent, dimension), vec![0.1; dimension])?;
    let codec = NeuralCodec::new(&weights, &account)?;
    let latents = codec.encode(&vectors)?;
    let decoder = DeviceDecoder::new(&weights, &own)?;
    let mut held = decoder.room(rows)?;
    decoder.put(latents.view(), &mut held)?;
    let lease = |pool: &Pool| pool.lease(bytes).map_err(NeuralError::from);
    let (there, here) = (lease(&own)?, lease(&near)?);
    let mut stand = Stand { decoder, own, near, rows, there, here, bytes };

    note(&format!("the decoder is measured on {place}"));
    let mut took = [const { Vec::new() }; 4];
    for turn in 0..=settings.turns {
        let seconds = [
            stand.writes()?,
            stand.repeated(|stand| Ok(stand.decoder.decode(&mut held, stand.rows, &mut stand.there)?))?,
            stand.home()?,
            stand.timed(|stand| Ok(stand.decoder.decode_to(latents.view(), &mut stand.here)?))?,
        ];
        // In the first turn kernels are compiled and memory is touched for the first time.
        for (took, seconds) in took.iter_mut().zip(seconds).filter(|_| turn > 0) {
            took.push(seconds);
        }
    }
    stand.check(&codec, &latents)?;
    let [writes, decode, home, whole] = took.map(median);
    let row = |work: String, engine, seconds: f64, limit: f64| {
        super::trial::row(settings, work, engine, seconds, limit)
    };
    let near = stand.near.place();
    Ok(vec![
        row(format!("rows of {dimension} filled on {place}"), "driver", writes, writes),
        row(format!("decode {dimension}<-{latent} on {place}"), "plimsoll", decode, writes),
        row(format!("rows of {dimension} copied from {place} to {near}"), "driver", home, home),
        row(format!("decode {dimension}<-{latent} on {place}, to {near}"), "plimsoll", whole, home),
    ])
}

impl Stand {
    fn timed(&mut self, work: impl FnOnce(&mut Self) -> Result<(), CliError>) -> Result<f64, CliError> {
        let began = Instant::now();
        work(self)?;
        Ok(began.elapsed().as_secs_f64())
    }

    /// One of several in a row, and the wait for the last.
    fn repeated(
        &mut self,
        mut work: impl FnMut(&mut Self) -> Result<Option<plimsoll_device::Fence>, CliError>,
    ) -> Result<f64, CliError> {
        let seconds = self.timed(|stand| {
            let mut last = None;
            for _ in 0..DEPTH {
                last = work(stand)?;
            }
            let device = Arc::clone(stand.own.device());
            last.map_or(Ok(()), |fence| Ok(device.wait(fence, PATIENCE).map_err(GpuError::from)?))
        })?;
        #[expect(clippy::cast_precision_loss, reason = "a few")]
        Ok(seconds / DEPTH as f64)
    }

    /// The same bytes written by nothing but a fill.
    fn writes(&mut self) -> Result<f64, CliError> {
        let stream = self.own.device().stream().map_err(GpuError::from)?;
        self.repeated(|stand| Ok(stand.there.fill(stream, 0).map_err(GpuError::from)?))
    }

    /// The same bytes copied to the host.
    fn home(&mut self) -> Result<f64, CliError> {
        let stream = self.own.device().stream().map_err(GpuError::from)?;
        let bytes = self.bytes;
        let device = Arc::clone(self.own.device());
        self.timed(|stand| {
            let copied =
                stand.here.copy_from(stream, 0, &mut stand.there, 0, bytes).map_err(GpuError::from)?;
            copied.map_or(Ok(()), |fence| Ok(device.wait(fence, PATIENCE).map_err(GpuError::from)?))
        })
    }

    /// What came to the host is what the host decodes.
    fn check(&self, codec: &NeuralCodec, latents: &plimsoll_vec::neural::Latents) -> Result<(), CliError> {
        let dimension = codec.shape().dimension;
        let mut wanted = vec![0.0; self.rows * dimension];
        codec.decode_flat(latents.view(), &mut wanted)?;
        let found = self.here.as_slice().map_err(GpuError::from)?.as_chunks::<4>().0;
        let apart = |(found, wanted): (&[u8; 4], &f32)| (f32::from_le_bytes(*found) - wanted).abs();
        let most = found.iter().zip(&wanted).map(apart).fold(0.0, f32::max);
        let size = wanted.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
        if most <= size * 1e-5 {
            return Ok(());
        }
        Err(CliError::Bench(format!("rows of the device are {most} from those of the host, of {size}")))
    }
}
