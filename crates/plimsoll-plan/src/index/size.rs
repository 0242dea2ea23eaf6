//! What an index keeps all along: codes, ids, lists, graph, originals.

use plimsoll::{Bytes, Place};

use super::codec::weights_bytes;
use super::{Codec, Index, Kind, Maker};
use crate::phase::{product, push};
use crate::{Certainty, Formula, Part};

/// An id of ours where rows lie by lists, and where to find it.
const LISTED_ID_BYTES: u64 = 28;
/// What an index file may have besides its arrays.
const HEADER_MAX: u64 = 1 << 10;

impl Index {
    /// Parts that stay.
    pub(super) fn resident(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        self.codes(&mut parts);
        self.beside_codes(&mut parts);
        match self.kind {
            Kind::Flat => {}
            Kind::Ivf { lists, .. } => self.lists(&mut parts, lists),
            Kind::Hnsw { links, .. } => self.graph(&mut parts, links),
        }
        self.originals(&mut parts);
        parts
    }

    /// How sure arrays are: those of others were compared with their files; ours may be padded to their end.
    fn array_certainty(&self, bytes: u64) -> Certainty {
        match self.maker {
            Maker::Plimsoll => Certainty::Estimated(0.01),
            _ => Certainty::Bounded(Bytes::new(bytes), Bytes::new(bytes.saturating_add(HEADER_MAX))),
        }
    }

    fn codes(&self, parts: &mut Vec<Part>) {
        let code = self.codec.code_bytes(self.coded());
        let scale = self.codec.scale_bytes(self.maker).saturating_add(self.factor_bytes());
        let plane = self.coded().div_ceil(8);
        let apart = self.planes_apart();
        let upper = if apart { plane } else { code };
        let rule = "vectors × (code + scale) × replicas";
        let formula = |code: u64, scale: u64| {
            Formula::new(rule)
                .term("vectors", self.vectors)
                .term("code", format!("{code} B ({} of {})", self.codec, self.coded()))
                .term("scale", format!("{scale} B"))
                .term("replicas", self.replicas)
        };
        let bytes = product(&[self.vectors, upper.saturating_add(scale), self.replicas]);
        let name = if apart { "sign plane" } else { "codes" };
        let at = (self.place, "codes");
        push(parts, name, at, bytes, self.array_certainty(bytes), formula(upper, scale));
        if apart {
            let lower = self.lower_bytes();
            let bytes = product(&[self.vectors, lower, self.replicas]);
            let at = (self.lower_place, "codes");
            push(parts, "lower planes", at, bytes, self.array_certainty(bytes), formula(lower, 0));
        }
        let bytes = self.codec.table_bytes(self.coded(), self.maker).saturating_mul(self.replicas);
        let formula = Formula::new("what the code is described by: ranges, codewords or weights, × replicas")
            .term("code", self.codec)
            .term("dimension", self.coded())
            .term("replicas", self.replicas);
        push(parts, "code tables", (self.memory(), "codes"), bytes, Certainty::Exact, formula);
        self.weights(parts);
    }

    /// What vectors are reduced by: on disk as it was learned, in memory as it runs.
    fn weights(&self, parts: &mut Vec<Part>) {
        let Some(width) = self.reduced else { return };
        let bytes = weights_bytes(self.dimension, width).saturating_mul(self.replicas);
        let formula =
            Formula::new("(dimension × ⌈reduced⌉₁₆ + reduced × dimension + dimension) × 4 B × replicas")
                .term("dimension", self.dimension)
                .term("reduced", width)
                .term("replicas", self.replicas);
        push(parts, "weights", (self.memory(), "codes"), bytes, Certainty::Exact, formula);
        let numbers = product(&[2, self.dimension, width]).saturating_add(self.dimension);
        let bytes = numbers.saturating_mul(4).saturating_add(4096 + 8);
        let formula = Formula::new("(2 × dimension × reduced + dimension) × 4 B + a page and a checksum")
            .term("dimension", self.dimension)
            .term("reduced", width);
        push(parts, "weights on disk", (Place::Disk, "codes"), bytes, Certainty::Exact, formula);
    }

