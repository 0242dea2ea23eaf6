// Rows that start or end within words. A word may hold the end of one row and the start of the next, so each
// thread makes one word of the whole target, byte by byte, and leaves alone what lies between rows.

struct Args {
    input_start: u32,
    output_start: u32,
    row: u32,
    rows: u32,
    input_pitch: u32,
    output_pitch: u32,
}

@group(0) @binding(0) var<storage, read_write> output: array<u32>;
@group(0) @binding(1) var<storage, read_write> input: array<u32>;
var<immediate> args: Args;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let end = args.output_start + (args.rows - 1u) * args.output_pitch + args.row;
    let first = args.output_start / 4u;
    let count = (end + 3u) / 4u - first;
    for (var i = id.x; i < count; i += groups.x * 256u) {
        let word = first + i;
        var value = 0u;
        var mask = 0u;
        for (var byte = 0u; byte < 4u; byte += 1u) {
            let at = word * 4u + byte;
            if at < args.output_start || at >= end {
                continue;
            }
            let row = (at - args.output_start) / args.output_pitch;
            let column = (at - args.output_start) % args.output_pitch;
            if column >= args.row {
                continue;
            }
            let place = args.input_start + row * args.input_pitch + column;
            value |= ((input[place / 4u] >> (8u * (place & 3u))) & 0xffu) << (8u * byte);
            mask |= 0xffu << (8u * byte);
        }
        if mask == 0xffffffffu {
            output[word] = value;
        } else if mask != 0u {
            output[word] = (output[word] & ~mask) | value;
        }
    }
}
