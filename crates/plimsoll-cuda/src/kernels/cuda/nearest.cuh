// What the kernels of a search share: how rows lie, what they score, and the lists.
//
// A score is made by one function, `score_rows`, whatever way a row was found: a lane of a warp adds up every 32nd unit
// of 16 bytes, and the lanes are added up in a tree. How many rows and queries share a warp changes no bit.

#include "common.cuh"

// Rows that a warp has under way.
constexpr u32 ROWS = 4;
// A key that nothing took, and the score that every finite one is below or equal to.
constexpr u64 NONE = ~0ull;
constexpr float OPEN = 3.40282347e38f;

// What the desk holds of a query.
struct Query {
    // A row that is above the last of the list cannot enter: its key, and the score that rows are compared with.
    u64 limit;
    float bound;
    // What its bound is widened by: see `widening`.
    float own;
    // Candidates so far. More than there is room for: they are not all there.
    u32 count;
    // How far products of the matrix units may be off: of both lengths, or, for distances, of half of both squares.
    float slack;
    // What a level of the query as the matrix units take it is worth; 1 for floats.
    float scale;
    u32 unused;
};

// The same struct is in `nearest.rs`.
struct Search {
    const u8 *rows;
    const float *scales;
    const float *queries;
    const u32 *mask;
    u64 *lists;
    // On the desk: queries as singles, filled up with zeros, and as the matrix units take them; what is known of each;
    // candidates; what bounds rows.
    float *singles;
    u8 *coded;
    Query *each;
    u64 *candidates;
    float *sizes;
    u64 row_bytes;
    u32 count;
    u32 queries_count;
    u32 dimension;
    u32 padded;
    u32 first;
    u32 k;
    // Candidates of a query.
    u32 room;
    // In the first pass every so many rows one is looked at; 0 in a pass over all.
    u32 stride;
    // Candidates lie where their rows do, because there is room for all that are looked at.
    u32 direct;
    // Squared distances, or products with their sign turned.
    u32 distance;
    // Rows are whole units of 16 bytes.
    u32 whole;
    // Candidates have bounds and not scores.
    u32 bounded;
    // Places of a list in the memory of a thread block: a power of two.
    u32 places;
    // The first query of a launch.
    u32 from;
    // How far products in the order of the matrix units, of rows as those take them, may be off.
    float slack;
    // The rows of this pass.
    u32 begin;
    u32 end;
    // Rows that the first pass looks at.
    u32 sample;
};

u32 looked_at(const Search &s) { return s.stride ? s.sample : s.end - s.begin; }

// The row that is looked at as number `at`: of every `stride` rows one, which one is nearly random.
u32 row_at(const Search &s, u32 at) {
    if (s.stride == 0)
        return s.begin + at;
    u32 mixed = (at + 1) * 0x9e3779b1u;
    mixed ^= mixed >> 15;
    return at * s.stride + mixed % s.stride;
}

bool is_live(const Search &s, u32 row) { return s.mask == nullptr || (s.mask[row / 32] >> (row % 32) & 1); }

