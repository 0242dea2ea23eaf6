// Packed weights as a device keeps them: rows of blocks that begin at multiples of 16 bytes. Where a block of a file has a
// scale that would move all behind it off such places, scales stand in rows of their own.

enum Packing { Q8_0 = 3, Q4_0, Q4_K, Q5_K, Q6_K };

constexpr u32 Q4_K_BYTES = 144, Q5_K_BYTES = 176, Q6_K_BYTES = 208, LOWS = 0x0f0f0f0f;

struct Weights {
    const u8 *blocks;
    const u16 *scales;
    u32 kind;
    u32 rows;
    u32 columns;
    u32 unused;
};

__device__ __forceinline__ u32 low_byte(u32 word, u32 which) { return word >> (8 * which) & 255; }

// Scale and least number of a part of 32, out of the twelve bytes that have eight of each.
__device__ __forceinline__ void sixes(const uint4 &header, u32 part, float *scale, float *least) {
    const u32 at = part & 3, one = low_byte(header.y, at), two = low_byte(header.z, at), three = low_byte(header.w, at);
    *scale = (float)(part < 4 ? one & 63 : (three & 15) | one >> 6 << 4);
    *least = (float)(part < 4 ? two & 63 : three >> 4 | two >> 6 << 4);
}

// One number of a matrix.
__device__ __forceinline__ float number(const Weights &of, u32 row, u32 column) {
    const u64 index = (u64)row * of.columns + column;
    const u32 kind = of.kind;
    if (kind == F32)
        return ((const float *)of.blocks)[index];
    if (kind == F16)
        return of_half(((const u16 *)of.blocks)[index]);
    if (kind == BF16)
        return of_brain(((const u16 *)of.blocks)[index]);
    if (kind == Q8_0)
        return of_half(of.scales[index / 32]) * (float)((const signed char *)of.blocks)[index];
    if (kind == Q4_0) {
        const u8 two = of.blocks[index / 32 * 16 + index % 16];
        return of_half(of.scales[index / 32]) * (float)((i32)(index % 32 < 16 ? two & 15 : two >> 4) - 8);
    }
    const u64 block = index / 256;
    const u32 at = (u32)(index % 256);
    if (kind == Q6_K) {
        const u8 *base = of.blocks + block * Q6_K_BYTES;
        const u32 half = at / 128, quarter = at / 32 % 4, within = at % 32;
        const u8 lower = base[half * 64 + (quarter & 1) * 32 + within];
        const u8 upper = base[128 + half * 32 + within];
        const i32 level = (i32)((quarter < 2 ? lower & 15 : lower >> 4) | (upper >> (2 * quarter) & 3) << 4) - 32;
        const i32 scale = (i32)(signed char)base[192 + at / 16];
        return of_half(of.scales[block]) * (float)(scale * level);
    }
    const bool fives = kind == Q5_K;
    const u8 *base = of.blocks + block * (fives ? Q5_K_BYTES : Q4_K_BYTES);
    const uint4 header = *(const uint4 *)base;
    const u32 part = at / 32, pair = part / 2, within = at % 32;
    float scale, least;
    sixes(header, part, &scale, &least);
    const u8 two = base[(fives ? 48 : 16) + pair * 32 + within];
    u32 level = part & 1 ? two >> 4 : two & 15;
    if (fives)
        level |= (u32)(base[16 + within] >> part & 1) << 4;
    return of_half((u16)header.x) * scale * (float)level - of_half((u16)(header.x >> 16)) * least;
}
