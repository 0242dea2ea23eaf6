// What stands before and behind the passes over rows: queries made ready, sizes of rows, bounds, and lists.

extern __shared__ u64 desk[];

// The sum, or the largest, of what each thread of a block has.
template <bool MOST> float all_of(float value) {
    __shared__ float parts[THREADS / 32];
    for (u32 distance = 16; distance > 0; distance /= 2) {
        const float other = __shfl_xor_sync(0xffffffff, value, distance);
        value = MOST ? fmaxf(value, other) : value + other;
    }
    __syncthreads();
    if (threadIdx.x % 32 == 0)
        parts[threadIdx.x / 32] = value;
    __syncthreads();
    value = parts[0];
    for (u32 n = 1; n < THREADS / 32; n++)
        value = MOST ? fmaxf(value, parts[n]) : value + parts[n];
    return value;
}

// A number of a query as the matrix units take it: kept in `at`, and what it means there.
template <class Kind> float code(u8 *at, float value, float);
template <> float code<F32>(u8 *, float value, float) { return value; }
template <> float code<F16>(u8 *at, float value, float) {
    u16 bits;
    // Not infinite: what is cut off is room for what products may be off by.
    value = fminf(fmaxf(value, -65504.0f), 65504.0f);
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    *(u16 *)at = bits;
    return F16::widen(bits);
}
template <> float code<Bf16>(u8 *at, float value, float) {
    u32 bits = __float_as_uint(value);
    bits += 0x7fffu + (bits >> 16 & 1);
    bits = (bits & 0x7fffffffu) >= 0x7f800000u ? (bits & 0x80000000u) | 0x7f7f0000u : bits & 0xffff0000u;
    *(u16 *)at = (u16)(bits >> 16);
    return __uint_as_float(bits);
}
template <> float code<Int8>(u8 *at, float value, float scale) {
    const float level = scale > 0.0f ? fminf(fmaxf(rintf(value / scale), -127.0f), 127.0f) : 0.0f;
    *(i8 *)at = (i8)level;
    return level * scale;
}

// A query as singles and as the matrix units take it, what bounds it, and the limit that its list gives. Where levels of rows are not
// the queries' kind, those of the query are bytes with a sign as for Int8, filled up with zeros.
template <class Kind> void prepare(const Search &s) {
    const u32 query = blockIdx.x;
    const float *numbers = s.queries + (u64)query * s.dimension;
    float square = 0.0f, most = 0.0f;
    for (u32 at = threadIdx.x; at < s.padded; at += THREADS) {
        const float value = at < s.dimension ? numbers[at] : 0.0f;
        s.singles[(u64)query * s.padded + at] = value;
        square = fmaf(value, value, square);
        most = fmaxf(most, fabsf(value));
    }
    square = all_of<false>(square);
    float scale = 1.0f, lost = 0.0f, total = 0.0f;
    if (s.bounded && Kind::BYTES < 4) {
        if (Kind::BYTES == 1)
            scale = all_of<true>(most) / 127.0f;
        if (Kind::BYTES == 1)
            for (u32 at = s.dimension + threadIdx.x; at < s.coded_bytes; at += THREADS)
                s.coded[query * s.coded_bytes + at] = 0;
        for (u32 at = threadIdx.x; at < s.dimension; at += THREADS) {
            const float kept = code<Kind>(s.coded + query * s.coded_bytes + (u64)at * Kind::BYTES, numbers[at], scale);
            lost = fmaf(numbers[at] - kept, numbers[at] - kept, lost);
            if (Kind::BYTES == 1)
                total += (float)(i8)s.coded[query * s.coded_bytes + at];
        }
        lost = all_of<false>(lost);
        // Whole numbers below 2^23: exact in any order.
        total = all_of<false>(total);
    }
    if (threadIdx.x != 0)
        return;
    const float length = sqrtf(square);
    // A length that singles do not hold bounds nothing.
    const float apart = lost == 0.0f ? 0.0f : length > 0.0f ? 1.001f * sqrtf(lost) / length : 1.0f;
    const u64 limit = s.lists[(u64)query * s.k + s.k - 1];
    s.each[query] = {limit, limit == NONE ? OPEN : score_of(limit), s.distance ? square : length, 0,
                     s.slack + fminf(apart, 4.0f), scale, total};
}

