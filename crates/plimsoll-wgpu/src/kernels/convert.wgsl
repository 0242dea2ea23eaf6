// To floats, from floats or from integers with scales. Each thread converts eight numbers at a time, which are
// whole words of every kind; only the last of an odd count of halves shares its word.

struct Args {
    input_start: u32,
    output_start: u32,
    scales: u32,
    count: u32,
    kind: u32,
    target_kind: u32,
    group: u32,
}

@group(0) @binding(0) var<storage, read_write> output: array<u32>;
@group(0) @binding(1) var<storage, read_write> input: array<u32>;
@group(0) @binding(2) var<storage, read_write> scale_of: array<u32>;
var<immediate> args: Args;

fn single_at(number: u32) -> u32 {
    switch args.kind {
        case F32: {
            return input[args.input_start + number];
        }
        case F16: {
            return single_of_half((input[args.input_start + number / 2u] >> (16u * (number & 1u))) & 0xffffu);
        }
        case BF16: {
            return ((input[args.input_start + number / 2u] >> (16u * (number & 1u))) & 0xffffu) << 16u;
        }
        default: {
            // Moved to the top of a word, so that shifting it down again brings its sign.
            var integer: i32;
            if args.kind == INT8 {
                integer = bitcast<i32>(input[args.input_start + number / 4u] << (24u - 8u * (number & 3u))) >> 24u;
            } else {
                integer = bitcast<i32>(input[args.input_start + number / 8u] << (28u - 4u * (number & 7u))) >> 28u;
            }
            let scale = bitcast<f32>(scale_of[args.scales + number / args.group]);
            return bitcast<u32>(f32(integer) * scale);
        }
    }
}

fn half_at(number: u32) -> u32 {
    let single = single_at(number);
    if args.target_kind == F16 {
        return half_of_single(single);
    }
    return bf16_of_single(single);
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let eights = (args.count + 7u) / 8u;
    for (var i = id.x; i < eights; i += groups.x * 256u) {
        let first = i * 8u;
        let end = min(first + 8u, args.count);
        if args.target_kind == F32 {
            for (var number = first; number < end; number += 1u) {
                output[args.output_start + number] = single_at(number);
            }
            continue;
        }
        for (var number = first; number < end; number += 2u) {
            let word = args.output_start + number / 2u;
            if number + 1u < end {
                output[word] = half_at(number) | (half_at(number + 1u) << 16u);
            } else {
                output[word] = (output[word] & 0xffff0000u) | half_at(number);
            }
        }
    }
}
