// Bytes from any place to any place: each thread makes whole words of the target.

struct Args {
    input_start: u32,
    output_start: u32,
    bytes: u32,
}

@group(0) @binding(0) var<storage, read_write> output: array<u32>;
@group(0) @binding(1) var<storage, read_write> input: array<u32>;
var<immediate> args: Args;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let end = args.output_start + args.bytes;
    let first = args.output_start / 4u;
    let count = (end + 3u) / 4u - first;
    let last = arrayLength(&input) - 1u;
    for (var i = id.x; i < count; i += groups.x * 256u) {
        let word = first + i;
        let low = max(args.output_start, word * 4u) - word * 4u;
        let high = min(end, word * 4u + 4u) - word * 4u;
        // Where the word's first byte comes from; before the source's start for a word that begins with others'
        // bytes, which are masked below.
        let start = i32(args.input_start) - i32(args.output_start) + i32(word * 4u);
        let shift = u32(start & 3) * 8u;
        let at = start >> 2u;
        var value = input[min(u32(max(at, 0)), last)] >> shift;
        if shift != 0u {
            value = (value & ((1u << (32u - shift)) - 1u)) | (input[min(u32(at + 1), last)] << (32u - shift));
        }
        let mask = (0xffffffffu >> (32u - 8u * (high - low))) << (8u * low);
        if mask == 0xffffffffu {
            output[word] = value;
        } else {
            output[word] = (output[word] & ~mask) | (value & mask);
        }
    }
}
