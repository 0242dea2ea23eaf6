//! Estimated speeds beside published ones.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use plimsoll::Place;
use plimsoll_plan::catalogue::{Scheme, model};
use plimsoll_plan::machine::Machine;
use plimsoll_plan::model::Model;
use plimsoll_plan::speed::{Placement, Roof, Run, Speed, SpeedError, estimate};

/// Machine, model, quantization, tokens made or read, tokens a second while making them, and while reading a prompt.
type Row = (&'static str, &'static str, Scheme, u64, f64, f64);

/// Source: XiongjieDai/GPU-Benchmarks-on-LLM-Inference, llama-bench of May 2024, columns tg 1024 and pp 1024 (or 4096).
const MAY_2024: &[Row] = &[
    ("rtx-3070", "Llama 3 8B", Scheme::Q4_K_M, 1024, 70.94, 2283.62),
    ("rtx-3080", "Llama 3 8B", Scheme::Q4_K_M, 1024, 106.40, 3557.02),
    ("rtx-3080-ti", "Llama 3 8B", Scheme::Q4_K_M, 1024, 106.71, 3556.67),
    ("rtx-4070-ti", "Llama 3 8B", Scheme::Q4_K_M, 1024, 82.21, 3653.07),
    ("rtx-4080", "Llama 3 8B", Scheme::Q4_K_M, 1024, 106.22, 5064.99),
    ("rtx-4080", "Llama 3 8B", Scheme::F16, 1024, 40.29, 6758.90),
    ("rtx-3090", "Llama 3 8B", Scheme::Q4_K_M, 1024, 111.74, 3865.39),
    ("rtx-3090", "Llama 3 8B", Scheme::F16, 1024, 46.51, 4239.64),
    ("rtx-3090", "Llama 3 8B", Scheme::Q4_K_M, 8192, 87.49, 2527.40),
    ("rtx-4090", "Llama 3 8B", Scheme::Q4_K_M, 1024, 127.74, 6898.71),
    ("rtx-4090", "Llama 3 8B", Scheme::F16, 1024, 54.34, 9056.26),
    ("rtx-4090", "Llama 3 8B", Scheme::Q4_K_M, 4096, 119.44, 5265.68),
    ("2x rtx-3090+64g", "Llama 3 70B", Scheme::Q4_K_M, 1024, 16.29, 393.89),
    ("2x rtx-4090+64g", "Llama 3 70B", Scheme::Q4_K_M, 1024, 19.06, 905.38),
    ("4x rtx-4090+64g", "Llama 3 8B", Scheme::F16, 4096, 51.00, 15143.84),
    ("6x rtx-3090+256g", "Llama 3 70B", Scheme::F16, 1024, 5.82, 927.23),
    ("m1-max-64g", "Llama 3 8B", Scheme::Q4_K_M, 1024, 34.49, 355.45),
    ("m1-max-64g", "Llama 3 8B", Scheme::F16, 1024, 18.43, 418.77),
    ("m1-max-64g", "Llama 3 70B", Scheme::Q4_K_M, 1024, 4.09, 33.01),
    ("m2-ultra-192g", "Llama 3 8B", Scheme::Q4_K_M, 1024, 76.28, 1023.89),
    ("m2-ultra-192g", "Llama 3 8B", Scheme::F16, 1024, 36.25, 1202.74),
    ("m2-ultra-192g", "Llama 3 70B", Scheme::Q4_K_M, 1024, 12.13, 117.76),
    ("m2-ultra-192g", "Llama 3 70B", Scheme::F16, 1024, 4.71, 145.82),
    ("m3-max-64g", "Llama 3 8B", Scheme::Q4_K_M, 1024, 50.74, 678.04),
    ("m3-max-64g", "Llama 3 8B", Scheme::F16, 1024, 22.39, 751.49),
    ("m3-max-64g", "Llama 3 70B", Scheme::Q4_K_M, 1024, 7.53, 62.88),
];

/// The same source, December 2023, Llama 2: other cards, older programs.
const DECEMBER_2023: &[Row] = &[
    ("rtx-a6000", "Llama 2 7B", Scheme::Q4_0, 512, 111.57, 2979.12),
    ("rtx-a6000", "Llama 2 7B", Scheme::F16, 512, 44.01, 3707.88),
    ("rtx-5000-ada", "Llama 2 7B", Scheme::Q4_0, 512, 99.19, 3525.7),
    ("rtx-4000-ada", "Llama 2 7B", Scheme::Q4_0, 512, 64.53, 1819.86),
    ("a100-80g", "Llama 2 7B", Scheme::F16, 512, 73.83, 5105.77),
    ("a100-80g", "Llama 2 70B", Scheme::Q4_0, 512, 25.68, 612.41),
    ("h100-pcie", "Llama 2 7B", Scheme::F16, 512, 83.32, 7367.0),
    ("h100-pcie", "Llama 2 70B", Scheme::Q4_0, 512, 25.88, 855.73),
    ("m3-16g", "Llama 2 7B", Scheme::Q4_0, 512, 20.79, 184.51),
];

