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
    // Its levels added up, for rows whose levels begin at a value of their own.
    float total;
};

// The same struct is in `nearest/search.rs`.
struct Search {
    const u8 *rows;
    const float *scales;
    const float *queries;
    const u32 *mask;
    u64 *lists;
    // On the desk: queries as singles, filled up with zeros (their signs as bits, where those are counted), and as the matrix
    // units take them; what is known of each; candidates; squares of rows, unless they are given.
    float *singles;
    u8 *coded;
    Query *each;
    u64 *candidates;
    float *squares;
    u64 row_bytes;
    // Bytes of a query as the matrix units take it.
    u64 coded_bytes;
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

// Rows one after the other that up to eight queries look at, or, where bounds come first, 128. The same structs are in
// `nearest/runs.rs`.
struct Item {
    u32 begin, end;
    // The number of the first row; which row it is, where bounds come first.
    u32 first;
    // Which of the wants, and how many.
    u32 from, count;
};

// A query, and where the first row of a run goes among the candidates.
struct Want {
    u32 query, place;
};

// Runs of rows of which each query looks at some.
struct Runs {
    const Item *items;
    const Want *wants;
    // Where each query's candidates begin, and where the last one's end.
    const u32 *starts;
    // Rows of an item that a thread block takes at a time: long items are many blocks' work.
    u32 chunk;
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
    static constexpr bool PACKED = false;
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
    static constexpr bool PACKED = false;
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
    static constexpr bool PACKED = false;
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
    static constexpr bool PACKED = false;
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

// Queries as singles: one after the other, or anywhere.
struct Together {
    const float *first;
    u64 padded;
    const float *of(u32 n) const { return first + n * padded; }
};
template <u32 Q> struct Apart {
    const float *each[Q];
    const float *of(u32 n) const { return each[n]; }
};

Together together_of(const Search &s, u32 query) { return {s.singles + (u64)query * s.padded, s.padded}; }

// The score of one of R rows for one of Q queries: of number lane / (32 / (R * Q)), rows first.
template <class Kind, u32 R, u32 Q, bool DISTANCE, bool WHOLE, class Asked>
float score_rows(const Search &s, const u8 *const (&rows)[R], const float (&scales)[R], const Asked &queries) {
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
                const float4 q = __ldg((const float4 *)queries.of(n) + unit * Kind::FOURS + four);
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

// What bounds a row: its square for distances, its length for products; not a number where it may not be found.
float size_of(const Search &s, u32 row) {
    const float square = is_live(s, row) ? s.squares[row] : __uint_as_float(0x7fc00000u);
    return s.distance ? square : sqrtf(square);
}

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

// Rows of few bits a number. A score is that of a query alone and of eight to the bit: each lane, or each thread, adds up
// in one order.
struct Level8 {
    template <u32 AT> static float level(u32 word) {
        return __uint_as_float(__byte_perm(word, 0x4b000000u, 0x7650 + AT)) - 8388608.0f;
    }
    // Of a unit of 16 bytes the levels of its word `w`, four from number `at` on.
    static float4 four(uint4 unit, u32 w) {
        const u32 word = w == 0 ? unit.x : w == 1 ? unit.y : w == 2 ? unit.z : unit.w;
        return make_float4(level<0>(word), level<1>(word), level<2>(word), level<3>(word));
    }
    static u32 first(const Search &, u32 unit, u32 w) { return unit * 16 + w * 4; }
    static constexpr u32 fours() { return 4; }
    // Of byte `j` the numbers that it has.
    static u32 numbers() { return 1; }
    static u32 number(const Search &, u32 j, u32) { return j; }
    static float one(u8 byte, u32) { return (float)byte; }
};

// The lower halves of all bytes are the first numbers, the upper halves the rest.
struct Level4 {
    static float4 four(uint4 unit, u32 w) {
        const u32 at = w & 3;
        const u32 word = (at == 0 ? unit.x : at == 1 ? unit.y : at == 2 ? unit.z : unit.w) >> (w & 4) & 0x0f0f0f0fu;
        return make_float4(Level8::level<0>(word), Level8::level<1>(word), Level8::level<2>(word),
                           Level8::level<3>(word));
    }
    static u32 first(const Search &s, u32 unit, u32 w) { return (w & 4 ? (u32)s.row_bytes : 0) + unit * 16 + (w & 3) * 4; }
    static constexpr u32 fours() { return 8; }
    static u32 numbers() { return 2; }
    static u32 number(const Search &s, u32 j, u32 half) { return half ? (u32)s.row_bytes + j : j; }
    static float one(u8 byte, u32 half) { return (float)(half ? byte >> 4 : byte & 15); }
};

// A row's share of each of Q scores in this lane.
template <class Kind, u32 Q, bool DISTANCE, class Asked>
void add_levels(const Search &s, u32 row, const Asked &queries, float (&sums)[Q]) {
    const u32 lane = threadIdx.x % 32;
    const u8 *codes = row_of(s, row);
    const float2 side = __ldg((const float2 *)s.scales + row);
    const float low = side.x, step = side.y;
    if (s.whole) {
        const u32 units = (u32)(s.row_bytes / 16);
        for (u32 unit = lane; unit < units; unit += 32) {
            const uint4 held = load_once((const uint4 *)codes + unit);
#pragma unroll
            for (u32 w = 0; w < Kind::fours(); w++) {
                const float4 level = Kind::four(held, w);
                const float4 x = make_float4(fmaf(step, level.x, low), fmaf(step, level.y, low),
                                             fmaf(step, level.z, low), fmaf(step, level.w, low));
                const u32 from = Kind::first(s, unit, w);
#pragma unroll
                for (u32 n = 0; n < Q; n++) {
                    const float4 q = __ldg((const float4 *)(queries.of(n) + from));
                    add<DISTANCE, false>(sums[n], q.x, x.x, 1.0f);
                    add<DISTANCE, false>(sums[n], q.y, x.y, 1.0f);
                    add<DISTANCE, false>(sums[n], q.z, x.z, 1.0f);
                    add<DISTANCE, false>(sums[n], q.w, x.w, 1.0f);
                }
            }
        }
        return;
    }
    for (u32 j = lane; j < s.row_bytes; j += 32) {
        const u8 byte = codes[j];
        for (u32 half = 0; half < Kind::numbers(); half++) {
            const u32 at = Kind::number(s, j, half);
            if (at >= s.dimension)
                continue;
            const float x = fmaf(step, Kind::one(byte, half), low);
#pragma unroll
            for (u32 n = 0; n < Q; n++)
                add<DISTANCE, false>(sums[n], queries.of(n)[at], x, 1.0f);
        }
    }
}

// The score of a row for one of Q queries: of number lane / (32 / Q). All lanes of a warp call it.
template <class Kind, u32 Q, bool DISTANCE, class Asked>
float score_levels(const Search &s, u32 row, const Asked &queries) {
    float sums[Q];
#pragma unroll
    for (u32 n = 0; n < Q; n++)
        sums[n] = 0.0f;
    add_levels<Kind, Q, DISTANCE>(s, row, queries, sums);
    const float sum = share(sums);
    return DISTANCE ? sum : 0.0f - sum;
}

// Where a row's signs lie: in blocks of 64 rows, eight bytes of all and so on, then what is left of each.
struct Signs {
    const u8 *words;
    const u8 *rest;
    u32 count, left;

    Signs(const Search &s, u32 row) {
        const u32 bytes = (u32)s.row_bytes;
        const u8 *block = s.rows + (u64)(row / 64) * 64 * bytes;
        count = bytes / 8;
        left = bytes % 8;
        words = block + row % 64 * 8;
        rest = block + count * 512 + row % 64 * left;
    }
    uint2 word(u32 at) const { return *(const uint2 *)(words + at * 512); }
};

// Bit `at` of `bits` set: q, else -q.
float turned(float q, u32 bits, u32 at) { return __uint_as_float(__float_as_uint(q) ^ (~bits << (31 - at) & 0x80000000u)); }

// Adds numbers of Q queries from `from` on with the signs that bits say, four sums each of every fourth number.
template <u32 Q, u32 FOURS, class Asked>
void add_bits(u32 bits, const Asked &queries, u32 from, float4 (&parts)[Q]) {
#pragma unroll
    for (u32 four = 0; four < FOURS; four++)
#pragma unroll
        for (u32 n = 0; n < Q; n++) {
            const float4 q = __ldg((const float4 *)(queries.of(n) + from) + four);
            parts[n].x += turned(q.x, bits, four * 4);
            parts[n].y += turned(q.y, bits, four * 4 + 1);
            parts[n].z += turned(q.z, bits, four * 4 + 2);
            parts[n].w += turned(q.w, bits, four * 4 + 3);
        }
}

// A row's Q sums of a query's numbers with the row's signs, by one thread.
template <u32 Q, class Asked> void add_signs(const Search &s, u32 row, const Asked &queries, float (&sums)[Q]) {
    const Signs signs(s, row);
    float4 parts[Q];
#pragma unroll
    for (u32 n = 0; n < Q; n++)
        parts[n] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    for (u32 at = 0; at < signs.count; at++) {
        const uint2 word = signs.word(at);
        add_bits<Q, 8>(word.x, queries, at * 64, parts);
        add_bits<Q, 8>(word.y, queries, at * 64 + 32, parts);
    }
    for (u32 at = 0; at < signs.left; at++)
        add_bits<Q, 2>(signs.rest[at], queries, signs.count * 64 + at * 8, parts);
#pragma unroll
    for (u32 n = 0; n < Q; n++)
        sums[n] = (parts[n].x + parts[n].y) + (parts[n].z + parts[n].w);
}

// What a row of signs is worth: its length, and what a sign stands for.
struct Worth {
    float length, sign;

    Worth(const Search &s, u32 row) {
        const float2 side = __ldg((const float2 *)s.scales + row);
        length = side.x;
        sign = F16::widen((u16)__float_as_uint(side.y)) * (side.x / sqrtf((float)s.dimension));
    }
};

// The score that a sum with a row's signs makes. `own` is the query's square.
float score_of_signs(const Search &s, u32 row, float sum, float own) {
    const Worth side(s, row);
    const float product = side.sign * sum;
    return s.distance ? fmaf(-2.0f, product, fmaf(side.length, side.length, own)) : 0.0f - product;
}

// How many signs of a row and of Q queries differ, by one thread.
template <u32 Q, class Asked> void count_signs(const Search &s, u32 row, const Asked &queries, u32 (&counts)[Q]) {
    const Signs signs(s, row);
#pragma unroll
    for (u32 n = 0; n < Q; n++)
        counts[n] = 0;
    for (u32 at = 0; at < signs.count; at++) {
        const uint2 word = signs.word(at);
#pragma unroll
        for (u32 n = 0; n < Q; n++) {
            const uint2 q = __ldg((const uint2 *)queries.of(n) + at);
            counts[n] += __popc(word.x ^ q.x) + __popc(word.y ^ q.y);
        }
    }
    for (u32 at = 0; at < signs.left; at++) {
        const u32 byte = signs.rest[at];
#pragma unroll
        for (u32 n = 0; n < Q; n++)
            counts[n] += __popc(byte ^ ((const u8 *)queries.of(n))[signs.count * 8 + at]);
    }
}

// The score of a row for a query whose numbers are at `query`, told to lane 0 of a warp, all lanes of which call it; and what
// bounds the row, where matrix units look at it first.
template <class Kind> struct OfLevels {
    static float score(const Search &s, u32 row, const Together &query, float) {
        return s.distance ? score_levels<Kind, 1, true>(s, row, query) : score_levels<Kind, 1, false>(s, row, query);
    }
    static float size(const Search &s, u32 row) { return size_of(s, row); }
};
struct OfLevel8 : OfLevels<Level8> {
    static constexpr bool PACKED = true;
};
struct OfLevel4 : OfLevels<Level4> {
    static constexpr bool PACKED = true;
};
struct OfSigns {
    static constexpr bool PACKED = true;
    static float score(const Search &s, u32 row, const Together &query, float own) {
        float sums[1];
        add_signs<1>(s, row, query, sums);
        return score_of_signs(s, row, sums[0], own);
    }
    // Of a distance the length counts that is said, and of the product the one that signs have: the larger does for both.
    static float size(const Search &s, u32 row) {
        const float size = size_of(s, row), length = Worth(s, row).length;
        return s.distance && size < length * length ? length * length : size;
    }
};
struct OfCounts {
    static constexpr bool PACKED = true;
    static float score(const Search &s, u32 row, const Together &query, float) {
        u32 counts[1];
        count_signs<1>(s, row, query, counts);
        return (float)counts[0];
    }
    static float size(const Search &, u32) { return 0.0f; }
};