    fn beside_codes(&self, parts: &mut Vec<Part>) {
        let bytes = product(&[self.vectors, self.id_bytes(), self.replicas]);
        let formula = Formula::new("vectors × 8 B × replicas")
            .term("vectors", self.vectors)
            .term("replicas", self.replicas);
        push(parts, "ids", (self.place, "codes"), bytes, Certainty::Exact, formula);
        match self.maker {
            Maker::Plimsoll => {
                if matches!(self.kind, Kind::Ivf { .. }) {
                    let bytes = product(&[self.vectors, LISTED_ID_BYTES]);
                    let formula =
                        Formula::new("vectors × (12 B by row + 16 B by id)").term("vectors", self.vectors);
                    let at = (Place::Disk, "codes");
                    push(parts, "ids by row and by id", at, bytes, Certainty::Exact, formula);
                }
                let bytes = product(&[self.vectors.div_ceil(64), 8, self.replicas]);
                let formula = Formula::new("one bit a vector, by words of 64, × replicas")
                    .term("vectors", self.vectors)
                    .term("replicas", self.replicas);
                push(parts, "deleted", (self.memory(), "codes"), bytes, Certainty::Exact, formula);
                // Lower planes lie in a file of their own, with checksums of their own.
                let each = if self.codec == Codec::Planes { 16 } else { 8 };
                let bytes = product(&[self.vectors.div_ceil(64), each, self.replicas]);
                let formula = Formula::new("checksums of each 64 vectors, × replicas")
                    .term("vectors", self.vectors)
                    .term("checksums", format!("{each} B"))
                    .term("replicas", self.replicas);
                push(parts, "checksums", (self.memory(), "codes"), bytes, Certainty::Exact, formula);
            }
            Maker::Hnswlib | Maker::Usearch => {
                // A hash map from ids to places, and in hnswlib a lock of 40 bytes for each vector.
                let each = if self.maker == Maker::Hnswlib { 80 } else { 24 };
                let bytes = product(&[self.vectors, each, self.replicas]);
                let formula = Formula::new("vectors × (map entry + lock) × replicas")
                    .term("vectors", self.vectors)
                    .term("map entry + lock", format!("{each} B"))
                    .term("replicas", self.replicas);
                let at = (self.memory(), "codes");
                push(parts, "lookup of ids", at, bytes, Certainty::Estimated(0.3), formula);
            }
            Maker::Faiss => {}
        }
    }

    fn lists(&self, parts: &mut Vec<Part>, lists: u64) {
        // Ours are compared in whole blocks.
        let middles =
            if self.maker == Maker::Plimsoll { lists.div_ceil(64).saturating_mul(64) } else { lists };
        let bytes = product(&[middles, self.coded(), 4, self.replicas]);
        let formula = Formula::new("lists × dimension × 4 B × replicas")
            .term("lists", middles)
            .term("dimension", self.coded())
            .term("replicas", self.replicas);
        push(parts, "centroids", (self.memory(), "codes"), bytes, self.array_certainty(bytes), formula);
        // Where a list begins and how long it is; FAISS's files have the length alone.
        let each = match self.maker {
            Maker::Plimsoll => 4,
            Maker::Faiss => 8,
            _ => 16,
        };
        let bytes = product(&[lists, each, self.replicas]);
        let formula = Formula::new("lists × entry × replicas")
            .term("lists", lists)
            .term("entry", format!("{each} B"))
            .term("replicas", self.replicas);
        push(parts, "list table", (self.memory(), "codes"), bytes, Certainty::Exact, formula);
    }

    fn graph(&self, parts: &mut Vec<Part>, links: u64) {
        let graph = self.kind.graph_bytes(self.vectors, self.maker);
        let bytes = graph.lowest.saturating_add(graph.beside).saturating_mul(self.replicas);
        let formula =
            Formula::new("vectors × (2 × M neighbours of 4 B + what each vector has of its own) × replicas")
                .term("vectors", self.vectors)
                .term("M", links)
                .term("own", format!("{} B", graph.beside.checked_div(self.vectors).unwrap_or(0)))
                .term("replicas", self.replicas);
        push(parts, "graph", (self.place, "graph"), bytes, self.array_certainty(bytes), formula);
        let bytes = graph.upper.saturating_mul(self.replicas);
        let formula = Formula::new("vectors ÷ (M − 1) upper levels × M neighbours of 4 B × replicas")
            .term("vectors", self.vectors)
            .term("M", links)
            .term("replicas", self.replicas);
        // By chance: 10,000 vectors gave 92% to 103%; more vectors come closer.
        push(parts, "upper levels", (self.place, "graph"), bytes, Certainty::Estimated(0.1), formula);
    }

