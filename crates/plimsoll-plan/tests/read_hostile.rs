//! Files that lie: each is refused with the place and the reason, or read with a doubt. None makes the reader panic.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a scenario fails by panicking")]

mod support;

use std::path::Path;

use plimsoll::Bytes;
use plimsoll_plan::read::{self, Fault, ReadError, Source, gguf, safetensors};
use proptest::prelude::*;
use support::{Gguf, Value, safetensors as wrap};

fn refuse(bytes: &[u8]) -> ReadError {
    gguf::read(&bytes.to_vec(), Path::new("x.gguf")).unwrap_err()
}

fn fault(bytes: &[u8]) -> Fault {
    match refuse(bytes) {
        ReadError::Fault { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

/// A small model with a bit of everything.
fn small() -> Gguf {
    Gguf::new("gemma3")
        .key("general.name", &Value::Text("small"))
        .number("gemma3.block_count", 2)
        .number("gemma3.embedding_length", 64)
        .number("gemma3.attention.head_count", 4)
        .number("gemma3.attention.sliding_window", 32)
        .key("gemma3.attention.head_count_kv", &Value::List(&[1, 2]))
        .key("gemma3.rope.freq_base", &Value::F32(1e6))
        .key("tokenizer.ggml.tokens", &Value::Texts(&["a", "bc", ""]))
        .key("tokenizer.ggml.add_bos_token", &Value::Flag(true))
        .tensor("token_embd.weight", &[64, 3], 8, 204)
        .tensor("blk.0.attn_q.weight", &[64, 64], 1, 8192)
        .tensor("blk.1.ffn_down.weight", &[256, 64], 12, 9216)
}

#[test]
fn a_file_cut_off_anywhere_is_an_error_within_its_header_and_a_doubt_behind_it() {
    let (file, header) = (small().file(), small().header().len());
    let infos_end = header - 20; // The last tensor's offset lies before the padding, which may be absent.
    for end in 0..file.len() {
        let cut = file[..end].to_vec();
        match gguf::read(&cut, Path::new("x.gguf")) {
            Ok(model) => {
                assert!(end > infos_end, "{end} bytes of a header of {header} were taken for a whole one");
                let lost = model.doubts.iter().any(|doubt| doubt.text.contains("cut short"));
                assert!(lost, "{end} of {}", file.len());
                assert_eq!(model.weight_bytes(), Bytes::new(204 + 8192 + 9216));
            }
            Err(ReadError::CutShort { offset, .. }) => assert!(offset <= end as u64),
            Err(ReadError::Excess { found, most, .. }) => assert!(found > most, "a count that cannot fit"),
            Err(other) => panic!("{end}: {other}"),
        }
    }
}

#[test]
fn a_real_header_cut_off_is_an_error() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/models/tiny-7m-q8_0.gguf");
    let Ok(file) = std::fs::read(path) else {
        eprintln!("skipped: {path} is not there");
        return;
    };
    for end in (0..132_400).step_by(251) {
        refuse(&file[..end]);
    }
}

#[test]
fn counts_and_lengths_are_not_believed() {
    for count in [1 << 20, 1 << 32, 1 << 62, 1 << 63, u64::MAX] {
        let error = refuse(&small().header_with(count, 10));
        assert!(matches!(error, ReadError::Excess { what: "tensors", .. }), "{error}");
        let error = refuse(&small().header_with(3, count));
        assert!(matches!(error, ReadError::Excess { what: "keys", .. }), "{error}");
        let length = count.to_le_bytes();
        let text = [&8_u32.to_le_bytes()[..], &length].concat();
        let error = refuse(&Gguf::new("llama").raw_key("a", &text).file());
        assert!(matches!(error, ReadError::CutShort { .. }), "{error}");
        for kind in [0_u32, 5, 8, 9, 10, 12] {
            let array = [&9_u32.to_le_bytes()[..], &kind.to_le_bytes(), &length].concat();
            let error = refuse(&Gguf::new("llama").raw_key("a", &array).file());
            assert!(matches!(error, ReadError::Excess { .. }), "{error}");
        }
        let name = [&count.to_le_bytes()[..], b"abc"].concat();
        let named = [Gguf::new("llama").header_with(1, 1), name, vec![0; 64]].concat();
        refuse(&named);
    }
}

#[test]
fn arrays_in_arrays_end_somewhere() {
    let open = |depth: usize| {
        let one = [&9_u32.to_le_bytes()[..], &1_u64.to_le_bytes()].concat();
        let last = [&4_u32.to_le_bytes()[..], &1_u64.to_le_bytes(), &7_u32.to_le_bytes()].concat();
        [9_u32.to_le_bytes().to_vec(), one.repeat(depth), last].concat()
    };
    let file = |depth| Gguf::new("llama").raw_key("deep", &open(depth)).tensor("a", &[1], 0, 4).file();
    assert!(gguf::read(&file(1), Path::new("x")).is_ok());
    for depth in [2, 3, 1000, 100_000] {
        assert_eq!(fault(&file(depth)), Fault::Nesting("deep".into()));
    }
}

#[test]
fn keys_and_tensors_stand_once_and_have_names() {
    let twice = Gguf::new("llama").number("a", 1).number("a", 1);
    assert_eq!(fault(&twice.file()), Fault::DuplicateKey("a".into()));
    let twice = Gguf::new("llama").tensor("t", &[1], 0, 4).tensor("s", &[1], 0, 4).tensor("t", &[1], 0, 4);
    assert_eq!(fault(&twice.file()), Fault::DuplicateTensor("t".into()));
    assert_eq!(fault(&Gguf::new("llama").number("", 1).file()), Fault::Nameless);
    assert_eq!(fault(&Gguf::new("llama").tensor("", &[1], 0, 4).file()), Fault::Nameless);
    let kind = Gguf::new("llama").raw_key("k", &[&13_u32.to_le_bytes()[..], &[0; 8]].concat());
    assert_eq!(fault(&kind.file()), Fault::ValueType { key: "k".into(), kind: 13 });
}

#[test]
fn shapes_and_places_add_up() {
    let one = |shape: &[u64], kind, offset| Gguf::new("llama").tensor_at("t", shape, kind, offset).file();
    assert_eq!(fault(&one(&[1; 5], 0, 0)), Fault::Sides { name: "t".into(), sides: 5, most: 4 });
    assert_eq!(fault(&one(&[1 << 32, 1 << 32], 0, 0)), Fault::Overflow("t".into()));
    assert_eq!(fault(&one(&[1 << 62], 0, 0)), Fault::Overflow("t".into()), "in bytes, not in numbers");
    assert_eq!(fault(&one(&[33], 8, 0)), Fault::Row { name: "t".into(), row: 33, block: 32 });
    let odd = Fault::Unaligned { name: "t".into(), offset: 7, alignment: 32 };
    assert_eq!(fault(&one(&[1], 0, 7)), odd);
    assert_eq!(fault(&one(&[8], 0, u64::MAX - 31)), Fault::Overflow("t".into()));
    let both = Gguf::new("llama").tensor("s", &[16], 0, 64).tensor_at("t", &[1], 0, 32).file();
    let shared = Bytes::new(4);
    assert_eq!(fault(&both), Fault::Overlap { first: "s".into(), second: "t".into(), shared });
    for alignment in [0, 3, 48, u32::MAX] {
        let file = Gguf::new("llama").number("general.alignment", alignment).file();
        assert_eq!(fault(&file), Fault::Alignment(alignment.into()));
    }
    for alignment in [1, 8, 64, 4096] {
        let file =
            Gguf::new("llama").alignment(alignment).tensor("t", &[3], 0, 12).tensor("s", &[3], 0, 12).file();
        let model = gguf::read(&file, Path::new("x")).unwrap();
        assert_eq!(model.weight_bytes(), Bytes::new(24));
        assert!(model.doubts.iter().all(|doubt| !doubt.text.contains("cut short")));
    }
    // Nothing in a tensor takes no bytes, and no sides at all are one number.
    let empty = gguf::read(&one(&[0, 5], 0, 0), Path::new("x")).unwrap();
    assert_eq!(empty.weight_bytes(), Bytes::ZERO);
    assert_eq!(gguf::read(&one(&[], 0, 0), Path::new("x")).unwrap().weight_bytes(), Bytes::new(4));
}

#[test]
fn far_offsets_are_bytes_that_are_missing() {
    let file = Gguf::new("llama").tensor_at("t", &[8], 0, 1 << 40).file();
    let model = gguf::read(&file, Path::new("x")).unwrap();
    assert!(model.doubts[0].text.contains("cut short: 1.00 TiB"), "{}", model.doubts[0]);
    assert_eq!(model.weight_bytes(), Bytes::new(32));
}

#[test]
fn numbers_of_layers_and_heads_are_bounded() {
    let model = |key: &str, number| {
        let gguf = Gguf::new("llama").number("llama.embedding_length", 64);
        gguf::read(
            &gguf.number(&format!("llama.{key}"), number).tensor("t", &[1], 0, 4).file(),
            Path::new("x"),
        )
    };
    assert!(matches!(model("block_count", u32::MAX), Err(ReadError::Excess { what: "layers", .. })));
    let named = Gguf::new("llama").number("llama.embedding_length", 64);
    let far = named.tensor("blk.18446744073709551615.x", &[1], 0, 4).file();
    assert!(gguf::read(&far, Path::new("x")).is_ok_and(|model| model.hyper.layers.is_empty()));
    let zero = small().number("gemma3.context_length", 0).number("gemma3.rope.dimension_count", 0);
    assert!(gguf::read(&zero.file(), Path::new("x")).is_ok());
    for key in ["attention.head_count", "wkv.head_size", "full_attention_interval", "nextn_predict_layers"] {
        for number in [0, 1, u32::MAX] {
            for name in
                ["llama", "gemma3", "qwen3next", "rwkv7", "llama4", "minimax-01", "kimi-linear", "unknown"]
            {
                let gguf = Gguf::new(name).number(&format!("{name}.block_count"), 3);
                let gguf = gguf.number(&format!("{name}.embedding_length"), u32::MAX);
                let gguf = gguf.number(&format!("{name}.{key}"), number);
                let read = gguf::read(&gguf.file(), Path::new("x"));
                assert!(read.is_ok(), "{name}.{key} = {number}");
            }
        }
    }
}

#[test]
fn what_is_no_model_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        read::open(&path).unwrap_err()
    };
    assert!(matches!(open("empty.gguf", b""), ReadError::Empty { .. }));
    let pointer = open("p.gguf", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n");
    assert!(matches!(&pointer, ReadError::Pointer { .. }) && pointer.to_string().contains("git lfs pull"));
    assert!(matches!(open("x.gguf", b"PK\x03\x04 not a model at all"), ReadError::Format { .. }));
    assert!(matches!(open("short.gguf", b"GG"), ReadError::Format { .. }));
    assert!(matches!(open("short2.gguf", b"GGUF\x03"), ReadError::CutShort { .. }));
    assert!(matches!(read::open(folder.path().join("none.gguf")), Err(ReadError::Open { .. })));
    assert!(matches!(read::open(folder.path()), Err(ReadError::Folder { .. })));
    assert!(matches!(open("config.json", b"[1, 2]"), ReadError::Format { .. }));
    assert!(matches!(open("config.json", b"{\"a\": "), ReadError::Json { .. }));
    assert!(matches!(open("config.json", b"{}"), ReadError::Silent { .. }));
}

fn refuse_safetensors(bytes: &[u8]) -> ReadError {
    safetensors::read(&bytes.to_vec(), Path::new("x.safetensors")).unwrap_err()
}

#[test]
fn a_safetensors_header_is_not_believed_either() {
    for length in [100, 1 << 20, 1 << 32, 1 << 63, u64::MAX] {
        let error = refuse_safetensors(&[&u64::to_le_bytes(length)[..], b"{}"].concat());
        let told = matches!(
            error,
            ReadError::Excess { .. } | ReadError::Fault { fault: Fault::HeaderLength(_), .. }
        );
        assert!(told, "{error}");
    }
    let entry = |name: &str, dtype: &str, shape: &str, range: &str| {
        format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{range}}}"#)
    };
    let refuse =
        |entries: &[String]| match refuse_safetensors(&wrap(&format!("{{{}}}", entries.join(",")), 64)) {
            ReadError::Fault { fault, .. } => fault.to_string(),
            other => other.to_string(),
        };
    let fine = || entry("a", "F32", "[4]", "[0,16]");
    assert!(refuse(&[fine(), entry("b", "F32", "[4]", "[8,24]")]).contains("share 8 B"));
    assert!(refuse(&[fine(), entry("a", "F32", "[4]", "[16,32]")]).contains("stands twice"));
    assert!(refuse(&[entry("a", "F32", "[4]", "[0,20]")]).contains("16 B by its shape and 20 B"));
    assert!(refuse(&[entry("a", "F32", "[4]", "[20,4]")]).contains("multiply"));
    assert!(refuse(&[entry("a", "F32", "[4294967296,4294967296]", "[0,4]")]).contains("multiply"));
    assert!(refuse(&[entry("a", "F32", "[-4]", "[0,16]")]).contains("invalid value"));
    assert!(refuse(&[entry("a", "F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]")]).contains("8 sides"));
    assert!(refuse(&[format!("\"a\":{}1{}", "[".repeat(1000), "]".repeat(1000))]).contains("64 deep"));
    assert!(refuse(&["\"a\":{}".to_owned()]).contains("missing field"));
    assert!(refuse(&["\"a\"".to_owned()]).contains("line 1"));
    assert!(refuse(&[format!("\"{}\":1", "n".repeat(2000))]).contains("1024"));
}

