// To integers with scales. `lanes` threads share a group of numbers, eight at a time each: a power of two, so
// that a workgroup holds whole groups.

struct Args {
    input_start: u32,
    output_start: u32,
    scales: u32,
    kind: u32,
    target_kind: u32,
    group: u32,
    groups: u32,
    lanes: u32,
}

@group(0) @binding(0) var<storage, read_write> output: array<u32>;
@group(0) @binding(1) var<storage, read_write> input: array<u32>;
@group(0) @binding(2) var<storage, read_write> scale_of: array<u32>;
var<immediate> args: Args;
var<workgroup> largest: array<u32, 256>;

fn single_at(number: u32) -> u32 {
    switch args.kind {
        case F16: {
            return single_of_half((input[args.input_start + number / 2u] >> (16u * (number & 1u))) & 0xffffu);
        }
        case BF16: {
            return ((input[args.input_start + number / 2u] >> (16u * (number & 1u))) & 0xffffu) << 16u;
        }
        default: {
            return input[args.input_start + number];
        }
    }
}

// The integer's bits, at the bottom of a word.
fn integer_at(number: u32, limit: f32, inverse: f32) -> u32 {
    let single = single_at(number);
    let size = single & 0x7fffffffu;
    var value = 0.0;
    if size == 0x7f800000u {
        value = limit;
    } else if size < 0x7f800000u {
        value = min(round(bitcast<f32>(size) * inverse), limit);
    }
    let integer = i32(value);
    return bitcast<u32>(select(integer, -integer, (single >> 31u) == 1u));
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let together = 256u / args.lanes;
    let lane = local & (args.lanes - 1u);
    let limit = select(127.0, 7.0, args.target_kind == INT4);
    // Multiplied rather than divided: products are rounded the same everywhere.
    let part = select(1.0 / 127.0, 1.0 / 7.0, args.target_kind == INT4);
    for (var base = workgroup.x * together; base < args.groups; base += workgroups.x * together) {
        let group = base + local / args.lanes;
        let here = group < args.groups;
        var most = 0u;
        if here {
            for (var at = lane * 8u; at < args.group; at += args.lanes * 8u) {
                for (var n = 0u; n < 8u; n += 1u) {
                    let size = single_at(group * args.group + at + n) & 0x7fffffffu;
                    // The bits of finite magnitudes are in their order.
                    most = max(most, select(0u, size, size < 0x7f800000u));
                }
            }
        }
        largest[local] = most;
        workgroupBarrier();
        for (var half = args.lanes / 2u; half > 0u; half /= 2u) {
            if lane < half {
                largest[local] = max(largest[local], largest[local + half]);
            }
            workgroupBarrier();
        }
        most = largest[local - lane];
        workgroupBarrier();
        if here {
            let scale = bitcast<f32>(most) * part;
            // A scale that is zero or too small to be inverted gives zeros.
            let usable = (bitcast<u32>(scale) & 0x7f800000u) != 0u;
            let inverse = select(0.0, 1.0 / scale, usable);
            if lane == 0u {
                scale_of[args.scales + group] = bitcast<u32>(scale);
            }
            for (var at = lane * 8u; at < args.group; at += args.lanes * 8u) {
                let first = group * args.group + at;
                if args.target_kind == INT4 {
                    var word = 0u;
                    for (var n = 0u; n < 8u; n += 1u) {
                        word |= (integer_at(first + n, limit, inverse) & 0xfu) << (4u * n);
                    }
                    output[args.output_start + first / 8u] = word;
                } else {
                    for (var half = 0u; half < 2u; half += 1u) {
                        var word = 0u;
                        for (var n = 0u; n < 4u; n += 1u) {
                            word |= (integer_at(first + half * 4u + n, limit, inverse) & 0xffu) << (8u * n);
                        }
                        output[args.output_start + first / 4u + half] = word;
                    }
                }
            }
        }
    }
}
