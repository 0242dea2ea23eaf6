// What is drawn of rows of logits, so that they need not come to the host: a row's likeliest token, its greatest logits in order, and
// a token that is drawn by lot among all. What a row is asked for stands among the orders of its step, so that these launches are the
// same each time.

enum What { SUM = 1, LOT = 2 };

// As `Ask` and `Change` in asks.rs. `first` is where its changes begin, in sixteens of bytes from the orders' beginning. `least`: tokens
// that lie further below the greatest take no part in the lot.
struct Ask {
    u32 what, first, count;
    float least;
    double temperature, share;
};

struct Change {
    u32 token;
    float less, more, penalty;
};

// What is told of a row, before its greatest logits.
struct Told {
    u32 sound, likeliest, count, lot;
    double sum;
    u64 none;
};

struct Choice {
    float logit;
    u32 token;
};

// Logits that a thread looks at, and stretches of a row whose chances are added up.
constexpr u32 HELD = 16, STRETCHES = 256;
// Greatest logits at most, and tokens of a stretch.
constexpr u32 MOST = 256, STRETCH = 1024;
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

// The greatest that a block's threads have seen: its place and how it is ordered, and how many were no numbers, or infinitely great.
struct Look {
    u64 most = 0;
    u32 odd = 0;

    __device__ __forceinline__ void see(float number, u32 at) {
        const bool none = number != number;
        odd += none || number == INFINITE;
        // No zero is negative, so that both are equal.
        if (!none)
            most = greater(most, key_of(number + 0.0f, at));
    }

    __device__ __forceinline__ void tell(uint4 *out) {
        __shared__ u64 greatest[32];
#pragma unroll
        for (u32 step = 16; step > 0; step /= 2)
            most = greater(most, __shfl_xor_sync(~0u, most, step));
        if (threadIdx.x % 32 == 0)
            greatest[threadIdx.x / 32] = most;
        const float all = together<Plus>((float)odd);
        if (threadIdx.x != 0)
            return;
        for (u32 warp = 1; warp < blockDim.x / 32; warp++)
            most = greater(most, greatest[warp]);
        *out = make_uint4((u32)most, (u32)(most >> 32), (u32)all, 0);
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

__device__ __forceinline__ u32 of_warp(u32 mine) {
#pragma unroll
    for (u32 step = 16; step > 0; step /= 2)
        mine += __shfl_xor_sync(~0u, mine, step);
    return mine;
}

// The least of the `wanted` greatest keys that a block's threads hold, or 1 where there are no more than those. Keys that are something
// differ, so halving what lies between the greatest and the least comes to exactly so many.
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
    if (some <= wanted)
        return 1;
    // As many as are wanted, or more, are not below `low`; fewer are not below `high`.
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
        if (all == wanted)
            return middle;
        if (all > wanted)
            low = middle;
        else
            high = middle;
    }
    return low;
}

// Puts keys that are not below `least` one behind the other, in any order; how many, at most `most`, is counted in `count`, which was 0.
__device__ __forceinline__ void gather(const u64 (&keys)[HELD], u32 held, u64 least, u32 most, u32 &count, u64 *out) {
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
        if (mine && from < most)
            out[from] = keys[each];
    }
}

// The greatest logits of a part of a row, so many, in any order; what is missing of them is nothing. And what `likeliest` tells.
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
    out += (u64)part * keep;
    gather(keys, HELD, least, keep, count, out);
    __syncthreads();
    for (u32 at = count + threadIdx.x; at < keep; at += 256)
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

// Chances of stretches of a row, a warp for each: as they are, or for the lot, those of tokens that take part in it at its temperature.
extern "C" __global__ void __launch_bounds__(256) stretches(u32 columns, u32 parts, const Ask *asks, const float *rows,
                                                           const uint4 *looks, double *out) {
    ahead();
    behind();
    const Ask ask = asks[blockIdx.y];
    if ((ask.what & (SUM | LOT)) == 0)
        return;
    const float *row = rows + (u64)blockIdx.y * columns;
    bool sound;
    const float most = of_order((u32)(looked(looks + blockIdx.y * parts, parts, sound) >> 32));
    const bool lot = ask.what & LOT;
    const float least = lot ? __fadd_rn(most, ask.least) : -INFINITE;
    const double temperature = lot ? ask.temperature : 1.0;
    const u32 each = (columns + STRETCHES - 1) / STRETCHES, stretch = blockIdx.x * 8 + threadIdx.x / 32;
    const u32 from = stretch * each, to = from + each < columns ? from + each : columns;
    double sum = 0.0;
    for (u32 at = from + threadIdx.x % 32; at < to; at += 32) {
        const float logit = row[at];
        if (logit >= least && logit > -INFINITE)
            sum += chance_of(logit, most, temperature);
    }
#pragma unroll
    for (u32 step = 16; step > 0; step /= 2)
        sum += __shfl_xor_sync(~0u, sum, step);
    if (threadIdx.x % 32 == 0)
        out[blockIdx.y * STRETCHES + stretch] = sum;
}

// A warp's way along chances until they are more than `share` of their whole, or more than `target` if there is one. Which that is, and
// how much there is before it; where rounding left a crumb, the last that has a chance.
struct Found {
    u32 at;
    double before, whole;
};

