use plimsoll::{Bytes, Place};

use super::Operation;
use crate::machine::Rate;

fn op(name: &str, text: &str) -> Operation {
    Operation::parse(name, text).unwrap()
}

fn part(operation: &Operation, name: &str) -> u64 {
    operation.parts.iter().find(|part| part.name == name).map_or(0, |part| part.bytes.get())
}

#[test]
fn a_product_is_bound_by_compute_when_square_and_by_memory_when_thin() {
    let (bandwidth, flops) = (Rate::gb(3_350), 989e12);
    let square = op("matmul", "m=4096,k=4096,n=4096,dtype=bf16");
    assert!(!square.roofline(bandwidth, flops).is_memory_bound());
    assert!((square.intensity() - 4096.0 / 3.0).abs() < 1.0);
    let thin = op("matmul", "m=1,k=4096,n=4096,dtype=bf16");
    assert!(thin.roofline(bandwidth, flops).is_memory_bound());
    let quantized = op("matmul", "m=1,k=4096,n=4096,b-type=q4_k,transpose=b");
    assert_eq!(part(&quantized, "B"), 4096 * 16 * 144);
    let split = op("matmul", "m=64,k=65536,n=64,split-k=8,batch=2");
    assert_eq!(split.workspace(), Bytes::new(8 * 2 * 64 * 64 * 4));
    assert_eq!(split.shape, [2, 64, 64]);
}

/// Sides of results, as `torch.nn.functional.conv2d` gives them.
#[test]
fn a_convolution_has_the_sides_that_pytorch_gives() {
    let rows = [
        ("n=1,c=3,h=224,w=224,k=64,r=7,s=7,stride=2,pad=3", [1, 64, 112, 112]),
        ("n=2,c=16,h=32,w=20,k=8,r=3,s=5", [2, 8, 30, 16]),
        ("n=1,c=8,h=33,w=33,k=8,r=3,s=3,dilation=2,pad=2", [1, 8, 33, 33]),
        ("n=1,c=8,h=14,w=14,k=16,r=3,s=3,stride=2,pad=1,groups=4", [1, 16, 7, 7]),
        ("n=1,c=8,h=10,w=10,k=8,r=3,s=3,stride-h=3,stride-w=2,pad-h=1", [1, 8, 4, 4]),
    ];
    for (text, shape) in rows {
        assert_eq!(op("conv2d", text).shape, shape, "{text}");
    }
}

#[test]
fn im2col_writes_a_matrix_and_implicit_does_not() {
    let sides = "n=1,c=256,h=1024,w=1024,k=256,r=3,s=3,pad=1,dtype=f16";
    let implicit = op("conv2d", sides);
    assert_eq!(implicit.workspace(), Bytes::ZERO);
    let im2col = op("conv2d", &format!("{sides},algo=im2col"));
    // What stable-diffusion.cpp's largest convolution writes in decoding 1024 × 1024.
    assert_eq!(im2col.workspace(), Bytes::mib(4608));
    assert_eq!(im2col.flops.to_bits(), implicit.flops.to_bits());
    let turned = op("conv2d", &format!("{sides},layout=nchw"));
    assert_eq!(turned.workspace(), Bytes::mib(1024));
    let winograd = op("conv2d", &format!("{sides},algo=winograd"));
    assert!(winograd.flops < implicit.flops / 3.9 && winograd.flops > implicit.flops / 4.1);
    assert_eq!(op("conv2d", "n=1,c=8,h=9,w=9,k=8,r=1,s=1,algo=im2col").workspace(), Bytes::ZERO);
    let grouped = op("conv2d", "n=1,c=64,h=8,w=8,k=64,r=3,s=3,pad=1,groups=64,dtype=f32");
    assert_eq!(part(&grouped, "weights"), 64 * 9 * 4);
}

#[test]
fn attention_writes_its_scores_only_when_it_is_not_fused() {
    let sides = "batch=2,heads=32,kv_heads=8,q=1024,kv=4096,d=128";
    let fused = op("attention", sides);
    assert_eq!(fused.workspace(), Bytes::ZERO);
    assert_eq!(part(&fused, "row sums (logsumexp)"), 2 * 32 * 1024 * 4);
    assert_eq!(part(&fused, "K"), 2 * 8 * 4096 * 128 * 2);
    let written = op("attention", &format!("{sides},fused=no"));
    let scores = 2 * 32 * 1024 * 4096 * 2;
    assert_eq!(part(&written, "scores") + part(&written, "probabilities"), 2 * scores);
    assert_eq!(part(&written, "K repeated"), 2 * 32 * 4096 * 128 * 2);
    assert!((fused.flops - 4.0 * 2.0 * 32.0 * 1024.0 * 4096.0 * 128.0).abs() < 1.0);
    let causal = op("attention", "heads=1,q=1000,d=64,causal");
    let all = op("attention", "heads=1,q=1000,d=64");
    assert!((causal.flops / all.flops - 0.5005).abs() < 1e-9);
    assert_eq!(causal.moved, all.moved);
    let backward = op("attention", &format!("{sides},backward"));
    assert!((backward.flops / fused.flops - 3.5).abs() < 1e-9, "five products to two");
    assert_eq!(part(&backward, "gradient of Q, summed"), 2 * 32 * 1024 * 128 * 4);
}

