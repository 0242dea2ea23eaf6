// Many queries: products of tiles of rows and queries by the matrix units. With the sizes of both they bound each
// score from below; what is within the query's bound becomes a candidate and is scored afterwards, by the function that
// scores all rows. Products are never written to memory.

// Rows of a tile, bytes of each at a time, and the same in units of 16 bytes.
constexpr u32 TILE = 128;
constexpr u32 DEEP = 128;
constexpr u32 UNITS = DEEP / 16;

extern __shared__ __align__(1024) u8 stages[];

// For threads that multiply together: a thread block may have others. `group` has a barrier of its own.
template <u32 COUNT> void together(u32 group) { asm volatile("bar.sync %0, %1;" ::"r"(group + 1), "n"(COUNT) : "memory"); }

// What a tile's queries are bounded by: c, m and d of `Judge`, each of all of them, then their squares or lengths, then t, and
// behind those the largest d that each warp found.
constexpr u32 limits_of(u32 wide) { return 5 * wide + THREADS / 32; }

// Queries one after the other: the number of the `n`-th of a tile, and whether there is one. And where candidates of a search
// of all rows go.
struct InOrder {
    u32 first, count;
    InOrder(const Search &s, u32 from) : first(from), count(s.queries_count) {}
    u32 number(u32 n) const { return first + n; }
    bool has(u32 n) const { return first + n < count; }
    void take(const Search &s, u32 n, u32 at, u64 key) const { put(s, first + n, at, key); }
};

// Brings them, by so many threads. Seen behind their next barrier.
template <u32 WIDE, u32 COUNT, class Asked> void bring_limits(const Search &s, float *limits, const Asked &asked) {
    const u32 thread = threadIdx.x % COUNT;
    float most = 0.0f;
    for (u32 n = thread; n < WIDE; n += COUNT) {
        const float none = __uint_as_float(0x7fc00000u);
        float4 limit = make_float4(none, none, none, none);
        float total = 0.0f;
        if (asked.has(n)) {
            const Query query = s.each[asked.number(n)];
            limit = s.distance ? make_float4(query.bound - (1.0f - query.slack) * query.own, 2.0f * query.scale,
                                             query.slack, query.own)
                               : make_float4(query.bound, query.scale, query.slack * query.own, query.own);
            total = limit.y * query.total;
            most = fmaxf(most, limit.z);
        }
        limits[n] = limit.x;
        limits[WIDE + n] = limit.y;
        limits[2 * WIDE + n] = limit.z;
        limits[3 * WIDE + n] = limit.w;
        limits[4 * WIDE + n] = total;
    }
    for (u32 distance = 16; distance > 0; distance /= 2)
        most = fmaxf(most, __shfl_xor_sync(0xffffffff, most, distance));
    if (thread % 32 == 0)
        limits[5 * WIDE + thread / 32] = most;
}

