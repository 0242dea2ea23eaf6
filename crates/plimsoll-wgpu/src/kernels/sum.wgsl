// Two sums of words modulo 2^32: plain, and weighted by 2i + 1. Each workgroup adds its own to the result.

struct Args {
    input_start: u32,
    bytes: u32,
    result: u32,
}

@group(0) @binding(0) var<storage, read_write> result: array<atomic<u32>>;
@group(0) @binding(1) var<storage, read_write> input: array<u32>;
var<immediate> args: Args;
var<workgroup> plain_of: array<u32, 256>;
var<workgroup> weighted_of: array<u32, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let count = (args.bytes + 3u) / 4u;
    var plain = 0u;
    var weighted = 0u;
    for (var i = id.x; i < count; i += groups.x * 256u) {
        var word = input[args.input_start + i];
        let left = args.bytes - i * 4u;
        if left < 4u {
            word &= (1u << (8u * left)) - 1u;
        }
        plain += word;
        weighted += word * (2u * i + 1u);
    }
    plain_of[local] = plain;
    weighted_of[local] = weighted;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if local < half {
            plain_of[local] += plain_of[local + half];
            weighted_of[local] += weighted_of[local + half];
        }
        workgroupBarrier();
    }
    if local == 0u {
        atomicAdd(&result[args.result], plain_of[0]);
        atomicAdd(&result[args.result + 1u], weighted_of[0]);
    }
}
