//! What a thread works in.

use super::Path;
use super::form::Floats;
use super::kernels::{Kind, TILE};
use super::lines::Lines;
use super::queries::{MANY, Queries};
use crate::code::Layout;
use crate::{BLOCK_ROWS, Codec, Metric};

/// Groups of queries that a tile is made for at once.
pub(crate) const GROUPS: usize = 4;

/// Memory for the rows of a block in the form that kernels want, and for products.
#[derive(Clone, Debug, Default)]
pub(crate) struct Desk {
    /// A block's rows: unpacked levels, or singles of halves.
    pub rows: Lines,
    /// Its numbers, rounded.
    pub halves: Lines,
    /// Products of the block with a few groups of queries.
    pub tiles: Lines,
}

impl Desk {
    /// For these queries.
    pub(crate) fn new(queries: &Queries) -> Self {
        let [rows, halves, tiles] =
            sizes(queries.path(), queries.layout(), queries.metric(), queries.count());
        Self { rows: Lines::new(rows), halves: Lines::new(halves), tiles: Lines::new(tiles) }
    }

    /// What that takes from the heap.
    pub(crate) fn bytes_for(codec: Codec, metric: Metric, dimension: usize, count: usize) -> u64 {
        let sizes = sizes(Path::best(), Layout::new(codec, dimension), metric, count);
        sizes.into_iter().map(Lines::bytes_for).sum()
    }
}

/// Bytes of rows, of rounded rows and of tiles.
fn sizes(path: Path, layout: Layout, metric: Metric, count: usize) -> [usize; 3] {
    let dimension = layout.dimension();
    let many = count >= MANY;
    let tiles = GROUPS * TILE * size_of::<f32>();
    let levels = |kind: Kind| [BLOCK_ROWS * kind.places(dimension), 0, tiles];
    let halves =
        if path == Path::Amx { BLOCK_ROWS * Floats::wide_halves(dimension) * size_of::<u16>() } else { 0 };
    match layout.codec() {
        Codec::Binary if metric == Metric::Hamming => [0; 3],
        Codec::Pq2 | Codec::Pq4 | Codec::Pq8 => [0; 3],
        // One query's rows are unpacked too.
        Codec::Planes => levels(Kind::Planes),
        _ if !many => [0; 3],
        Codec::F32 => [0, halves, tiles],
        Codec::F16 | Codec::Bf16 => [BLOCK_ROWS * dimension * size_of::<f32>(), halves, tiles],
        Codec::Int8 => levels(Kind::Int8),
        Codec::Int8Affine => levels(Kind::Int8Affine),
        Codec::Int4 => levels(Kind::Int4),
        Codec::Binary => levels(Kind::Signs),
    }
}
