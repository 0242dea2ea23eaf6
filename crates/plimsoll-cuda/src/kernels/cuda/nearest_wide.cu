// Hopper's own way for wide tiles: one warp has the copy engine bring tiles of rows and queries into the block's memory,
// and two warpgroups multiply them where they lie, 64 rows by 256 queries each, and go on while the units do it.

// What the copy engine knows of a matrix: the driver makes it.
struct __align__(128) Map {
    u64 words[16];
};

constexpr u32 WIDE_QUERIES = 256;
constexpr u32 WIDE_STAGES = 4;
constexpr u32 WIDE_THREADS = THREADS + 32;
constexpr u32 GROUP_THREADS = 128;

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

#define EIGHT(kept, n)                                                                                               \
    kept(d[n]), kept(d[n + 1]), kept(d[n + 2]), kept(d[n + 3]), kept(d[n + 4]), kept(d[n + 5]), kept(d[n + 6]),       \
        kept(d[n + 7])
#define ALL_128(kept)                                                                                                \
    EIGHT(kept, 0), EIGHT(kept, 8), EIGHT(kept, 16), EIGHT(kept, 24), EIGHT(kept, 32), EIGHT(kept, 40),               \
        EIGHT(kept, 48), EIGHT(kept, 56), EIGHT(kept, 64), EIGHT(kept, 72), EIGHT(kept, 80), EIGHT(kept, 88),         \
        EIGHT(kept, 96), EIGHT(kept, 104), EIGHT(kept, 112), EIGHT(kept, 120)
#define GROUP_MULTIPLY(Of, kept, shape, flags)                                                                       \
    using Sum = Of;                                                                                                  \
    static void multiply(Sum (&d)[128], u64 a, u64 b, u32 more) {                                                    \
        asm volatile("{ .reg .pred more; setp.ne.b32 more, %130, 0; wgmma.mma_async.sync.aligned." shape " {"          \
                     LIST "}, %128, %129, more" flags "; }"                                                          \
                     : ALL_128(kept)                                                                                 \
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

struct GroupF16 : OfNumbers {
    GROUP_MULTIPLY(float, "+f", "m64n256k16.f32.f16.f16", ", 1, 1, 0, 0")
};
struct GroupBf16 : OfNumbers {
    GROUP_MULTIPLY(float, "+f", "m64n256k16.f32.bf16.bf16", ", 1, 1, 0, 0")
};
struct GroupF32 : OfNumbers {
    GROUP_MULTIPLY(float, "+f", "m64n256k8.f32.tf32.tf32", ", 1, 1")
};
struct GroupInt8 : OfNumbers {
    GROUP_MULTIPLY(i32, "+r", "m64n256k32.s32.s8.s8", "")
};
struct GroupLevel8 : BetweenTwo {
    GROUP_MULTIPLY(i32, "+r", "m64n256k32.s32.u8.s8", "")
};

// How a matrix lies: rows of 128 bytes, eight of them swizzled as the copy engine does, the next eight 1024 bytes further.
u64 matrix(u32 at) { return (u64)((at & 0x3ffff) >> 4) | 1ull << 16 | 64ull << 32 | 1ull << 62; }

// Of each stage: filled by the copy engine, and left by the eight warps that multiply.
struct Gates {
    u32 at;
    u32 full(u32 stage) const { return at + stage * 16; }
    u32 empty(u32 stage) const { return at + stage * 16 + 8; }

    void open() const {
        for (u32 stage = 0; stage < WIDE_STAGES; stage++) {
            asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(full(stage)) : "memory");
            asm volatile("mbarrier.init.shared::cta.b64 [%0], 8;" ::"r"(empty(stage)) : "memory");
        }
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    }
    static void pass(u32 gate, u32 turn) {
        asm volatile("{ .reg .pred done;\n"
                     "AGAIN: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
                     "@done bra DONE;\n"
                     "bra AGAIN;\n"
                     "DONE: }" ::"r"(gate), "r"(turn) : "memory");
    }
    static void arrive(u32 gate) { asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(gate) : "memory"); }
    static void expect(u32 gate, u32 bytes) {
        asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(gate), "r"(bytes) : "memory");
    }
};

void bring_box(u32 to, const Map &from, u32 column, u32 row, u32 gate) {
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];"
                 ::"r"(to), "l"(&from), "r"(column), "r"(row), "r"(gate)
                 : "memory");
}

// A stage, and how often the ring has been around.
struct Place {
    u32 stage, round;
    void next() {
        if (++stage == WIDE_STAGES) {
            stage = 0;
            round ^= 1;
        }
    }
};

