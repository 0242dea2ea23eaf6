//! What building and asking an index need for as long as they last.

use plimsoll::Place;

use super::{Codec, Index, Kind, Maker};
use crate::phase::{Phase, product, push};
use crate::{Certainty, Formula, Part};

/// Vectors that training takes for each centroid: more do not make better centroids (FAISS's limit too).
const SAMPLE_EACH: u64 = 256;
/// Vectors that the words of groups are learned from at most: a thousand for each word.
const SAMPLE_WORDS: u64 = 16_384;
/// Queries whose candidates are looked at again at once.
const AGAIN_AT_ONCE: u64 = 64;
/// Rows of codes whose distances stand in a tile before the best of them are taken.
const TILE_ROWS: u64 = 16_384;
/// Queries of a tile.
const TILE_QUERIES: u64 = 256;

impl Index {
    /// What building needs besides what stays.
    pub(super) fn building(&self) -> Phase {
        let mut parts = Vec::new();
        self.training(&mut parts);
        self.ingesting(&mut parts);
        if let Kind::Hnsw { build_width, .. } = self.kind {
            self.walking(&mut parts, build_width);
        }
        Phase { name: "build", parts }
    }

    /// Vectors that training looks at: for centroids and for codewords.
    fn sample(&self) -> u64 {
        let lists = match self.kind {
            Kind::Ivf { lists, .. } => lists.saturating_mul(SAMPLE_EACH),
            _ => 0,
        };
        let words = match self.codec {
            Codec::Pq { bits, .. } => SAMPLE_EACH.saturating_mul(1 << bits.min(32)),
            Codec::Groups { .. } => SAMPLE_WORDS,
            Codec::Neural { .. } => 1 << 18,
            Codec::Int8 | Codec::Int4 if self.maker == Maker::Faiss => 100_000,
            _ => 0,
        };
        lists.max(words).min(self.vectors)
    }

    fn training(&self, parts: &mut Vec<Part>) {
        let sample = self.sample();
        let at = (self.memory(), "build");
        let bytes = product(&[sample, self.coded(), 4]);
        let formula = Formula::new("min(256 × lists or codewords, vectors) × dimension × 4 B")
            .term("sample", sample)
            .term("dimension", self.coded());
        push(parts, "training sample", at, bytes, Certainty::Estimated(0.1), formula);
        if let Kind::Ivf { lists, .. } = self.kind {
            // Sums of f32 and counts, beside the centroids that stay; for each of the sample its list and distance.
            let sums = product(&[lists, self.coded().saturating_mul(4).saturating_add(8)]);
            let bytes = sums.saturating_add(sample.saturating_mul(8));
            let formula = Formula::new("lists × (dimension × 4 B + 8 B) + sample × 8 B")
                .term("lists", lists)
                .term("dimension", self.coded())
                .term("sample", sample);
            push(parts, "k-means sums", at, bytes, Certainty::Estimated(0.1), formula);
            let bytes = product(&[TILE_QUERIES, lists.min(TILE_ROWS), 4, self.load.threads]);
            let formula = Formula::new("256 × min(lists, 16384) × 4 B × threads")
                .term("lists", lists)
                .term("threads", self.load.threads);
            push(parts, "k-means distances", at, bytes, Certainty::Estimated(0.25), formula);
            // Which list each vector goes to, until all are in their places.
            let bytes = self.vectors.saturating_mul(4);
            let formula = Formula::new("vectors × 4 B").term("vectors", self.vectors);
            push(parts, "list of each vector", at, bytes, Certainty::Estimated(0.1), formula);
        }
    }

