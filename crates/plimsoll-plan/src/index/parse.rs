//! An index in one short text.

use plimsoll::{Bytes, Place};

use super::{Codec, Index, Kind, Load, Maker, Metric, Originals, Ring};
use crate::wording::{Wording, WordingError, choose, number};

/// What a text looks like.
const EXAMPLE: &str = "5Mx768:int4,ivf,nlist=4096,nprobe=32,k=100,queries=64,originals=disk";
const WHAT: &str = "an index";

const KEYS: [&str; 27] = [
    "nlist",
    "nprobe",
    "m",
    "ef",
    "ef_construction",
    "originals",
    "originals_type",
    "queries",
    "k",
    "oversampling",
    "threads",
    "metric",
    "replicas",
    "on",
    "lower",
    "as",
    "chunk",
    "slots",
    "ingest",
    "pq_m",
    "pq_bits",
    "width",
    "reduce",
    "codec",
    "kind",
    "vectors",
    "dim",
];

/// The most vectors that an index may have.
const VECTORS_MAX: u64 = 1 << 40;
/// The most numbers that a vector may have.
const DIMENSION_MAX: u64 = 1 << 20;

#[derive(Clone, Copy, PartialEq)]
enum Word {
    Codec(Codec),
    Flat,
    Ivf,
    Hnsw,
}

const WORDS: [(&str, Word); 15] = [
    ("f32", Word::Codec(Codec::F32)),
    ("f16", Word::Codec(Codec::F16)),
    ("bf16", Word::Codec(Codec::Bf16)),
    ("int8", Word::Codec(Codec::Int8)),
    ("int4", Word::Codec(Codec::Int4)),
    ("binary", Word::Codec(Codec::Binary)),
    ("planes", Word::Codec(Codec::Planes)),
    ("pq2", Word::Codec(Codec::Groups { numbers: 2 })),
    ("pq4", Word::Codec(Codec::Groups { numbers: 4 })),
    ("pq8", Word::Codec(Codec::Groups { numbers: 8 })),
    ("pq", Word::Codec(Codec::Pq { parts: 0, bits: 8 })),
    ("neural", Word::Codec(Codec::Neural { width: 0 })),
    ("flat", Word::Flat),
    ("ivf", Word::Ivf),
    ("hnsw", Word::Hnsw),
];

impl Index {
    /// Reads `5Mx768:int4,ivf,nlist=4096,nprobe=32,originals=disk,queries=64,k=100,metric=l2`.
    ///
    /// Vectors and numbers of each come first. Then a codec (`f32`, `f16`, `bf16`, `int8`, `int4`, `binary`,
    /// `planes`, `pq2`, `pq4`, `pq8`, `pq` with `pq_m` and `pq_bits`, `neural` with `width`), `reduce` for as many numbers as
    /// vectors are reduced to before that, a kind (`flat`, `ivf` with `nlist` and
    /// `nprobe`, `hnsw` with `m`, `ef` and `ef_construction`), and what is asked: `queries`, `k`, `oversampling`,
    /// `threads`. `on` is the place of the codes, `lower` that of the lower planes, `originals` that of the vectors
    /// as they came (or `none`). `as` is who lays it out: `plimsoll`, `faiss`, `hnswlib`, `usearch`.
    pub fn parse(text: &str) -> Result<Self, WordingError> {
        let (size, rest) = text.split_once([':', ',']).unwrap_or((text, ""));
        let shape = || WordingError::Shape { what: WHAT, found: size.to_owned(), example: EXAMPLE };
        let (vectors, dimension) = size.split_once(['x', '×', '*']).ok_or_else(shape)?;
        let vectors = number("vectors", vectors, 1..=VECTORS_MAX)?;
        let dimension = number("dim", dimension, 1..=DIMENSION_MAX)?;
        // An index of which only the size is said is flat and keeps its vectors as they are.
        let said = Wording::parse(WHAT, if rest.trim().is_empty() { "f32" } else { rest }, EXAMPLE)?;
        said.keys(&KEYS)?;
        let (codec, kind) = words(&said)?;
        let reduced = match said.text("reduce") {
            Some(_) => Some(said.number_or("reduce", 1..=dimension, dimension)?),
            None => None,
        };
        let codec = filled_codec(codec, &said, reduced.unwrap_or(dimension))?;
        let kind = filled_kind(kind, &said, vectors)?;
        let makers = [
            ("plimsoll", Maker::Plimsoll),
            ("faiss", Maker::Faiss),
            ("hnswlib", Maker::Hnswlib),
            ("usearch", Maker::Usearch),
        ];
        let maker = said.choice("as", &makers, Maker::Plimsoll)?;
        let place = said.place("on")?.unwrap_or(Place::Host);
        let exact = codec.is_exact() && reduced.is_none();
        let originals = originals(&said, exact)?;
        let again = if originals.is_some() && !exact { 4 } else { 1 };
        let index = Self {
            vectors,
            dimension,
            reduced,
            codec,
            kind,
            maker,
            metric: metric(&said, codec)?,
            place,
            lower_place: said.place("lower")?.unwrap_or(place),
            originals,
            replicas: said.number_or("replicas", 1..=1024, 1)?,
            load: Load {
                queries: said.number_or("queries", 1..=1 << 24, 1)?,
                k: said.number_or("k", 1..=1 << 24, 10)?,
                oversampling: said.number_or("oversampling", 1..=1024, again)?,
                threads: said.number_or("threads", 1..=4096, 1)?,
            },
            ring: ring(&said)?,
        };
        index.check()?;
        Ok(index)
    }

