// Gathers and scatters blocks of one size.
//
// The index is a parameter: it travels with the launch, and the caller's memory is free at once. A large block is
// cut into pieces, each the work of one thread block, so that few large blocks fill the GPU as well as many small
// ones. Small blocks are taken as one run of 16-byte units.

#include "common.cuh"

// What every version of CUDA takes as parameters, 4 KiB, with room for the others; and what this driver takes at most,
// 32 KiB. A long index is sent whole with each launch, so a short one has a kernel of its own. The launcher knows both.
constexpr u32 INDEX_SHORT = 1000;
constexpr u32 INDEX_LONG = 8000;

template <u32 LENGTH> struct Index {
    u32 at[LENGTH];
};

// Small thread blocks with little each: measured faster than larger ones, because thread blocks come and go all the
// time and the memory always has work.
constexpr u32 TEAM = 128;
constexpr u32 HELD = 2;

// 16-byte units of a piece.
constexpr u32 PIECE = TEAM * HELD;

enum Way { GATHER, SCATTER };

// Where block `n` of the launch lies on both sides.
template <Way WAY> struct Ends {
    const uint4 *from;
    uint4 *to;

    Ends(const uint4 *source, uint4 *target, const u32 *index, u32 n, u64 units)
        : from(source + (WAY == GATHER ? index[n] : n) * units),
          to(target + (WAY == GATHER ? n : index[n]) * units) {}
};

// `units` is the size of a block, `pieces` how many pieces it has, `count` how many blocks there are.
template <Way WAY>
void move_pieces(const uint4 *source, uint4 *target, u64 units, u32 pieces, u32 count, const u32 *index) {
    for (u32 piece = blockIdx.x; piece < pieces * count; piece += gridDim.x) {
        const u32 block = piece / pieces;
        const u64 start = (u64)(piece - block * pieces) * PIECE;
        const Ends<WAY> ends(source, target, index, block, units);
        const uint4 *from = ends.from + start + threadIdx.x;
        uint4 *to = ends.to + start + threadIdx.x;
        if (units - start >= PIECE) {
            uint4 held[HELD];
#pragma unroll
            for (u32 k = 0; k < HELD; k++)
                held[k] = load_once(from + k * TEAM);
#pragma unroll
            for (u32 k = 0; k < HELD; k++)
                store_once(to + k * TEAM, held[k]);
        } else {
            for (u64 at = start + threadIdx.x; at < units; at += TEAM)
                store_once(ends.to + at, load_once(ends.from + at));
        }
    }
}

// Blocks of less than a piece: `units` times `count` is far below 2^32.
template <Way WAY>
void move_units(const uint4 *source, uint4 *target, u32 units, u32 count, const u32 *index) {
    const u32 all = units * count;
    for (u32 first = blockIdx.x * PIECE + threadIdx.x; first < all; first += gridDim.x * PIECE) {
        uint4 held[HELD];
#pragma unroll
        for (u32 k = 0; k < HELD; k++) {
            const u32 at = first + k * TEAM;
            if (at < all) {
                const u32 block = at / units;
                held[k] = load_once(Ends<WAY>(source, target, index, block, units).from + (at - block * units));
            }
        }
#pragma unroll
        for (u32 k = 0; k < HELD; k++) {
            const u32 at = first + k * TEAM;
            if (at < all) {
                const u32 block = at / units;
                store_once(Ends<WAY>(source, target, index, block, units).to + (at - block * units), held[k]);
            }
        }
    }
}

#define KERNELS(NAME, WAY, WHICH, LENGTH)                                                                              \
    extern "C" __global__ void __launch_bounds__(TEAM)                                                                 \
        NAME##_pieces_##WHICH(const uint4 *source, uint4 *target, u64 units, u32 pieces, u32 count,                    \
                               const __grid_constant__ Index<LENGTH> index) {                                          \
        move_pieces<WAY>(source, target, units, pieces, count, index.at);                                              \
    }                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(TEAM)                                                                 \
        NAME##_units_##WHICH(const uint4 *source, uint4 *target, u32 units, u32 count,                                 \
                              const __grid_constant__ Index<LENGTH> index) {                                           \
        move_units<WAY>(source, target, units, count, index.at);                                                       \
    }

KERNELS(gather, GATHER, short, INDEX_SHORT)
KERNELS(gather, GATHER, long, INDEX_LONG)
KERNELS(scatter, SCATTER, short, INDEX_SHORT)
KERNELS(scatter, SCATTER, long, INDEX_LONG)
