// Gathers and scatters blocks of one size.
//
// The index is a parameter: it travels with the launch, and the caller's memory is free at once. A large block is
// cut into pieces, each the work of one thread block, so that few large blocks fill the GPU as well as many small
// ones. Small blocks are taken as one run of 16-byte units.

#include "common.cuh"

// Fits the 4 KiB of parameters that every version takes, with room for the others. The launcher knows the number.
constexpr u32 INDEX_LENGTH = 1000;

struct Index {
    u32 at[INDEX_LENGTH];
};

// 16-byte units of a piece.
constexpr u32 PIECE = THREADS * DEPTH;

enum Way { GATHER, SCATTER };

// Where block `n` of the launch lies on both sides.
template <Way WAY> struct Ends {
    const uint4 *from;
    uint4 *to;

    Ends(const uint4 *source, uint4 *target, const Index &index, u32 n, u64 units)
        : from(source + (WAY == GATHER ? index.at[n] : n) * units),
          to(target + (WAY == GATHER ? n : index.at[n]) * units) {}
};

// `units` is the size of a block, `pieces` how many pieces it has, `count` how many blocks there are.
template <Way WAY>
void move_pieces(const uint4 *source, uint4 *target, u64 units, u32 pieces, u32 count, const Index &index) {
    for (u32 piece = blockIdx.x; piece < pieces * count; piece += gridDim.x) {
        const u32 block = piece / pieces;
        const u64 start = (u64)(piece - block * pieces) * PIECE;
        const Ends<WAY> ends(source, target, index, block, units);
        const uint4 *from = ends.from + start + threadIdx.x;
        uint4 *to = ends.to + start + threadIdx.x;
        if (units - start >= PIECE) {
            uint4 held[DEPTH];
#pragma unroll
            for (u32 k = 0; k < DEPTH; k++)
                held[k] = load_once(from + k * THREADS);
#pragma unroll
            for (u32 k = 0; k < DEPTH; k++)
                store_once(to + k * THREADS, held[k]);
        } else {
            for (u64 at = start + threadIdx.x; at < units; at += THREADS)
                store_once(ends.to + at, load_once(ends.from + at));
        }
    }
}

// Blocks of less than a piece: `units` times `count` is far below 2^32.
template <Way WAY>
void move_units(const uint4 *source, uint4 *target, u32 units, u32 count, const Index &index) {
    const u32 all = units * count;
    for (u32 first = blockIdx.x * PIECE + threadIdx.x; first < all; first += gridDim.x * PIECE) {
        uint4 held[DEPTH];
#pragma unroll
        for (u32 k = 0; k < DEPTH; k++) {
            const u32 at = first + k * THREADS;
            if (at < all) {
                const u32 block = at / units;
                held[k] = load_once(Ends<WAY>(source, target, index, block, units).from + (at - block * units));
            }
        }
#pragma unroll
        for (u32 k = 0; k < DEPTH; k++) {
            const u32 at = first + k * THREADS;
            if (at < all) {
                const u32 block = at / units;
                store_once(Ends<WAY>(source, target, index, block, units).to + (at - block * units), held[k]);
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
    gather_pieces(const uint4 *source, uint4 *target, u64 units, u32 pieces, u32 count,
                  const __grid_constant__ Index index) {
    move_pieces<GATHER>(source, target, units, pieces, count, index);
}

extern "C" __global__ void __launch_bounds__(THREADS)
    scatter_pieces(const uint4 *source, uint4 *target, u64 units, u32 pieces, u32 count,
                   const __grid_constant__ Index index) {
    move_pieces<SCATTER>(source, target, units, pieces, count, index);
}

extern "C" __global__ void __launch_bounds__(THREADS)
    gather_units(const uint4 *source, uint4 *target, u32 units, u32 count, const __grid_constant__ Index index) {
    move_units<GATHER>(source, target, units, count, index);
}

extern "C" __global__ void __launch_bounds__(THREADS)
    scatter_units(const uint4 *source, uint4 *target, u32 units, u32 count, const __grid_constant__ Index index) {
    move_units<SCATTER>(source, target, units, count, index);
}
