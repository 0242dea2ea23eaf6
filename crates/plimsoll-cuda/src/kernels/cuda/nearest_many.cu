// Many queries: products of tiles of rows and queries by the matrix units. With the sizes of both they bound each
// score from below; what is within the query's bound becomes a candidate and is scored afterwards, by the function that
// scores all rows. Products are never written to memory.

// Rows of a tile, bytes of each at a time, and the same in units of 16 bytes.
constexpr u32 TILE = 128;
constexpr u32 DEEP = 128;
constexpr u32 UNITS = DEEP / 16;

#if __CUDA_ARCH__ >= 800

extern __shared__ __align__(128) u8 stages[];

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

// A thread block has TILE rows and 8 * 4 * ACROSS queries: each of 8 warps a half of the rows and a quarter of the queries.
template <class Tensor, u32 ACROSS, u32 STAGES> void many(const Search &s) {
    constexpr u32 WIDE = ACROSS * 32;
    constexpr u32 STAGE = (TILE + WIDE) * DEEP;
    constexpr u32 STEP = THREADS / UNITS;
    const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const u32 looked = looked_at(s);
    const u32 units = (u32)(s.row_bytes / 16), steps = (units + UNITS - 1) / UNITS;
    const u32 across = (s.queries_count + WIDE - 1) / WIDE;
    const u32 tiles = ((looked + TILE - 1) / TILE) * across;
    const u32 memory = (u32)__cvta_generic_to_shared(stages);

    // What is brought next.
    u32 next_tile = blockIdx.x, next_step = 0, next_stage = 0;
    const u32 unit = threadIdx.x % UNITS, line = threadIdx.x / UNITS;
    const u8 *from_rows[TILE / STEP];
    u32 there = 0;
    const u8 *from_queries = nullptr;
    u32 queries_there = 0;
    auto turn = [&]() {
        const u32 base = next_tile / across * TILE;
        there = 0;
#pragma unroll
        for (u32 n = 0; n < TILE / STEP; n++) {
            const u32 at = base + line + n * STEP;
            from_rows[n] = row_of(s, row_at(s, min(at, looked - 1))) + unit * 16;
            there |= (at < looked ? 1u : 0u) << n;
        }
        const u32 query = next_tile % across * WIDE + line;
        from_queries = s.queries + query * s.row_bytes + unit * 16;
        queries_there = 0;
#pragma unroll
        for (u32 n = 0; n < WIDE / STEP; n++)
            queries_there |= (query + n * STEP < s.queries_count ? 1u : 0u) << n;
    };
    auto fetch = [&]() {
        if (next_tile < tiles) {
            if (next_step == 0)
                turn();
            const u32 to = memory + next_stage * STAGE;
            const bool within = next_step * UNITS + unit < units;
            const u32 offset = next_step * DEEP;
#pragma unroll
            for (u32 n = 0; n < TILE / STEP; n++) {
                const bool is = within && (there >> n & 1);
                bring(to + place(line + n * STEP, unit), is ? from_rows[n] + offset : s.rows, is);
            }
#pragma unroll
            for (u32 n = 0; n < WIDE / STEP; n++) {
                const bool is = within && (queries_there >> n & 1);
                bring(to + place(TILE + line + n * STEP, unit),
                      is ? from_queries + (u64)n * STEP * s.row_bytes + offset : s.rows, is);
            }
            if (++next_step == steps) {
                next_step = 0;
                next_tile += gridDim.x;
            }
        }
        next_stage = next_stage + 1 == STAGES ? 0 : next_stage + 1;
        asm volatile("cp.async.commit_group;");
    };
#pragma unroll
    for (u32 n = 0; n < STAGES - 1; n++)
        fetch();

    const u32 half = warp / 4 * 64, quarter = warp % 4 * ACROSS * 8;
    u32 stage = 0;
    for (u32 tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
        float sums[4][ACROSS][4];
#pragma unroll
        for (u32 i = 0; i < 4; i++)
#pragma unroll
            for (u32 j = 0; j < ACROSS; j++)
#pragma unroll
                for (u32 n = 0; n < 4; n++)
                    sums[i][j][n] = 0.0f;
        for (u32 step = 0; step < steps; step++) {
            asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 2));
            __syncthreads();
            fetch();
            const u32 at = memory + stage * STAGE;
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

        // Rows of this thread, and what bounds them.
        const u32 base = tile / across * TILE + half + lane / 4;
        float size[4][2];
#pragma unroll
        for (u32 i = 0; i < 4; i++)
#pragma unroll
            for (u32 h = 0; h < 2; h++) {
                const u32 at = base + i * 16 + h * 8;
                size[i][h] = at < looked ? s.sizes[row_at(s, at)] : __uint_as_float(0x7fc00000u);
            }
        const u32 column = tile % across * WIDE + quarter + lane % 4 * 2;
        // Distances: (1 - slack) (x² + q²) - 2 q x. Products: - slack |q| |x| - q x.
        const float less = s.distance ? 1.0f - s.slack : -s.slack;
        const float times = s.distance ? -2.0f : -1.0f;
#pragma unroll
        for (u32 j = 0; j < ACROSS; j++)
#pragma unroll
            for (u32 c = 0; c < 2; c++) {
                const u32 query = column + j * 8 + c;
                if (query >= s.queries_count)
                    continue;
                const float own = s.each[query].own, bound = s.each[query].bound;
#pragma unroll
                for (u32 i = 0; i < 4; i++)
#pragma unroll
                    for (u32 h = 0; h < 2; h++) {
                        const float x = size[i][h];
                        const float both = s.distance ? x + own : x * own;
                        const float product = sums[i][j][h * 2 + c];
                        const float low = fmaf(times, product, less * both);
                        const bool in = low <= bound;
                        if (in || s.direct) {
                            const u32 at = base + i * 16 + h * 8;
                            const float high = fmaf(2.0f * s.slack, both, low);
                            if (at < looked)
                                put(s, query, at, in && is_finite(high) ? key_of(high, row_at(s, at)) : NONE);
                        }
                    }
            }
    }
    asm volatile("cp.async.wait_all;");
}

#define MANY(name, Tensor)                                                                                           \
    extern "C" __global__ void __launch_bounds__(THREADS) many_##name##_128(Search s) { many<Tensor, 4, 3>(s); }      \
    extern "C" __global__ void __launch_bounds__(THREADS, 1) many_##name##_256(Search s) { many<Tensor, 8, 4>(s); }

#else

// The host does not launch these on a GPU that is older.
#define MANY(name, Tensor)                                                                                           \
    extern "C" __global__ void many_##name##_128(Search) {}                                                          \
    extern "C" __global__ void many_##name##_256(Search) {}

#endif
