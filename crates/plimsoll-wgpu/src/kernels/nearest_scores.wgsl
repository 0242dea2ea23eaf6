// Scores of a block of rows for some queries: each group has 16 rows of 16 threads at a time, which go through a row
// together and are added up in a tree, for four queries at once.

struct Args {
    rows_start: u32,
    scales_start: u32,
    queries_start: u32,
    scores_start: u32,
    dimension: u32,
    first: u32,
    rows: u32,
    queries: u32,
    kind: u32,
    distance: u32,
}

@group(0) @binding(0) var<storage, read_write> desk: array<u32>;
@group(0) @binding(1) var<storage, read_write> numbers: array<u32>;
@group(0) @binding(2) var<storage, read_write> scale_of: array<u32>;
var<immediate> args: Args;
var<workgroup> sums: array<vec4<f32>, 256>;

fn number_at(at: u32) -> f32 {
    switch args.kind {
        case F32: {
            return bitcast<f32>(numbers[args.rows_start / 4u + at]);
        }
        case F16: {
            let byte = args.rows_start + at * 2u;
            return bitcast<f32>(single_of_half((numbers[byte / 4u] >> (8u * (byte & 3u))) & 0xffffu));
        }
        case BF16: {
            let byte = args.rows_start + at * 2u;
            return bitcast<f32>(((numbers[byte / 4u] >> (8u * (byte & 3u))) & 0xffffu) << 16u);
        }
        default: {
            let byte = args.rows_start + at;
            return f32(bitcast<i32>(numbers[byte / 4u] << (24u - 8u * (byte & 3u))) >> 24u);
        }
    }
}

fn query_at(query: u32, at: u32) -> f32 {
    // A query that is not there is like the last one, and its score is not written.
    return bitcast<f32>(desk[args.queries_start + min(query, args.queries - 1u) * args.dimension + at]);
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let down = (args.rows + 15u) / 16u;
    let tiles = down * ((args.queries + 3u) / 4u);
    let lane = local % 16u;
    for (var tile = group.x; tile < tiles; tile += groups.x) {
        let row = tile % down * 16u + local / 16u;
        let query = tile / down * 4u;
        let there = min(row, args.rows - 1u) + args.first;
        var sum = vec4<f32>(0.0);
        var scale = 1.0;
        if args.kind == INT8 {
            scale = bitcast<f32>(scale_of[args.scales_start + there]);
        }
        for (var at = lane; at < args.dimension; at += 16u) {
            let x = number_at(there * args.dimension + at) * scale;
            let q = vec4<f32>(query_at(query, at), query_at(query + 1u, at), query_at(query + 2u, at), query_at(query + 3u, at));
            if args.distance == 1u {
                let apart = q - x;
                sum += apart * apart;
            } else {
                sum -= q * x;
            }
        }
        sums[local] = sum;
        workgroupBarrier();
        for (var half = 8u; half > 0u; half /= 2u) {
            if lane < half {
                sums[local] += sums[local + half];
            }
            workgroupBarrier();
        }
        if lane < 4u && row < args.rows && query + lane < args.queries {
            desk[args.scores_start + (query + lane) * args.rows + row] = bitcast<u32>(sums[local - lane][lane]);
        }
        workgroupBarrier();
    }
}