    fn ingesting(&self, parts: &mut Vec<Part>) {
        let rows = self.ring.ingest.min(self.vectors);
        let bytes = product(&[rows, self.dimension, 4, 2]);
        let formula = Formula::new("2 batches × rows × dimension × 4 B: one is read while one is encoded")
            .term("rows", rows)
            .term("dimension", self.dimension);
        push(parts, "batches", (Place::Host, "build"), bytes, Certainty::Estimated(0.1), formula);
        if let Some(width) = self.reduced {
            let desks = product(&[
                self.load.threads,
                product(&[256, self.dimension.saturating_add(width)]).saturating_add(12 << 10),
            ]);
            let bytes = product(&[rows, width, 4]).saturating_add(desks);
            let formula =
                Formula::new("rows × reduced × 4 B + threads × (256 × (dimension + reduced) B + 12 KiB)")
                    .term("rows", rows)
                    .term("dimension", self.dimension)
                    .term("reduced", width)
                    .term("threads", self.load.threads);
            push(parts, "reduced batch", (Place::Host, "build"), bytes, Certainty::Estimated(0.1), formula);
        }
        let bytes = product(&[rows, self.vector_bytes().get()]);
        let formula = Formula::new("rows × (code + scale + id)")
            .term("rows", rows)
            .term("code + scale + id", self.vector_bytes());
        push(parts, "encoded batch", (self.memory(), "build"), bytes, Certainty::Estimated(0.1), formula);
    }

    /// A walk remembers where it was and keeps candidates, for each thread; building locks vectors too.
    fn walking(&self, parts: &mut Vec<Part>, width: u64) {
        let mark = if self.maker == Maker::Hnswlib { 2 } else { 1 };
        let marks = self.vectors.saturating_mul(mark);
        let heaps = width.max(self.load.k).saturating_mul(2 * 12);
        let bytes = product(&[marks.saturating_add(heaps), self.load.threads]);
        let formula = Formula::new("threads × (vectors × mark + 2 heaps × candidates × 12 B)")
            .term("threads", self.load.threads)
            .term("vectors", self.vectors)
            .term("mark", format!("{mark} B"))
            .term("candidates", width.max(self.load.k));
        push(parts, "walks", (self.memory(), "query"), bytes, Certainty::Estimated(0.2), formula);
    }

    /// What a batch of queries needs besides what stays.
    pub(super) fn asking(&self) -> Phase {
        Phase { name: "query", parts: self.asked(self.load.queries) }
    }

    /// The same for so many queries at once.
    pub(super) fn asked(&self, queries: u64) -> Vec<Part> {
        let mut parts = Vec::new();
        let at = (self.memory(), "query");
        let bytes = product(&[queries, self.dimension, 4]);
        let formula = Formula::new("queries × dimension × 4 B")
            .term("queries", queries)
            .term("dimension", self.dimension);
        push(&mut parts, "queries", at, bytes, Certainty::Exact, formula);
        let bytes = product(&[queries, self.candidates(), 12]);
        let formula = Formula::new("queries × k × oversampling × (8 B id + 4 B distance)")
            .term("queries", queries)
            .term("k", self.load.k)
            .term("oversampling", self.load.oversampling);
        push(&mut parts, "heaps", at, bytes, Certainty::Estimated(0.1), formula);
        let bytes = product(&[queries, self.load.k, 12]);
        let formula = Formula::new("queries × k × (8 B id + 4 B distance)")
            .term("queries", queries)
            .term("k", self.load.k);
        push(&mut parts, "results", (Place::Host, "query"), bytes, Certainty::Exact, formula);
        if let Some(width) = self.reduced {
            let each = width.saturating_mul(4).saturating_add(8);
            let desk = width.saturating_mul(8).saturating_add(self.dimension.saturating_mul(4));
            let bytes = product(&[queries, each]).saturating_add(product(&[self.load.threads, desk]));
            let formula =
                Formula::new("queries × (reduced × 4 B + 8 B) + threads × (reduced × 8 B + dimension × 4 B)")
                    .term("queries", queries)
                    .term("dimension", self.dimension)
                    .term("reduced", width)
                    .term("threads", self.load.threads);
            push(&mut parts, "reduced queries", at, bytes, Certainty::Exact, formula);
        }
        self.looking(&mut parts, queries);
        self.again(&mut parts, queries);
        if self.streams() {
            let formula =
                Formula::new("slots × chunk").term("slots", self.ring.slots).term("chunk", self.ring.chunk);
            let bytes = product(&[self.ring.slots, self.ring.chunk.get()]);
            push(&mut parts, "ring", (Place::Host, "stream"), bytes, Certainty::Exact, formula);
        }
        parts
    }

