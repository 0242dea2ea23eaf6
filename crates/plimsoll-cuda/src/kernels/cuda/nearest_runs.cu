// Runs of rows, each for up to eight queries from anywhere in the batch: a thread block takes a part of one. There is room for all
// candidates, so each is written where it belongs and nothing is counted.

template <u32 Q> struct Wanted {
    Apart<Q> queries;
    // Of this lane's query.
    u32 place;
    u64 limit;
    float bound;
    bool told;

    // `mine` is the query, of Q, that this lane tells a score of; those behind the last are the last again, and not told.
    Wanted(const Search &s, const Runs &runs, const Item &item, u32 mine, bool leads) {
#pragma unroll
        for (u32 n = 0; n < Q; n++)
            queries.each[n] = s.singles + (u64)runs.wants[item.from + min(n, item.count - 1)].query * s.padded;
        told = leads && mine < item.count;
        const Want want = runs.wants[item.from + min(mine, item.count - 1)];
        place = want.place;
        limit = s.each[want.query].limit;
        bound = s.each[want.query].bound;
    }
    void tell(const Search &s, const Item &item, u32 row, bool live, float score) const {
        const u32 number = item.first + (row - item.begin);
        u64 key = NONE;
        if (live && score <= bound && is_finite(score)) {
            key = key_of(score, number);
            if (key > limit)
                key = NONE;
        }
        s.candidates[place + (row - item.begin)] = key;
    }
};

// The rows of an item that are this thread block's, if there are some: the longest item has a block for each chunk.
struct Part {
    u32 begin, end;

    Part(const Runs &runs, const Item &item) {
        begin = item.begin + blockIdx.y * runs.chunk;
        end = begin + min(runs.chunk, item.end - begin);
    }
    static bool is(const Runs &runs, const Item &item) { return blockIdx.y * runs.chunk < item.end - item.begin; }
};

// Bits of the mask are by numbers.
bool is_live_in(const Search &s, const Item &item, u32 row) {
    return is_live(s, item.first + (row - item.begin) - s.first);
}

template <class Kind, u32 Q, bool DISTANCE, bool WHOLE> void rows_of(const Search &s, const Runs &runs,
                                                                     const Item &item) {
    constexpr u32 SHARE = 32 / (ROWS * Q);
    const u32 lane = threadIdx.x % 32, mine = lane / SHARE;
    const Wanted<Q> wanted(s, runs, item, mine % Q, lane % SHARE == 0);
    const Part part(runs, item);
    for (u64 start = part.begin + threadIdx.x / 32 * ROWS; start < part.end; start += THREADS / 32 * ROWS) {
        const u8 *rows[ROWS];
        float scales[ROWS];
#pragma unroll
        for (u32 r = 0; r < ROWS; r++) {
            const u32 row = min((u32)start + r, item.end - 1);
            rows[r] = row_of(s, row);
            scales[r] = scale_of(s, row);
        }
        const u32 own = (u32)start + mine / Q;
        const float score = score_rows<Kind, ROWS, Q, DISTANCE, WHOLE>(s, rows, scales, wanted.queries);
        if (wanted.told && own < item.end)
            wanted.tell(s, item, own, is_live_in(s, item, own), score);
    }
}

template <class Kind, u32 Q, bool DISTANCE> void levels_of(const Search &s, const Runs &runs, const Item &item) {
    constexpr u32 SHARE = 32 / Q;
    const u32 lane = threadIdx.x % 32;
    const Wanted<Q> wanted(s, runs, item, lane / SHARE, lane % SHARE == 0);
    const Part part(runs, item);
    for (u64 row = part.begin + threadIdx.x / 32; row < part.end; row += THREADS / 32) {
        const float score = score_levels<Kind, Q, DISTANCE>(s, (u32)row, wanted.queries);
        if (wanted.told)
            wanted.tell(s, item, (u32)row, is_live_in(s, item, (u32)row), score);
    }
}

template <u32 Q, bool COUNT> void signs_of(const Search &s, const Runs &runs, const Item &item) {
    Apart<Q> queries;
#pragma unroll
    for (u32 n = 0; n < Q; n++)
        queries.each[n] = s.singles + (u64)runs.wants[item.from + min(n, item.count - 1)].query * s.padded;
    const Part part(runs, item);
    for (u64 at = part.begin + threadIdx.x; at < part.end; at += THREADS) {
        const u32 row = (u32)at;
        const bool live = is_live_in(s, item, row);
        float scores[Q];
        if constexpr (COUNT) {
            u32 counts[Q];
            count_signs<Q>(s, row, queries, counts);
#pragma unroll
            for (u32 n = 0; n < Q; n++)
                scores[n] = (float)counts[n];
        } else {
            add_signs<Q>(s, row, queries, scores);
        }
#pragma unroll
        for (u32 n = 0; n < Q; n++) {
            if (n >= item.count)
                break;
            const Wanted<1> wanted(s, runs, {item.begin, item.end, item.first, item.from + n, 1}, 0, true);
            const float own = s.each[runs.wants[item.from + n].query].own;
            wanted.tell(s, item, row, live, COUNT ? scores[n] : score_of_signs(s, row, scores[n], own));
        }
    }
}

// Each of the queries of an item alone.
template <class Work> void one_by_one(const Item &item, Work work) {
    for (u32 n = 0; n < item.count; n++)
        work(Item{item.begin, item.end, item.first, item.from + n, 1});
}

template <class Kind, bool DISTANCE> void numbers(const Search &s, const Runs &runs, const Item &item) {
    if (!s.whole)
        one_by_one(item, [&](const Item &one) { rows_of<Kind, 1, DISTANCE, false>(s, runs, one); });
    else if (item.count > 4)
        rows_of<Kind, 8, DISTANCE, true>(s, runs, item);
    else if (item.count > 1)
        rows_of<Kind, 4, DISTANCE, true>(s, runs, item);
    else
        rows_of<Kind, 1, DISTANCE, true>(s, runs, item);
}

template <class Kind, bool DISTANCE> void levels(const Search &s, const Runs &runs, const Item &item) {
    if (item.count > 4)
        levels_of<Kind, 8, DISTANCE>(s, runs, item);
    else if (item.count > 1)
        levels_of<Kind, 4, DISTANCE>(s, runs, item);
    else
        levels_of<Kind, 1, DISTANCE>(s, runs, item);
}

template <class Kind> struct Numbers {
    static void look(const Search &s, const Runs &runs, const Item &item) {
        if (s.distance)
            numbers<Kind, true>(s, runs, item);
        else
            numbers<Kind, false>(s, runs, item);
    }
};
template <class Kind> struct Levels {
    static void look(const Search &s, const Runs &runs, const Item &item) {
        if (s.distance)
            levels<Kind, true>(s, runs, item);
        else
            levels<Kind, false>(s, runs, item);
    }
};
template <bool COUNT> struct Bits {
    static void look(const Search &s, const Runs &runs, const Item &item) {
        if (item.count > 1)
            signs_of<8, COUNT>(s, runs, item);
        else
            signs_of<1, COUNT>(s, runs, item);
    }
};

#define RUNS(name, Work)                                                                                             \
    extern "C" __global__ void __launch_bounds__(THREADS, 2) runs_##name(Search s, Runs runs) {                      \
        const Item item = runs.items[blockIdx.x];                                                                    \
        if (Part::is(runs, item))                                                                                    \
            Work::look(s, runs, item);                                                                               \
    }
