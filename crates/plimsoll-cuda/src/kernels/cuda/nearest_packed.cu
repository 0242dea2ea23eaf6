// Rows of few bits a number, for few queries at a time: levels by a warp a row, signs by a thread a row.

// Takes a score among the candidates of a query, if it is near enough.
void offer(const Search &s, u32 query, u32 at, u32 row, float score, u64 limit, float bound) {
    u64 key = NONE;
    if (score <= bound && is_finite(score)) {
        key = key_of(score, s.first + row);
        if (key > limit)
            key = NONE;
    }
    put(s, query, at, key);
}

template <class Kind, u32 Q, bool DISTANCE> void scan_levels(const Search &s) {
    constexpr u32 SHARE = 32 / Q;
    const u32 lane = threadIdx.x % 32;
    const u32 warp = blockIdx.x * (THREADS / 32) + threadIdx.x / 32;
    const u32 warps = gridDim.x * (THREADS / 32);
    const u32 looked = looked_at(s);
    const u32 group = s.from + blockIdx.y * Q;
    const u32 query = group + lane / SHARE;
    const bool told = lane % SHARE == 0 && query < s.queries_count;
    const u64 limit = told ? s.each[query].limit : 0;
    const float bound = told ? s.each[query].bound : 0.0f;
    const Together queries = together_of(s, group);
    for (u64 at = warp; at < looked; at += warps) {
        const u32 row = row_at(s, (u32)at);
        const bool live = is_live(s, row);
        // Not a number is near nothing.
        float score = __uint_as_float(0x7fc00000u);
        if (live)
            score = score_levels<Kind, Q, DISTANCE>(s, row, queries);
        if (told)
            offer(s, query, (u32)at, row, score, limit, bound);
    }
}

template <class Kind, u32 Q> void measured(const Search &s) {
    if (s.distance)
        scan_levels<Kind, Q, true>(s);
    else
        scan_levels<Kind, Q, false>(s);
}

// COUNT: how many signs differ; else the estimate of distance or product.
template <u32 Q, bool COUNT> void scan_signs(const Search &s) {
    const u32 looked = looked_at(s);
    const u32 group = s.from + blockIdx.y * Q;
    const Together queries = together_of(s, group);
    for (u64 at = blockIdx.x * THREADS + threadIdx.x; at < looked; at += gridDim.x * THREADS) {
        const u32 row = row_at(s, (u32)at);
        const bool live = is_live(s, row);
        float scores[Q];
        if (live && COUNT) {
            u32 counts[Q];
            count_signs<Q>(s, row, queries, counts);
#pragma unroll
            for (u32 n = 0; n < Q; n++)
                scores[n] = (float)counts[n];
        } else if (live) {
            add_signs<Q>(s, row, queries, scores);
        }
#pragma unroll
        for (u32 n = 0; n < Q; n++) {
            const u32 query = group + n;
            if (query >= s.queries_count)
                break;
            const Query known = s.each[query];
            float score = __uint_as_float(0x7fc00000u);
            if (live)
                score = COUNT ? scores[n] : score_of_signs(s, row, scores[n], known.own);
            offer(s, query, (u32)at, row, score, known.limit, known.bound);
        }
    }
}

#define PACKED(name, scan)                                                                                           \
    extern "C" __global__ void __launch_bounds__(THREADS) packed_##name(Search s) { scan(s); }

PACKED(level8_1, (measured<Level8, 1>))
PACKED(level8_8, (measured<Level8, 8>))
PACKED(level4_1, (measured<Level4, 1>))
PACKED(level4_8, (measured<Level4, 8>))
PACKED(sign_1, (scan_signs<1, false>))
PACKED(sign_8, (scan_signs<8, false>))
PACKED(count_1, (scan_signs<1, true>))
PACKED(count_8, (scan_signs<8, true>))