template <class Group> void wide(const Search &s, const Map &rows, const Map &queries) {
    using Sum = typename Group::Sum;
    constexpr u32 STAGE = (TILE + WIDE_QUERIES) * DEEP;
    constexpr u32 LIMITS = WIDE_STAGES * STAGE;
    const u32 memory = (u32)__cvta_generic_to_shared(stages);
    const Gates gates = {memory + LIMITS + 2 * limits_of(WIDE_QUERIES) * 4};
    if (threadIdx.x == 0)
        gates.open();
    __syncthreads();

    const u32 looked = looked_at(s);
    const u32 steps = (u32)((s.row_bytes + DEEP - 1) / DEEP);
    const u32 across = (s.queries_count + WIDE_QUERIES - 1) / WIDE_QUERIES;
    const u32 tiles = ((looked + TILE - 1) / TILE) * across;
    // Thread blocks with the same queries begin at different places of a row: else all of them ask for the same lines of
    // memory at once. Products bound scores in any order.
    const u32 ahead = blockIdx.x / across % steps;
    Place place = {0, 0};

    if (threadIdx.x >= THREADS) {
        if (threadIdx.x > THREADS)
            return;
        for (u32 tile = blockIdx.x; tile < tiles; tile += gridDim.x)
            for (u32 step = 0; step < steps; step++, place.next()) {
                const u32 to = memory + place.stage * STAGE;
                const u32 turned = step + ahead < steps ? step + ahead : step + ahead - steps;
                const u32 gate = gates.full(place.stage);
                // In the first round nothing is in it.
                Gates::pass(gates.empty(place.stage), place.round ^ 1);
                Gates::expect(gate, STAGE);
                bring_box(to, rows, turned * DEEP, s.begin + tile / across * TILE, gate);
                bring_box(to + TILE * DEEP, queries, turned * DEEP, tile % across * WIDE_QUERIES, gate);
            }
        return;
    }

    // The groups wait for each other nowhere: while one looks through its products, the other has the units for itself.
    const u32 lane = threadIdx.x % 32, group = threadIdx.x / GROUP_THREADS, warp = threadIdx.x / 32 % 4;
    float *limits = (float *)(stages + LIMITS) + group * limits_of(WIDE_QUERIES);
    for (u32 tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
        together<GROUP_THREADS>(group);
        const InOrder asked(s, tile % across * WIDE_QUERIES);
        bring_limits<WIDE_QUERIES, GROUP_THREADS>(s, limits, asked);
        Sum d[128];
        u32 before = 0;
        for (u32 step = 0; step < steps; step++, place.next()) {
            Gates::pass(gates.full(place.stage), place.round);
            const u32 at = memory + place.stage * STAGE;
            asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
            for (u32 part = 0; part < UNITS / 2; part++)
                Group::multiply(d, matrix(at + group * 64 * DEEP + part * 32), matrix(at + TILE * DEEP + part * 32),
                                step + part);
            asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
            asm volatile("wgmma.wait_group.sync.aligned 1;" ::: "memory");
            if (step > 0 && lane == 0)
                Gates::arrive(gates.empty(before));
            before = place.stage;
        }
        asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
        if (lane == 0)
            Gates::arrive(gates.empty(before));
        together<GROUP_THREADS>(group);
        const Judge<Group, WIDE_QUERIES, GROUP_THREADS, InOrder> judge(
            s, tile / across * TILE + group * 64 + warp * 16 + lane / 4, asked, limits);
#pragma unroll
        for (u32 j = 0; j < 32; j += 4) {
            Sum products[16];
#pragma unroll
            for (u32 n = 0; n < 16; n++)
                products[n] = d[j * 4 + n];
            judge.sixteen(s, j * 8 + lane % 4 * 2, products);
        }
    }
}

#define MANY(name, Tensor, Group)                                                                                    \
    MANY_128(name, Tensor)                                                                                           \
    extern "C" __global__ void __launch_bounds__(WIDE_THREADS, 1)                                                    \
        wide_##name(Search s, const __grid_constant__ Map rows, const __grid_constant__ Map queries) {               \
        wide<Group>(s, rows, queries);                                                                               \
    }

#elif __CUDA_ARCH__ >= 800

// Code that was made for an older GPU multiplies as those do.
#define MANY(name, Tensor, Group)                                                                                    \
    MANY_128(name, Tensor)                                                                                           \
    extern "C" __global__ void __launch_bounds__(WIDE_THREADS, 1) wide_##name(Search s, const Map, const Map) {      \
        if (threadIdx.x < THREADS)                                                                                   \
            many<Tensor, 4>(s);                                                                                   \
    }

#else

#define MANY(name, Tensor, Group)                                                                                    \
    MANY_128(name, Tensor)                                                                                           \
    extern "C" __global__ void wide_##name(Search, const Map, const Map) {}

#endif