    /// Whether the parts go together.
    fn check(&self) -> Result<(), WordingError> {
        let conflict = |key: String, other: String, reason| WordingError::Conflict { key, other, reason };
        if self.load.k > self.vectors {
            let (key, found, least, most) = ("k".to_owned(), self.load.k, 1, self.vectors);
            return Err(WordingError::Range { key, found, least, most });
        }
        if let Some(reduced) = self.reduced {
            let apart = match (self.maker, self.metric, self.codec) {
                (maker, ..) if maker != Maker::Plimsoll => {
                    Some((format!("as={maker}"), "it reduces nothing; say its own dimension"))
                }
                (_, Metric::Hamming, _) => Some((
                    "metric=hamming".to_owned(),
                    "its distances are kept, not signs; take l2, ip or cosine",
                )),
                (_, _, Codec::Neural { .. }) => {
                    Some((self.codec.to_string(), "that is reduced already; take int8"))
                }
                _ => None,
            };
            if let Some((other, reason)) = apart {
                return Err(conflict(format!("reduce={reduced}"), other, reason));
            }
        }
        let graph = matches!(self.kind, Kind::Hnsw { .. });
        let reason = match (self.maker, self.codec) {
            (Maker::Hnswlib | Maker::Usearch, _) if !graph => Some("it makes graphs only; take hnsw"),
            (Maker::Hnswlib, codec) if codec != Codec::F32 => Some("it keeps f32 only"),
            (Maker::Faiss, Codec::Planes | Codec::Groups { .. } | Codec::Neural { .. }) => {
                Some("it has no such code; take int8, int4, binary or pq")
            }
            (
                Maker::Usearch,
                Codec::Int4 | Codec::Planes | Codec::Groups { .. } | Codec::Pq { .. } | Codec::Neural { .. },
            ) => Some("it has no such code; take f32, f16, bf16, int8 or binary"),
            _ => None,
        };
        if let Some(reason) = reason {
            return Err(conflict(
                format!("as={}", self.maker),
                format!("{},{}", self.kind, self.codec),
                reason,
            ));
        }
        if graph && self.place == Place::Disk {
            let reason = "a walk along a graph reads single vectors; keep it in memory, or take ivf or flat";
            return Err(conflict("hnsw".to_owned(), "on=disk".to_owned(), reason));
        }
        if self.phases().parts().iter().any(|part| part.bytes == Bytes::MAX) {
            return Err(WordingError::Overflow { what: WHAT, key: "vectors" });
        }
        Ok(())
    }
}

/// The codec and the kind that stand as words or behind `codec=` and `kind=`.
fn words(said: &Wording) -> Result<(Codec, Word), WordingError> {
    let (mut codec, mut kind) = (None, None);
    let named = [said.text("codec"), said.text("kind")];
    for text in said.words().chain(named.into_iter().flatten()) {
        let word = sized(text).map_or_else(|| choose(text, &WORDS), Ok)?;
        let twice = match word {
            Word::Codec(found) => codec.replace(found).is_some(),
            found => kind.replace(found).is_some(),
        };
        if twice {
            return Err(WordingError::Twice(text.to_owned()));
        }
    }
    Ok((codec.unwrap_or(Codec::F32), kind.unwrap_or(Word::Flat)))
}