    /// Distances, and what each kind and code needs to tell them.
    fn looking(&self, parts: &mut Vec<Part>, queries: u64) {
        let at = (self.memory(), "query");
        let tile = queries.min(TILE_QUERIES);
        match self.kind {
            Kind::Flat | Kind::Ivf { .. } => {
                let rows = self.vectors.min(TILE_ROWS);
                let bytes = product(&[tile, rows, 4]);
                let formula = Formula::new("min(queries, 256) × min(vectors, 16384) × 4 B")
                    .term("queries", queries)
                    .term("vectors", self.vectors);
                push(parts, "distances", at, bytes, Certainty::Estimated(0.25), formula);
            }
            Kind::Hnsw { query_width, .. } => self.walking(parts, query_width),
        }
        if let Kind::Ivf { lists, probes } = self.kind {
            let bytes = product(&[tile, lists, 4]).saturating_add(product(&[queries, probes, 12]));
            let formula = Formula::new("min(queries, 256) × lists × 4 B + queries × probes × 12 B")
                .term("queries", queries)
                .term("lists", lists)
                .term("probes", probes);
            push(parts, "nearest lists", at, bytes, Certainty::Estimated(0.1), formula);
        }
        if let Codec::Groups { .. } = self.codec {
            // In whole pairs of groups, and what a sum means.
            let groups = self.codec.groups(self.coded());
            let table = groups.div_ceil(2).saturating_mul(32).saturating_add(24);
            let bytes = product(&[queries, table]);
            let formula = Formula::new("queries × (16 B a group, of whole pairs + 24 B)")
                .term("queries", queries)
                .term("groups", groups);
            push(parts, "tables", at, bytes, Certainty::Estimated(0.01), formula);
        }
        if let Codec::Pq { parts: pieces, bits } = self.codec {
            let words = 1_u64 << bits.min(32);
            let bytes = product(&[tile, pieces, words, 4]);
            let formula = Formula::new("min(queries, 256) × sub-vectors × codewords × 4 B")
                .term("queries", queries)
                .term("sub-vectors", pieces)
                .term("codewords", words);
            push(parts, "distance tables", at, bytes, Certainty::Estimated(0.1), formula);
        }
    }

    /// Candidates' originals, read to be compared exactly.
    fn again(&self, parts: &mut Vec<Part>, queries: u64) {
        let Some(originals) = self.originals else { return };
        if self.is_exact() || self.load.oversampling <= 1 {
            return;
        }
        let at_once = queries.min(AGAIN_AT_ONCE);
        let bytes = product(&[at_once, self.candidates(), self.dimension, originals.number_bytes]);
        let formula = Formula::new("min(queries, 64) × k × oversampling × dimension × number")
            .term("queries", queries)
            .term("k", self.load.k)
            .term("oversampling", self.load.oversampling)
            .term("dimension", self.dimension)
            .term("number", format!("{} B", originals.number_bytes));
        push(
            parts,
            "candidates' originals",
            (self.memory(), "query"),
            bytes,
            Certainty::Estimated(0.1),
            formula,
        );
    }

    /// Whether codes have to come from a place that is no memory.
    pub(super) fn streams(&self) -> bool {
        let out = |place| matches!(place, Place::Disk | Place::Remote);
        out(self.place) || (self.codec == Codec::Planes && out(self.lower_place))
    }
}

#[cfg(test)]
mod tests {
    use plimsoll::Bytes;

    use super::*;

    #[test]
    fn building_trains_on_a_sample_and_asking_does_not() {
        let index = Index::parse("5Mx768:int4,ivf,nlist=4096,queries=64,k=100").unwrap();
        let build = index.building();
        assert_eq!(build.parts[0].name, "training sample");
        assert_eq!(build.parts[0].bytes, Bytes::new(4096 * 256 * 768 * 4));
        let query = index.asking();
        assert!(query.parts.iter().all(|part| part.name != "training sample"));
        let again = query.parts.iter().find(|part| part.name == "candidates' originals").unwrap();
        assert_eq!(again.bytes, Bytes::new(64 * 400 * 768 * 4));
        let phases = index.phases();
        assert_eq!(phases.heaviest(Place::Host).unwrap().name, "build");
    }

    #[test]
    fn codes_on_disk_come_through_a_ring() {
        let index = Index::parse("5Mx768:int8,on=disk").unwrap();
        let parts = index.phases().parts();
        let codes = parts.iter().find(|part| part.name == "codes").unwrap();
        assert_eq!(codes.place, Place::Disk);
        assert!(index.asking().parts.iter().any(|part| part.bytes == Bytes::mib(192)));
    }
}
