//! Whatever numbers come: no panic, no wrapped sum, and more of anything never needs less.

use plimsoll::{Bytes, Place};
use plimsoll_plan::document::Document;
use plimsoll_plan::image::Image;
use plimsoll_plan::index::{Codec, Index, Kind, Load, Maker, Metric, Originals, Ring};
use plimsoll_plan::machine::Rate;
use plimsoll_plan::op::Operation;
use proptest::prelude::*;

/// Numbers of every size, the ends among them.
fn any_number() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0_u64..4, Just(u64::MAX), (0_u32..64).prop_map(|bits| 1_u64 << bits)]
}

fn any_codec() -> impl Strategy<Value = Codec> {
    prop_oneof![
        Just(Codec::F32),
        Just(Codec::F16),
        Just(Codec::Int8),
        Just(Codec::Int4),
        Just(Codec::Binary),
        Just(Codec::Planes),
        any_number().prop_map(|numbers| Codec::Groups { numbers }),
        (any_number(), any_number()).prop_map(|(parts, bits)| Codec::Pq { parts, bits }),
        any_number().prop_map(|width| Codec::Neural { width }),
    ]
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Flat),
        (any_number(), any_number()).prop_map(|(lists, probes)| Kind::Ivf { lists, probes }),
        (any_number(), any_number(), any_number()).prop_map(|(links, build_width, query_width)| Kind::Hnsw {
            links,
            build_width,
            query_width
        }),
    ]
}

fn any_place() -> impl Strategy<Value = Place> {
    prop_oneof![Just(Place::Host), Just(Place::Cuda(0)), Just(Place::Disk)]
}

prop_compose! {
    fn any_index()(
        (vectors, dimension, replicas) in (any_number(), any_number(), any_number()),
        (codec, kind) in (any_codec(), any_kind()),
        maker in prop_oneof![
            Just(Maker::Plimsoll), Just(Maker::Faiss), Just(Maker::Hnswlib), Just(Maker::Usearch)
        ],
        (place, lower_place, originals_place) in (any_place(), any_place(), any_place()),
        (queries, k, oversampling, threads) in (any_number(), any_number(), any_number(), any_number()),
        (chunk, slots, ingest, reduced) in
            (any_number(), any_number(), any_number(), proptest::option::of(any_number())),
    ) -> Index {
        Index {
            vectors, dimension, reduced, codec, kind, maker, metric: Metric::L2, place, lower_place,
            originals: Some(Originals { place: originals_place, number_bytes: 4 }),
            replicas,
            load: Load { queries, k, oversampling, threads },
            ring: Ring { chunk: Bytes::new(chunk), slots, ingest },
        }
    }
}

/// A text of keys and numbers, as a user or an enemy would write it.
fn any_text(keys: &'static [&'static str]) -> impl Strategy<Value = String> {
    let value = prop_oneof![
        any_number().prop_map(|number| number.to_string()),
        (1_u64..5000).prop_map(|number| number.to_string()),
        "[a-z0-9.x:]{0,6}",
        Just("yes".to_owned()),
        Just("64MiB".to_owned()),
    ];
    let item = (proptest::sample::select(keys), value).prop_map(|(key, value)| match value.as_str() {
        "yes" => key.to_owned(),
        value => format!("{key}={value}"),
    });
    proptest::collection::vec(item, 0..12).prop_map(|items| items.join(","))
}

const OP_KEYS: &[&str] = &[
    "m",
    "n",
    "k",
    "batch",
    "c",
    "h",
    "w",
    "r",
    "s",
    "stride",
    "pad",
    "dilation",
    "groups",
    "algo",
    "tile",
    "heads",
    "kv_heads",
    "q",
    "kv",
    "d",
    "fused",
    "causal",
    "backward",
    "rows",
    "columns",
    "tokens",
    "vocab",
    "width",
    "params",
    "kind",
    "dtype",
    "split_k",
    "chunks",
    "workspace",
];
const OPS: &[&str] =
    &["matmul", "conv2d", "attention", "softmax", "layernorm", "embedding", "cross-entropy", "optimizer"];