/// A codec as it is printed, with its size: `pq96x8`, `neural128`. What the size may be is looked at with the others.
fn sized(text: &str) -> Option<Word> {
    let small = text.to_ascii_lowercase();
    let whole = |text: &str| text.parse::<u64>().ok();
    // Without bits it would be mistaken for `pq8`, which is eight numbers of a half byte.
    let codec = if let Some((parts, bits)) = small.strip_prefix("pq").and_then(|sizes| sizes.split_once('x'))
    {
        Codec::Pq { parts: whole(parts)?, bits: whole(bits)? }
    } else {
        Codec::Neural { width: whole(small.strip_prefix("neural")?)? }
    };
    Some(Word::Codec(codec))
}

/// Refuses keys that belong to something else.
fn only(said: &Wording, fits: bool, keys: &[&str], reason: &'static str) -> Result<(), WordingError> {
    match keys.iter().find(|key| !fits && said.text(key).is_some()) {
        Some(key) => {
            let other = said.words().collect::<Vec<_>>().join(",");
            Err(WordingError::Conflict { key: (*key).to_owned(), other, reason })
        }
        None => Ok(()),
    }
}

fn filled_codec(codec: Codec, said: &Wording, dimension: u64) -> Result<Codec, WordingError> {
    let (pq, neural) = (matches!(codec, Codec::Pq { .. }), matches!(codec, Codec::Neural { .. }));
    only(said, pq, &["pq_m", "pq_bits"], "they belong to pq; add pq")?;
    only(said, neural, &["width"], "it belongs to neural; add neural")?;
    let within = |key: &str, found: u64, most: u64| {
        let range = WordingError::Range { key: key.to_owned(), found, least: 1, most };
        if (1..=most).contains(&found) { Ok(found) } else { Err(range) }
    };
    Ok(match codec {
        // Sub-vectors of four numbers, as FAISS's guide has them.
        Codec::Pq { parts, bits } => {
            let usual = if parts == 0 { dimension.div_ceil(4) } else { parts };
            let parts = said.number_or("pq_m", 1..=dimension, usual)?;
            let bits = said.number_or("pq_bits", 1..=16, bits)?;
            Codec::Pq { parts: within("pq_m", parts, dimension)?, bits: within("pq_bits", bits, 16)? }
        }
        Codec::Neural { width } => {
            let usual = if width == 0 { dimension.div_ceil(6) } else { width };
            let width = said.number_or("width", 1..=dimension, usual)?;
            Codec::Neural { width: within("width", width, dimension)? }
        }
        plain => plain,
    })
}

fn filled_kind(kind: Word, said: &Wording, vectors: u64) -> Result<Kind, WordingError> {
    only(said, kind == Word::Ivf, &["nlist", "nprobe"], "they belong to ivf; add ivf")?;
    let walk = ["m", "ef", "ef_construction"];
    only(said, kind == Word::Hnsw, &walk, "they belong to hnsw; add hnsw")?;
    Ok(match kind {
        Word::Ivf => {
            let usual = vectors.isqrt().saturating_mul(4).clamp(1, vectors);
            let lists = said.number_or("nlist", 1..=vectors.min(1 << 32), usual)?;
            Kind::Ivf { lists, probes: said.number_or("nprobe", 1..=lists, (lists / 64).max(1))? }
        }
        Word::Hnsw => Kind::Hnsw {
            links: said.number_or("m", 2..=1024, 16)?,
            build_width: said.number_or("ef_construction", 1..=1 << 20, 200)?,
            query_width: said.number_or("ef", 1..=1 << 20, 64)?,
        },
        _ => Kind::Flat,
    })
}

fn metric(said: &Wording, codec: Codec) -> Result<Metric, WordingError> {
    let usual = if codec == Codec::Binary { Metric::Hamming } else { Metric::L2 };
    let metrics = [
        ("l2", Metric::L2),
        ("ip", Metric::Dot),
        ("dot", Metric::Dot),
        ("cosine", Metric::Cosine),
        ("hamming", Metric::Hamming),
    ];
    let metric = said.choice("metric", &metrics, usual)?;
    if metric == Metric::Hamming && codec != Codec::Binary {
        let reason = "it counts signs that differ; take binary";
        return Err(WordingError::Conflict {
            key: "metric=hamming".to_owned(),
            other: codec.to_string(),
            reason,
        });
    }
    Ok(metric)
}

/// Where the originals are. Codes that are the vectors themselves need none; others are looked at again on disk.
fn originals(said: &Wording, exact: bool) -> Result<Option<Originals>, WordingError> {
    let sizes = [("f32", 4), ("f16", 2), ("bf16", 2)];
    let number_bytes = said.choice("originals_type", &sizes, 4)?;
    let no = ["none", "no", "not"];
    match said.text("originals") {
        Some(text) if no.iter().any(|word| word.eq_ignore_ascii_case(text)) => Ok(None),
        Some(_) => Ok(said.place("originals")?.map(|place| Originals { place, number_bytes })),
        None if exact => Ok(None),
        None => Ok(Some(Originals { place: Place::Disk, number_bytes })),
    }
}