u32 ordered(float score) {
    const u32 bits = __float_as_uint(score);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

float score_of(u64 key) {
    const u32 bits = (u32)(key >> 32);
    return __uint_as_float(bits >> 31 ? bits & 0x7fffffffu : ~bits);
}

u64 key_of(float score, u32 row) { return (u64)ordered(score + 0.0f) << 32 | row; }

bool is_finite(float score) { return fabsf(score) <= OPEN; }

// Kinds: how many fours a unit of 16 bytes has, and four numbers as singles.
struct F32 {
    static constexpr bool LEVELS = false;
    static constexpr u32 FOURS = 1;
    static constexpr u32 BYTES = 4;
    static float4 four(uint4 unit, u32, float) {
        return make_float4(__uint_as_float(unit.x), __uint_as_float(unit.y), __uint_as_float(unit.z),
                           __uint_as_float(unit.w));
    }
    static float one(const u8 *at) { return *(const float *)at; }
};

struct F16 {
    static constexpr bool LEVELS = false;
    static constexpr u32 FOURS = 2;
    static constexpr u32 BYTES = 2;
    static float widen(u16 bits) {
        float value;
        asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
        return value;
    }
    static float4 four(uint4 unit, u32 at, float) {
        const u32 a = at ? unit.z : unit.x, b = at ? unit.w : unit.y;
        return make_float4(widen((u16)a), widen((u16)(a >> 16)), widen((u16)b), widen((u16)(b >> 16)));
    }
    static float one(const u8 *at) { return widen(*(const u16 *)at); }
};

struct Bf16 {
    static constexpr bool LEVELS = false;
    static constexpr u32 FOURS = 2;
    static constexpr u32 BYTES = 2;
    static float4 four(uint4 unit, u32 at, float) {
        const u32 a = at ? unit.z : unit.x, b = at ? unit.w : unit.y;
        return make_float4(__uint_as_float(a << 16), __uint_as_float(a & 0xffff0000u), __uint_as_float(b << 16),
                           __uint_as_float(b & 0xffff0000u));
    }
    static float one(const u8 *at) { return __uint_as_float((u32)*(const u16 *)at << 16); }
};

// Levels become singles by their bits: 2^23 + level + 128, less what was added.
struct Int8 {
    static constexpr bool LEVELS = true;
    static constexpr u32 FOURS = 4;
    static constexpr u32 BYTES = 1;
    template <u32 AT> static float level(u32 word) {
        return __uint_as_float(__byte_perm(word, 0x4b000000u, 0x7650 + AT)) - 8388736.0f;
    }
    static float4 four(uint4 unit, u32 at, float scale) {
        const u32 word = (at == 0 ? unit.x : at == 1 ? unit.y : at == 2 ? unit.z : unit.w) ^ 0x80808080u;
        return make_float4(level<0>(word) * scale, level<1>(word) * scale, level<2>(word) * scale,
                           level<3>(word) * scale);
    }
    static float one(const u8 *at) { return (float)*(const i8 *)at; }
};

template <u32 HALF, u32 DISTANCE, u32 COUNT> void halve(float (&sums)[COUNT]) {
    if constexpr (HALF > 0) {
        const bool upper = threadIdx.x % 32 & DISTANCE;
#pragma unroll
        for (u32 n = 0; n < HALF; n++) {
            const float given = upper ? sums[n] : sums[n + HALF];
            const float kept = upper ? sums[n + HALF] : sums[n];
            sums[n] = kept + __shfl_xor_sync(0xffffffff, given, DISTANCE);
        }
        halve<HALF / 2, DISTANCE / 2>(sums);
    }
}

// Of the values that every lane has, each lane gets the sum of one over the warp: number lane / (32 / COUNT).
template <u32 COUNT> float share(float (&sums)[COUNT]) {
    halve<COUNT / 2, 16>(sums);
#pragma unroll
    for (u32 step = 16 / COUNT; step > 0; step /= 2)
        sums[0] += __shfl_xor_sync(0xffffffff, sums[0], step);
    return sums[0];
}

template <class Kind, bool WHOLE> uint4 unit_of(const u8 *row, u32 unit, u64 row_bytes) {
    if (WHOLE)
        return load_once((const uint4 *)row + unit);
    // Numbers one by one; what is behind the row is zero, as it is in queries.
    u32 words[4] = {0, 0, 0, 0};
#pragma unroll
    for (u32 byte = 0; byte < 16; byte += Kind::BYTES) {
        const u64 at = (u64)unit * 16 + byte;
        u32 bits = 0;
        if (at < row_bytes)
            bits = Kind::BYTES == 4   ? *(const u32 *)(row + at)
                   : Kind::BYTES == 2 ? *(const u16 *)(row + at)
                                      : row[at];
        words[byte / 4] |= bits << byte % 4 * 8;
    }
    return make_uint4(words[0], words[1], words[2], words[3]);
}

// Levels come as they are, and with them what one is worth, for distances: one operation takes both in.
template <bool DISTANCE, bool LEVELS> void add(float &sum, float q, float x, float worth) {
    if (DISTANCE) {
        const float apart = LEVELS ? fmaf(-worth, x, q) : q - x;
        sum = fmaf(apart, apart, sum);
    } else {
        sum = fmaf(q, x, sum);
    }
}

// The score of one of R rows for one of Q queries: of number lane / (32 / (R * Q)), rows first.
template <class Kind, u32 R, u32 Q, bool DISTANCE, bool WHOLE>
float score_rows(const Search &s, const u8 *const (&rows)[R], const float (&scales)[R], const float *queries) {
    float sums[R * Q];
#pragma unroll
    for (u32 n = 0; n < R * Q; n++)
        sums[n] = 0.0f;
    const u32 units = (u32)((s.row_bytes + 15) / 16);
#pragma unroll 2
    for (u32 unit = threadIdx.x % 32; unit < units; unit += 32) {
        uint4 held[R];
#pragma unroll
        for (u32 r = 0; r < R; r++)
            held[r] = unit_of<Kind, WHOLE>(rows[r], unit, s.row_bytes);
#pragma unroll
        for (u32 four = 0; four < Kind::FOURS; four++) {
            float4 x[R];
#pragma unroll
            for (u32 r = 0; r < R; r++)
                x[r] = Kind::four(held[r], four, DISTANCE ? 1.0f : scales[r]);
#pragma unroll
            for (u32 n = 0; n < Q; n++) {
                const float4 q = __ldg((const float4 *)(queries + (u64)n * s.padded) + unit * Kind::FOURS + four);
#pragma unroll
                for (u32 r = 0; r < R; r++) {
                    float &sum = sums[r * Q + n];
                    add<DISTANCE, Kind::LEVELS>(sum, q.x, x[r].x, scales[r]);
                    add<DISTANCE, Kind::LEVELS>(sum, q.y, x[r].y, scales[r]);
                    add<DISTANCE, Kind::LEVELS>(sum, q.z, x[r].z, scales[r]);
                    add<DISTANCE, Kind::LEVELS>(sum, q.w, x[r].w, scales[r]);
                }
            }
        }
    }
    const float sum = share(sums);
    return DISTANCE ? sum : 0.0f - sum;
}

const u8 *row_of(const Search &s, u32 row) { return s.rows + row * s.row_bytes; }

float scale_of(const Search &s, u32 row) { return s.scales == nullptr ? 1.0f : s.scales[row]; }

// Puts what is looked at as number `at` among the candidates of a query, or says that it is none.
void put(const Search &s, u32 query, u32 at, u64 key) {
    if (s.direct) {
        s.candidates[(u64)query * s.room + at] = key;
    } else if (key != NONE) {
        const u32 place = atomicAdd(&s.each[query].count, 1);
        if (place < s.room)
            s.candidates[(u64)query * s.room + place] = key;
    }
}
