// A run of whole units. UNIT is u32 or vec4<u32>; every number in the arguments counts units.

struct Args {
    input_start: u32,
    output_start: u32,
    count: u32,
}

@group(0) @binding(0) var<storage, read_write> output: array<UNIT>;
@group(0) @binding(1) var<storage, read_write> input: array<UNIT>;
var<immediate> args: Args;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < args.count; i += groups.x * 256u) {
        output[args.output_start + i] = input[args.input_start + i];
    }
}
