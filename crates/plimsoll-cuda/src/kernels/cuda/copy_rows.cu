// Copies rows of bytes from one pitch to another, at any alignment.
//
// A thread writes one aligned window of 16 bytes of the target. Where both sides are aligned alike it is one load and
// one store; where they are not, the window is put together from aligned words of the source, so that stores are
// whole all the same. Only the first and the last window of a row are written by the byte.

#include "common.cuh"

constexpr u64 WINDOW = 16;

struct Row {
    const u8 *from;
    u8 *to;
    u64 bytes;
    // Bytes of the first window that lie before the row.
    u64 before;

    bool has(u64 window) const { return window * WINDOW < before + bytes; }
    bool whole(u64 window) const {
        return window * WINDOW >= before && (window + 1) * WINDOW <= before + bytes;
    }

    // The source's bytes of a whole window. Aligned words that hold a byte of it are read, so nothing beyond the
    // word that holds the last one: a word never crosses into memory that is not there.
    uint4 load(u64 window) const {
        const u8 *first = from + (window * WINDOW - before);
        const u64 past = (u64)first % 16;
        if (past == 0)
            return load_once((const uint4 *)first);
        const u32 *words = (const u32 *)(first - past % 4);
        if (past % 4 == 0)
            return make_uint4(words[0], words[1], words[2], words[3]);
        const u32 shift = past % 4 * 8;
        return make_uint4(__funnelshift_r(words[0], words[1], shift), __funnelshift_r(words[1], words[2], shift),
                          __funnelshift_r(words[2], words[3], shift), __funnelshift_r(words[3], words[4], shift));
    }

    void store(u64 window, uint4 held) const { store_once((uint4 *)(to + (window * WINDOW - before)), held); }

    // A window at an end of the row.
    void bytewise(u64 window) const {
        const u64 start = window * WINDOW < before ? 0 : window * WINDOW - before;
        const u64 end = (window + 1) * WINDOW - before < bytes ? (window + 1) * WINDOW - before : bytes;
        for (u64 at = start; at < end; at++)
            to[at] = from[at];
    }
};

// A thread block is as many threads wide (`x`) as suits the length of a row, and the rest high.
extern "C" __global__ void __launch_bounds__(THREADS)
    copy_rows(const u8 *source, u64 source_pitch, u8 *target, u64 target_pitch, u64 bytes, u64 rows) {
    const u64 wide = (u64)gridDim.x * blockDim.x;
    const u64 high = (u64)gridDim.y * blockDim.y;
    for (u64 at = (u64)blockIdx.y * blockDim.y + threadIdx.y; at < rows; at += high) {
        u8 *to = target + at * target_pitch;
        const Row row = {source + at * source_pitch, to, bytes, (u64)to % WINDOW};
        for (u64 first = (u64)blockIdx.x * blockDim.x + threadIdx.x; row.has(first); first += wide * DEPTH) {
            uint4 held[DEPTH];
#pragma unroll
            for (u32 k = 0; k < DEPTH; k++)
                if (row.whole(first + k * wide))
                    held[k] = row.load(first + k * wide);
#pragma unroll
            for (u32 k = 0; k < DEPTH; k++) {
                const u64 window = first + k * wide;
                if (row.whole(window))
                    row.store(window, held[k]);
                else if (row.has(window))
                    row.bytewise(window);
            }
        }
    }
}
