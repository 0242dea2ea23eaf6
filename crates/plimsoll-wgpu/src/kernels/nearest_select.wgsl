// Lists take the rows of a block that are near enough: a group for each query. What is nearer than the last of a list
// waits; when no more can wait, what waits is sorted, and the lesser half of it and the list is kept. A key is two
// words: the row, then the score in an order of whole numbers.

struct Args {
    lists_start: u32,
    mask_start: u32,
    scores_start: u32,
    best_start: u32,
    first: u32,
    number: u32,
    rows: u32,
    queries: u32,
    k: u32,
    places: u32,
    masked: u32,
}

@group(0) @binding(0) var<storage, read_write> desk: array<u32>;
@group(0) @binding(1) var<storage, read_write> lists: array<u32>;
@group(0) @binding(2) var<storage, read_write> mask: array<u32>;
var<immediate> args: Args;
var<workgroup> count: atomic<u32>;
var<workgroup> seen: u32;

const NONE = vec2<u32>(0xffffffffu, 0xffffffffu);

fn read(at: u32) -> vec2<u32> {
    return vec2<u32>(desk[at * 2u], desk[at * 2u + 1u]);
}

fn write(at: u32, key: vec2<u32>) {
    desk[at * 2u] = key.x;
    desk[at * 2u + 1u] = key.y;
}

fn less(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.y < b.y || (a.y == b.y && a.x < b.x);
}

fn together() {
    storageBarrier();
    workgroupBarrier();
}

fn exchange(low: u32, high: u32, up: bool) {
    let a = read(low);
    let b = read(high);
    if less(b, a) == up {
        write(low, b);
        write(high, a);
    }
}

// Sorts what waits, and merges it into what is best.
fn absorb(best: u32, local: u32, filled: u32) {
    let waiting = best + args.places;
    for (var n = filled + local; n < args.places; n += 256u) {
        write(waiting + n, NONE);
    }
    for (var size = 2u; size <= args.places; size *= 2u) {
        for (var distance = size / 2u; distance > 0u; distance /= 2u) {
            together();
            for (var n = local; n < args.places / 2u; n += 256u) {
                let low = 2u * n - (n & (distance - 1u));
                exchange(waiting + low, waiting + low + distance, (low & size) == 0u);
            }
        }
    }
    together();
    for (var n = local; n < args.places; n += 256u) {
        let other = read(waiting + args.places - 1u - n);
        if less(other, read(best + n)) {
            write(best + n, other);
        }
    }
    for (var distance = args.places / 2u; distance > 0u; distance /= 2u) {
        together();
        for (var n = local; n < args.places / 2u; n += 256u) {
            let low = 2u * n - (n & (distance - 1u));
            exchange(best + low, best + low + distance, true);
        }
    }
    if local == 0u {
        atomicStore(&count, 0u);
    }
    together();
}

// How many wait: the same for all threads.
fn waiting_now(local: u32) -> u32 {
    together();
    if local == 0u {
        seen = atomicLoad(&count);
    }
    return workgroupUniformLoad(&seen);
}

fn offer(best: u32, query: u32, row: u32) {
    let there = args.first + row;
    if args.masked == 1u && ((mask[args.mask_start + there / 32u] >> (there & 31u)) & 1u) == 0u {
        return;
    }
    var bits = desk[args.scores_start + query * args.rows + row];
    if (bits & 0x7f800000u) == 0x7f800000u {
        return;
    }
    // Minus nothing is nothing.
    if bits == 0x80000000u {
        bits = 0u;
    }
    let ordered = select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
    let key = vec2<u32>(args.number + row, ordered);
    if less(key, read(best + args.k - 1u)) {
        write(best + args.places + atomicAdd(&count, 1u), key);
    }
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    for (var query = group.x; query < args.queries; query += groups.x) {
        let best = args.best_start / 2u + query * args.places * 2u;
        let list = args.lists_start + query * args.k * 2u;
        for (var n = local; n < args.places; n += 256u) {
            var key = NONE;
            if n < args.k {
                key = vec2<u32>(lists[list + n * 2u], lists[list + n * 2u + 1u]);
            }
            write(best + n, key);
        }
        if local == 0u {
            atomicStore(&count, 0u);
        }
        for (var start = 0u; start < args.rows; start += 256u) {
            let filled = waiting_now(local);
            if filled + 256u > args.places {
                absorb(best, local, filled);
            }
            if start + local < args.rows {
                offer(best, query, start + local);
            }
        }
        let filled = waiting_now(local);
        absorb(best, local, filled);
        for (var n = local; n < args.k; n += 256u) {
            let key = read(best + n);
            lists[list + n * 2u] = key.x;
            lists[list + n * 2u + 1u] = key.y;
        }
        together();
    }
}
