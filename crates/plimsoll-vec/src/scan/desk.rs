//! What a thread works in.

use super::form::Form;
use super::kernels::{Kind, TILE};
use super::lines::Lines;
use super::queries::{MANY, Queries};
use crate::code::Layout;
use crate::{BLOCK_ROWS, Codec, Metric};

/// Groups of queries that a tile is made for at once.
pub(crate) const GROUPS: usize = 4;

/// Memory for the rows of a block in the form that kernels want, and for products.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    /// A block's rows: unpacked levels, or singles of halves.
    pub rows: Lines,
    /// Products of the block with a few groups of queries.
    pub tiles: Lines,
}

impl Desk {
    /// For these queries.
    pub(crate) fn new(queries: &Queries) -> Self {
        let layout = queries.layout();
        let (rows, tiles) = sizes(layout, queries.metric(), queries.count());
        debug_assert!(rows > 0 || !matches!(queries.form(), Form::Planes { .. }), "planes are unpacked");
        Self { rows: Lines::new(rows), tiles: Lines::new(tiles) }
    }

    /// What that takes from the heap.
    pub(crate) fn bytes_for(codec: Codec, metric: Metric, dimension: usize, count: usize) -> u64 {
        let (rows, tiles) = sizes(Layout::new(codec, dimension), metric, count);
        Lines::bytes_for(rows).saturating_add(Lines::bytes_for(tiles))
    }
}

/// Bytes of rows and of tiles.
fn sizes(layout: Layout, metric: Metric, count: usize) -> (usize, usize) {
    let dimension = layout.dimension();
    let many = count >= MANY;
    let tiles = GROUPS * TILE * size_of::<f32>();
    let levels = |kind: Kind| BLOCK_ROWS * kind.places(dimension);
    match layout.codec() {
        Codec::Binary if metric == Metric::Hamming => (0, 0),
        // One query's rows are unpacked too.
        Codec::Planes => (levels(Kind::Planes), tiles),
        _ if !many => (0, 0),
        Codec::F32 => (0, tiles),
        Codec::F16 | Codec::Bf16 => (BLOCK_ROWS * dimension * size_of::<f32>(), tiles),
        Codec::Int8 => (levels(Kind::Int8), tiles),
        Codec::Int8Affine => (levels(Kind::Int8Affine), tiles),
        Codec::Int4 => (levels(Kind::Int4), tiles),
        Codec::Binary => (levels(Kind::Signs), tiles),
    }
}