#[test]
fn a_safetensors_file_cut_off_anywhere_is_told_apart() {
    let header =
        r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[4,4],"data_offsets":[0,32]}}"#;
    let file = wrap(header, 32);
    for end in 0..file.len() {
        match safetensors::read(&file[..end].to_vec(), Path::new("x")) {
            Ok(model) => assert!(end >= header.len() + 8 && model.doubts[0].text.contains("cut short")),
            Err(error) => assert!(end < header.len() + 8, "{error}"),
        }
    }
    assert!(safetensors::read(&file, Path::new("x")).is_ok());
}

#[test]
fn an_index_names_files_beside_it_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors.index.json");
    for name in ["../secret", "/etc/passwd", "a/b", "a\\\\b", "", ".."] {
        std::fs::write(&path, format!(r#"{{"weight_map":{{"t":"{name}"}}}}"#)).unwrap();
        let error = read::open(&path).unwrap_err();
        assert!(matches!(error, ReadError::Fault { fault: Fault::Name(_), .. }), "{error}");
    }
    std::fs::write(&path, r#"{"metadata":{"total_size":1},"weight_map":{"t":"m-1.safetensors"}}"#).unwrap();
    assert!(matches!(read::open(&path), Err(ReadError::Parts { .. })));
}

/// A source whose reading fails.
struct Broken;

impl Source for Broken {
    fn len(&self) -> u64 {
        1 << 20
    }

    fn read_at(&self, _: u64, _: &mut [u8]) -> std::io::Result<()> {
        Err(std::io::Error::other("the disk is gone"))
    }
}

#[test]
fn a_disk_that_fails_is_an_error_that_says_so() {
    for error in [gguf::read(&Broken, Path::new("x")), safetensors::read(&Broken, Path::new("x"))] {
        assert!(error.unwrap_err().to_string().contains("the disk is gone"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn bytes_changed_anywhere_never_panic(changes in prop::collection::vec((0_usize..20_000, any::<u8>()), 1..8)) {
        let mut file = small().file();
        for (at, byte) in changes {
            let at = at % file.len().min(700);
            file[at] = byte;
        }
        let _ = gguf::read(&file, Path::new("x.gguf"));
    }

    #[test]
    fn any_bytes_behind_the_magic_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512), version in 2_u32..4) {
        let file = [&b"GGUF"[..], &version.to_le_bytes(), &bytes].concat();
        let _ = gguf::read(&file, Path::new("x.gguf"));
        let _ = safetensors::read(&bytes, Path::new("x.safetensors"));
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let _ = safetensors::read(&wrap(&format!("{{{text}}}"), 8), Path::new("x.safetensors"));
    }

    #[test]
    fn weights_are_the_sum_of_tensors_wherever_they_lie(rows in prop::collection::vec((1_u64..9, 1_u64..9, 0_u32..3), 1..20)) {
        let kinds = [(0_u32, 1_u64, 4_u64), (8, 32, 34), (12, 256, 144)];
        let mut gguf = Gguf::new("llama");
        let mut sum = 0;
        for (index, (blocks, count, kind)) in rows.iter().enumerate() {
            let (number, elements, bytes) = kinds[*kind as usize];
            let size = blocks * count * bytes;
            gguf = gguf.tensor(&format!("t{index}"), &[blocks * elements, *count], number, size);
            sum += size;
        }
        let model = gguf::read(&gguf.file(), Path::new("x")).unwrap();
        prop_assert_eq!(model.weight_bytes(), Bytes::new(sum));
        prop_assert!(model.doubts.iter().all(|doubt| !doubt.text.contains("cut short")));
    }

    #[test]
    fn any_numbers_in_keys_give_an_answer(
        numbers in prop::collection::vec(any::<u32>(), 12),
        layers in 1_u32..40,
        name in prop::sample::select(vec!["llama", "gemma3n", "gemma4", "deepseek2", "llama4", "qwen35moe", "jamba", "nemotron_h_moe", "rwkv6", "new"]),
    ) {
        let keys = ["embedding_length", "attention.head_count", "attention.head_count_kv", "attention.key_length",
            "attention.kv_lora_rank", "attention.key_length_mla", "attention.value_length_mla", "expert_count",
            "expert_used_count", "ssm.inner_size", "attention.shared_kv_layers", "attention.sliding_window"];
        let start = Gguf::new(name).number(&format!("{name}.block_count"), layers);
        let pairs = keys.iter().zip(&numbers);
        let gguf = pairs.fold(start, |gguf, (key, number)| gguf.number(&format!("{name}.{key}"), *number));
        let read = gguf::read(&gguf.file(), Path::new("x"));
        prop_assert!(numbers[0] == 0 || read.is_ok());
    }
}