#[test]
fn logits_of_a_large_vocabulary_stand_several_times() {
    let whole = op("cross-entropy", "tokens=8192,vocab=128256,dtype=bf16,backward");
    let one = 8192 * 128_256_u64;
    // Twice in halves (logits and their gradient), four times in single precision.
    assert_eq!(whole.bytes(Place::Host).get(), one * (2 * 2 + 4 * 4) + 8192 * 8 + 4);
    let chunked = op("cross-entropy", "tokens=8192,vocab=128256,dtype=bf16,backward,chunks=8");
    assert!(chunked.workspace().get() * 8 == whole.workspace().get());
}

#[test]
fn an_optimizer_keeps_what_its_kind_says() {
    let plain = op("optimizer", "params=1G,kind=adamw,dtype=f32");
    assert_eq!(plain.bytes(Place::Host), Bytes::new(16_000_000_000));
    let mixed = op("optimizer", "params=1G,kind=adamw,dtype=bf16,master=yes");
    assert_eq!(mixed.bytes(Place::Host), Bytes::new(16_000_000_000));
    let eight = op("optimizer", "params=1G,kind=adamw8bit,dtype=bf16");
    assert_eq!(eight.bytes(Place::Host).get(), 4_000_000_000 + 2_000_000_000 + 2 * 3_906_250 * 4);
    assert!(eight.roofline(Rate::gb(1000), 1e15).is_memory_bound());
}

#[test]
fn the_rest_is_rows() {
    assert_eq!(op("softmax", "rows=10,columns=100,dtype=f32").bytes(Place::Host), Bytes::new(8_000));
    assert_eq!(op("softmax", "rows=10,columns=100,dtype=f32,in-place").bytes(Place::Host), Bytes::new(4_000));
    let norm = op("layernorm", "rows=10,columns=100,dtype=f16,on=cuda:0");
    assert_eq!(norm.bytes(Place::Cuda(0)).get(), 2_000 + 400 + 2_000 + 80);
    let embedding = op("embedding", "tokens=16,vocab=32000,width=64,dtype=f32,backward");
    assert_eq!(part(&embedding, "gradient of table"), 32_000 * 64 * 4);
    assert!(embedding.moved < embedding.bytes(Place::Host), "most rows of the table are not read");
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let refusals = [
        ("matmul", "m=0,k=1,n=1", "m = 0 is out of range"),
        ("matmul", "m=1,k=1", "n is missing"),
        ("matmul", "m=200000G,k=200000G,n=1", "A would take more than 16 EiB"),
        ("matmul", "m=1,k=1,n=1,q=2", "\"q\" is not known here"),
        ("matmul", "m=1,k=1,n=1,fast", "\"fast\" is not known here"),
        ("matmul", "m=1,k=2,n=1,split-k=3", "split_k = 3 is out of range; it is 1 to 2"),
        ("matmul", "m=1,k=2,n=1,dtype=q9", "\"q9\" is not known here"),
        ("conv2d", "n=1,c=3,h=2,w=2,k=1,r=3,s=3", "r does not go with h"),
        ("conv2d", "n=1,c=3,h=9,w=9,k=4,r=3,s=3,groups=2", "c=3 does not go with groups=2"),
        ("conv2d", "n=1,c=4,h=9,w=9,k=4,r=5,s=5,algo=winograd", "algo=winograd does not go with"),
        ("attention", "heads=3,kv_heads=2,q=1,d=1", "heads=3 does not go with kv_heads=2"),
        ("attention", "heads=200000G,q=200000G,d=1", "Q would take more than 16 EiB"),
        ("fft", "n=1", "\"fft\" is not known here; known are matmul"),
    ];
    for (name, text, says) in refusals {
        let error = Operation::parse(name, text).unwrap_err().to_string();
        assert!(error.contains(says), "{name} {text:?}: {error}");
    }
}