// What bounds two rows, eight below each other, and which of their products make candidates: those whose score is at
// least, for distances, (1 - slack) (x² + q²) - 2 q x, and for products - slack |q| |x| - q x. With what only queries have
// to do with in c, d and m, the bound lets pass where m p + c + d x >= r. With the largest d of all it is quickly told that
// nothing passes. Levels between two values stand for a lowest value besides, times all that the query has: t.
template <class Tensor, u32 WIDE, u32 COUNT, class Asked> struct Judge {
    u32 base, looked;
    Asked asked;
    float size[2], scale[2], low[2], rest[2], quick[2], times, most_slack;
    const float *limits;

    Judge(const Search &s, u32 first, const Asked &of, const float *bounds) : asked(of) {
        base = first;
        looked = looked_at(s);
        limits = bounds;
        times = s.distance ? 2.0f : 1.0f;
        float most = limits[5 * WIDE];
#pragma unroll
        for (u32 n = 1; n < COUNT / 32; n++)
            most = fmaxf(most, limits[5 * WIDE + n]);
#pragma unroll
        for (u32 h = 0; h < 2; h++) {
            const u32 at = base + h * 8;
            const u32 row = row_at(s, min(at, looked - 1));
            Tensor::row(s, row, size[h], rest[h], scale[h], low[h]);
            if (at >= looked)
                size[h] = rest[h] = __uint_as_float(0x7fc00000u);
            quick[h] = fmaf(-most, size[h], rest[h]);
        }
        most_slack = most;
    }
    // What stands beside the product, and the least that it must come to: worked out again where registers are short.
    float beside(u32 h) const { return Tensor::LOWEST && Tensor::REST_IS_SIZE ? (times - 1.0f) * size[h] : rest[h]; }
    float least(u32 h) const {
        return Tensor::LOWEST && Tensor::REST_IS_SIZE ? (times - 1.0f - most_slack) * size[h] : quick[h];
    }
    // m p: products of levels are worth a row's scale and a query's; those of floats are what they are.
    float worth(i32 sum, u32 h, float m, float t) const {
        const float levels = (float)sum * scale[h] * m;
        return Tensor::LOWEST ? fmaf(low[h], t, levels) : levels;
    }
    float worth(float sum, u32, float, float) const { return times * sum; }
    float quickly(i32 sum, u32 h, float m, float t, float c) const {
        const float levels = fmaf((float)sum * scale[h], m, c);
        return Tensor::LOWEST ? fmaf(low[h], t, levels) : levels;
    }
    float quickly(float sum, u32, float, float, float c) const { return fmaf(times, sum, c); }

    // Sixteen products: of four times two queries, eight apart, and both rows. What is found is rare, and its code stands
    // once: all of it for each product would be more than the caches of instructions hold.
    template <class Sum> void sixteen(const Search &s, u32 offset, const Sum (&sums)[16]) const {
        const float nothing = __uint_as_float(0xff800000u);
        float most[2] = {nothing, nothing};
#pragma unroll
        for (u32 four = 0; four < 4; four++) {
            const float2 c = *(const float2 *)(limits + offset + four * 8);
            const float2 m = *(const float2 *)(limits + WIDE + offset + four * 8);
            float2 t = make_float2(0.0f, 0.0f);
            if (Tensor::LOWEST)
                t = *(const float2 *)(limits + 4 * WIDE + offset + four * 8);
#pragma unroll
            for (u32 h = 0; h < 2; h++) {
                most[h] = fmaxf(most[h], quickly(sums[four * 4 + h * 2], h, m.x, t.x, c.x));
                most[h] = fmaxf(most[h], quickly(sums[four * 4 + h * 2 + 1], h, m.y, t.y, c.y));
            }
        }
        if (!(s.direct || most[0] >= least(0) || most[1] >= least(1)))
            return;
        u32 found = 0;
#pragma unroll
        for (u32 n = 0; n < 16; n++) {
            const u32 column = offset + n / 4 * 8 + n % 2, h = n / 2 % 2;
            const float reach = fmaf(limits[2 * WIDE + column], size[h], limits[column]);
            if (worth(sums[n], h, limits[WIDE + column], limits[4 * WIDE + column]) + reach >= beside(h))
                found |= 1u << n;
        }
        u32 left = s.direct ? 0xffff : found;
#pragma unroll 1
        while (left) {
            const u32 n = __ffs(left) - 1;
            left &= left - 1;
            Sum sum = sums[0];
#pragma unroll
            for (u32 k = 1; k < 16; k++)
                sum = n == k ? sums[k] : sum;
            const u32 h = n / 2 % 2, column = offset + n / 4 * 8 + n % 2;
            const float x = h ? size[1] : size[0], r = h ? beside(1) : beside(0);
            const float t = limits[4 * WIDE + column];
            const float m = limits[WIDE + column], d = limits[2 * WIDE + column], own = limits[3 * WIDE + column];
            const float product = h ? worth(sum, 1, m, t) : worth(sum, 0, m, t);
            const float high = s.distance ? fmaf(d, x + own, r + own) - product : fmaf(d, x, -product);
            const u32 at = base + h * 8;
            if (at < looked && asked.has(column))
                asked.take(s, column, at,
                           (found >> n & 1) && is_finite(high) ? key_of(high, row_at(s, at)) : NONE);
        }
    }
};

// What bounds a row (not a number where it may not be found), what of that stands beside the product, and what levels are worth.
struct OfNumbers {
    static constexpr bool LOWEST = false;
    static constexpr bool REST_IS_SIZE = true;
    static void row(const Search &s, u32 row, float &size, float &rest, float &scale, float &low) {
        size = size_of(s, row);
        rest = s.distance ? size : 0.0f;
        scale = scale_of(s, row);
        low = 0.0f;
    }
};
struct BetweenTwo {
    static constexpr bool LOWEST = true;
    static constexpr bool REST_IS_SIZE = true;
    static void row(const Search &s, u32 row, float &size, float &rest, float &scale, float &low) {
        OfNumbers::row(s, row, size, rest, scale, low);
        const float2 side = __ldg((const float2 *)s.scales + row);
        low = side.x;
        scale = side.y;
    }
};
// A sign is a level of none or one: from what it stands for with its sign turned, two steps of that.
struct OfBits {
    static constexpr bool LOWEST = true;
    static constexpr bool REST_IS_SIZE = false;
    static void row(const Search &s, u32 row, float &size, float &rest, float &scale, float &low) {
        const Worth worth(s, row);
        size = OfSigns::size(s, row);
        rest = s.distance ? worth.length * worth.length : 0.0f;
        scale = 2.0f * worth.sign;
        low = -worth.sign;
    }
};

