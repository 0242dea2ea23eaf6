// Rows of whole units. UNIT is u32 or vec4<u32>; every number in the arguments counts units.

struct Args {
    input_start: u32,
    output_start: u32,
    row: u32,
    rows: u32,
    input_pitch: u32,
    output_pitch: u32,
}

@group(0) @binding(0) var<storage, read_write> output: array<UNIT>;
@group(0) @binding(1) var<storage, read_write> input: array<UNIT>;
var<immediate> args: Args;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let count = args.row * args.rows;
    for (var i = id.x; i < count; i += groups.x * 256u) {
        let row = i / args.row;
        let column = i % args.row;
        output[args.output_start + row * args.output_pitch + column] =
            input[args.input_start + row * args.input_pitch + column];
    }
}
