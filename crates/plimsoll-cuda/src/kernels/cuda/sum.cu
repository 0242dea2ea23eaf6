// Two sums of the bytes as 32-bit words w[0..]: of w[i], and of w[i] * (2i + 1), both modulo 2^32. Integers add up to
// the same in any order, so every thread block adds its share with one atomic each.

#include "common.cuh"

struct Sums {
    u32 plain;
    u32 weighted;

    void add(u32 word, u64 at) {
        plain += word;
        weighted += word * (u32)(2 * at + 1);
    }

    void add(uint4 unit, u64 at) {
        add(unit.x, at * 4);
        add(unit.y, at * 4 + 1);
        add(unit.z, at * 4 + 2);
        add(unit.w, at * 4 + 3);
    }
};

// `total` is zeroed before, on the same stream. The source starts at a multiple of 16.
extern "C" __global__ void __launch_bounds__(THREADS) sum(const uint4 *source, u64 bytes, u32 *total) {
    __shared__ Sums block;
    if (threadIdx.x == 0)
        block = {0, 0};
    __syncthreads();

    Sums sums = {0, 0};
    const u64 units = bytes / 16;
    const u64 step = (u64)gridDim.x * THREADS;
    u64 at = (u64)blockIdx.x * THREADS + threadIdx.x;
    for (; at + (DEPTH - 1) * step < units; at += DEPTH * step) {
        uint4 held[DEPTH];
#pragma unroll
        for (u32 k = 0; k < DEPTH; k++)
            held[k] = load_once(source + at + k * step);
#pragma unroll
        for (u32 k = 0; k < DEPTH; k++)
            sums.add(held[k], at + k * step);
    }
    for (; at < units; at += step)
        sums.add(load_once(source + at), at);

    // What is left is less than a unit: each byte adds its share of the word that it is in.
    if (blockIdx.x == 0 && threadIdx.x < bytes % 16) {
        const u32 byte = ((const u8 *)(source + units))[threadIdx.x];
        sums.add(byte << threadIdx.x % 4 * 8, units * 4 + threadIdx.x / 4);
    }

    for (u32 distance = 16; distance > 0; distance /= 2) {
        sums.plain += __shfl_xor_sync(0xffffffff, sums.plain, distance);
        sums.weighted += __shfl_xor_sync(0xffffffff, sums.weighted, distance);
    }
    if (threadIdx.x % 32 == 0) {
        atomicAdd(&block.plain, sums.plain);
        atomicAdd(&block.weighted, sums.weighted);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        atomicAdd(total, block.plain);
        atomicAdd(total + 1, block.weighted);
    }
}
