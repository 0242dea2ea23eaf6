// Many queries: products of tiles of rows and queries by the matrix units. With the sizes of both they bound each
// score from below; what is within the query's bound becomes a candidate and is scored afterwards, by the function that
// scores all rows. Products are never written to memory.

// Rows of a tile, bytes of each at a time, and the same in units of 16 bytes.
constexpr u32 TILE = 128;
constexpr u32 DEEP = 128;
constexpr u32 UNITS = DEEP / 16;

#if __CUDA_ARCH__ >= 800

extern __shared__ __align__(1024) u8 stages[];

// Sixteen bytes on their way to the block's memory; zeros where there is nothing to be copied.
void bring(u32 to, const u8 *from, bool there) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(there ? 16 : 0));
}

void load_matrices(u32 (&to)[4], u32 from) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(from));
}

#define MULTIPLY(Kind, shape)                                                                                        \
    static void multiply(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {                                         \
        asm volatile("mma.sync.aligned." shape " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"     \
                     : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])                                                \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));                                \
    }

// In each, 32 bytes of rows and of queries lie as the unit takes them.
struct TensorF16 {
    MULTIPLY(F16, "m16n8k16.row.col.f32.f16.f16.f32")
};
struct TensorBf16 {
    MULTIPLY(Bf16, "m16n8k16.row.col.f32.bf16.bf16.f32")
};
// The lower bits of singles are left out: the slack has room for that.
struct TensorF32 {
    MULTIPLY(F32, "m16n8k8.row.col.f32.tf32.tf32.f32")
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
        queries = s.queries + query * s.row_bytes + unit * 16;
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

// What a tile's queries are bounded by, behind the stages: of this tile, and of the one that slower warps are still at.
template <u32 WIDE> float2 *limits_at(u32 bytes, u32 turn) { return (float2 *)(stages + bytes) + turn % 2 * WIDE; }

// Brings them. What was brought is seen behind the next barrier.
template <u32 WIDE> void bring_limits(const Search &s, float2 *limits, u32 first) {
    if (threadIdx.x < WIDE) {
        const u32 number = first + threadIdx.x;
        // Nothing is below a bound that is not a number.
        limits[threadIdx.x] = number < s.queries_count
                                  ? make_float2(s.each[number].own, s.each[number].bound)
                                  : make_float2(0.0f, __uint_as_float(0x7fc00000u));
    }
}

// What bounds two rows, eight below each other, and which of their products make candidates.
// Distances: (1 - slack) (x² + q²) - 2 q x. Products: - slack |q| |x| - q x.
struct Judge {
    u32 base, query, looked;
    float size[2];
    float less, times;

    Judge(const Search &s, u32 first, u32 column) {
        base = first;
        query = column;
        looked = looked_at(s);
#pragma unroll
        for (u32 h = 0; h < 2; h++) {
            const u32 at = base + h * 8;
            size[h] = at < looked ? s.sizes[row_at(s, at)] : __uint_as_float(0x7fc00000u);
        }
        less = s.distance ? 1.0f - s.slack : -s.slack;
        times = s.distance ? -2.0f : -1.0f;
    }
    float low_of(const Search &s, float own, u32 h, float product, float &both) {
        const float x = h ? size[1] : size[0];
        both = s.distance ? x + own : x * own;
        return fmaf(times, product, less * both);
    }
    // Sixteen products: of four times two queries, eight apart, and both rows. What is found is rare, and its code stands
    // once: all of it for each product would be more than the caches of instructions hold.
    void sixteen(const Search &s, const float2 *limits, u32 offset, const float (&products)[16]) {
        u32 found = 0;
#pragma unroll
        for (u32 n = 0; n < 16; n++) {
            const float2 limit = limits[offset + n / 4 * 8 + n % 2];
            float both;
            if (low_of(s, limit.x, n / 2 % 2, products[n], both) <= limit.y)
                found |= 1u << n;
        }
        if (s.direct)
            found = 0xffff;
#pragma unroll 1
        while (found) {
            const u32 n = __ffs(found) - 1;
            found &= found - 1;
            float product = products[0];
#pragma unroll
            for (u32 k = 1; k < 16; k++)
                product = n == k ? products[k] : product;
            const u32 column = offset + n / 4 * 8 + n % 2, at = base + n / 2 % 2 * 8;
            const float2 limit = limits[column];
            float both;
            const float low = low_of(s, limit.x, n / 2 % 2, product, both);
            const float high = fmaf(2.0f * s.slack, both, low);
            if (at < looked && query + column < s.queries_count)
                put(s, query + column, at, low <= limit.y && is_finite(high) ? key_of(high, row_at(s, at)) : NONE);
        }
    }
};

// A thread block has TILE rows and 8 * 4 * ACROSS queries: each of 8 warps a half of the rows and a quarter of the queries.
template <class Tensor, u32 ACROSS, u32 STAGES> void many(const Search &s) {
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
        float2 *limits = limits_at<WIDE>(STAGES * STAGE, turn);
        bring_limits<WIDE>(s, limits, tile % fetch.across * WIDE);
        float sums[4][ACROSS][4] = {};
        for (u32 step = 0; step < fetch.steps; step++) {
            asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 2));
            __syncthreads();
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
            Judge judge(s, tile / fetch.across * TILE + half + i * 16 + lane / 4, tile % fetch.across * WIDE);
#pragma unroll
            for (u32 j = 0; j < ACROSS; j += 4) {
                float products[16];
#pragma unroll
                for (u32 n = 0; n < 16; n++)
                    products[n] = sums[i][j + n / 4][n % 4];
                judge.sixteen(s, limits, quarter + j * 8 + lane % 4 * 2, products);
            }
        }
    }
    asm volatile("cp.async.wait_all;");
}

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

