// Many queries: products of tiles of rows and queries by the matrix units. With the sizes of both they bound each
// score from below; what is within the query's bound becomes a candidate and is scored afterwards, by the function that
// scores all rows. Products are never written to memory.

// Rows of a tile, bytes of each at a time, and the same in units of 16 bytes.
constexpr u32 TILE = 128;
constexpr u32 DEEP = 128;
constexpr u32 UNITS = DEEP / 16;

extern __shared__ __align__(1024) u8 stages[];

// For the threads that multiply alone: a thread block may have others.
void together() { asm volatile("bar.sync 1, %0;" ::"n"(THREADS) : "memory"); }

// What a tile's queries are bounded by: c, d and m of `Judge`.
// Brought for this tile while slower warps are still at the last one; seen behind the next barrier.
template <u32 WIDE> void bring_limits(const Search &s, float4 *limits, u32 first) {
    if (threadIdx.x < WIDE) {
        const u32 number = first + threadIdx.x;
        const float none = __uint_as_float(0x7fc00000u);
        float4 limit = make_float4(none, none, none, none);
        if (number < s.queries_count) {
            const Query query = s.each[number];
            limit = s.distance ? make_float4(query.bound - (1.0f - query.slack) * query.own, query.slack,
                                             2.0f * query.scale, 0.0f)
                               : make_float4(query.bound, query.slack * query.own, query.scale, 0.0f);
        }
        limits[threadIdx.x] = limit;
    }
}

// What bounds two rows, eight below each other, and which of their products make candidates: those whose score is at
// least, for distances, (1 - slack) (x² + q²) - 2 q x, and for products - slack |q| |x| - q x. With what only queries have
// to do with in c, d and m, the bound lets pass where m p + c + d x >= r.
struct Judge {
    u32 base, query, looked;
    float size[2], scale[2];

    Judge(const Search &s, u32 first, u32 column) {
        base = first;
        query = column;
        looked = looked_at(s);
#pragma unroll
        for (u32 h = 0; h < 2; h++) {
            const u32 at = base + h * 8;
            const u32 row = row_at(s, min(at, looked - 1));
            size[h] = at < looked ? s.sizes[row] : __uint_as_float(0x7fc00000u);
            scale[h] = scale_of(s, row);
        }
    }
    template <class Sum> float product_of(Sum sum, u32 h) const {
        return sizeof(Sum) == 4 && Sum(0.5f) == Sum(0) ? (float)sum * scale[h] : (float)sum;
    }
    // Sixteen products: of four times two queries, eight apart, and both rows. What is found is rare, and its code stands
    // once: all of it for each product would be more than the caches of instructions hold.
    template <class Sum>
    void sixteen(const Search &s, const float4 *limits, u32 offset, const Sum (&sums)[16]) const {
        float most[2] = {__uint_as_float(0xff800000u), __uint_as_float(0xff800000u)};
#pragma unroll
        for (u32 n = 0; n < 16; n++) {
            const u32 h = n / 2 % 2;
            const float4 limit = limits[offset + n / 4 * 8 + n % 2];
            most[h] = fmaxf(most[h], fmaf(product_of(sums[n], h), limit.z, fmaf(limit.y, size[h], limit.x)));
        }
        const float rest[2] = {s.distance ? size[0] : 0.0f, s.distance ? size[1] : 0.0f};
        if (s.direct || most[0] >= rest[0] || most[1] >= rest[1])
            look(s, offset, sums);
    }
    template <class Sum> void look(const Search &s, u32 offset, const Sum (&sums)[16]) const;
};

template <class Sum> void Judge::look(const Search &s, u32 offset, const Sum (&sums)[16]) const {
    u32 left = 0xffff;
#pragma unroll 1
    while (left) {
        const u32 n = __ffs(left) - 1;
        left &= left - 1;
        Sum sum = sums[0];
#pragma unroll
        for (u32 k = 1; k < 16; k++)
            sum = n == k ? sums[k] : sum;
        const u32 h = n / 2 % 2;
        const u32 number = query + offset + n / 4 * 8 + n % 2, at = base + h * 8;
        if (at >= looked || number >= s.queries_count)
            continue;
        const Query own = s.each[number];
        const float x = h ? size[1] : size[0];
        const float both = s.distance ? x + own.own : x * own.own;
        const float product = (h ? product_of(sum, 1) : product_of(sum, 0)) * own.scale;
        const float low = fmaf(s.distance ? -2.0f : -1.0f, product,
                               (s.distance ? 1.0f - own.slack : -own.slack) * both);
        const float high = fmaf(2.0f * own.slack, both, low);
        put(s, number, at, low <= own.bound && is_finite(high) ? key_of(high, row_at(s, at)) : NONE);
    }
}

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

// In each, 32 bytes of rows and of queries lie as the unit takes them.
struct TensorF16 {
    MULTIPLY(float, "+f", "m16n8k16.row.col.f32.f16.f16.f32")
};
struct TensorBf16 {
    MULTIPLY(float, "+f", "m16n8k16.row.col.f32.bf16.bf16.f32")
};
// The lower bits of singles are left out: the slack has room for that.
struct TensorF32 {
    MULTIPLY(float, "+f", "m16n8k8.row.col.f32.tf32.tf32.f32")
};
struct TensorInt8 {
    MULTIPLY(i32, "+r", "m16n8k32.row.col.s32.s8.s8.s32")
};

// Where a unit lies in a tile: eight rows below each other are in eight different banks.
u32 place(u32 row, u32 unit) { return row * DEEP + ((unit ^ (row & 7)) * 16); }

