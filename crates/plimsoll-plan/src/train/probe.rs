use super::net::Recipe;
use super::nets::*;
use super::torch::*;

fn run(shape: &DecoderShape, rank: u64, targets: &str, dtype: Dtype, batch: u64, tokens: u64, ck: bool) -> (u64, u64, Peak) {
    let torch = Torch::default();
    let recipe = Recipe { full: rank == 0, rank, targets: targets.split('|').map(str::to_owned).collect(), dtype, quantized: None };
    let net = Decoder::new(&torch, &recipe, shape, true);
    let trained = net.trained();
    let start = torch.memory().now().bytes;
    let mut states = Vec::new();
    let mut after = 0;
    for step in 0..3 {
        torch.memory().reset_peak();
        torch.memory().enter(Phase::Forward);
        let loss = net.loss(&torch, batch, tokens, ck);
        torch.end_autocast();
        after = torch.memory().now().bytes;
        torch.backward(loss);
        torch.memory().enter(Phase::Optimizer);
        if step == 0 {
            for p in &trained { for _ in 0..2 { states.push(torch.memory().allocate(p.tensor().bytes(), Kind::Optimizer)); } }
        }
        let temps: Vec<_> = trained.iter().map(|p| torch.memory().allocate(p.tensor().bytes(), Kind::Temporary)).collect();
        drop(temps);
        for p in &trained { p.forget_gradient(); }
    }
    (start, after, torch.memory().peak())
}

#[test]
fn probe() {
    let all = "q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj";
    let l8 = DecoderShape { width: 4096, inner: 14336, layers: 32, heads: 32, kv_heads: 8, head_width: 128, vocabulary: 128256, tied: false, qkv_bias: false, qk_norm: false, norms: Norms::Before, fused: false, softcap: false };
    let l1 = DecoderShape { width: 2048, inner: 8192, layers: 16, head_width: 64, tied: true, ..l8.clone() };
    for (shape, rank, dtype, b, t, ck, after, peak) in [
        (&l8, 16, Dtype::Bf16, 1, 2048, true, 18186029568u64, 20287358976u64),
        (&l8, 16, Dtype::Bf16, 1, 2048, false, 31949777408, 34051106816),
        (&l8, 16, Dtype::Bf16, 4, 1024, true, 19806619648, 24009279488),
        (&l1, 16, Dtype::Bf16, 1, 2048, false, 7518525952, 9619855360),
        (&l1, 16, Dtype::Bf16, 1, 2048, true, 3810179584, 5911508992),
        (&l1, 0, Dtype::Bf16, 1, 2048, false, 12061972992, 14163302400),
        (&l1, 0, Dtype::Fp32, 1, 2048, true, 16717269504, 24716289536),
    ] {
        let t0 = std::time::Instant::now();
        let (start, a, p) = run(shape, rank, all, dtype, b, t, ck);
        println!("start {start} after {a} ({:+.3}%) peak {} ({:+.3}%) {:?} {:?} {:?}", (a as f64 / after as f64 - 1.0) * 100.0, p.bytes, (p.bytes as f64 / peak as f64 - 1.0) * 100.0, p.phase, p.by_kind.map(|b| b >> 20), t0.elapsed());
    }
}