/// Decoding only. pavlokhmel.com, "LLM throughput benchmark on 13 GPUs", June 2026, llama.cpp, one request, `Q4_K_M`.
const JUNE_2026: &[(&str, &str, Scheme, f64)] = &[
    ("m5-32g", "gpt-oss 20B", Scheme::MXFP4, 48.0),
    ("m1-16g", "gpt-oss 20B", Scheme::MXFP4, 21.0),
    ("rtx-4090", "gpt-oss 20B", Scheme::MXFP4, 266.0),
    ("a100-80g", "gpt-oss 20B", Scheme::MXFP4, 189.0),
    ("h100-sxm", "gpt-oss 20B", Scheme::MXFP4, 286.0),
    ("h200", "gpt-oss 20B", Scheme::MXFP4, 292.0),
    ("m5-32g", "Qwen 3.6 27B", Scheme::Q4_K_M, 7.0),
    ("rtx-4090", "Qwen 3.6 27B", Scheme::Q4_K_M, 47.0),
    ("a100-80g", "Qwen 3.6 27B", Scheme::Q4_K_M, 46.0),
    ("h100-sxm", "Qwen 3.6 27B", Scheme::Q4_K_M, 74.0),
    ("h200", "Qwen 3.6 27B", Scheme::Q4_K_M, 76.0),
    ("b300", "Qwen 3.6 27B", Scheme::Q4_K_M, 82.0),
    ("m5-32g", "Qwen 3.6 35B A3B", Scheme::Q4_K_M, 34.0),
    ("rtx-4090", "Qwen 3.6 35B A3B", Scheme::Q4_K_M, 180.0),
    ("h100-sxm", "Qwen 3.6 35B A3B", Scheme::Q4_K_M, 194.0),
];

/// Other makers' cards and machines with one memory, from public reports of 2025 and 2026; zero where a report has no
/// such number. llama.cpp pull request 26284 and issue 20934 (7900 XTX), ipex-llm issue 12991 (B580), LM Studio's bug
/// tracker 574 (9070 XT), fromthematrix.dev (Ryzen AI Max+ 395), spark-arena recipe 17 (DGX Spark, vLLM), llama.cpp
/// issue 34 (an Intel 13900K with DDR5-6400).
const OTHERS: &[Row] = &[
    ("rx-7900-xtx", "Llama 3 8B", Scheme::Q4_K_M, 2048, 105.8, 3226.54),
    ("rx-7900-xtx", "Llama 2 7B", Scheme::Q4_0, 128, 167.0, 4400.0),
    ("rx-7900-xtx", "Llama 2 7B", Scheme::Q4_0, 512, 129.0, 4000.0),
    ("rx-9070-xt", "gpt-oss 20B", Scheme::MXFP4, 512, 132.0, 0.0),
    ("rx-9070-xt", "gpt-oss 20B", Scheme::MXFP4, 512, 110.0, 0.0),
    ("arc-b580", "Qwen 2.5 7B", Scheme::Q4_K_M, 512, 66.48, 2335.96),
    ("ryzen-ai-max-395", "gpt-oss 20B", Scheme::MXFP4, 7624, 70.0, 1040.0),
    ("ryzen-ai-max-395", "Qwen3 30B A3B", Scheme::Q4_K_M, 7624, 66.0, 779.0),
    ("ryzen-ai-max-395", "Mistral Small 24B", Scheme::Q4_K_M, 7624, 14.0, 281.0),
    ("ryzen-ai-max-395", "gpt-oss 120B", Scheme::MXFP4, 7624, 52.0, 404.0),
    ("dgx-spark", "gpt-oss 120B", Scheme::MXFP4, 512, 59.5, 0.0),
    ("cpu-64g", "Llama 2 7B", Scheme::Q4_0, 128, 18.27, 0.0),
];

fn spread(model: &Model, machine: &Machine) -> Placement {
    let gpus: Vec<Place> = machine.gpus.iter().map(|gpu| gpu.place).collect();
    Placement::offloaded(model, &gpus, u32::MAX, 0)
}

fn speed(machine: &str, name: &str, scheme: Scheme, tokens: u64) -> Speed {
    let machine = Machine::parse(machine).unwrap();
    let model = model(name).unwrap().0.model(scheme);
    let run = Run { depth: tokens / 2, prompt: tokens, ..Run::default() };
    estimate(&model, &machine, &spread(&model, &machine), run).unwrap()
}

