// What is drawn of rows of logits, so that they need not come to the host: a row's likeliest token, and one that a lot falls on, as a
// sampler on the host draws it. What a row is asked for stands among the orders of its step, so that these launches are the same each
// time.

// A lot among all tokens, or, CUT, among the likeliest that have `top_p` of all chances together; or, FEW, among `top_k` of the likeliest,
// and of these the likeliest that have `top_p` of their chances.
enum What { LOT = 1, CUT = 2, FEW = 4 };

// As `Ask` and `Change` in asks.rs. `first` is where its changes begin, in sixteens of bytes from the orders' beginning. `least`: tokens
// that lie further below the greatest take no part in the lot.
struct Ask {
    u32 what, first, count;
    float least;
    double temperature, share, top_p;
    u32 top_k, none;
};

struct Change {
    u32 token;
    float less, more, penalty;
};

// What is told of a row. `missed`: whom the lot fell on is not known.
struct Told {
    u32 sound, likeliest, lot, missed;
};

// Where the likeliest tokens end that have so much of all chances together: in which of the bins, how many are in that, and the key of the
// last of them.
struct Cut {
    u32 bin, count, missed, none;
    double wanted;
    u64 least;
};

// Logits that a thread looks at, and stretches of a row whose chances are added up.
constexpr u32 HELD = 16, STRETCHES = 256;
// Of the likeliest, at most, and tokens of a stretch.
constexpr u32 MOST = 128, STRETCH = 1024;
// Bins of logits by how far they lie below the greatest, how far that is for the last of them at most, and logits of one bin that can be
// looked at one by one.
constexpr u32 BINS = 1024, IN_BIN = 4096;
constexpr float FURTHEST = 24.0f;
// Blocks that have a row's stretches.
constexpr u32 BLOCKS = STRETCHES / 8;
// Logits of a stretch that a lane reads at once.
constexpr u32 AT_ONCE = 8;
// How minus infinity is ordered.
constexpr u32 NOTHING = 0x007fffff;

__device__ __forceinline__ u32 order_of(float number) {
    const u32 bits = __float_as_uint(number);
    return bits >> 31 ? ~bits : bits | 1u << 31;
}

__device__ __forceinline__ float of_order(u32 order) {
    return __uint_as_float(order >> 31 ? order & 0x7fffffff : ~order);
}

// Greater for a greater number, and of equals for the first. Nothing is 0.
__device__ __forceinline__ u64 key_of(float number, u32 at) { return (u64)order_of(number) << 32 | (u32)~at; }

__device__ __forceinline__ u64 greater(u64 one, u64 other) { return one > other ? one : other; }

__device__ __forceinline__ u32 of_warp(u32 mine) {
#if __CUDA_ARCH__ >= 800
    return __reduce_add_sync(~0u, mine);
#else
#pragma unroll
    for (u32 step = 16; step > 0; step /= 2)
        mine += __shfl_xor_sync(~0u, mine, step);
    return mine;
#endif
}

// The greatest that a block's threads have seen: its place and how it is ordered, how many were no numbers, or infinitely great, and how
// the least is ordered that can be drawn, the other way round.
struct Look {
    u64 most = 0;
    u32 odd = 0, low = 0;

    __device__ __forceinline__ void see(float number, u32 at) {
        const bool none = number != number;
        odd += none || number == INFINITE;
        const u32 order = ~order_of(number);
        if (number > -INFINITE && order > low)
            low = order;
        // No zero is negative, so that both are equal.
        if (!none)
            most = greater(most, key_of(number + 0.0f, at));
    }

    __device__ __forceinline__ void tell(uint4 *out) {
        __shared__ u64 greatest[32];
        __shared__ u32 others[2][32];
#pragma unroll
        for (u32 step = 16; step > 0; step /= 2) {
            most = greater(most, __shfl_xor_sync(~0u, most, step));
            const u32 other = __shfl_xor_sync(~0u, low, step);
            low = other > low ? other : low;
        }
        odd = of_warp(odd);
        if (threadIdx.x % 32 == 0) {
            const u32 warp = threadIdx.x / 32;
            greatest[warp] = most, others[0][warp] = odd, others[1][warp] = low;
        }
        __syncthreads();
        if (threadIdx.x != 0)
            return;
        for (u32 warp = 1; warp < blockDim.x / 32; warp++) {
            most = greater(most, greatest[warp]);
            odd += others[0][warp];
            low = others[1][warp] > low ? others[1][warp] : low;
        }
        *out = make_uint4((u32)most, (u32)(most >> 32), odd, low);
    }
};

// Where the greatest of each row is, of several parts of the row each.
extern "C" __global__ void likeliest(u32 columns, const float *rows, uint4 *out) {
    ahead();
    behind();
    const float *row = rows + (u64)blockIdx.y * columns;
    Look look;
#pragma unroll 4
    for (u32 at = blockIdx.x * blockDim.x + threadIdx.x; at < columns; at += gridDim.x * blockDim.x)
        look.see(row[at], at);
    look.tell(out + blockIdx.y * gridDim.x + blockIdx.x);
}

// Changes logits as a sampler on the host does, step by step, so that they are the same bits: something is taken off, something added,
// and what is above zero is divided by a penalty, what is not multiplied. No token stands there twice.
extern "C" __global__ void weigh(u32 columns, const Ask *asks, const Change *changes, float *rows) {
    ahead();
    behind();
    const Ask ask = asks[blockIdx.y];
    float *row = rows + (u64)blockIdx.y * columns;
    for (u32 at = blockIdx.x * blockDim.x + threadIdx.x; at < ask.count; at += gridDim.x * blockDim.x) {
        const Change change = changes[ask.first + at];
        if (change.token >= columns)
            continue;
        const float now = __fadd_rn(__fsub_rn(row[change.token], change.less), change.more);
        row[change.token] = now > 0.0f ? __fdiv_rn(now, change.penalty) : __fmul_rn(now, change.penalty);
    }
}

