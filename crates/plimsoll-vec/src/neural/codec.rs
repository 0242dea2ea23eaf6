//! Weights ready to run.

use plimsoll::governor::Charge;
use plimsoll::pool::{Lease, LeaseRequest, Pool};
use plimsoll::{Bytes, EngineAccount, Place};

use super::packed::{Packed, TILES};
use super::projection::Projection;
use super::share::share;
use super::site::charge;
use super::{LatentRows, Latents, NeuralError, NeuralShape, Weights, quantize, view};
use crate::BLOCK_ROWS;
use crate::code::{CodeError, whole};

/// Rows that a thread takes at once: few enough that threads end together, so many that taking costs nothing.
const PART_ROWS: usize = 8 * BLOCK_ROWS;

/// Codes vectors as latents, and reads them back.
///
/// It holds packed weights, charged to the account that it was made on. What a call works in is leased from that account's
/// pool, a desk a thread, from the first call on; nothing else is allocated. Vectors and targets are the caller's. Products
/// are of singles, added up in one order: a latent does not depend on threads, nor on who was coded beside it.
///
/// | what | bytes |
/// |---|---|
/// | weights | 4 · (D ⌈L⌉₁₆ + L ⌈D⌉₁₆ + D) |
/// | desk of a thread, encoding | 256 · (D + L) + 12 KiB |
/// | desk of a thread, decoding | 256 · L + 12 KiB |
///
/// ```
/// use plimsoll::{Bytes, Engine};
/// use plimsoll_vec::neural::{NeuralCodec, NeuralShape, Weights};
///
/// let account = Engine::in_memory(Bytes::mib(1), "vec")?.account("vec")?;
/// let (encoder, decoder) = (vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0], vec![1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
/// let weights = Weights::new(NeuralShape::new(3, 2), encoder, decoder, vec![0.0, 0.0, 7.0])?;
/// let codec = NeuralCodec::new(&weights, &account)?;
/// let latents = codec.encode(&[1.27, -0.5, 9.0])?;
/// assert_eq!(latents.view().levels(), [127, -50]);
/// let mut back = [0.0; 3];
/// codec.decode_flat(latents.view(), &mut back)?;
/// assert!((back[1] + 0.5).abs() < 1e-6 && back[2] == 7.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct NeuralCodec {
    shape: NeuralShape,
    into: Projection,
    decoder: Packed,
    /// A scale above this could lead beyond singles.
    scale_most: f32,
    threads: usize,
    account: EngineAccount,
    pool: Pool,
    _paid: Charge,
}

impl NeuralCodec {
    /// Packs weights, charged to the account.
    pub fn new(weights: &Weights, account: &EngineAccount) -> Result<Self, NeuralError> {
        let shape = weights.shape();
        let NeuralShape { dimension, latent, .. } = shape;
        let paid = charge(account, Self::bytes_for(shape).get())?;
        let into = Projection::new(shape, weights.encoder(), weights.mean().to_vec());
        let decoder = Packed::of(dimension, latent, weights.decoder());
        let scale_most = scale_most(weights);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let pool = account.scratch(Place::Host)?;
        let account = account.clone();
        Ok(Self { shape, into, decoder, scale_most, threads, account, pool, _paid: paid })
    }

    /// What that takes from the heap.
    pub fn bytes_for(shape: NeuralShape) -> Bytes {
        let NeuralShape { dimension, latent, .. } = shape;
        Bytes::new(Projection::bytes_for(shape).saturating_add(Packed::bytes_for(dimension, latent)))
    }

    /// The same with so many threads; all that the machine has, unless said.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// How long vectors and latents are.
    pub fn shape(&self) -> NeuralShape {
        self.shape
    }

    /// Codes vectors, row after row, into memory that is charged to the account.
    pub fn encode(&self, vectors: &[f32]) -> Result<Latents, NeuralError> {
        let rows = whole(vectors, self.shape.dimension)?;
        let latent = self.shape.latent;
        let paid = charge(&self.account, Latents::bytes_for(rows, latent))?;
        let (mut levels, mut scales) = (vec![0; rows * latent], vec![0.0; rows]);
        self.encode_into(vectors, &mut levels, &mut scales)?;
        Ok(Latents { levels, scales, latent, _paid: paid })
    }