#if __CUDA_ARCH__ >= 800

// Sixteen bytes on their way to the block's memory; zeros where there is nothing to be copied.
void bring(u32 to, const u8 *from, bool there) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(there ? 16 : 0));
}

void load_matrices(u32 (&to)[4], u32 from) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(from));
}

#define MULTIPLY(Of, kept, shape)                                                                                    \
    using Sum = Of;                                                                                                  \
    static void multiply(Sum (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {                                           \
        asm volatile("mma.sync.aligned." shape " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"     \
                     : kept(c[0]), kept(c[1]), kept(c[2]), kept(c[3])                                                \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));                                \
    }

// Bytes of a row in a stage, of how many parts of a query, and how many stages there is room for in two thread blocks.
template <u32 ROW, u32 PARTS, u32 STAGES> struct Stages {
    static constexpr u32 ROW_BYTES = ROW;
    static constexpr u32 QUERY_PARTS = PARTS;
    static constexpr u32 COUNT = STAGES;
};
using Whole = Stages<DEEP, 1, 3>;

// In each, 32 bytes of rows and of queries lie as the unit takes them.
struct TensorF16 : OfNumbers, Whole {
    MULTIPLY(float, "+f", "m16n8k16.row.col.f32.f16.f16.f32")
};
struct TensorBf16 : OfNumbers, Whole {
    MULTIPLY(float, "+f", "m16n8k16.row.col.f32.bf16.bf16.f32")
};
// The lower bits of singles are left out: the slack has room for that.
struct TensorF32 : OfNumbers, Whole {
    MULTIPLY(float, "+f", "m16n8k8.row.col.f32.tf32.tf32.f32")
};
struct TensorInt8 : OfNumbers, Whole {
    MULTIPLY(i32, "+r", "m16n8k32.row.col.s32.s8.s8.s32")
};

struct TensorLevel8 : BetweenTwo, Whole {
    MULTIPLY(i32, "+r", "m16n8k32.row.col.s32.u8.s8.s32")
};
// A byte has a number of the first half of a row and one of the second: both halves of a query lie in a stage.
struct TensorLevel4 : BetweenTwo, Stages<DEEP, 2, 2> {
    MULTIPLY(i32, "+r", "m16n8k32.row.col.s32.u8.s8.s32")
};
// Sixteen bytes have the signs for 128 of a query.
struct TensorSign : OfBits, Stages<16, 1, 4> {
    MULTIPLY(i32, "+r", "m16n8k32.row.col.s32.u8.s8.s32")
};

// Four bits, the lowest first, as bytes of none and one.
u32 spread(u32 bits) { return (bits & 15) * 0x00204081u & 0x01010101u; }

// Where a unit lies in a tile: eight rows below each other are in eight different banks.
u32 place(u32 row, u32 unit) { return row * DEEP + ((unit ^ (row & 7)) * 16); }

// Eight bytes likewise, of which the unit of caches may keep something.
void bring_word(u32 to, const u8 *from, bool there) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(to), "l"(from), "r"(there ? 8 : 0));
}

