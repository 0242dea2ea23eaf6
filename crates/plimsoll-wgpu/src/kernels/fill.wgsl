// A pattern of 16 bytes through any run of bytes. The pattern's phase is that of the binding, which starts where
// a pattern does.

struct Args {
    pattern: vec4<u32>,
    start: u32,
    bytes: u32,
}

@group(0) @binding(0) var<storage, read_write> output: array<u32>;
var<immediate> args: Args;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let end = args.start + args.bytes;
    let first = args.start / 4u;
    let count = (end + 3u) / 4u - first;
    for (var i = id.x; i < count; i += groups.x * 256u) {
        let word = first + i;
        let low = max(args.start, word * 4u) - word * 4u;
        let high = min(end, word * 4u + 4u) - word * 4u;
        let value = args.pattern[word & 3u];
        let mask = (0xffffffffu >> (32u - 8u * (high - low))) << (8u * low);
        if mask == 0xffffffffu {
            output[word] = value;
        } else {
            output[word] = (output[word] & ~mask) | (value & mask);
        }
    }
}