    /// Codes vectors into memory of the caller: `rows × latent` levels and `rows` scales. At an error some of it may be
    /// written.
    pub fn encode_into(
        &self,
        vectors: &[f32],
        levels: &mut [i8],
        scales: &mut [f32],
    ) -> Result<(), NeuralError> {
        let NeuralShape { dimension, latent, .. } = self.shape;
        let rows = whole(vectors, dimension)?;
        if levels.len() != rows * latent || scales.len() != rows {
            return Err(NeuralError::Latents { levels: levels.len(), scales: scales.len(), latent });
        }
        let parts = vectors
            .chunks(PART_ROWS * dimension)
            .zip(levels.chunks_mut(PART_ROWS * latent))
            .zip(scales.chunks_mut(PART_ROWS));
        let desk = Projection::desk_bytes(self.shape);
        share((&self.pool, desk), self.threads, parts, |part, ((vectors, levels), scales), desk| {
            let blocks = vectors
                .chunks(BLOCK_ROWS * dimension)
                .zip(levels.chunks_mut(BLOCK_ROWS * latent))
                .zip(scales.chunks_mut(BLOCK_ROWS));
            for (block, ((vectors, levels), scales)) in blocks.enumerate() {
                let first = part * PART_ROWS + block * BLOCK_ROWS;
                let kept = self.into.block(first, vectors, view::floats_mut(desk))?;
                let out = levels.chunks_exact_mut(latent).zip(scales);
                for (at, (row, (levels, scale))) in kept.chunks_exact(latent).zip(out).enumerate() {
                    // What is written can be read.
                    let found = quantize::levels(row, levels).filter(|scale| *scale <= self.scale_most);
                    *scale = found.ok_or(NeuralError::TooLarge { vector: first + at })?;
                }
            }
            Ok(())
        })
    }

    /// Latents before they are rounded, `rows × latent` numbers: what vectors are for a codec of fewer numbers that is not
    /// this one's. With components as weights ([`Training::epochs`](super::Training::epochs) none), queries go the same way.
    pub fn project(&self, vectors: &[f32], into: &mut [f32]) -> Result<(), NeuralError> {
        let NeuralShape { dimension, latent, .. } = self.shape;
        let numbers = whole(vectors, dimension)? * latent;
        if into.len() != numbers {
            return Err(CodeError::Target { numbers, places: into.len() }.into());
        }
        let parts = vectors.chunks(PART_ROWS * dimension).zip(into.chunks_mut(PART_ROWS * latent));
        let desk = Projection::desk_bytes(self.shape);
        share((&self.pool, desk), self.threads, parts, |part, (vectors, into), desk| {
            let blocks = vectors.chunks(BLOCK_ROWS * dimension).zip(into.chunks_mut(BLOCK_ROWS * latent));
            for (block, (vectors, into)) in blocks.enumerate() {
                let first = part * PART_ROWS + block * BLOCK_ROWS;
                let kept = self.into.block(first, vectors, view::floats_mut(desk))?;
                into.copy_from_slice(&kept[..into.len()]);
                let row = into.iter().position(|x| !x.is_finite()).map(|at| at / latent);
                if let Some(row) = row {
                    return Err(NeuralError::TooLarge { vector: first + row });
                }
            }
            Ok(())
        })
    }

    /// Reads latents back into rows wherever the caller has them.
    pub fn decode<R: AsMut<[f32]> + Send>(
        &self,
        latents: LatentRows<'_>,
        rows: &mut [R],
    ) -> Result<(), NeuralError> {
        let dimension = self.shape.dimension;
        if rows.len() != latents.rows() {
            return Err(CodeError::Target { numbers: latents.rows(), places: rows.len() }.into());
        }
        if let Some(row) = rows.iter_mut().map(|row| row.as_mut().len()).find(|places| *places != dimension) {
            return Err(CodeError::Target { numbers: dimension, places: row }.into());
        }
        self.decode_parts(latents, rows.chunks_mut(PART_ROWS), |rows, row, columns, products| {
            self.put(&mut rows[row].as_mut()[columns..], columns, products);
        })
    }

    /// Reads latents back into one piece of memory, row after row.
    pub fn decode_flat(&self, latents: LatentRows<'_>, into: &mut [f32]) -> Result<(), NeuralError> {
        let dimension = self.shape.dimension;
        let numbers = latents.rows().saturating_mul(dimension);
        if into.len() != numbers {
            return Err(CodeError::Target { numbers, places: into.len() }.into());
        }
        self.decode_parts(latents, into.chunks_mut(PART_ROWS * dimension), |part, row, columns, products| {
            self.put(&mut part[row * dimension + columns..], columns, products);
        })
    }