// Brings tiles of rows and queries into the block's memory, stage after stage, over the ends of tiles.
template <class Tensor, u32 WIDE> struct Fetch {
    static constexpr u32 ROWS_BYTES = TILE * Tensor::ROW_BYTES;
    static constexpr u32 PART_BYTES = WIDE * DEEP;
    static constexpr u32 STAGE = ROWS_BYTES + Tensor::QUERY_PARTS * PART_BYTES;
    static constexpr u32 STEP = THREADS / UNITS;
    static constexpr bool BITS = Tensor::ROW_BYTES < DEEP;
    static constexpr u32 HELD = BITS ? 1 : TILE / STEP;
    u32 memory, steps, across, tiles;
    u32 looked, units, unit, line;
    u32 tile, step, stage;
    // Thread blocks with the same queries begin at different places of a row: else all of them ask for the same lines of
    // memory at once. Products bound scores in any order.
    u32 ahead;
    const u8 *rows[HELD];
    u32 there;
    const u8 *queries;
    u32 queries_there;

    Fetch(const Search &s) {
        memory = (u32)__cvta_generic_to_shared(stages);
        looked = looked_at(s);
        // Of what a part of a query has.
        units = (u32)(s.coded_bytes / 16) / Tensor::QUERY_PARTS;
        steps = (units + UNITS - 1) / UNITS;
        across = (s.queries_count + WIDE - 1) / WIDE;
        tiles = ((looked + TILE - 1) / TILE) * across;
        unit = threadIdx.x % UNITS;
        line = threadIdx.x / UNITS;
        tile = blockIdx.x;
        step = stage = there = queries_there = 0;
        ahead = blockIdx.x / across % steps;
        queries = nullptr;
    }
    void turn(const Search &s) {
        const u32 base = tile / across * TILE;
        there = 0;
        if constexpr (BITS) {
            const u32 at = base + threadIdx.x / 2;
            const u32 row = row_at(s, min(at, looked - 1));
            rows[0] = s.rows + (u64)(row / 64) * 64 * s.row_bytes + row % 64 * 8 + threadIdx.x % 2 * 512;
            there = at < looked ? 1 : 0;
        } else {
#pragma unroll
            for (u32 n = 0; n < HELD; n++) {
                const u32 at = base + line + n * STEP;
                rows[n] = row_of(s, row_at(s, min(at, looked - 1))) + unit * 16;
                there |= (at < looked ? 1u : 0u) << n;
            }
        }
        const u32 query = tile % across * WIDE + line;
        queries = s.coded + query * s.coded_bytes + unit * 16;
        queries_there = 0;
#pragma unroll
        for (u32 n = 0; n < WIDE / STEP; n++)
            queries_there |= (query + n * STEP < s.queries_count ? 1u : 0u) << n;
    }
    void next(const Search &s) {
        if (tile < tiles) {
            if (step == 0)
                turn(s);
            const u32 to = memory + stage * STAGE;
            const u32 turned = step + ahead < steps ? step + ahead : step + ahead - steps;
            const bool within = turned * UNITS + unit < units;
            const u32 offset = turned * DEEP;
            if constexpr (BITS) {
                bring_word(to + threadIdx.x * 8, there ? rows[0] + turned * 1024 : s.rows, there);
            } else {
#pragma unroll
                for (u32 n = 0; n < HELD; n++) {
                    const bool is = within && (there >> n & 1);
                    bring(to + place(line + n * STEP, unit), is ? rows[n] + offset : s.rows, is);
                }
            }
#pragma unroll
            for (u32 part = 0; part < Tensor::QUERY_PARTS; part++)
#pragma unroll
                for (u32 n = 0; n < WIDE / STEP; n++) {
                    const bool is = within && (queries_there >> n & 1);
                    bring(to + ROWS_BYTES + part * PART_BYTES + place(line + n * STEP, unit),
                          is ? queries + (u64)n * STEP * s.coded_bytes + part * (u64)units * 16 + offset : s.rows, is);
                }
            if (++step == steps) {
                step = 0;
                tile += gridDim.x;
            }
        }
        stage = stage + 1 == Tensor::COUNT ? 0 : stage + 1;
        asm volatile("cp.async.commit_group;");
    }
};

// What the units take of 16 rows, from number `row` on, of 32 bytes of a query's part: `part` of a stage at `at`.
template <class Tensor> void load_rows(u32 (&a)[4], u32 at, u32 row, u32 part) {
    const u32 lane = threadIdx.x % 32;
    if constexpr (Tensor::ROW_BYTES < DEEP) {
        u32 words[2];
#pragma unroll
        for (u32 h = 0; h < 2; h++)
            asm volatile("ld.shared.u32 %0, [%1];"
                         : "=r"(words[h])
                         : "r"(at + (row + h * 8 + lane / 4) * Tensor::ROW_BYTES + part * 4));
        const u32 shift = lane % 4 * 4;
        a[0] = spread(words[0] >> shift);
        a[1] = spread(words[1] >> shift);
        a[2] = spread(words[0] >> shift >> 16);
        a[3] = spread(words[1] >> shift >> 16);
    } else {
        load_matrices(a, at + place(row + lane % 16, part * 2 + lane / 16));
    }
}

