//! The catalogue's models against what their makers and their files say.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
#![expect(clippy::cast_precision_loss, reason = "shares are printed and compared with margins")]

use plimsoll_plan::catalogue::{Entry, Scheme, derive, model, models};
use plimsoll_plan::model::TensorType;

/// Published counts of parameters, to the unit (the sum over the tensors of the original weights).
const PUBLISHED: &[(&str, u64)] = &[
    ("Llama 3.1 8B", 8_030_261_248),
    ("Llama 3.1 70B", 70_553_706_496),
    ("Llama 3.3 70B", 70_553_706_496),
    ("Llama 3.1 405B", 405_853_388_800),
    ("Llama 3.2 1B", 1_235_814_400),
    ("Llama 3.2 3B", 3_212_749_824),
    ("Llama 2 7B", 6_738_415_616),
    ("Llama 2 13B", 13_015_864_320),
    ("Llama 2 70B", 68_976_648_192),
    ("TinyLlama 1.1B", 1_100_048_384),
    ("SmolLM2 135M", 134_515_008),
    ("SmolLM2 360M", 361_821_120),
    ("SmolLM2 1.7B", 1_711_376_384),
    ("Qwen 2.5 0.5B", 494_032_768),
    ("Qwen 2.5 1.5B", 1_543_714_304),
    ("Qwen 2.5 3B", 3_085_938_688),
    ("Qwen 2.5 7B", 7_615_616_512),
    ("Qwen 2.5 14B", 14_770_033_664),
    ("Qwen 2.5 32B", 32_763_876_352),
    ("Qwen 2.5 72B", 72_706_203_648),
    ("Qwen3 0.6B", 596_049_920),
    ("Qwen3 1.7B", 1_720_574_976),
    ("Qwen3 4B", 4_022_468_096),
    ("Qwen3 8B", 8_190_735_360),
    ("Qwen3 14B", 14_768_307_200),
    ("Qwen3 32B", 32_762_123_264),
    ("Qwen3 30B A3B", 30_532_122_624),
    ("Qwen3 235B A22B", 235_093_634_560),
    ("Qwen3 Coder 480B A35B", 480_154_875_392),
    ("Gemma 3 270M", 268_098_176),
    ("Gemma 3 1B", 999_885_952),
    ("Gemma 3 4B", 3_880_263_168),
    ("Gemma 3 12B", 11_766_034_176),
    ("Gemma 3 27B", 27_009_346_304),
    ("Gemma 2 2B", 2_614_341_888),
    ("Gemma 2 9B", 9_241_705_984),
    ("Gemma 2 27B", 27_227_128_320),
    ("Mistral 7B v0.3", 7_248_023_552),
    ("Mistral 7B v0.2", 7_241_732_096),
    ("Mistral Nemo 12B", 12_247_782_400),
    ("Mistral Small 24B", 23_572_403_200),
    ("Mistral Small 22B", 22_247_282_688),
    ("Mistral Large 123B", 122_610_069_504),
    ("Mixtral 8x7B", 46_702_792_704),
    ("Mixtral 8x22B", 140_620_634_112),
    ("Phi 3.5 mini", 3_821_079_552),
    ("Phi 3 medium", 13_960_238_080),
    ("Phi 4", 14_659_507_200),
    ("Phi 4 mini", 3_836_021_760),
    ("DeepSeek V3", 671_026_419_200),
    ("DeepSeek V2 Lite", 15_706_484_224),
    ("DeepSeek V2", 235_741_434_880),
    ("gpt-oss 20B", 20_914_757_184),
    ("gpt-oss 120B", 116_829_156_672),
    ("OLMoE 1B 7B", 6_919_161_856),
    // Less the pooler (d² + d), which GGUF files leave out and embeddings do without.
    ("all-MiniLM-L6", 22_713_216 - 384 * 384 - 384),
    ("bge-base-en", 109_482_240 - 768 * 768 - 768),
    ("bge-large-en", 335_141_888 - 1024 * 1024 - 1024),
    ("nomic-embed-text", 136_731_648),
    ("Qwen3 Embedding 0.6B", 595_776_512),
];