// Hopper's own way: a warpgroup multiplies 64 rows by 256 queries where they lie in the block's memory, and goes on
// while it does.
#define EIGHT(n)                                                                                                     \
    "+f"(d[n]), "+f"(d[n + 1]), "+f"(d[n + 2]), "+f"(d[n + 3]), "+f"(d[n + 4]), "+f"(d[n + 5]), "+f"(d[n + 6]),       \
        "+f"(d[n + 7])
#define ALL_128                                                                                                      \
    EIGHT(0), EIGHT(8), EIGHT(16), EIGHT(24), EIGHT(32), EIGHT(40), EIGHT(48), EIGHT(56), EIGHT(64), EIGHT(72),       \
        EIGHT(80), EIGHT(88), EIGHT(96), EIGHT(104), EIGHT(112), EIGHT(120)
#define GROUP_MULTIPLY(shape, flags)                                                                                 \
    static void multiply(float (&d)[128], u64 a, u64 b, u32 more) {                                                  \
        asm volatile("{ .reg .pred more; setp.ne.b32 more, %130, 0; wgmma.mma_async.sync.aligned." shape " {"          \
                     LIST "}, %128, %129, more, 1, 1" flags "; }"                                                    \
                     : ALL_128                                                                                       \
                     : "l"(a), "l"(b), "r"(more));                                                                   \
    }
#define LIST                                                                                                         \
    "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
    "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, " \
    "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
    "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, " \
    "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, " \
    "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, " \
    "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
    "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"

struct GroupF16 {
    GROUP_MULTIPLY("m64n256k16.f32.f16.f16", ", 0, 0")
};
struct GroupBf16 {
    GROUP_MULTIPLY("m64n256k16.f32.bf16.bf16", ", 0, 0")
};
struct GroupF32 {
    GROUP_MULTIPLY("m64n256k8.f32.tf32.tf32", "")
};

// How a matrix lies: rows of 128 bytes, eight of them swizzled as `place` does, the next eight 1024 bytes further.
u64 matrix(u32 at) { return (u64)((at & 0x3ffff) >> 4) | 1ull << 16 | 64ull << 32 | 1ull << 62; }

template <class Group> void wide(const Search &s) {
    constexpr u32 WIDE = 256, STAGES = 4;
    constexpr u32 STAGE = (TILE + WIDE) * DEEP;
    Fetch<WIDE, STAGES> fetch(s);
    // A stage is filled when all have finished with it: that is known two steps after its use.
    for (u32 n = 0; n < STAGES - 2; n++)
        fetch.next(s);

    const u32 lane = threadIdx.x % 32, group = threadIdx.x / 128, warp = threadIdx.x / 32 % 4;
    u32 stage = 0, turn = 0;
    for (u32 tile = blockIdx.x; tile < fetch.tiles; tile += gridDim.x, turn++) {
        float2 *limits = limits_at<WIDE>(STAGES * STAGE, turn);
        bring_limits<WIDE>(s, limits, tile % fetch.across * WIDE);
        float d[128];
        for (u32 step = 0; step < fetch.steps; step++) {
            asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 3));
            asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
            __syncthreads();
            const u32 at = fetch.memory + stage * STAGE;
            stage = stage + 1 == STAGES ? 0 : stage + 1;
            asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
            for (u32 part = 0; part < UNITS / 2; part++)
                Group::multiply(d, matrix(at + group * 64 * DEEP + part * 32), matrix(at + TILE * DEEP + part * 32),
                                step + part);
            asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
            fetch.next(s);
            asm volatile("wgmma.wait_group.sync.aligned 1;" ::: "memory");
        }
        asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
        Judge judge(s, tile / fetch.across * TILE + group * 64 + warp * 16 + lane / 4, tile % fetch.across * WIDE);
#pragma unroll
        for (u32 j = 0; j < 32; j += 4) {
            float products[16];
#pragma unroll
            for (u32 n = 0; n < 16; n++)
                products[n] = d[j * 4 + n];
            judge.sixteen(s, limits, j * 8 + lane % 4 * 2, products);
        }
    }
    asm volatile("cp.async.wait_all;");
}

#define MANY(name, Tensor, Group)                                                                                    \
    extern "C" __global__ void __launch_bounds__(THREADS, 2) many_##name##_128(Search s) { many<Tensor, 4, 3>(s); }   \
    extern "C" __global__ void __launch_bounds__(THREADS, 1) many_##name##_256(Search s) { wide<Group>(s); }

#else

#define MANY(name, Tensor, Group)                                                                                    \
    extern "C" __global__ void __launch_bounds__(THREADS, 2) many_##name##_128(Search s) { many<Tensor, 4, 3>(s); }   \
    extern "C" __global__ void __launch_bounds__(THREADS, 1) many_##name##_256(Search s) { many<Tensor, 8, 4>(s); }

#endif

#else

// The host does not launch these on a GPU that is older.
#define MANY(name, Tensor, Group)                                                                                    \
    extern "C" __global__ void many_##name##_128(Search) {}                                                          \
    extern "C" __global__ void many_##name##_256(Search) {}

#endif