// Whether every list is full, so that there is nothing that a sample could tell.
bool all_full(const Search &s) {
    bool full = true;
    for (u32 query = threadIdx.x; query < s.queries_count; query += THREADS)
        full = full && s.each[query].limit != NONE;
    return __syncthreads_and(full);
}

// The products of a tile, and what they say: a thread block has TILE rows, from number `base` on, and 8 * 4 * ACROSS queries,
// each of 8 warps a half of the rows and a quarter of the queries. Of what `fetch` brings it takes the next steps.
template <class Tensor, u32 ACROSS, class Fetched, class Asked>
__forceinline__ void tile_of(const Search &s, Fetched &fetch, u32 &stage, u32 base, const Asked &asked) {
    using Sum = typename Tensor::Sum;
    constexpr u32 WIDE = ACROSS * 32;
    constexpr u32 STAGES = Tensor::COUNT;
    constexpr u32 STAGE = Fetched::STAGE;
    const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const u32 half = warp / 4 * 64, quarter = warp % 4 * ACROSS * 8;
    float *limits = (float *)(stages + STAGES * STAGE);
    bring_limits<WIDE, THREADS>(s, limits, asked);
    Sum sums[4][ACROSS][4] = {};
    for (u32 step = 0; step < fetch.steps; step++) {
        asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 2));
        together<THREADS>(0);
        fetch.next(s);
        const u32 at = fetch.memory + stage * STAGE;
        stage = stage + 1 == STAGES ? 0 : stage + 1;
#pragma unroll
        for (u32 part = 0; part < UNITS / 2; part++) {
            u32 held[4][4];
#pragma unroll
            for (u32 i = 0; i < 4; i++)
                load_rows<Tensor>(held[i], at, half + i * 16, part);
#pragma unroll
            for (u32 side = 0; side < Tensor::QUERY_PARTS; side++) {
                u32 a[4][4];
#pragma unroll
                for (u32 n = 0; n < 16; n++) {
                    const u32 bits = held[n / 4][n % 4];
                    a[n / 4][n % 4] = Tensor::QUERY_PARTS == 1 ? bits : bits >> side * 4 & 0x0f0f0f0fu;
                }
#pragma unroll
                for (u32 j = 0; j < ACROSS; j += 2) {
                    u32 b[4];
                    load_matrices(b, at + Fetched::ROWS_BYTES + side * Fetched::PART_BYTES +
                                         place(quarter + j * 8 + lane % 8 + lane / 16 * 8, part * 2 + lane / 8 % 2));
#pragma unroll
                    for (u32 i = 0; i < 4; i++) {
                        Tensor::multiply(sums[i][j], a[i], b[0], b[1]);
                        Tensor::multiply(sums[i][j + 1], a[i], b[2], b[3]);
                    }
                }
            }
        }
    }
#pragma unroll
    for (u32 i = 0; i < 4; i++) {
        const Judge<Tensor, WIDE, THREADS, Asked> judge(s, base + half + i * 16 + lane / 4, asked, limits);
#pragma unroll
        for (u32 j = 0; j < ACROSS; j += 4) {
            Sum products[16];
#pragma unroll
            for (u32 n = 0; n < 16; n++)
                products[n] = sums[i][j + n / 4][n % 4];
            judge.sixteen(s, quarter + j * 8 + lane % 4 * 2, products);
        }
    }
}

template <class Tensor, u32 ACROSS> void many(const Search &s) {
    constexpr u32 WIDE = ACROSS * 32;
    Fetch<Tensor, WIDE> fetch(s);
#pragma unroll
    for (u32 n = 0; n < Tensor::COUNT - 1; n++)
        fetch.next(s);
    u32 stage = 0;
    for (u32 tile = blockIdx.x; tile < fetch.tiles; tile += gridDim.x) {
        if (tile != blockIdx.x)
            together<THREADS>(0);
        const InOrder asked(s, tile % fetch.across * WIDE);
        tile_of<Tensor, ACROSS>(s, fetch, stage, tile / fetch.across * TILE, asked);
    }
    asm volatile("cp.async.wait_all;");
}

#define MANY_128(name, Tensor)                                                                                       \
    extern "C" __global__ void __launch_bounds__(THREADS, 2) many_##name##_128(Search s) {                       \
        if (s.stride == 0 || !all_full(s))                                                                           \
            many<Tensor, 4>(s);                                                                                   \
    }

#else

// The host does not launch these on a GPU that is older.
#define MANY_128(name, Tensor) extern "C" __global__ void many_##name##_128(Search) {}

#endif
