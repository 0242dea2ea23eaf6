// Rows of levels times a matrix. Levels are exact as halves; a number of the matrix is the sum of two, of which the first
// has its upper eleven bits, after a power of two has brought the largest of its column near to the largest half. So two
// products of the matrix units have 22 bits. What is written, 4 bytes a number, is what takes time.

#include "common.cuh"

// Columns of a pair of tiles, levels of a step, threads of a warp.
constexpr u32 PAIR = 16;
constexpr u32 STEP = 16;

struct Expand {
    const u8 *levels;
    const float *scales;
    const float *matrix;
    const float *offsets;
    float *target;
    // On the desk: the matrix as the units take it; what a column's products are worth.
    uint4 *pairs;
    float *worth;
    u32 rows;
    u32 depth;
    u32 width;
    // Steps of a row, filled up.
    u32 steps;
    // Pairs of a slice, slices.
    u32 slice;
    u32 slices;
};

// Any shape: a thread for each number.
extern "C" __global__ void __launch_bounds__(THREADS) expand_any(Expand e) {
    const u64 all = (u64)e.rows * e.width;
    for (u64 at = (u64)blockIdx.x * THREADS + threadIdx.x; at < all; at += (u64)gridDim.x * THREADS) {
        const u64 row = at / e.width;
        const u32 column = (u32)(at % e.width);
        const i8 *levels = (const i8 *)e.levels + row * e.depth;
        const float *numbers = e.matrix + (u64)column * e.depth;
        float sum = 0.0f;
        for (u32 n = 0; n < e.depth; n++)
            sum = fmaf((float)levels[n], numbers[n], sum);
        e.target[at] = fmaf(e.scales[row], sum, e.offsets[column]);
    }
}

u16 half_of(float value) {
    u16 bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}

float single_of(u16 bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}

