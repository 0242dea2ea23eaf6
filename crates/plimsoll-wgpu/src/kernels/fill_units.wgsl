// A pattern of 16 bytes through whole units of 16.

struct Args {
    pattern: vec4<u32>,
    start: u32,
    count: u32,
}

@group(0) @binding(0) var<storage, read_write> output: array<vec4<u32>>;
var<immediate> args: Args;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < args.count; i += groups.x * 256u) {
        output[args.start + i] = args.pattern;
    }
}