#[test]
fn published_speeds_lie_in_the_ranges() {
    let mut outside = Vec::new();
    let mut rows = 0;
    let mut check = |what: String, range: plimsoll_plan::speed::Range, published: f64| {
        let wide = range.high / range.low;
        println!("{what:52} {range:>18}, published {published:8.2}, ×{wide:.1}");
        rows += 1;
        if !range.holds(published) {
            outside.push(format!("{what}: {range}, published {published}"));
        }
        assert!(wide < if what.contains("x rtx") { 8.0 } else { 4.5 }, "{what}: {range} says too little");
    };
    for &(machine, name, scheme, tokens, decode, prefill) in MAY_2024.iter().chain(DECEMBER_2023) {
        let found = speed(machine, name, scheme, tokens);
        check(format!("{machine} {name} {scheme} tg{tokens}"), found.decode, decode);
        check(format!("{machine} {name} {scheme} pp{tokens}"), found.prefill, prefill);
    }
    for &(machine, name, scheme, decode) in JUNE_2026 {
        check(format!("{machine} {name} {scheme} tg"), speed(machine, name, scheme, 512).decode, decode);
    }
    for &(machine, name, scheme, tokens, decode, prefill) in OTHERS {
        let found = speed(machine, name, scheme, tokens);
        check(format!("{machine} {name} {scheme} tg{tokens}"), found.decode, decode);
        if prefill > 0.0 {
            check(format!("{machine} {name} {scheme} pp{tokens}"), found.prefill, prefill);
        }
    }
    println!("{} of {rows} outside: {outside:?}", outside.len());
    assert!(outside.len() * 20 <= rows, "{}", outside.join("\n"));
}

#[test]
fn experts_on_the_host_make_host_memory_the_bound() {
    let machine = Machine::parse("rtx-4090+128g").unwrap();
    let moe = model("qwen3 235b a22b").unwrap().0.model(Scheme::Q2_K);
    let gpu = [Place::Cuda(0)];
    let whole = Placement::offloaded(&moe, &gpu, 999, 999);
    let found = estimate(&moe, &machine, &whole, Run::default()).unwrap();
    assert_eq!(found.decode_roof, Roof::Bandwidth(Place::Host));
    assert_eq!(found.decode_roof.to_string(), "host memory");
    assert!(found.decode.low > 3.0 && found.decode.high < 25.0, "{}", found.decode);
    let host = estimate(&moe, &machine, &Placement::all(&moe, Place::Host), Run::default()).unwrap();
    assert!(host.decode.middle() < found.decode.middle());
    assert!(found.prefill.middle() > host.prefill.middle());
    assert!(found.decode_formula.to_string().contains("bytes on host"));
    let large = Run { prompt: 4096, batch: 4096, ..Run::default() };
    let found = estimate(&moe, &machine, &whole, large).unwrap();
    assert_eq!(found.prefill_roof, Roof::Link(Place::Cuda(0)), "{}", found.prefill_roof);
}

#[test]
fn depth_slows_and_company_speeds_up() {
    let machine = Machine::parse("rtx-3090").unwrap();
    let llama = model("llama 3.1 8b").unwrap().0.model(Scheme::Q4_K_M);
    let all = Placement::all(&llama, Place::Cuda(0));
    let run = |depth, parallel| {
        estimate(&llama, &machine, &all, Run { depth, parallel, ..Run::default() }).unwrap()
    };
    let mut last = run(0, 1);
    for depth in [1024, 8192, 32768, 131_072] {
        let next = run(depth, 1);
        assert!(next.decode.high < last.decode.high && next.decode.low < last.decode.low);
        last = next;
    }
    let (one, eight) = (run(512, 1), run(512, 8));
    assert!(eight.decode.high < one.decode.high && eight.decode_all.low > one.decode_all.low * 2.0);
    assert!(matches!(run(512, 4096).decode_roof, Roof::Compute(_) | Roof::Bandwidth(_)));
}

#[test]
fn what_cannot_be_told_says_why() {
    let machine = Machine::parse("rtx-3090").unwrap();
    let llama = model("llama 3.1 8b").unwrap().0.model(Scheme::Q4_K_M);
    let error = |placement: &Placement, run| estimate(&llama, &machine, placement, run).unwrap_err();
    let run = Run::default();
    assert_eq!(error(&Placement::all(&llama, Place::Cuda(7)), run), SpeedError::NoPlace(Place::Cuda(7)));
    let all = Placement::all(&llama, Place::Cuda(0));
    for nothing in [Run { parallel: 0, ..run }, Run { batch: 0, ..run }, Run { prompt: 0, ..run }] {
        assert_eq!(error(&all, nothing), SpeedError::Nothing);
    }
    let short = Placement { layers: Vec::new(), ..all };
    assert!(matches!(error(&short, run), SpeedError::Layers { model: 32, placement: 0 }));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]
    #[test]
    fn no_run_makes_nonsense(depth: u64, parallel: u32, prompt: u64, batch: u32, offloaded: u32, experts: u32) {
        let machine = Machine::parse("2x rtx-3090+64g").unwrap();
        let moe = model("qwen3 30b a3b").unwrap().0.model(Scheme::Q4_K_M);
        let gpus = [Place::Cuda(0), Place::Cuda(1)];
        let placement = Placement::offloaded(&moe, &gpus, offloaded, experts);
        let run = Run { depth, parallel, prompt, batch, ..Run::default() };
        if let Ok(speed) = estimate(&moe, &machine, &placement, run) {
            for range in [speed.decode, speed.decode_all, speed.prefill] {
                assert!(range.low.is_finite() && range.low >= 0.0 && range.high >= range.low, "{range}");
            }
        }
    }
}