extern "C" __global__ void __launch_bounds__(THREADS) prepare_f32(Search s) { prepare<F32>(s); }
extern "C" __global__ void __launch_bounds__(THREADS) prepare_f16(Search s) { prepare<F16>(s); }
extern "C" __global__ void __launch_bounds__(THREADS) prepare_bf16(Search s) { prepare<Bf16>(s); }
extern "C" __global__ void __launch_bounds__(THREADS) prepare_int8(Search s) { prepare<Int8>(s); }

// A query's signs as bits, for those that count them.
extern "C" __global__ void __launch_bounds__(THREADS) prepare_count(Search s) {
    const u32 query = blockIdx.x;
    const float *numbers = s.queries + (u64)query * s.dimension;
    u8 *bits = (u8 *)(s.singles + (u64)query * s.padded);
    for (u32 byte = threadIdx.x; byte < s.row_bytes; byte += THREADS) {
        u32 eight = 0;
        for (u32 at = byte * 8; at < min(byte * 8 + 8, s.dimension); at++)
            eight |= (~__float_as_uint(numbers[at]) >> 31) << at % 8;
        bits[byte] = (u8)eight;
    }
    if (threadIdx.x != 0)
        return;
    const u64 limit = s.lists[(u64)query * s.k + s.k - 1];
    s.each[query] = {limit, limit == NONE ? OPEN : score_of(limit), 0.0f, 0, 0.0f, 1.0f, 0.0f};
}

