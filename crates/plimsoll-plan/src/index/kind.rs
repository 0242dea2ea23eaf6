//! How an index finds its way: past every vector, through lists, or along a graph.

use std::fmt;

use super::Maker;
use crate::phase::product;

/// A kind of index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Every vector is looked at.
    Flat,
    /// Vectors stand in lists by their nearest centroid, and a few lists are looked at.
    Ivf {
        /// Lists.
        lists: u64,
        /// Lists that a query looks at.
        probes: u64,
    },
    /// Each vector knows its neighbours, and a query walks from one to the next.
    Hnsw {
        /// Neighbours on the upper levels; twice as many on the lowest.
        links: u64,
        /// Candidates that building keeps.
        build_width: u64,
        /// Candidates that a query keeps.
        query_width: u64,
    },
}

impl Kind {
    /// What the neighbours of all vectors take, and what of that is certain.
    ///
    /// A vector is on level one with probability 1/M, on level two with 1/M², and so on: 1/(M − 1) upper levels a
    /// vector. The lowest level is fixed.
    pub fn graph_bytes(self, vectors: u64, maker: Maker) -> Graph {
        let Self::Hnsw { links, .. } = self else {
            return Graph { lowest: 0, upper: 0, beside: 0 };
        };
        let wide = links.saturating_mul(2);
        let upper_levels = vectors / links.saturating_sub(1).max(1);
        let (lowest, upper, beside) = match maker {
            // Neighbours end with a marker; where each vector's begin and its level stand apart.
            Maker::Faiss => (product(&[wide, 4]), product(&[links, 4]), 12),
            // Count and neighbours; a pointer to the upper levels and a number of the level.
            Maker::Hnswlib => {
                (product(&[wide, 4]).saturating_add(4), product(&[links, 4]).saturating_add(4), 12)
            }
            // Count and neighbours, a level before them, and a pointer to each.
            Maker::Usearch => {
                (product(&[wide, 4]).saturating_add(4), product(&[links, 4]).saturating_add(4), 10)
            }
            // Count and neighbours; a level, and where the upper levels are.
            Maker::Plimsoll => {
                (product(&[wide, 4]).saturating_add(4), product(&[links, 4]).saturating_add(4), 5)
            }
        };
        Graph {
            lowest: vectors.saturating_mul(lowest),
            upper: upper_levels.saturating_mul(upper),
            beside: vectors.saturating_mul(beside),
        }
    }

    /// The share of all vectors that so many queries together look at.
    #[expect(clippy::cast_precision_loss, reason = "a share, for a time")]
    pub fn share(self, queries: u64) -> f64 {
        match self {
            Self::Flat | Self::Hnsw { .. } => 1.0,
            Self::Ivf { lists, probes } => {
                // Each query leaves a list alone with this probability; together they leave few.
                let left = (1.0 - probes as f64 / lists.max(1) as f64).clamp(0.0, 1.0);
                1.0 - left.powf(queries as f64)
            }
        }
    }
}

/// What a graph takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Graph {
    /// Neighbours on the lowest level: fixed.
    pub lowest: u64,
    /// Neighbours above: as chance has it.
    pub upper: u64,
    /// Levels, and where each vector's neighbours are.
    pub beside: u64,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flat => f.pad("flat"),
            Self::Ivf { lists, .. } => f.pad(&format!("ivf{lists}")),
            Self::Hnsw { links, .. } => f.pad(&format!("hnsw{links}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_queries_together_look_at_almost_everything() {
        let ivf = Kind::Ivf { lists: 4096, probes: 32 };
        assert!((ivf.share(1) - 32.0 / 4096.0).abs() < 1e-12);
        assert!(ivf.share(1000) > 0.999);
        assert!((Kind::Flat.share(1) - 1.0).abs() < 1e-12);
        assert!((Kind::Ivf { lists: 0, probes: u64::MAX }.share(u64::MAX) - 1.0).abs() < 1e-12);
    }
}
