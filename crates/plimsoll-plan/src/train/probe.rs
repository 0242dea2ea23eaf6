use super::net::Recipe;
use super::nets::*;
use super::torch::*;

enum Net { D(Decoder), U(Unet), F(Flux), J(Joint) }

fn run(name: &str, shape: Option<&DecoderShape>, rank: u64, targets: &str, dtype: Dtype, batch: u64, tokens: u64, ck: bool, fused: bool, opt: &str, accum: u64) -> (u64, u64, Peak) {
    let torch = Torch::default();
    let recipe = Recipe { full: rank == 0, rank, targets: targets.split('|').map(str::to_owned).collect(), dtype, quantized: None };
    let sdxl = UnetShape { channels: vec![320, 640, 1280], depths: vec![0, 2, 10], heads: vec![5, 10, 20], cross: 2048, prompt: 77, linear: true, added: Some(2816) };
    let sd15 = UnetShape { channels: vec![320, 640, 1280, 1280], depths: vec![1, 1, 1, 0], heads: vec![8; 4], cross: 768, prompt: 77, linear: false, added: None };
    let sd35l = JointShape { layers: 38, heads: 38, dual: 0, positions: 192, qk_norm: true, prompt: 333 };
    let sd35m = JointShape { layers: 24, heads: 24, dual: 13, positions: 384, qk_norm: true, prompt: 333 };
    let flux = FluxShape { double: 19, single: 38, heads: 24, guidance: true, prompt: 512 };
    let net = match name {
        "sdxl-unet" => Net::U(Unet::new(&torch, &recipe, &sdxl)),
        "sd1.5-unet" => Net::U(Unet::new(&torch, &recipe, &sd15)),
        "flux1-transformer" => Net::F(Flux::new(&torch, &recipe, &flux)),
        "sd3.5-large-transformer" => Net::J(Joint::new(&torch, &recipe, &sd35l)),
        "sd3.5-medium-transformer" => Net::J(Joint::new(&torch, &recipe, &sd35m)),
        _ => Net::D(Decoder::new(&torch, &recipe, shape.unwrap(), fused)),
    };
    let trained = match &net { Net::D(n) => n.trained(), Net::U(n) => n.trained(), Net::F(n) => n.trained(), Net::J(n) => n.trained() };
    let start = torch.memory().now().bytes;
    let mut states = Vec::new();
    let mut after = 0;
    for step in 0..3 {
        torch.memory().reset_peak();
        for _ in 0..accum {
        torch.memory().enter(Phase::Forward);
        let loss = match &net { Net::D(n) => n.loss(&torch, batch, tokens, ck), Net::U(n) => n.loss(&torch, batch, tokens * tokens, dtype, ck), Net::F(n) => n.loss(&torch, batch, tokens * tokens, dtype, ck), Net::J(n) => n.loss(&torch, batch, tokens * tokens, dtype, ck) };
        torch.end_autocast();
        after = torch.memory().now().bytes;
        torch.backward(loss);
        }
        torch.memory().enter(Phase::Optimizer);
        if step == 0 {
            for p in &trained { for _ in 0..(match opt { "sgd" => 0, "sgdm" => 1, _ => 2 }) { states.push(torch.memory().allocate(p.tensor().bytes(), Kind::Optimizer)); } }
        }
        let temps: Vec<_> = trained.iter().filter(|_| opt.starts_with("adam")).map(|p| torch.memory().allocate(p.tensor().bytes(), Kind::Temporary)).collect();
        drop(temps);
        for p in &trained { p.forget_gradient(); }
    }
    (start, after, torch.memory().peak())
}


fn shape(width: u64, inner: u64, layers: u64, heads: u64, kv_heads: u64, vocabulary: u64, head_width: u64, tied: bool) -> DecoderShape {
    DecoderShape { width, inner, layers, heads, kv_heads, head_width, vocabulary, tied, qkv_bias: false, qk_norm: false, norms: Norms::Before, fused: false, softcap: false }
}

#[test]
fn probe() {
    let named = |name: &str| match name {
        "llama-3.1-8b" => shape(4096,14336,32,32,8,128256,128,false),
        "llama-3.2-1b" => shape(2048,8192,16,32,8,128256,64,true),
        "llama-3.2-3b" => shape(3072,8192,28,24,8,128256,128,true),
        "qwen2.5-0.5b" => DecoderShape { qkv_bias: true, ..shape(896,4864,24,14,2,151936,64,true) },
        "qwen2.5-1.5b" => DecoderShape { qkv_bias: true, ..shape(1536,8960,28,12,2,151936,128,true) },
        "qwen2.5-7b" => DecoderShape { qkv_bias: true, ..shape(3584,18944,28,28,4,152064,128,false) },
        "qwen3-0.6b" => DecoderShape { qk_norm: true, ..shape(1024,3072,28,16,8,151936,128,true) },
        "qwen3-4b" => DecoderShape { qk_norm: true, ..shape(2560,9728,36,32,8,151936,128,true) },
        "qwen3-8b" => DecoderShape { qk_norm: true, ..shape(4096,12288,36,32,8,151936,128,false) },
        "mistral-7b" => shape(4096,14336,32,32,8,32768,128,false),
        "gemma-2-2b" => DecoderShape { softcap: true, norms: Norms::Around, ..shape(2304,9216,26,8,4,256000,256,true) },
        "gemma-3-1b" => DecoderShape { qk_norm: true, norms: Norms::Around, ..shape(1152,6912,26,4,1,262144,256,true) },
        "phi-4" => DecoderShape { fused: true, ..shape(5120,17920,40,40,10,100352,128,false) },
        "phi-3-mini" => DecoderShape { fused: true, ..shape(3072,8192,32,32,32,32064,96,false) },
        _ => panic!(),
    };
    let mut text = std::fs::read_to_string("/work/shared/data/plan-truth/train_peaks_h200.csv").unwrap();
    text += &std::fs::read_to_string("/work/oracle/train/tr/rows4.csv").unwrap();
    for line in text.lines().skip(1) {
        let f: Vec<&str> = line.split(',').collect();
        let n = f[9].trim_start_matches("seq").trim_end_matches("px");
        let named = |name: &str| if f[9].contains("px") { None } else { Some(named(name)) };
        let ws: u64 = f.get(21).map_or(0, |s| s.parse().unwrap());
        let t0 = std::time::Instant::now();
        let dtype = if f[6].ends_with("16") { Dtype::Bf16 } else { Dtype::Fp32 };
        let accum: u64 = f.get(19).map_or(1, |s| s.parse().unwrap());
        let (start, a, p) = run(f[0], named(f[0]).as_ref(), f[4].parse().unwrap(), f[5], dtype, f[8].parse().unwrap(), n.parse().unwrap(), f[10] == "1", f[11] == "sdpa", f[7], accum);
        let want = |i: usize| f[i].parse::<u64>().unwrap() - ws;
        let off = |got: u64, want: u64| (got as f64 / want as f64 - 1.0) * 100.0;
        println!("RR {:14} {:5} r{:3} b{} {:7} ck{} {:5} start {start} ({}) after {a} {:+.2}% peak {} {:+.2}% {:?} {:?} {:?}", f[0], f[3], f[4], f[8], f[9], f[10], f[11], f[12], off(a, want(15)), p.bytes, off(p.bytes, want(16)), p.phase, p.by_kind.map(|b| b >> 20), t0.elapsed());
    }
}