fn ring(said: &Wording) -> Result<Ring, WordingError> {
    let chunk = said.size("chunk")?.unwrap_or(Bytes::mib(64));
    if chunk.is_zero() || chunk > Bytes::gib(64) {
        let (key, found, least, most) = ("chunk".to_owned(), chunk.get(), 1, Bytes::gib(64).get());
        return Err(WordingError::Range { key, found, least, most });
    }
    let slots = said.number_or("slots", 2..=1024, 3)?;
    Ok(Ring { chunk, slots, ingest: said.number_or("ingest", 1..=1 << 32, 65_536)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_says_all_of_an_index() {
        let text = "5Mx768:int4,ivf,nlist=4096,nprobe=32,originals=disk,queries=64,k=100,metric=l2,on=cuda:0,replicas=2";
        let index = Index::parse(text).unwrap();
        assert_eq!((index.vectors, index.dimension, index.codec), (5_000_000, 768, Codec::Int4));
        assert_eq!(index.kind, Kind::Ivf { lists: 4096, probes: 32 });
        assert_eq!((index.place, index.replicas), (Place::Cuda(0), 2));
        assert_eq!((index.load.k, index.load.queries, index.load.oversampling), (100, 64, 4));
        assert_eq!(index.originals.map(|there| there.place), Some(Place::Disk));
    }

    #[test]
    fn what_is_not_said_is_sensible() {
        let flat = Index::parse("1Mx384").unwrap();
        assert_eq!((flat.codec, flat.kind, flat.originals, flat.load.k), (Codec::F32, Kind::Flat, None, 10));
        let lists = Index::parse("1Mx384:pq,ivf").unwrap();
        assert_eq!(lists.kind, Kind::Ivf { lists: 4000, probes: 62 });
        assert_eq!(lists.codec, Codec::Pq { parts: 96, bits: 8 });
        for codec in ["pq32x4", "neural64", "pq16x8", "pq2", "pq8"] {
            assert_eq!(Index::parse(&format!("1Mx384:{codec}")).unwrap().codec.to_string(), codec);
        }
        let small = Index::parse("3x2:ivf,k=3").unwrap();
        assert_eq!(small.kind, Kind::Ivf { lists: 3, probes: 1 });
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let refusals = [
            ("", "does not describe an index"),
            ("5M", "does not describe an index"),
            ("0x768", "vectors = 0 is out of range"),
            ("5Mx0", "dim = 0 is out of range"),
            ("18446744073709551615x768", "vectors = 18446744073709551615 is out of range"),
            ("5Mx99999999999999999999", "is not a whole number"),
            ("10x8:k=11", "k = 11 is out of range; it is 1 to 10"),
            ("5Mx768:int5", "\"int5\" is not known here"),
            ("5Mx768:int4,int8", "is said twice"),
            ("5Mx768:pq769x8", "pq_m = 769 is out of range; it is 1 to 768"),
            ("5Mx768:pq96x17", "pq_bits = 17 is out of range"),
            ("5Mx768:pqx8", "is not known here"),
            ("5Mx768:pq96", "\"pq96\" is not known here"),
            ("5Mx768:pq4,as=faiss", "it has no such code"),
            ("5Mx768:flat,nlist=5", "nlist does not go with flat"),
            ("5Mx768:int8,reduce=769", "reduce = 769 is out of range; it is 1 to 768"),
            ("5Mx768:int8,reduce=64,as=faiss,ivf", "reduce=64 does not go with as=FAISS 1.15"),
            ("5Mx768:binary,reduce=64", "reduce=64 does not go with metric=hamming"),
            ("5Mx768:neural,reduce=64", "that is reduced already"),
            ("5Mx768:hnsw,on=disk", "hnsw does not go with on=disk"),
            ("5Mx768:int8,as=hnswlib,hnsw", "it keeps f32 only"),
            ("5Mx768:planes,as=faiss", "it has no such code"),
            ("5Mx768:int8,metric=hamming", "metric=hamming does not go with int8"),
            ("5Mx768:int8,on=moon", "is not a place"),
            ("5Mx768:int8,chunk=64", "has no unit"),
            ("5Mx768:ivf,nlist=9M", "nlist = 9000000 is out of range"),
            ("1000Gx1M,replicas=1024", "would take more than 16 EiB"),
        ];
        for (text, says) in refusals {
            let error = Index::parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text:?}: {error}");
        }
    }
}