// Brings tiles of rows and queries into the block's memory, stage after stage, over the ends of tiles.
template <u32 WIDE, u32 STAGES> struct Fetch {
    static constexpr u32 STAGE = (TILE + WIDE) * DEEP;
    static constexpr u32 STEP = THREADS / UNITS;
    u32 memory, steps, across, tiles;
    u32 looked, units, unit, line;
    u32 tile, step, stage;
    // Thread blocks with the same queries begin at different places of a row: else all of them ask for the same lines of
    // memory at once. Products bound scores in any order.
    u32 ahead;
    const u8 *rows[TILE / STEP];
    u32 there;
    const u8 *queries;
    u32 queries_there;

    Fetch(const Search &s) {
        memory = (u32)__cvta_generic_to_shared(stages);
        looked = looked_at(s);
        units = (u32)(s.row_bytes / 16);
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
#pragma unroll
        for (u32 n = 0; n < TILE / STEP; n++) {
            const u32 at = base + line + n * STEP;
            rows[n] = row_of(s, row_at(s, min(at, looked - 1))) + unit * 16;
            there |= (at < looked ? 1u : 0u) << n;
        }
        const u32 query = tile % across * WIDE + line;
        queries = s.coded + query * s.row_bytes + unit * 16;
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
#pragma unroll
            for (u32 n = 0; n < TILE / STEP; n++) {
                const bool is = within && (there >> n & 1);
                bring(to + place(line + n * STEP, unit), is ? rows[n] + offset : s.rows, is);
            }
#pragma unroll
            for (u32 n = 0; n < WIDE / STEP; n++) {
                const bool is = within && (queries_there >> n & 1);
                bring(to + place(TILE + line + n * STEP, unit),
                      is ? queries + (u64)n * STEP * s.row_bytes + offset : s.rows, is);
            }
            if (++step == steps) {
                step = 0;
                tile += gridDim.x;
            }
        }
        stage = stage + 1 == STAGES ? 0 : stage + 1;
        asm volatile("cp.async.commit_group;");
    }
};

// Whether every list is full, so that there is nothing that a sample could tell.
bool all_full(const Search &s) {
    bool full = true;
    for (u32 query = threadIdx.x; query < s.queries_count; query += THREADS)
        full = full && s.each[query].limit != NONE;
    return __syncthreads_and(full);
}

// A thread block has TILE rows and 8 * 4 * ACROSS queries: each of 8 warps a half of the rows and a quarter of the queries.
template <class Tensor, u32 ACROSS, u32 STAGES> void many(const Search &s) {
    using Sum = typename Tensor::Sum;
    constexpr u32 WIDE = ACROSS * 32;
    constexpr u32 STAGE = (TILE + WIDE) * DEEP;
    Fetch<WIDE, STAGES> fetch(s);
#pragma unroll
    for (u32 n = 0; n < STAGES - 1; n++)
        fetch.next(s);

    const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const u32 half = warp / 4 * 64, quarter = warp % 4 * ACROSS * 8;
    u32 stage = 0, turn = 0;
    for (u32 tile = blockIdx.x; tile < fetch.tiles; tile += gridDim.x, turn++) {
        float4 *limits = (float4 *)(stages + STAGES * STAGE) + turn % 2 * WIDE;
        bring_limits<WIDE>(s, limits, tile % fetch.across * WIDE);
        Sum sums[4][ACROSS][4] = {};
        for (u32 step = 0; step < fetch.steps; step++) {
            asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 2));
            together();
            fetch.next(s);
            const u32 at = fetch.memory + stage * STAGE;
            stage = stage + 1 == STAGES ? 0 : stage + 1;
#pragma unroll
            for (u32 part = 0; part < UNITS / 2; part++) {
                u32 a[4][4];
#pragma unroll
                for (u32 i = 0; i < 4; i++)
                    load_matrices(a[i], at + place(half + i * 16 + lane % 16, part * 2 + lane / 16));
#pragma unroll
                for (u32 j = 0; j < ACROSS; j += 2) {
                    u32 b[4];
                    load_matrices(b, at + place(TILE + quarter + j * 8 + lane % 8 + lane / 16 * 8,
                                                part * 2 + lane / 8 % 2));
#pragma unroll
                    for (u32 i = 0; i < 4; i++) {
                        Tensor::multiply(sums[i][j], a[i], b[0], b[1]);
                        Tensor::multiply(sums[i][j + 1], a[i], b[2], b[3]);
                    }
                }
            }
        }
#pragma unroll
        for (u32 i = 0; i < 4; i++) {
            const Judge judge(s, tile / fetch.across * TILE + half + i * 16 + lane / 4, tile % fetch.across * WIDE);
#pragma unroll
            for (u32 j = 0; j < ACROSS; j += 4) {
                Sum products[16];
#pragma unroll
                for (u32 n = 0; n < 16; n++)
                    products[n] = sums[i][j + n / 4][n % 4];
                judge.sixteen(s, limits, quarter + j * 8 + lane % 4 * 2, products);
            }
        }
    }
    asm volatile("cp.async.wait_all;");
}

#define MANY_128(name, Tensor)                                                                                       \
    extern "C" __global__ void __launch_bounds__(THREADS, 2) many_##name##_128(Search s) {                       \
        if (s.stride == 0 || !all_full(s))                                                                           \
            many<Tensor, 4, 3>(s);                                                                                   \
    }

#else

// The host does not launch these on a GPU that is older.
#define MANY_128(name, Tensor) extern "C" __global__ void many_##name##_128(Search) {}

#endif
