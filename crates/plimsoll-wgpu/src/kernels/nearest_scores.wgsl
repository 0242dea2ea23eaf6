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
    // 0 the product, 1 the distance, 2 how many signs differ.
    measure: u32,
    row_bytes: u32,
}

// How rows are stored beyond the numbers that other kernels know.
const LEVEL8 = 5u;
const LEVEL4 = 6u;
const SIGN = 7u;

@group(0) @binding(0) var<storage, read_write> desk: array<u32>;
@group(0) @binding(1) var<storage, read_write> numbers: array<u32>;
@group(0) @binding(2) var<storage, read_write> scale_of: array<u32>;
var<immediate> args: Args;
var<workgroup> sums: array<vec4<f32>, 256>;

fn byte_at(at: u32) -> u32 {
    let byte = args.rows_start + at;
    return (numbers[byte / 4u] >> (8u * (byte & 3u))) & 0xffu;
}

// Where a byte of a row's signs is: in blocks of 64 rows, eight bytes of all and so on, then what is left of each.
fn sign_byte(row: u32, byte: u32) -> u32 {
    let wide = min(args.row_bytes - byte / 8u * 8u, 8u);
    return byte_at(row / 64u * 64u * args.row_bytes + byte / 8u * 512u + row % 64u * wide + byte % 8u);
}

// What a row's side says: for levels the lowest and the step, for signs what one is worth and the length.
fn side_of(row: u32) -> vec2<f32> {
    switch args.kind {
        case INT8: {
            return vec2<f32>(0.0, bitcast<f32>(scale_of[args.scales_start + row]));
        }
        case LEVEL8, LEVEL4: {
            let at = args.scales_start + row * 2u;
            return vec2<f32>(bitcast<f32>(scale_of[at]), bitcast<f32>(scale_of[at + 1u]));
        }
        case SIGN: {
            if args.measure == 2u {
                return vec2<f32>(0.0, 0.0);
            }
            let at = args.scales_start + row * 2u;
            let length = bitcast<f32>(scale_of[at]);
            let factor = bitcast<f32>(single_of_half(scale_of[at + 1u] & 0xffffu));
            return vec2<f32>(length, factor * (length / sqrt(f32(args.dimension))));
        }
        default: {
            return vec2<f32>(0.0, 1.0);
        }
    }
}

fn number_at(row: u32, number: u32, side: vec2<f32>) -> f32 {
    let at = row * args.dimension + number;
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
        case LEVEL8: {
            return fma(side.y, f32(byte_at(at)), side.x);
        }
        case LEVEL4: {
            let upper = number >= args.row_bytes;
            let byte = byte_at(row * args.row_bytes + select(number, number - args.row_bytes, upper));
            return fma(side.y, f32(select(byte & 15u, byte >> 4u, upper)), side.x);
        }
        case SIGN: {
            let positive = ((sign_byte(row, number / 8u) >> (number % 8u)) & 1u) == 1u;
            if args.measure == 2u {
                return select(0.0, 1.0, positive);
            }
            return select(-side.y, side.y, positive);
        }
        default: {
            let byte = args.rows_start + at;
            return f32(bitcast<i32>(numbers[byte / 4u] << (24u - 8u * (byte & 3u))) >> 24u) * side.y;
        }
    }
}

fn query_at(query: u32, at: u32) -> f32 {
    // A query that is not there is like the last one, and its score is not written.
    let bits = desk[args.queries_start + min(query, args.queries - 1u) * args.dimension + at];
    // Where signs are counted, one and none.
    return select(bitcast<f32>(bits), f32(1u - (bits >> 31u)), args.measure == 2u);
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
        let side = side_of(there);
        for (var at = lane; at < args.dimension; at += 16u) {
            let x = number_at(there, at, side);
            let q = vec4<f32>(query_at(query, at), query_at(query + 1u, at), query_at(query + 2u, at), query_at(query + 3u, at));
            if args.measure != 0u {
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
            // What a row's length says beside its signs: its square, less that of what stands for its numbers.
            var beside = 0.0;
            if args.kind == SIGN && args.measure == 1u {
                beside = side.x * side.x - f32(args.dimension) * side.y * side.y;
            }
            desk[args.scores_start + (query + lane) * args.rows + row] = bitcast<u32>(sums[local - lane][lane] + beside);
        }
        workgroupBarrier();
    }
}