#[test]
fn parameters_come_out_as_published_to_the_unit() {
    let mut wrong = Vec::new();
    for (name, count) in PUBLISHED {
        let (entry, _) = model(name).unwrap();
        assert_eq!(entry.name(), *name);
        let found = derive::parameters(&entry.hyper());
        if found != *count {
            wrong.push(format!(
                "{name}: {found}, published {count}, {:+}",
                i128::from(found) - i128::from(*count)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{} of {} models checked", PUBLISHED.len(), models().count());
}

const GIB: f64 = 1_073_741_824.0;

/// Sizes that llama.cpp or the makers of the files print, in GiB; and where from.
const FILES: &[(&str, Scheme, f64)] = &[
    // llama.cpp tools/quantize/README.md, Llama 3.1 8B: bits a weight × 8,030,261,312 weights.
    ("Llama 3.1 8B", Scheme::IQ1_S, 2.0042 * 8.030_261_312e9 / 8.0 / GIB),
    ("Llama 3.1 8B", Scheme::IQ1_M, 2.1460 * 8.030_261_312e9 / 8.0 / GIB),
    ("Llama 3.1 8B", Scheme::IQ2_XXS, 2.3824 * 8.030_261_312e9 / 8.0 / GIB),
    ("Llama 3.1 8B", Scheme::IQ2_XS, 2.5882 * 8.030_261_312e9 / 8.0 / GIB),
    ("Llama 3.1 8B", Scheme::IQ2_S, 2.7403 * 8.030_261_312e9 / 8.0 / GIB),
    ("Llama 3.1 8B", Scheme::IQ2_M, 2.9294 * 8.030_261_312e9 / 8.0 / GIB),
    ("Llama 3.1 8B", Scheme::IQ3_XXS, 3.2548 * 8.030_261_312e9 / 8.0 / GIB),
    ("Llama 3.1 8B", Scheme::IQ3_XS, 3.4977 * 8.030_261_312e9 / 8.0 / GIB),
    ("Llama 3.1 8B", Scheme::IQ3_S, 3.6606 * 8.030_261_312e9 / 8.0 / GIB),
    ("Llama 3.1 8B", Scheme::IQ3_M, 3.7628 * 8.030_261_312e9 / 8.0 / GIB),
    ("Llama 3.1 8B", Scheme::IQ4_XS, 4.4597 * 8.030_261_312e9 / 8.0 / GIB),
    ("Llama 3.1 8B", Scheme::IQ4_NL, 4.6818 * 8.030_261_312e9 / 8.0 / GIB),
    ("Llama 3.1 8B", Scheme::Q2_K_S, 2.9697 * 8.030_261_312e9 / 8.0 / GIB),
    ("Llama 3.1 8B", Scheme::Q2_K, 3.1593 * 8.030_261_312e9 / 8.0 / GIB),
    ("Llama 3.1 8B", Scheme::Q3_K_S, 3.6429 * 8.030_261_312e9 / 8.0 / GIB),
    ("Llama 3.1 8B", Scheme::Q3_K_M, 3.9960 * 8.030_261_312e9 / 8.0 / GIB),
    ("Llama 3.1 8B", Scheme::Q3_K_L, 4.2979 * 8.030_261_312e9 / 8.0 / GIB),
    ("Llama 3.1 8B", Scheme::Q4_K_S, 4.6672 * 8.030_261_312e9 / 8.0 / GIB),
    ("Llama 3.1 8B", Scheme::Q4_K_M, 4.8944 * 8.030_261_312e9 / 8.0 / GIB),
    ("Llama 3.1 8B", Scheme::Q5_K_S, 5.5704 * 8.030_261_312e9 / 8.0 / GIB),
    ("Llama 3.1 8B", Scheme::Q5_K_M, 5.7036 * 8.030_261_312e9 / 8.0 / GIB),
    ("Llama 3.1 8B", Scheme::Q6_K, 6.5633 * 8.030_261_312e9 / 8.0 / GIB),
    ("Llama 3.1 8B", Scheme::Q8_0, 8.5008 * 8.030_261_312e9 / 8.0 / GIB),
    ("Llama 3.1 8B", Scheme::F16, 16.0005 * 8.030_261_312e9 / 8.0 / GIB),
    // The same project's perplexity table for Llama 3 70B.
    ("Llama 3 70B", Scheme::IQ1_S, 14.29),
    ("Llama 3 70B", Scheme::IQ2_XXS, 17.79),
    ("Llama 3 70B", Scheme::IQ2_XS, 19.69),
    ("Llama 3 70B", Scheme::IQ2_S, 20.71),
    ("Llama 3 70B", Scheme::IQ2_M, 22.46),
    ("Llama 3 70B", Scheme::Q2_K_S, 22.79),
    ("Llama 3 70B", Scheme::Q2_K, 24.56),
    ("Llama 3 70B", Scheme::IQ3_XXS, 25.58),
    ("Llama 3 70B", Scheme::IQ3_XS, 27.29),
    ("Llama 3 70B", Scheme::IQ3_S, 28.79),
    ("Llama 3 70B", Scheme::IQ3_M, 29.74),
    ("Llama 3 70B", Scheme::Q3_K_S, 28.79),
    ("Llama 3 70B", Scheme::Q3_K_M, 31.91),
    ("Llama 3 70B", Scheme::Q3_K_L, 34.59),
    ("Llama 3 70B", Scheme::IQ4_XS, 35.30),
    ("Llama 3 70B", Scheme::IQ4_NL, 37.30),
    ("Llama 3 70B", Scheme::Q4_K_S, 37.58),
    ("Llama 3 70B", Scheme::Q4_K_M, 39.60),
    ("Llama 3 70B", Scheme::Q5_K_S, 45.32),
    ("Llama 3 70B", Scheme::Q5_K_M, 46.52),
    ("Llama 3 70B", Scheme::Q6_K, 53.91),
    ("Llama 3 70B", Scheme::Q8_0, 69.83),
    ("Llama 3 70B", Scheme::F16, 131.43),
    // Files as they are offered (decimal gigabytes).
    ("Llama 3.1 405B", Scheme::Q2_K, 149.4e9 / GIB),
    ("Llama 3.1 405B", Scheme::Q3_K_M, 195.0e9 / GIB),
    ("Llama 3.1 405B", Scheme::Q4_K_M, 243.0e9 / GIB),
    // What llama.cpp printed while loading, in public logs.
    ("Qwen3 30B A3B", Scheme::Q4_K_M, 17.28),
    ("Qwen3 235B A22B", Scheme::Q8_0, 232.769),
    ("Qwen3 235B A22B", Scheme::Q6_K, 179.75),
    ("Qwen3 235B A22B", Scheme::Q4_K_M, 132.386),
    ("Qwen3 30B A3B", Scheme::Q5_K_M, 20.228),
    ("Qwen3 32B", Scheme::Q4_K_M, 19.76e9 / GIB),
    ("Qwen3 32B", Scheme::Q4_0, 17.413),
    ("Gemma 3 27B", Scheme::IQ4_XS, 13.747),
    ("Gemma 3 27B", Scheme::Q4_K_M, 15.404),
    ("GLM 4 32B", Scheme::IQ4_XS, 16.382),
    ("Gemma 4 12B", Scheme::Q4_0, 6637.63 / 1024.0),
    ("DeepSeek V3", Scheme::Q8_0, 664.295),
    ("DeepSeek V3", Scheme::Q4_K_M, 376.650),
    ("DeepSeek V3", Scheme::F16, 1251.990),
    ("gpt-oss 20B", Scheme::MXFP4, 11.27),
    ("gpt-oss 120B", Scheme::MXFP4, 59.02),
    // Files made before 2024-04 have an expert a tensor and less in them (24.6).
    ("Mixtral 8x7B", Scheme::Q4_K_M, 28.45e9 / GIB),
    ("Qwen 2.5 7B", Scheme::Q4_K_M, 4.36),
];

/// Files whose makers chose some types by hand: printed beside, and not promised.
const BY_HAND: &[(&str, Scheme, f64)] = &[
    ("Qwen3 32B", Scheme::Q4_K_M, 18.641),
    ("DeepSeek V3", Scheme::Q4_K_M, 379.030),
    ("DeepSeek V3", Scheme::Q2_K, 227.689),
    ("DeepSeek V3", Scheme::Q2_K, 233.180),
    ("Gemma 3 27B", Scheme::Q4_0, 14.539),
    // Of these the tokenizer is part, some hundredths of a GiB.
    ("Qwen 3.5 2B", Scheme::Q4_K_M, 1_280_835_840.0 / GIB),
];

fn error(name: &str, scheme: Scheme, gib: f64) -> f64 {
    let (entry, _) = model(name).unwrap();
    let found = entry.model(scheme).weight_bytes().get() as f64 / GIB;
    let error = found / gib - 1.0;
    println!("{name:18} {:8} {found:9.3} GiB, printed {gib:9.3}, {:+.2}%", scheme.name(), error * 100.0);
    error
}

#[test]
fn sizes_by_quantization_come_out_as_files_have_them() {
    let mut off = Vec::new();
    let mut errors = Vec::new();
    for (name, scheme, gib) in FILES {
        let error = error(name, *scheme, *gib);
        errors.push(error.abs());
        if error.abs() > scheme.margin() {
            off.push(format!("{name} {scheme}: {:+.2}%", error * 100.0));
        }
    }
    println!("made by hand:");
    for (name, scheme, gib) in BY_HAND {
        error(name, *scheme, *gib);
    }
    errors.sort_by(f64::total_cmp);
    let (median, worst) = (errors[errors.len() / 2], errors[errors.len() - 1]);
    println!("{} files: median {:.3}%, worst {:.2}%", errors.len(), median * 100.0, worst * 100.0);
    assert!(off.is_empty(), "beyond the margin: {}", off.join("; "));
}

#[test]
fn names_are_found_as_people_write_them() {
    let found = |text: &str| model(text).map(|(entry, _)| entry.name());
    for (text, name) in [
        ("llama-3.1-8b", "Llama 3.1 8B"),
        ("Llama 3.1 8B", "Llama 3.1 8B"),
        ("Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", "Llama 3.1 8B"),
        ("Meta-Llama-3-8B-Instruct", "Llama 3 8B"),
        ("qwen3:14b", "Qwen3 14B"),
        ("Qwen/Qwen3-14B", "Qwen3 14B"),
        ("qwen3-14b-Q4_K_M.gguf", "Qwen3 14B"),
        ("Qwen3-30B-A3B-Instruct-2507-UD-Q4_K_XL.gguf", "Qwen3 30B A3B"),
        ("Qwen2.5-Coder-7B-Instruct", "Qwen 2.5 7B"),
        ("qwen2.5:7b-instruct-q4_K_M", "Qwen 2.5 7B"),
        ("DeepSeek R1 0528", "DeepSeek V3"),
        ("DeepSeek-V3-0324-Q4_K_M-00001-of-00009.gguf", "DeepSeek V3"),
        ("DeepSeek-R1-Distill-Llama-8B", "Llama 3.1 8B"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", "Qwen 2.5 32B"),
        ("DeepSeek-R1-0528-Qwen3-8B", "Qwen3 8B"),
        ("gemma-3-4b-it", "Gemma 3 4B"),
        ("gemma3:27b", "Gemma 3 27B"),
        ("Gemma-3-27B-It-Qat-Q4_0", "Gemma 3 27B"),
        ("mistral-7b-instruct-v0.3", "Mistral 7B v0.3"),
        ("Mistral-7B-Instruct-v0.2", "Mistral 7B v0.2"),
        ("mistral-nemo", "Mistral Nemo 12B"),
        ("Mixtral-8x7B-Instruct-v0.1-Q5_K_M", "Mixtral 8x7B"),
        ("phi-4", "Phi 4"),
        ("Phi-4-mini-instruct", "Phi 4 mini"),
        ("microsoft/Phi-3.5-mini-instruct", "Phi 3.5 mini"),
        ("gpt-oss-20b", "gpt-oss 20B"),
        ("openai/gpt-oss-120b", "gpt-oss 120B"),
        ("Qwen3-Coder-Next", "Qwen3 Next 80B A3B"),
        ("all-MiniLM-L6-v2", "all-MiniLM-L6"),
        ("nomic-embed-text", "nomic-embed-text"),
        ("nomic-embed-text-v1.5", "nomic-embed-text"),
        ("GLM Z1 32B 0414", "GLM 4 32B"),
        ("Qwen3.6-27B UD-Q4_K_XL", "Qwen 3.6 27B"),
        ("Kimi-K2-Instruct", "Kimi K2"),
        ("Qwen3-235B-A22B-128K", "Qwen3 235B A22B"),
        ("gemma-4-12b-it-qat", "Gemma 4 12B"),
    ] {
        assert_eq!(found(text).as_deref(), Ok(name), "{text}");
    }
    for text in ["llama-3.1", "gpt-oss", "qwen3", "gemma 3"] {
        assert!(found(text).unwrap_err().ambiguous, "{text}");
    }
    for text in [
        "",
        "Qwen3-9B",
        "Qwen3-VL-8B",
        "llama-9-8b",
        "gemma-3n-e4b",
        "phi-5",
        "/",
        "mixtral-8x7b-v0.1-x2-13b",
    ] {
        let error = found(text).unwrap_err();
        assert!(!error.ambiguous, "{text}: {error}");
    }
    assert!(found("llama-3.1-9b").unwrap_err().nearest.contains(&"Llama 3.1 8B".to_owned()));
}

#[test]
fn every_name_of_the_catalogue_finds_its_own_model() {
    let mut seen = std::collections::BTreeSet::new();
    for entry in models() {
        assert!(seen.insert(entry.name()), "{} stands twice", entry.name());
        for name in entry.names() {
            assert_eq!(model(name).map(|found| found.0), Ok(entry), "{name}");
        }
    }
}

#[test]
fn more_bits_never_make_a_smaller_file() {
    // Where rows are no multiple of 256, blocks of 256 give way to larger ones of 32, and the order is no longer sure.
    let whole = |entry: &Entry| {
        let tensors = derive::tensors(&entry.hyper(), &Scheme::Q8_0);
        tensors.iter().all(|tensor| {
            tensor.shape.len() < 2 || tensor.kind == TensorType::F32 || tensor.shape[0].is_multiple_of(256)
        })
    };
    for entry in models().filter(whole) {
        let sizes: Vec<_> =
            Scheme::ladder().iter().map(|scheme| entry.model(*scheme).weight_bytes()).collect();
        for (pair, names) in sizes.windows(2).zip(Scheme::ladder().windows(2)) {
            assert!(
                pair[0] >= pair[1],
                "{}: {} {} but {} {}",
                entry.name(),
                names[0],
                pair[0],
                names[1],
                pair[1]
            );
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_a_look_up_panic(text in "\\PC{0,80}") {
        let _ = model(&text);
        let _ = Scheme::find(&text);
        let _ = text.parse::<Scheme>();
    }
}

/// Names of models in public logs, as their loaders printed them; what is not an entry is printed and looked through by
/// hand.
#[test]
fn names_in_public_logs_are_found_or_refused_but_not_mistaken() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/plan-truth/llamacpp_logs.csv");
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("skipped: {path} is not there");
        return;
    };
    let mut found = std::collections::BTreeMap::new();
    for line in text.lines().skip(1) {
        let mut cells = line.split(',').skip(1);
        let (Some(name), Some(quant)) = (cells.next(), cells.next()) else { continue };
        let entry = model(name);
        let told = entry.as_ref().map_or_else(ToString::to_string, |(entry, _)| entry.name().to_owned());
        found.insert(name.to_owned(), format!("{told}; {quant} {:?}", quant.parse::<Scheme>().ok()));
        // Where a log states the shape, the entry must have it.
        if let Ok((entry, _)) = entry {
            let hyper = entry.hyper();
            for (key, number) in [
                ("n_layer=", hyper.layers.len() as u64),
                ("n_embd=", hyper.width),
                // A log that names no version of Mistral's may mean the smaller vocabulary of the first.
                ("n_vocab=", if name.contains("Mistral") { 32000 } else { hyper.vocabulary }),
            ] {
                let stated =
                    line.split(key).nth(1).and_then(|rest| rest.split([';', ' ', ',']).next()?.parse().ok());
                assert!(
                    stated.is_none_or(|stated: u64| stated == number),
                    "{name}: {key}{stated:?}, {number} here"
                );
            }
        }
    }
    for (name, told) in found {
        println!("{name:45} {told}");
    }
}

#[test]
fn tensors_are_as_many_as_files_have() {
    // As llama.cpp counted them while loading such files.
    for (name, count) in
        [("Gemma 4 31B", 833), ("Gemma 4 12B", 667), ("Llama 3.1 8B", 292), ("Qwen3 30B A3B", 579)]
    {
        let (entry, _) = model(name).unwrap();
        assert_eq!(entry.model(Scheme::Q8_0).tensors.len(), count, "{name}");
    }
}
