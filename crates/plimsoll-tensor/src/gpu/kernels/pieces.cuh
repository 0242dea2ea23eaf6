// What products with packed weights are told, and how a thread reads a piece of a row of them.

struct Ready {
    float *singles;
    signed char *levels;
    float4 *sides;
    u16 *halves;
    // By what rows of halves were divided.
    float *divided;
};

// Matrices that are multiplied with the same inputs, in one launch.
struct Part {
    Weights weights;
    float *out;
    // Blocks of threads before this part's, and how many numbers lie from one row of `out` to the next.
    u32 first;
    u32 pitch;
    u32 add;
    // Warps that share the columns of a row.
    u32 share;
};

struct Parts {
    Part part[3];
    u32 count;
    // How many rows of inputs there are; those up to the next multiple of eight may be read.
    u32 tokens;
};

// Which part a block of threads belongs to.
__device__ __forceinline__ u32 part_of(const Parts &parts) {
    u32 which = 0;
    while (which + 1 < parts.count && blockIdx.x >= parts.part[which + 1].first)
        which++;
    return which;
}

// Columns that a warp of `tiled.cu` looks at together.
constexpr u32 CHUNK = 128;

// Inputs as matrix units take them: eight rows and 64 columns lie together, sixteen bytes for each lane. Scales and sums of
// halves stand in planes of their own, two blocks of each row side by side.
struct Laid {
    const uint4 *levels;
    const float4 *sides;
    // Pairs of blocks of a row, and float4s from one plane to the next.
    u32 pairs;
    u32 plane;

    __device__ __forceinline__ Laid(const Ready &ready, u32 rows, u32 columns)
        : levels((const uint4 *)ready.levels), sides(ready.sides), pairs((columns + CHUNK - 1) / CHUNK * 2),
          plane((rows + 7) / 8 * pairs * 4) {}
};

// Where a level stands there, in bytes, and a side of its block, in singles.
__device__ __forceinline__ u32 laid_at(const Laid &in, u32 row, u32 column) {
    const u32 within = column % 32, lane = row % 8 * 4 + within % 16 / 4;
    return ((row / 8 * in.pairs + column / 64) * 32 + lane) * 16 + column / 32 % 2 * 8 + within / 16 * 4 + within % 4;
}

__device__ __forceinline__ u32 side_at(const Laid &in, u32 row, u32 block) {
    return (row / 8 * in.pairs + block / 2) * 16 + row % 8 * 2 + block % 2;
}

__device__ __forceinline__ i32 four_products(u32 one, u32 other, i32 sum) {
    i32 out;
    asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(out) : "r"(one), "r"(other), "r"(sum));
    return out;
}

__device__ __forceinline__ i32 sixteen(const uint4 &one, const uint4 &other) {
    return four_products(one.x, other.x,
                         four_products(one.y, other.y, four_products(one.z, other.z, four_products(one.w, other.w, 0))));
}

__device__ __forceinline__ uint4 only(const uint4 &of, u32 shift, u32 mask) {
    return make_uint4(of.x >> shift & mask, of.y >> shift & mask, of.z >> shift & mask, of.w >> shift & mask);
}

// Bits of another number's bytes, moved to where they belong and put beside.
__device__ __forceinline__ void put_beside(uint4 &levels, const uint4 &bits, u32 shift, u32 mask) {
    levels.x |= (bits.x >> shift & mask) << 4;
    levels.y |= (bits.y >> shift & mask) << 4;
    levels.z |= (bits.z >> shift & mask) << 4;
    levels.w |= (bits.w >> shift & mask) << 4;
}

__device__ __forceinline__ uint4 stream_in(const u8 *at) {
    uint4 out;
    asm("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
        : "=r"(out.x), "=r"(out.y), "=r"(out.z), "=r"(out.w)
        : "l"(at));
    return out;
}

// A lane's numbers of a row of weights: sixteen levels, or two times sixteen, that stand at `at` and `at + apart` among the
// columns; what they are multiplied by, and what they are lessened by, a level.
struct Piece {
    uint4 levels[2];
    u32 at;
    u32 apart;
    float scale[2];
    float less[2];
};

template <u32 KIND> __device__ __forceinline__ void piece_of(const Weights &of, u32 row, u32 unit, Piece &out) {
    const u32 columns = of.columns;
    if (KIND == Q8_0) {
        const u64 at = (u64)row * columns + unit * 16;
        out.levels[0] = stream_in(of.blocks + at);
        out.scale[0] = of_half(of.scales[at / 32]);
        out.at = unit * 16;
    } else if (KIND == Q4_0) {
        const u64 block = (u64)row * (columns / 32) + unit;
        const uint4 two = stream_in(of.blocks + block * 16);
        out.levels[0] = only(two, 0, LOWS), out.levels[1] = only(two, 4, LOWS);
        out.scale[0] = out.scale[1] = of_half(of.scales[block]);
        out.less[0] = out.less[1] = 8.0f * out.scale[0];
        out.at = unit * 32, out.apart = 16;
    } else if (KIND == Q6_K) {
        const u64 block = (u64)row * (columns / 256) + unit / 8;
        const u32 half = unit / 4 % 2, which = unit / 2 % 2, side = unit % 2;
        const u8 *base = of.blocks + block * Q6_K_BYTES;
        const uint4 two = stream_in(base + half * 64 + which * 32 + side * 16);
        const uint4 upper = *(const uint4 *)(base + 128 + half * 32 + side * 16);
        out.levels[0] = only(two, 0, LOWS), out.levels[1] = only(two, 4, LOWS);
        put_beside(out.levels[0], upper, 2 * which, 0x03030303);
        put_beside(out.levels[1], upper, 2 * which + 4, 0x03030303);
        const float scale = of_half(of.scales[block]);
        const signed char *scales = (const signed char *)(base + 192) + half * 8 + which * 2 + side;
        out.scale[0] = scale * (float)scales[0], out.scale[1] = scale * (float)scales[4];
        out.less[0] = 32.0f * out.scale[0], out.less[1] = 32.0f * out.scale[1];
        out.at = unit / 8 * 256 + half * 128 + which * 32 + side * 16, out.apart = 64;
    } else {
        const bool fives = KIND == Q5_K;
        const u64 block = (u64)row * (columns / 256) + unit / 8;
        const u32 pair = unit / 2 % 4, side = unit % 2;
        const u8 *base = of.blocks + block * (fives ? Q5_K_BYTES : Q4_K_BYTES);
        const uint4 header = *(const uint4 *)base;
        const uint4 two = stream_in(base + (fives ? 48 : 16) + pair * 32 + side * 16);
        out.levels[0] = only(two, 0, LOWS), out.levels[1] = only(two, 4, LOWS);
        if (fives) {
            const uint4 upper = *(const uint4 *)(base + 16 + side * 16);
            put_beside(out.levels[0], upper, 2 * pair, 0x01010101);
            put_beside(out.levels[1], upper, 2 * pair + 1, 0x01010101);
        }
        const float scale = of_half((u16)header.x), least = of_half((u16)(header.x >> 16));
#pragma unroll
        for (u32 each = 0; each < 2; each++) {
            sixes(header, 2 * pair + each, &out.scale[each], &out.less[each]);
            out.scale[each] *= scale, out.less[each] *= least;
        }
        out.at = unit / 8 * 256 + pair * 64 + side * 16, out.apart = 32;
    }
}