__device__ __forceinline__ Found along(const double *chances, u32 count, double share, double target) {
    const u32 lane = threadIdx.x % 32, each = (count + 31) / 32;
    const u32 from = lane * each < count ? lane * each : count, to = from + each < count ? from + each : count;
    double mine = 0.0;
    for (u32 at = from; at < to; at++)
        mine += chances[at];
    double behind_mine = mine;
#pragma unroll
    for (u32 step = 1; step < 32; step *= 2) {
        const double other = __shfl_up_sync(~0u, behind_mine, step);
        behind_mine += lane >= step ? other : 0.0;
    }
    Found found = {0, 0.0, __shfl_sync(~0u, behind_mine, 31)};
    if (share >= 0.0)
        target = share * found.whole;
    double before = __shfl_up_sync(~0u, behind_mine, 1);
    before = lane == 0 ? 0.0 : before;
    const u32 passed = __ballot_sync(~0u, mine > 0.0 && behind_mine > target), some = __ballot_sync(~0u, mine > 0.0);
    const u32 whose = passed ? __ffs(passed) - 1 : some ? 31 - __clz(some) : 0;
    for (u32 next = from; next < to; next++) {
        if (chances[next] > 0.0) {
            found.at = next, found.before = before;
            if (before + chances[next] > target)
                break;
        }
        before += chances[next];
    }
    found.at = __shfl_sync(~0u, found.at, whose), found.before = __shfl_sync(~0u, found.before, whose);
    return found;
}

// All that is told of a row, by a block: its likeliest token, the sum of its chances, the token that is drawn by lot, and its greatest
// logits in order, put together from those of its parts.
extern "C" __global__ void __launch_bounds__(1024) draw(u32 columns, u32 parts, u32 keep, const Ask *asks,
                                                       const float *rows, const uint4 *looks, const u64 *of_parts,
                                                       const double *sums, char *out) {
    __shared__ u64 chosen[MOST];
    __shared__ double chances[STRETCH];
    __shared__ Found stretch;
    __shared__ Told told;
    __shared__ u32 count;
    ahead();
    behind();
    const u32 row = blockIdx.x, lane = threadIdx.x % 32;
    const Ask ask = asks[row];
    rows += (u64)row * columns, looks += row * parts, sums += row * STRETCHES;
    out += (u64)row * (sizeof(Told) + keep * sizeof(Choice));
    if (threadIdx.x == 0)
        count = 0;
    bool sound;
    const u64 likeliest = looked(looks, parts, sound);
    const float most = of_order((u32)(likeliest >> 32));
    if (threadIdx.x < 32) {
        Found found = {0, 0.0, 0.0};
        if (ask.what & (SUM | LOT))
            found = along(sums, STRETCHES, ask.what & LOT ? ask.share : 0.0, 0.0);
        if (lane == 0) {
            stretch = found;
            told = {sound, ~(u32)likeliest, 0, ~(u32)likeliest, found.whole, 0};
        }
    }
    __syncthreads();
    if (ask.what & LOT) {
        const float least = __fadd_rn(most, ask.least);
        const u32 each = (columns + STRETCHES - 1) / STRETCHES, from = stretch.at * each;
        const u32 tokens = from + each < columns ? each : from < columns ? columns - from : 0;
        for (u32 at = threadIdx.x; at < tokens; at += blockDim.x) {
            const float logit = rows[from + at];
            const bool mine = logit >= least && logit > -INFINITE;
            chances[at] = mine ? chance_of(logit, most, ask.temperature) : 0.0;
        }
        __syncthreads();
        if (threadIdx.x < 32) {
            const Found found = along(chances, tokens, -1.0, ask.share * stretch.whole - stretch.before);
            if (lane == 0 && found.whole > 0.0)
                told.lot = from + found.at;
        }
    }
    if (keep > 0) {
        u64 keys[HELD];
        const u32 all = parts * keep, held = (all + blockDim.x - 1) / blockDim.x;
        of_parts += (u64)row * all;
#pragma unroll
        for (u32 each = 0; each < HELD; each++) {
            const u32 at = each * blockDim.x + threadIdx.x;
            keys[each] = at < all ? of_parts[at] : 0;
        }
        const u64 least = least_of(keys, held, keep);
        gather(keys, held, least, keep, count, chosen);
        __syncthreads();
        // Each one's place is how many are greater; several lanes look for that.
        const u32 lanes = blockDim.x / keep, mine = threadIdx.x / lanes;
        const u64 key = mine < count ? chosen[mine] : 0;
        u32 place = 0;
        for (u32 other = threadIdx.x % lanes; other < count; other += lanes)
            place += chosen[other] > key;
        for (u32 step = lanes / 2; step > 0; step /= 2)
            place += __shfl_xor_sync(~0u, place, step);
        Choice *choices = (Choice *)(out + sizeof(Told));
        if (threadIdx.x % lanes == 0 && key != 0)
            choices[place] = {of_order((u32)(key >> 32)), ~(u32)key};
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        told.count = count;
        *(Told *)out = told;
    }
}
