// Attention of 16-bit numbers by matrix units, a tile of scores at a time: no matrix of all queries by all keys is ever
// there. Heads are multiples of eight up to DEPTH, filled up with zeros.
//
// What stays goes over tiles of what passes, which come two at a time: one is computed with while the other arrives. Rows
// lie in shared memory in units of 16 bytes whose places are turned by the row's number, so that eight rows' units of one
// column are in different banks. Scores stay in registers: what a product leaves there is how the next wants its left side.

// DEPTH and the kind of numbers are put before this text: `HALF` or not; and `PANELS` where eight rows by 64 numbers are to
// be in one piece, as Hopper's units want them.

#if __CUDA_ARCH__ >= 800
#define TILES 1
#else
#define TILES 0
#endif

#ifdef HALF
#define KIND "f16"
constexpr u32 KIND_OF = F16;
#else
#define KIND "bf16"
constexpr u32 KIND_OF = BF16;
#endif

constexpr u32 UNITS = DEPTH / 8, STEPS = DEPTH / 16;
constexpr float LOG2_E = 1.44269504f, LN_2 = 0.69314718f;

__device__ __forceinline__ u32 pack(float low, float high) {
    u32 bits;
#ifdef HALF
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
#else
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
#endif
    return bits;
}

__device__ __forceinline__ float power(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

__device__ __forceinline__ u32 shared_at(const void *p) { return (u32)__cvta_generic_to_shared(p); }

// Where a unit of a row lies in a tile.
__device__ __forceinline__ u32 unit(u32 tile, u32 row, u32 column) {
#ifdef PANELS
    return tile + row / 8 * (DEPTH * 16) + column / 8 * 1024 + row % 8 * 128 + ((column % 8 ^ row % 8) << 4);
#else
    return tile + row * (DEPTH * 2) + ((column ^ (row & 7)) << 4);
#endif
}

__device__ __forceinline__ void four(u32 at, u32 *into) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(into[0]), "=r"(into[1]), "=r"(into[2]), "=r"(into[3])
                 : "r"(at));
}

__device__ __forceinline__ void four_turned(u32 at, u32 *into) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(into[0]), "=r"(into[1]), "=r"(into[2]), "=r"(into[3])
                 : "r"(at));
}

__device__ __forceinline__ void multiply(float *sums, const u32 *left, const u32 *right) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." KIND "." KIND ".f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
                 "{%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "r"(right[0]), "r"(right[1]));
}

// The left side of a product: sixteen rows of a tile, sixteen of their numbers.
__device__ __forceinline__ void left_of(u32 tile, u32 row, u32 step, u32 *into) {
    const u32 lane = threadIdx.x % 32;
    four(unit(tile, row + lane % 16, 2 * step + lane / 16), into);
}

// The right side, of sixteen rows of a tile that are to be its columns.
__device__ __forceinline__ void right_of(u32 tile, u32 row, u32 step, u32 *into) {
    const u32 lane = threadIdx.x % 32;
    four(unit(tile, row + lane % 8 + lane / 16 * 8, 2 * step + lane / 8 % 2), into);
}

// The right side, of sixteen rows that are its rows, and sixteen of their numbers from `column` units on.
__device__ __forceinline__ void right_turned(u32 tile, u32 row, u32 column, u32 *into) {
    const u32 lane = threadIdx.x % 32;
    four_turned(unit(tile, row + lane % 16, column + lane / 16), into);
}

// Begins to bring rows of heads into a tile; rows and units that are not there become zeros.
template <u32 ROWS, u32 THREADS>
__device__ __forceinline__ void bring_by(u32 thread, u32 tile, const u16 *from, u64 pitch, u32 rows, u32 width) {
#pragma unroll
    for (u32 at = thread; at < ROWS * UNITS; at += THREADS) {
        const u32 row = at / UNITS, column = at % UNITS;
        const bool there = row < rows && column * 8 < width;
        const u16 *source = there ? from + row * pitch + column * 8 : from;
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(unit(tile, row, column)), "l"(source),
                     "r"(there ? 16 : 0));
    }
}

template <u32 ROWS, u32 THREADS>
__device__ __forceinline__ void bring(u32 tile, const u16 *from, u64 pitch, u32 rows, u32 width) {
    bring_by<ROWS, THREADS>(threadIdx.x, tile, from, pitch, rows, width);
}

__device__ __forceinline__ void commit() { asm volatile("cp.async.commit_group;"); }
template <u32 LEFT> __device__ __forceinline__ void arrived() {
    asm volatile("cp.async.wait_group %0;" ::"n"(LEFT));
    __syncthreads();
}

// Writes sixteen rows that a warp has by way of its rows of a tile, so that whole units go out.
__device__ __forceinline__ void write(u32 tile, u32 row, const float (*sums)[4], float low, float high, u16 *to, u64 pitch,
                                      u32 rows, u32 width) {
    const u32 lane = threadIdx.x % 32, group = lane / 4, pair = lane % 4;
    __syncwarp();
#pragma unroll
    for (u32 column = 0; column < UNITS; column++) {
        const float *own = sums[column];
        asm volatile("st.shared.u32 [%0], %1;" ::"r"(unit(tile, row + group, column) + pair * 4),
                     "r"(pack(own[0] * low, own[1] * low)));
        asm volatile("st.shared.u32 [%0], %1;" ::"r"(unit(tile, row + group + 8, column) + pair * 4),
                     "r"(pack(own[2] * high, own[3] * high)));
    }
    __syncwarp();
#pragma unroll
    for (u32 at = lane; at < 16 * UNITS; at += 32) {
        const u32 line = at / UNITS, column = at % UNITS;
        if (line >= rows || column * 8 >= width)
            continue;
        uint4 bits;
        asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                     : "=r"(bits.x), "=r"(bits.y), "=r"(bits.z), "=r"(bits.w)
                     : "r"(unit(tile, row + line, column)));
        *(uint4 *)(to + line * pitch + column * 8) = bits;
    }
}

__device__ __forceinline__ u32 less(u32 from, u32 by) { return from > by ? from - by : 0; }