const DOCUMENT_KEYS: &[&str] = &[
    "size",
    "chunk",
    "overlap",
    "bytes_per_token",
    "dim",
    "weights",
    "batch",
    "ring",
    "text",
    "dedup",
    "files",
    "1TiB",
];
const INDEX_KEYS: &[&str] = &[
    "nlist",
    "nprobe",
    "m",
    "ef",
    "queries",
    "k",
    "oversampling",
    "threads",
    "replicas",
    "chunk",
    "slots",
    "ingest",
    "pq_m",
    "pq_bits",
    "width",
    "ivf",
    "pq",
    "pq4",
    "hnsw",
    "int8",
    "neural",
    "on",
    "as",
];
const IMAGE_KEYS: &[&str] = &[
    "sdxl",
    "flux",
    "batch",
    "tile",
    "tiling",
    "512x512",
    "weights",
    "text",
    "vae",
    "size",
    "attention",
    "runtime",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn an_index_of_any_numbers_is_a_bounded_plan(index in any_index(), budget in any_number()) {
        let phases = index.phases();
        for place in phases.places() {
            let sum = phases.parts().iter().filter(|part| part.place == place)
                .fold(Bytes::ZERO, |sum, part| sum.saturating_add(part.bytes));
            prop_assert_eq!(sum, phases.peak(place));
        }
        if let Ok(forecast) = index.forecast(Bytes::new(budget), Rate::gb(1)) {
            prop_assert!(forecast.peak.get() <= budget);
        }
        let rungs = index.ladder();
        prop_assert!(rungs.windows(2).all(|pair| pair[1].vector_bytes < pair[0].vector_bytes));
    }

    #[test]
    fn more_vectors_numbers_or_queries_never_need_less(
        index in any_index(), more in any_number(), which in 0_u8..4
    ) {
        let mut larger = index.clone();
        match which {
            0 => larger.vectors = larger.vectors.saturating_add(more),
            1 => larger.dimension = larger.dimension.saturating_add(more),
            2 => larger.load.queries = larger.load.queries.saturating_add(more),
            _ => larger.load.k = larger.load.k.saturating_add(more),
        }
        for place in [Place::Host, Place::Cuda(0), Place::Disk] {
            prop_assert!(larger.phases().peak(place) >= index.phases().peak(place));
        }
    }

    #[test]
    fn texts_are_read_or_refused(
        op in proptest::sample::select(OPS),
        (op_text, document, index, image) in
            (any_text(OP_KEYS), any_text(DOCUMENT_KEYS), any_text(INDEX_KEYS), any_text(IMAGE_KEYS)),
        (vectors, dimension) in (any_number(), any_number()),
    ) {
        if let Ok(operation) = Operation::parse(op, &op_text) {
            prop_assert!(operation.flops.is_finite());
            prop_assert!(operation.workspace() <= operation.bytes(Place::Host));
        }
        if let Ok(document) = Document::parse(&document) {
            prop_assert!(document.phases().peak(Place::Host) < Bytes::MAX);
        }
        if let Ok(index) = Index::parse(&format!("{vectors}x{dimension}:{index}")) {
            prop_assert!(index.phases().peak(Place::Host) < Bytes::MAX);
        }
        if let Ok(image) = Image::parse(&image) {
            prop_assert!(image.phases().peak(Place::Host) < Bytes::MAX);
        }
    }

    #[test]
    fn any_text_at_all_is_read_or_refused(text in "\\PC{0,80}") {
        let _ = Index::parse(&text);
        let _ = Document::parse(&text);
        let _ = Image::parse(&text);
        for op in OPS {
            let _ = Operation::parse(op, &text);
        }
    }

    #[test]
    fn larger_images_and_batches_never_need_less(
        model in proptest::sample::select(&["sdxl", "sd3.5-medium", "sd3.5-large", "flux"][..]),
        (wide, high, batch) in (1_u64..128, 1_u64..128, 1_u64..64),
        (wider, higher, more) in (0_u64..64, 0_u64..64, 0_u64..8),
        tail in proptest::sample::select(&["", ",tiling", ",attention=written", ",runtime=sdcpp", ",text=drop"][..]),
    ) {
        let peak = |wide: u64, high: u64, batch: u64| {
            let text = format!("{model},{}x{},batch={batch}{tail},on=cuda:0", wide * 16, high * 16);
            Image::parse(&text).unwrap().phases().peak(Place::Cuda(0))
        };
        prop_assert!(peak(wide + wider, high + higher, batch + more) >= peak(wide, high, batch));
    }

    #[test]
    fn more_text_never_makes_fewer_chunks(size in 0_u64..1 << 50, more in 0_u64..1 << 40, overlap in 0_u64..511) {
        let chunks = |size: u64| Document::parse(&format!("{size}B,chunk=512,overlap={overlap},dim=768")).unwrap().chunks();
        prop_assert!(chunks(size + more) >= chunks(size));
    }
}
