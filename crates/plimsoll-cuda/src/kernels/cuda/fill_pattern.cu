// Repeats 16 bytes through the target, which starts at a multiple of 16; a shorter pattern comes repeated already.

#include "common.cuh"

extern "C" __global__ void __launch_bounds__(THREADS)
    fill_pattern(uint4 *target, u64 bytes, u32 first, u32 second, u32 third, u32 fourth) {
    const uint4 pattern = make_uint4(first, second, third, fourth);
    const u64 units = bytes / 16;
    const u64 step = (u64)gridDim.x * THREADS;
    for (u64 at = (u64)blockIdx.x * THREADS + threadIdx.x; at < units; at += step)
        store_once(target + at, pattern);
    if (blockIdx.x == 0 && threadIdx.x < bytes % 16) {
        const u32 word = threadIdx.x / 4;
        const u32 held = word == 0 ? first : word == 1 ? second : word == 2 ? third : fourth;
        ((u8 *)(target + units))[threadIdx.x] = held >> threadIdx.x % 4 * 8;
    }
}
