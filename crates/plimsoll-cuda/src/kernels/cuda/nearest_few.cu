// Few queries: rows go by once, as fast as memory brings them, and are compared with all queries of a warp.

// A warp's lanes end with one score each, of ROWS rows and Q queries; what is within the bound becomes a candidate.
template <class Kind, u32 Q, bool DISTANCE, bool WHOLE> void scan(const Search &s) {
    constexpr u32 SHARE = 32 / (ROWS * Q);
    const u32 lane = threadIdx.x % 32;
    const u32 warp = blockIdx.x * (THREADS / 32) + threadIdx.x / 32;
    const u32 warps = gridDim.x * (THREADS / 32);
    const u32 looked = looked_at(s);
    const u32 mine = lane / SHARE;
    const u32 group = s.from + blockIdx.y * Q;
    const u32 query = group + mine % Q;
    const bool told = lane % SHARE == 0 && query < s.queries_count;
    const u64 limit = told ? s.each[query].limit : 0;
    const float bound = told ? s.each[query].bound : 0.0f;
    const Together queries = together_of(s, group);

    for (u64 start = (u64)warp * ROWS; start < looked; start += (u64)warps * ROWS) {
        const u8 *rows[ROWS];
        float scales[ROWS];
        u32 live = 0;
        u32 own = 0;
#pragma unroll
        for (u32 r = 0; r < ROWS; r++) {
            const u32 at = (u32)start + r;
            const u32 row = row_at(s, min(at, looked - 1));
            rows[r] = row_of(s, row);
            scales[r] = scale_of(s, row);
            if (at < looked && is_live(s, row))
                live |= 1u << r;
            if (mine / Q == r)
                own = row;
        }
        const u32 at = (u32)start + mine / Q;
        u64 key = NONE;
        if (live) {
            const float score = score_rows<Kind, ROWS, Q, DISTANCE, WHOLE>(s, rows, scales, queries);
            if ((live >> mine / Q & 1) && score <= bound && is_finite(score)) {
                key = key_of(score, s.first + own);
                if (key > limit)
                    key = NONE;
            }
        }
        if (told && at < looked)
            put(s, query, at, key);
    }
}

template <class Kind, u32 Q, bool WHOLE> void measured(const Search &s) {
    if (s.distance)
        scan<Kind, Q, true, WHOLE>(s);
    else
        scan<Kind, Q, false, WHOLE>(s);
}

#define FEW(name, Kind)                                                                                              \
    extern "C" __global__ void __launch_bounds__(THREADS) few_##name##_1(Search s) { measured<Kind, 1, true>(s); }   \
    extern "C" __global__ void __launch_bounds__(THREADS) few_##name##_4(Search s) { measured<Kind, 4, true>(s); }   \
    extern "C" __global__ void __launch_bounds__(THREADS) few_##name##_8(Search s) { measured<Kind, 8, true>(s); }   \
    extern "C" __global__ void __launch_bounds__(THREADS) few_##name##_odd(Search s) { measured<Kind, 1, false>(s); }