// The matrix as the units take it. A warp has a column; lanes take levels in the order in which they load them: of 64, lane
// t of four has 16 that follow each other, four for each step.
extern "C" __global__ void __launch_bounds__(THREADS) expand_prepare(Expand e) {
    const u32 column = blockIdx.x * (THREADS / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (column >= e.width)
        return;
    const float *numbers = e.matrix + (u64)column * e.depth;
    float most = 0.0f;
    for (u32 n = lane; n < e.depth; n += 32)
        most = fmaxf(most, fabsf(numbers[n]));
    for (u32 distance = 16; distance > 0; distance /= 2)
        most = fmaxf(most, __shfl_xor_sync(0xffffffff, most, distance));
    // A power of two, so that nothing is lost by it; within what singles hold, both ways.
    const i32 exponent = most > 0.0f ? (i32)(__float_as_uint(most) >> 23) - 127 : 0;
    const i32 up = min(max(14 - exponent, -100), 100);
    const float times = __uint_as_float((u32)(up + 127) << 23);
    if (lane == 0)
        e.worth[column] = __uint_as_float((u32)(127 - up) << 23);
    // Of a pair's columns, four that follow each other are a lane's: two of each tile.
    const u32 pair = column / PAIR, within = column % PAIR;
    const u32 tile = within / 2 % 2, g = within / 4 * 2 + within % 2;
    for (u32 n = lane; n < e.steps * STEP; n += 32) {
        const u32 t = n % 64 / 16, step = n / 64 * 4 + n % 16 / 4, place = n % 4;
        const float value = n < e.depth ? numbers[n] * times : 0.0f;
        const u16 high = half_of(value);
        const u16 low = half_of(value - single_of(high));
        u16 *to = (u16 *)(e.pairs + ((u64)(pair * e.steps + step) * 2 + tile) * 32 + g * 4 + t);
        to[place] = high;
        to[4 + place] = low;
    }
}

#if __CUDA_ARCH__ >= 800

extern __shared__ __align__(16) uint4 matrix[];

// Two levels of four, as halves: 1024 and the level and 128, less 1152.
template <u32 UPPER> u32 halves_of(u32 word) {
    const u32 bits = __byte_perm(word ^ 0x80808080u, 0x64646464u, UPPER ? 0x4342 : 0x4140);
    u32 result;
    asm("sub.rn.f16x2 %0, %1, %2;" : "=r"(result) : "r"(bits), "r"(0x64806480u));
    return result;
}

void multiply(float (&c)[4], u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// A thread block keeps a slice of the columns in its memory, and its warps go through rows, 32 at a time.
template <u32 LONG> void expand(const Expand &e) {
    constexpr u32 STEPS = LONG * 4;
    const u32 slice = blockIdx.x % e.slices;
    const u32 first = slice * e.slice, pairs = min(e.slice, e.width / PAIR - first);
    const uint4 *from = e.pairs + (u64)first * STEPS * 64;
    for (u32 n = threadIdx.x; n < pairs * STEPS * 64; n += THREADS)
        matrix[n] = from[n];
    __syncthreads();

    const u32 lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    const u32 groups = gridDim.x / e.slices * (THREADS / 32);
    u32 tile = blockIdx.x / e.slices * (THREADS / 32) + threadIdx.x / 32;
    for (; (u64)tile * 32 < e.rows; tile += groups) {
        // Of rows g, g + 8, g + 16 and g + 24, sixteen levels of each 64.
        u32 words[4][LONG][4];
        float scales[4];
#pragma unroll
        for (u32 r = 0; r < 4; r++) {
            const u32 row = min(tile * 32 + g + r * 8, e.rows - 1);
            scales[r] = e.scales[row];
#pragma unroll
            for (u32 n = 0; n < LONG; n++) {
                const u32 at = n * 64 + t * 16;
                uint4 unit = make_uint4(0, 0, 0, 0);
                if (at < e.depth)
                    unit = load_once((const uint4 *)(e.levels + (u64)row * e.depth + at));
                words[r][n][0] = unit.x;
                words[r][n][1] = unit.y;
                words[r][n][2] = unit.z;
                words[r][n][3] = unit.w;
            }
        }
        for (u32 pair = 0; pair < pairs; pair++) {
            // Of two tiles of rows and two of columns.
            float sums[2][2][4] = {};
#pragma unroll
            for (u32 step = 0; step < STEPS; step++) {
                u32 a[2][4];
#pragma unroll
                for (u32 m = 0; m < 2; m++) {
                    a[m][0] = halves_of<0>(words[m * 2][step / 4][step % 4]);
                    a[m][1] = halves_of<0>(words[m * 2 + 1][step / 4][step % 4]);
                    a[m][2] = halves_of<1>(words[m * 2][step / 4][step % 4]);
                    a[m][3] = halves_of<1>(words[m * 2 + 1][step / 4][step % 4]);
                }
#pragma unroll
                for (u32 n = 0; n < 2; n++) {
                    const uint4 b = matrix[((pair * STEPS + step) * 2 + n) * 32 + lane];
#pragma unroll
                    for (u32 m = 0; m < 2; m++) {
                        multiply(sums[m][n], a[m][0], a[m][1], a[m][2], a[m][3], b.x, b.y);
                        multiply(sums[m][n], a[m][0], a[m][1], a[m][2], a[m][3], b.z, b.w);
                    }
                }
            }
            const u32 column = (first + pair) * PAIR + t * 4;
            const float4 worth = __ldg((const float4 *)(e.worth + column));
            const float4 offset = __ldg((const float4 *)(e.offsets + column));
#pragma unroll
            for (u32 r = 0; r < 4; r++) {
                const u32 row = tile * 32 + g + r * 8;
                if (row >= e.rows)
                    continue;
                const u32 m = r / 2, h = r % 2 * 2;
                const float scale = scales[r];
                float4 out;
                out.x = fmaf(scale, sums[m][0][h] * worth.x, offset.x);
                out.y = fmaf(scale, sums[m][0][h + 1] * worth.y, offset.y);
                out.z = fmaf(scale, sums[m][1][h] * worth.z, offset.z);
                out.w = fmaf(scale, sums[m][1][h + 1] * worth.w, offset.w);
                store_once((float4 *)(e.target + (u64)row * e.width + column), out);
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) expand_64(Expand e) { expand<1>(e); }
extern "C" __global__ void __launch_bounds__(THREADS) expand_128(Expand e) { expand<2>(e); }
extern "C" __global__ void __launch_bounds__(THREADS) expand_192(Expand e) { expand<3>(e); }

#else

// The host does not launch these on a GPU that is older.
extern "C" __global__ void expand_64(Expand) {}
extern "C" __global__ void expand_128(Expand) {}
extern "C" __global__ void expand_192(Expand) {}

#endif
