//! A vector index, as far as a plan has to know it.

use plimsoll::{Bytes, Place};

use super::{Codec, Kind, Maker};
use crate::Phases;

/// A vector index: how many vectors of how many numbers, how they are kept and found, and what is asked of it.
///
/// It is a description; nothing of it is built. What the vectors mean, where they come from and the program's own
/// code are no part of it.
///
/// ```
/// use plimsoll_plan::index::Index;
/// let index = Index::parse("5Mx768:int4,ivf,k=100,queries=64,on=cuda:0").unwrap();
/// let codes = &index.phases().resident[0];
/// assert_eq!(codes.bytes.get(), 5_000_000 * (384 + 8));
/// ```
///
/// What stays is `vectors × (code + scale + id) + centroids + graph`; building and asking each add their own on top.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    /// How many vectors.
    pub vectors: u64,
    /// Numbers of each.
    pub dimension: u64,
    /// Numbers that each is reduced to before it is coded, by a linear code that was learned: as many as come, if none.
    pub reduced: Option<u64>,
    /// How they are kept.
    pub codec: Codec,
    /// How they are found.
    pub kind: Kind,
    /// Who lays it out.
    pub maker: Maker,
    /// What nearness is.
    pub metric: Metric,
    /// Where the codes are.
    pub place: Place,
    /// Where lower planes are, if not with the codes ([`Codec::Planes`]).
    pub lower_place: Place,
    /// Where the vectors are kept as they came, if they are.
    pub originals: Option<Originals>,
    /// Copies of the codes, each with all that belongs to it.
    pub replicas: u64,
    /// What is asked.
    pub load: Load,
    /// What streams when the codes are not resident, and how building takes its input.
    pub ring: Ring,
}

/// Vectors as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Originals {
    /// Where.
    pub place: Place,
    /// Bytes of a number: four, or two where they came as halves.
    pub number_bytes: u64,
}

/// What is asked of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Queries that are answered together.
    pub queries: u64,
    /// Neighbours that each wants.
    pub k: u64,
    /// Candidates for each of them that are looked at again with the originals; one where there are none.
    pub oversampling: u64,
    /// Threads that search or build.
    pub threads: u64,
}

/// The ring that chunks come through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Bytes of a chunk.
    pub chunk: Bytes,
    /// Chunks that there are room for at once.
    pub slots: u64,
    /// Vectors that building takes at once.
    pub ingest: u64,
}

/// What nearness is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Euclidean distance.
    #[default]
    L2,
    /// Inner product.
    Dot,
    /// The angle; vectors are made of unit length when they come.
    Cosine,
    /// How many signs differ.
    Hamming,
}

impl Index {
    /// What stays and what comes in turns: `build` and `query`.
    pub fn phases(&self) -> Phases {
        Phases { resident: self.resident(), turns: vec![self.building(), self.asking()] }
    }

    /// The same index with another code.
    #[must_use]
    pub fn with_codec(&self, codec: Codec) -> Self {
        Self { codec, ..self.clone() }
    }

    /// Numbers of a vector that are coded.
    pub fn coded(&self) -> u64 {
        self.reduced.unwrap_or(self.dimension)
    }

    /// Whether codes alone give what the vectors as they came would.
    pub fn is_exact(&self) -> bool {
        self.codec.is_exact() && self.reduced.is_none()
    }

    /// Bytes of one vector's code with what belongs to it and its id.
    pub fn vector_bytes(&self) -> Bytes {
        let code = self.codec.code_bytes(self.coded());
        let scale = self.codec.scale_bytes(self.maker).saturating_add(self.factor_bytes());
        Bytes::new(code.saturating_add(scale).saturating_add(self.id_bytes()))
    }

    /// An id is eight bytes. FAISS has none where the number of a vector is its place: flat and graph. Ours are on disk,
    /// with the rows in their order, where they are not one after the other: always in lists.
    pub(super) fn id_bytes(&self) -> u64 {
        match (self.maker, self.kind) {
            (Maker::Faiss, Kind::Flat | Kind::Hnsw { .. })
            | (Maker::Plimsoll, Kind::Flat | Kind::Ivf { .. }) => 0,
            _ => 8,
        }
    }

    /// What FAISS keeps beside signs in lists: the two factors of its estimate (`RaBitQ`).
    pub(super) fn factor_bytes(&self) -> u64 {
        match (self.maker, self.kind, self.codec) {
            (Maker::Faiss, Kind::Ivf { .. }, Codec::Binary) => 8,
            _ => 0,
        }
    }

    /// Whether the signs stand in one place and the other planes in another.
    pub(super) fn planes_apart(&self) -> bool {
        self.codec == Codec::Planes && self.lower_place != self.place
    }

    /// What the planes below the signs take for one vector.
    pub(super) fn lower_bytes(&self) -> u64 {
        self.coded().div_ceil(8).saturating_mul(3)
    }

    /// Candidates that a query keeps: more than it wants where the originals are looked at again.
    pub(super) fn candidates(&self) -> u64 {
        self.load.k.saturating_mul(self.load.oversampling.max(1))
    }
}