    fn originals(&self, parts: &mut Vec<Part>) {
        if let Some(originals) = self.originals {
            // Ours carry a checksum each on disk, where they are read one at a time.
            let sum = if self.maker == Maker::Plimsoll && originals.place == Place::Disk { 8 } else { 0 };
            let each = self.dimension.saturating_mul(originals.number_bytes).saturating_add(sum);
            let bytes = product(&[self.vectors, each]);
            let formula = Formula::new("vectors × (dimension × number + checksum)")
                .term("vectors", self.vectors)
                .term("dimension", self.dimension)
                .term("number", format!("{} B", originals.number_bytes))
                .term("checksum", format!("{sum} B"));
            push(parts, "originals", (originals.place, "originals"), bytes, Certainty::Exact, formula);
        }
    }

    /// Where small tables are: with the codes, or on the host where the codes are in no memory.
    pub(super) fn memory(&self) -> Place {
        match self.place {
            Place::Disk | Place::Remote => Place::Host,
            place => place,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phase::total;

    /// Sizes of files that the named programs wrote: vectors of normal numbers, seed 1, `faiss.serialize_index` of
    /// faiss-cpu 1.15.1 after `index_factory`, `train` and `add`.
    const FAISS: [(&str, u64); 10] = [
        ("10000x128:f32,flat", 5_120_045),
        ("10000x128:f16,flat", 2_560_081),
        ("10000x128:bf16,flat", 2_560_081),
        ("10000x128:int8,flat", 1_281_105),
        ("10000x128:int4,flat", 641_105),
        ("10000x128:pq,pq_m=32,flat", 451_158),
        ("10000x128:binary,flat", 160_033),
        ("10000x128:f32,ivf,nlist=100", 5_252_139),
        ("10000x128:int8,ivf,nlist=100", 1_413_208),
        ("10000x128:pq,pq_m=16,ivf,nlist=100", 423_252),
    ];

    fn resident(text: &str) -> (Index, u64) {
        let index = Index::parse(text).unwrap();
        let bytes = total(&index.resident(), Place::Host).get();
        (index, bytes)
    }

    #[test]
    fn arrays_are_those_of_faiss_to_the_byte_but_for_its_header() {
        for (text, file) in FAISS {
            let (_, bytes) = resident(&format!("{text},as=faiss,originals=none"));
            assert!(bytes <= file && file - bytes < 256, "{text}: {bytes} for {file}");
        }
        // Lists of signs with the factors of their estimate (`IVF100,RaBitQ`).
        let (_, bytes) = resident("10000x128:binary,ivf,nlist=100,as=faiss,originals=none");
        assert!((372_000..=372_169).contains(&bytes), "{bytes}");
    }

    #[test]
    fn graphs_are_those_of_faiss_hnswlib_and_usearch_within_one_percent() {
        // hnswlib's and usearch's are files, which have neither the lookup of ids nor pointers of eight bytes.
        let rows = [
            ("10000x128:f32,hnsw,m=32,as=faiss", 7_837_858, 0),
            ("10000x64:f32,hnsw,m=16,as=faiss", 4_000_442, 0),
            ("10000x128:int8,hnsw,m=32,as=faiss", 3_998_918, 0),
            ("10000x128:f32,hnsw,m=16,as=hnswlib", 6_606_132, 80 + 8),
            ("10000x128:f32,hnsw,m=32,as=hnswlib", 7_881_016, 80 + 8),
            ("10000x128:f32,hnsw,m=16,as=usearch", 6_606_760, 24 + 8 - 2),
            ("10000x128:f16,hnsw,m=16,as=usearch", 4_046_760, 24 + 8 - 2),
            ("10000x128:int8,hnsw,m=16,as=usearch", 2_766_760, 24 + 8 - 2),
        ];
        for (text, file, memory_only) in rows {
            let (index, bytes) = resident(&format!("{text},originals=none"));
            let bytes = bytes - index.vectors * memory_only;
            assert!(bytes.abs_diff(file) * 100 < file, "{text}: {bytes} for {file}");
        }
    }

    #[test]
    fn planes_stand_in_two_places() {
        let index = Index::parse("1Mx768:planes,on=cuda:0,lower=host,originals=none").unwrap();
        let parts = index.resident();
        assert_eq!(parts[0].name, "sign plane");
        assert_eq!((parts[0].place, parts[0].bytes), (Place::Cuda(0), Bytes::new(1_000_000 * (96 + 8))));
        assert_eq!((parts[1].place, parts[1].bytes), (Place::Host, Bytes::new(1_000_000 * 288)));
    }
}
