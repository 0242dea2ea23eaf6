// Gather and scatter: blocks of 16-byte units, one side of them named by an index.

struct Args {
    input_start: u32,
    output_start: u32,
    index: u32,
    block: u32,
    count: u32,
    scatter: u32,
}

@group(0) @binding(0) var<storage, read_write> output: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> input: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> named: array<u32>;
var<immediate> args: Args;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let units = args.block * args.count;
    for (var i = id.x; i < units; i += groups.x * 256u) {
        let other = named[args.index + i / args.block] * args.block + i % args.block;
        if args.scatter != 0u {
            output[args.output_start + other] = input[args.input_start + i];
        } else {
            output[args.output_start + i] = input[args.input_start + other];
        }
    }
}