    /// Reads latents back into a lease that the host can see, from its beginning, row after row.
    pub fn decode_into(&self, latents: LatentRows<'_>, lease: &mut Lease) -> Result<(), NeuralError> {
        let numbers = latents.rows().saturating_mul(self.shape.dimension);
        let floats = view::floats_mut(lease.as_mut_slice()?);
        let places = floats.len();
        let target = floats.get_mut(..numbers).ok_or(CodeError::Target { numbers, places })?;
        self.decode_flat(latents, target)
    }

    /// Reads latents back into a lease of the account's pool.
    pub fn decoded(&self, latents: LatentRows<'_>) -> Result<Lease, NeuralError> {
        let numbers = (latents.rows() as u64).saturating_mul(self.shape.dimension as u64);
        let request = LeaseRequest::new(Bytes::new(numbers.saturating_mul(4))).align(64);
        let mut lease = self.pool.lease_with(request)?;
        self.decode_into(latents, &mut lease)?;
        Ok(lease)
    }

    /// What a thread works in that reads latents back.
    const fn desk_bytes(latent: usize) -> u64 {
        (latent * BLOCK_ROWS + TILES) as u64 * 4
    }

    /// Gives threads parts of the target, and puts products sixteen columns of a row at a time.
    fn decode_parts<T: Send>(
        &self,
        latents: LatentRows<'_>,
        targets: impl ExactSizeIterator<Item = T> + Send,
        put: impl Fn(&mut T, usize, usize, &[f32]) + Sync,
    ) -> Result<(), NeuralError> {
        let latent = self.shape.latent;
        if latents.latent() != latent {
            let (levels, scales) = (latents.levels().len(), latents.rows());
            return Err(NeuralError::Latents { levels, scales, latent });
        }
        if let Some(row) = latents.scales().iter().position(|scale| !(0.0..=self.scale_most).contains(scale))
        {
            return Err(NeuralError::Scale { row, scale: latents.scales()[row] });
        }
        let levels = latents.levels().chunks(PART_ROWS * latent);
        let parts = targets.zip(levels.zip(latents.scales().chunks(PART_ROWS)));
        let desk = Self::desk_bytes(latent);
        share((&self.pool, desk), self.threads, parts, |_, (mut target, (levels, scales)), desk| {
            let (rows, tiles) = view::floats_mut(desk).split_at_mut(BLOCK_ROWS * latent);
            let blocks = levels.chunks(BLOCK_ROWS * latent).zip(scales.chunks(BLOCK_ROWS));
            for (block, (levels, scales)) in blocks.enumerate() {
                for (row, (levels, scale)) in
                    rows.chunks_exact_mut(latent).zip(levels.chunks_exact(latent).zip(scales))
                {
                    for (x, level) in row.iter_mut().zip(levels) {
                        *x = f32::from(*level) * scale;
                    }
                }
                let count = scales.len();
                rows[count * latent..].fill(0.0);
                self.decoder.products(view::bytes(rows), tiles, |column, width, products| {
                    for (row, products) in products.chunks_exact(16).take(count).enumerate() {
                        put(&mut target, block * BLOCK_ROWS + row, column, &products[..width]);
                    }
                });
            }
            Ok(())
        })
    }

    /// Products and the mean, into their places.
    #[inline]
    fn put(&self, into: &mut [f32], columns: usize, products: &[f32]) {
        let mean = &self.into.mean()[columns..];
        if let (Some(into), Some(products), Some(mean)) =
            (into.first_chunk_mut::<16>(), products.first_chunk::<16>(), mean.first_chunk::<16>())
        {
            for at in 0..16 {
                into[at] = products[at] + mean[at];
            }
            return;
        }
        for ((into, product), mean) in into.iter_mut().zip(products).zip(mean) {
            *into = product + mean;
        }
    }
}

/// The largest scale whose levels cannot lead beyond singles, whatever they are.
pub(super) fn scale_most(weights: &Weights) -> f32 {
    let most = |numbers: &mut dyn Iterator<Item = f32>| numbers.fold(0.0_f32, f32::max);
    let rows = weights.decoder().chunks_exact(weights.shape().latent);
    let reach = most(&mut rows.map(|row| row.iter().map(|x| x.abs()).sum()));
    let mean = most(&mut weights.mean().iter().map(|x| x.abs()));
    // Sums are rounded on the way.
    ((f32::MAX * 0.9 - mean) / 130.0).max(0.0) / reach.max(1.0)
}