// The squares of rows.
template <class Kind> void squares(const Search &s) {
    const u32 warp = blockIdx.x * (THREADS / 32) + threadIdx.x / 32;
    const u32 warps = gridDim.x * (THREADS / 32);
    const u32 units = (u32)(s.row_bytes / 16);
    for (u64 start = (u64)warp * ROWS; start < s.count; start += (u64)warps * ROWS) {
        float sums[ROWS] = {};
        float scales[ROWS];
#pragma unroll
        for (u32 r = 0; r < ROWS; r++)
            scales[r] = scale_of(s, min((u32)start + r, s.count - 1));
#pragma unroll 2
        for (u32 unit = threadIdx.x % 32; unit < units; unit += 32) {
            uint4 held[ROWS];
#pragma unroll
            for (u32 r = 0; r < ROWS; r++)
                held[r] = load_once((const uint4 *)row_of(s, min((u32)start + r, s.count - 1)) + unit);
#pragma unroll
            for (u32 r = 0; r < ROWS; r++)
#pragma unroll
                for (u32 four = 0; four < Kind::FOURS; four++) {
                    const float4 x = Kind::four(held[r], four, scales[r]);
                    sums[r] = fmaf(x.x, x.x, sums[r]);
                    sums[r] = fmaf(x.y, x.y, sums[r]);
                    sums[r] = fmaf(x.z, x.z, sums[r]);
                    sums[r] = fmaf(x.w, x.w, sums[r]);
                }
        }
        const float sum = share(sums);
        const u32 lane = threadIdx.x % 32;
        const u32 row = (u32)start + lane / (32 / ROWS);
        if (lane % (32 / ROWS) == 0 && row < s.count)
            s.squares[row] = sum;
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) squares_f32(Search s) { squares<F32>(s); }
extern "C" __global__ void __launch_bounds__(THREADS) squares_f16(Search s) { squares<F16>(s); }
extern "C" __global__ void __launch_bounds__(THREADS) squares_bf16(Search s) { squares<Bf16>(s); }
extern "C" __global__ void __launch_bounds__(THREADS) squares_int8(Search s) { squares<Int8>(s); }

// The squares of rows of levels: a warp a row.
template <class Kind> void squares_levels(const Search &s) {
    const u32 lane = threadIdx.x % 32;
    const u32 warp = blockIdx.x * (THREADS / 32) + threadIdx.x / 32;
    const u32 warps = gridDim.x * (THREADS / 32);
    for (u64 row = warp; row < s.count; row += warps) {
        const float2 side = __ldg((const float2 *)s.scales + row);
        float sums[1] = {0.0f};
        for (u32 unit = lane; unit < s.row_bytes / 16; unit += 32) {
            const uint4 held = load_once((const uint4 *)row_of(s, (u32)row) + unit);
#pragma unroll
            for (u32 w = 0; w < Kind::fours(); w++) {
                const float4 level = Kind::four(held, w);
                add<true, false>(sums[0], 0.0f, fmaf(side.y, level.x, side.x), 1.0f);
                add<true, false>(sums[0], 0.0f, fmaf(side.y, level.y, side.x), 1.0f);
                add<true, false>(sums[0], 0.0f, fmaf(side.y, level.z, side.x), 1.0f);
                add<true, false>(sums[0], 0.0f, fmaf(side.y, level.w, side.x), 1.0f);
            }
        }
        const float sum = share(sums);
        if (lane == 0)
            s.squares[row] = sum;
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) squares_level8(Search s) { squares_levels<Level8>(s); }
extern "C" __global__ void __launch_bounds__(THREADS) squares_level4(Search s) { squares_levels<Level4>(s); }

// Of signs that are worth something: all of a row are worth the same.
extern "C" __global__ void __launch_bounds__(THREADS) squares_sign(Search s) {
    for (u64 row = blockIdx.x * THREADS + threadIdx.x; row < s.count; row += gridDim.x * THREADS) {
        const float sign = Worth(s, (u32)row).sign;
        s.squares[row] = sign * sign * (float)s.dimension;
    }
}

// The least of the keys that are given, in the memory of a thread block: sorted, and behind it keys that wait.
struct Least {
    u64 *best;
    u64 *waiting;
    u32 *count;
    u32 places;

    void sort(u64 *keys) {
        for (u32 size = 2; size <= places; size *= 2)
            for (u32 distance = size / 2; distance > 0; distance /= 2) {
                __syncthreads();
                for (u32 n = threadIdx.x; n < places / 2; n += THREADS) {
                    const u32 low = 2 * n - (n & (distance - 1)), high = low + distance;
                    exchange(keys, low, high, (low & size) == 0);
                }
            }
        __syncthreads();
    }
    void exchange(u64 *keys, u32 low, u32 high, bool up) {
        const u64 a = keys[low], b = keys[high];
        if ((a > b) == up) {
            keys[low] = b;
            keys[high] = a;
        }
    }
    void begin() {
        for (u32 n = threadIdx.x; n < places; n += THREADS)
            best[n] = NONE;
        if (threadIdx.x == 0)
            *count = 0;
        __syncthreads();
    }
    // What waits is sorted, and the lesser half of both is kept. All threads call it.
    void absorb() {
        __syncthreads();
        const u32 filled = *count;
        for (u32 n = filled + threadIdx.x; n < places; n += THREADS)
            waiting[n] = NONE;
        sort(waiting);
        for (u32 n = threadIdx.x; n < places; n += THREADS)
            best[n] = min(best[n], waiting[places - 1 - n]);
        for (u32 distance = places / 2; distance > 0; distance /= 2) {
            __syncthreads();
            for (u32 n = threadIdx.x; n < places / 2; n += THREADS) {
                const u32 low = 2 * n - (n & (distance - 1));
                exchange(best, low, low + distance, true);
            }
        }
        if (threadIdx.x == 0)
            *count = 0;
        __syncthreads();
    }
    // Makes room for a key of each thread. All threads call it.
    void ready() {
        __syncthreads();
        const u32 filled = *count;
        __syncthreads();
        if (filled + THREADS > places)
            absorb();
    }
    void take(u64 key, u32 last) {
        if (key < best[last])
            waiting[atomicAdd(count, 1)] = key;
    }
};

Least least_of(const Search &s, u32 *count) { return {desk, desk + s.places, count, s.places}; }

// From a pass over some rows: no row of the nearest has a score above the bound.
extern "C" __global__ void __launch_bounds__(THREADS) tighten(Search s) {
    __shared__ u32 count;
    Least least = least_of(s, &count);
    const u32 query = blockIdx.x;
    // A list that is full bounds it already.
    if (s.each[query].limit != NONE)
        return;
    least.begin();
    // Of few rows the last one is worth little: more of them are taken.
    const u32 last = max(s.k, 16u) - 1;
    for (u32 start = 0; start < s.sample; start += THREADS) {
        least.ready();
        const u32 at = start + threadIdx.x;
        if (at < s.sample)
            least.take(s.candidates[(u64)query * s.room + at], last);
    }
    least.absorb();
    if (threadIdx.x == 0 && least.best[last] != NONE)
        s.each[query].bound = fminf(s.each[query].bound, score_of(least.best[last]));
}

// How far the bound of a candidate is below what it was stored by.
template <class Kind> float widening(const Search &s, const Query &query, u32 row) {
    float size;
    if constexpr (Kind::PACKED)
        size = Kind::size(s, row);
    else
        size = size_of(s, row);
    return 2.05f * query.slack * (s.distance ? size + query.own : size * query.own);
}

// Each warp scores a row of those that wait in `queue`, and takes it.
template <class Kind, bool DISTANCE, bool WHOLE> void score_queue(const Search &s, Least &least, const u32 *queue,
                                                                  u32 waiting) {
    const Together query = together_of(s, blockIdx.x);
    for (u32 n = threadIdx.x / 32; n < waiting; n += THREADS / 32) {
        const u32 row = queue[n];
        const u8 *rows[1] = {row_of(s, row)};
        const float scales[1] = {scale_of(s, row)};
        const float score = score_rows<Kind, 1, 1, DISTANCE, WHOLE>(s, rows, scales, query);
        if (threadIdx.x % 32 == 0 && is_finite(score))
            least.take(key_of(score, s.first + row), s.k - 1);
    }
}

template <class Kind> void score_any(const Search &s, Least &least, const u32 *queue, u32 waiting) {
    if constexpr (Kind::PACKED) {
        const Together query = together_of(s, blockIdx.x);
        for (u32 n = threadIdx.x / 32; n < waiting; n += THREADS / 32) {
            const u32 row = queue[n];
            const float score = Kind::score(s, row, query, s.each[blockIdx.x].own);
            if (threadIdx.x % 32 == 0 && is_finite(score))
                least.take(key_of(score, s.first + row), s.k - 1);
        }
    } else if (s.whole) {
        if (s.distance)
            score_queue<Kind, true, true>(s, least, queue, waiting);
        else
            score_queue<Kind, false, true>(s, least, queue, waiting);
    } else if (s.distance) {
        score_queue<Kind, true, false>(s, least, queue, waiting);
    } else {
        score_queue<Kind, false, false>(s, least, queue, waiting);
    }
}

// A query's list takes its candidates. Where those did not all have room, every row is looked at again.
template <class Kind> void merge_of(const Search &s, const u64 *candidates, u32 given, bool lost) {
    __shared__ u32 count, waiting;
    __shared__ u32 queue[THREADS];
    Least least = least_of(s, &count);
    const u32 number = blockIdx.x;
    const Query query = s.each[number];
    u64 *list = s.lists + (u64)number * s.k;
    float cut = query.bound;

    if (s.bounded && !lost) {
        // No row of the nearest is above the k-th of what rows are at most.
        least.begin();
        for (u64 start = 0; start < given; start += THREADS) {
            least.ready();
            const u64 at = start + threadIdx.x;
            if (at < given)
                least.take(candidates[at], s.k - 1);
        }
        least.absorb();
        if (least.best[s.k - 1] != NONE)
            cut = fminf(cut, score_of(least.best[s.k - 1]));
        __syncthreads();
    }
    least.begin();
    for (u32 n = threadIdx.x; n < s.k; n += THREADS)
        least.best[n] = list[n];
    if (!s.bounded && !lost) {
        for (u64 start = 0; start < given; start += THREADS) {
            least.ready();
            const u64 at = start + threadIdx.x;
            if (at < given)
                least.take(candidates[at], s.k - 1);
        }
    } else {
        const u32 all = lost ? s.end - s.begin : given;
        for (u64 start = 0; start < all; start += THREADS) {
            least.ready();
            if (threadIdx.x == 0)
                waiting = 0;
            __syncthreads();
            const u64 at = start + threadIdx.x;
            if (at < all) {
                if (lost) {
                    const u32 row = s.begin + (u32)at;
                    if (is_live(s, row))
                        queue[atomicAdd(&waiting, 1)] = row;
                } else if (candidates[at] != NONE) {
                    const u32 row = (u32)candidates[at];
                    if (score_of(candidates[at]) - widening<Kind>(s, query, row) <= cut)
                        queue[atomicAdd(&waiting, 1)] = row;
                }
            }
            __syncthreads();
            score_any<Kind>(s, least, queue, waiting);
        }
    }
    least.absorb();
    for (u32 n = threadIdx.x; n < s.k; n += THREADS)
        list[n] = least.best[n];
    // For the next pass.
    if (threadIdx.x == 0) {
        const u64 limit = least.best[s.k - 1];
        s.each[number].limit = limit;
        s.each[number].count = 0;
        if (limit != NONE)
            s.each[number].bound = fminf(query.bound, score_of(limit));
    }
}

template <class Kind> void merge(const Search &s) {
    const u32 given = s.direct ? looked_at(s) : s.each[blockIdx.x].count;
    merge_of<Kind>(s, s.candidates + (u64)blockIdx.x * s.room, given, given > s.room);
}

// Candidates of runs all have room. Scores are of no kind; bounds are.
template <class Kind> void merge_run(const Search &s, const Runs &runs) {
    const u32 begin = runs.starts[blockIdx.x];
    merge_of<Kind>(s, s.candidates + begin, runs.starts[blockIdx.x + 1] - begin, false);
}

extern "C" __global__ void __launch_bounds__(THREADS) merge_runs(Search s, Runs runs) { merge_run<F32>(s, runs); }
extern "C" __global__ void __launch_bounds__(THREADS) merge_runs_f32(Search s, Runs runs) { merge_run<F32>(s, runs); }
extern "C" __global__ void __launch_bounds__(THREADS) merge_runs_f16(Search s, Runs runs) { merge_run<F16>(s, runs); }
extern "C" __global__ void __launch_bounds__(THREADS) merge_runs_bf16(Search s, Runs runs) { merge_run<Bf16>(s, runs); }
extern "C" __global__ void __launch_bounds__(THREADS) merge_runs_int8(Search s, Runs runs) { merge_run<Int8>(s, runs); }

extern "C" __global__ void __launch_bounds__(THREADS) merge_f32(Search s) { merge<F32>(s); }
extern "C" __global__ void __launch_bounds__(THREADS) merge_f16(Search s) { merge<F16>(s); }
extern "C" __global__ void __launch_bounds__(THREADS) merge_bf16(Search s) { merge<Bf16>(s); }
extern "C" __global__ void __launch_bounds__(THREADS) merge_int8(Search s) { merge<Int8>(s); }
extern "C" __global__ void __launch_bounds__(THREADS) merge_level8(Search s) { merge<OfLevel8>(s); }
extern "C" __global__ void __launch_bounds__(THREADS) merge_level4(Search s) { merge<OfLevel4>(s); }
extern "C" __global__ void __launch_bounds__(THREADS) merge_sign(Search s) { merge<OfSigns>(s); }
extern "C" __global__ void __launch_bounds__(THREADS) merge_count(Search s) { merge<OfCounts>(s); }