// A key that some of the greatest keys which a block's threads hold are not below: at least `wanted` of them, or all there are, and twice as
// many at most. Keys that are something differ, so halving what lies between the greatest and the least comes to that.
__device__ __forceinline__ u64 least_of(const u64 (&keys)[HELD], u32 held, u32 wanted) {
    __shared__ u32 counts[2][32];
    __shared__ u64 ends[2][32];
    const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    u32 some = 0;
    u64 low = ~(u64)0, high = 0;
#pragma unroll
    for (u32 each = 0; each < HELD; each++)
        if (each < held && keys[each] != 0) {
            some++;
            high = greater(high, keys[each]);
            low = keys[each] < low ? keys[each] : low;
        }
#pragma unroll
    for (u32 step = 16; step > 0; step /= 2) {
        high = greater(high, __shfl_xor_sync(~0u, high, step));
        const u64 other = __shfl_xor_sync(~0u, low, step);
        low = other < low ? other : low;
    }
    some = of_warp(some);
    if (lane == 0)
        counts[1][warp] = some, ends[0][warp] = low, ends[1][warp] = high;
    __syncthreads();
    some = of_warp(lane < warps ? counts[1][lane] : 0);
    for (u32 each = 0; each < warps; each++) {
        high = greater(high, ends[1][each]);
        low = ends[0][each] < low ? ends[0][each] : low;
    }
    if (some <= 2 * wanted)
        return 1;
    // Too many are not below `low`; fewer than are wanted are not below `high`.
    high++;
    for (u32 turn = 0; high - low > 1; turn++) {
        const u64 middle = low + (high - low) / 2;
        u32 mine = 0;
#pragma unroll
        for (u32 each = 0; each < HELD; each++)
            if (each < held)
                mine += keys[each] >= middle;
        mine = of_warp(mine);
        // Who writes here again has passed the barrier behind which it was read.
        if (lane == 0)
            counts[turn % 2][warp] = mine;
        __syncthreads();
        const u32 all = of_warp(lane < warps ? counts[turn % 2][lane] : 0);
        if (all >= wanted && all <= 2 * wanted)
            return middle;
        if (all > wanted)
            low = middle;
        else
            high = middle;
    }
    return low;
}

// Puts keys that are not below `least` one behind the other, in any order; how many is counted in `count`, which was 0.
__device__ __forceinline__ void gather(const u64 (&keys)[HELD], u32 held, u64 least, u32 &count, u64 *out) {
    const u32 lane = threadIdx.x % 32;
#pragma unroll
    for (u32 each = 0; each < HELD; each++) {
        if (each >= held)
            break;
        const bool mine = keys[each] >= least;
        const u32 all = __ballot_sync(~0u, mine);
        if (all == 0)
            continue;
        u32 from = lane == 0 ? atomicAdd(&count, __popc(all)) : 0;
        from = __shfl_sync(~0u, from, 0) + __popc(all & ((1u << lane) - 1));
        if (mine)
            out[from] = keys[each];
    }
}

// The greatest logits of a part of a row, so many or up to twice as many, in any order; what is missing of them is nothing. And what
// `likeliest` tells.
extern "C" __global__ void __launch_bounds__(256) greatest(u32 columns, u32 keep, const float *rows, uint4 *looks,
                                                          u64 *out) {
    __shared__ u32 count;
    ahead();
    behind();
    const float *row = rows + (u64)blockIdx.y * columns;
    const u32 part = blockIdx.y * gridDim.x + blockIdx.x, begin = blockIdx.x * 256 * HELD + threadIdx.x;
    Look look;
    u64 keys[HELD];
    float numbers[HELD];
#pragma unroll
    for (u32 each = 0; each < HELD; each++)
        numbers[each] = begin + each * 256 < columns ? row[begin + each * 256] : -INFINITE;
#pragma unroll
    for (u32 each = 0; each < HELD; each++) {
        const u32 at = begin + each * 256;
        if (at < columns)
            look.see(numbers[each], at);
        keys[each] = numbers[each] > -INFINITE ? key_of(numbers[each], at) : 0;
    }
    if (threadIdx.x == 0)
        count = 0;
    look.tell(looks + part);
    const u64 least = least_of(keys, HELD, keep);
    out += (u64)part * 2 * keep;
    gather(keys, HELD, least, count, out);
    __syncthreads();
    for (u32 at = count + threadIdx.x; at < 2 * keep; at += 256)
        out[at] = 0;
}

// What a warp knows of a whole row: how the greatest is ordered with its place, and whether the row is sound.
__device__ __forceinline__ u64 looked(const uint4 *looks, u32 parts, bool &sound) {
    u64 most = 0;
    u32 odd = 0;
    for (u32 part = threadIdx.x % 32; part < parts; part += 32) {
        const uint4 look = looks[part];
        most = greater(most, (u64)look.y << 32 | look.x);
        odd += look.z;
    }
#pragma unroll
    for (u32 step = 16; step > 0; step /= 2)
        most = greater(most, __shfl_xor_sync(~0u, most, step));
    sound = of_warp(odd) == 0 && (u32)(most >> 32) > NOTHING;
    return most;
}

// How often a token is drawn, against the greatest.
__device__ __forceinline__ double chance_of(float logit, float most, double temperature) {
    return exp((double)__fsub_rn(logit, most) / temperature);
}

