// Runs that many queries look at: products of the matrix units first, of rows one after the other and up to 128 queries from anywhere
// in the batch. There is room for a bound of each row and query; `merge_bounded` scores what may be near as all rows are scored.

#if __CUDA_ARCH__ >= 800

// The queries of an item, and where candidates of each go. Those behind the last are the last again, and not told.
struct OfItem {
    const Want *wants;
    u32 count;
    OfItem(const Runs &runs, const Item &item) : wants(runs.wants + item.from), count(item.count) {}
    u32 number(u32 n) const { return wants[min(n, count - 1)].query; }
    bool has(u32 n) const { return n < count; }
    void take(const Search &s, u32 n, u32 at, u64 key) const { s.candidates[(u64)wants[n].place + at] = key; }
};

// Brings tiles of a run and its queries into the block's memory, as `Fetch` does those of all rows.
template <class Tensor> struct FetchRun {
    static constexpr u32 WIDE = 128;
    static constexpr u32 ROWS_BYTES = TILE * DEEP;
    static constexpr u32 PART_BYTES = WIDE * DEEP;
    static constexpr u32 STAGE = ROWS_BYTES + PART_BYTES;
    static constexpr u32 STEP = THREADS / UNITS;
    static constexpr u32 HELD = TILE / STEP;
    u32 memory, steps;
    u32 units, unit, line, looked;
    u32 tile, last, step, stage;
    // Of each of this thread's lines of queries: which, and whether there is one.
    u32 queries[HELD];
    u32 queries_there;

    FetchRun(const Search &s, const OfItem &asked, u32 from, u32 to) {
        memory = (u32)__cvta_generic_to_shared(stages);
        units = (u32)(s.coded_bytes / 16);
        steps = (units + UNITS - 1) / UNITS;
        looked = looked_at(s);
        unit = threadIdx.x % UNITS;
        line = threadIdx.x / UNITS;
        tile = from;
        last = to;
        step = stage = queries_there = 0;
#pragma unroll
        for (u32 n = 0; n < HELD; n++) {
            queries[n] = asked.number(line + n * STEP);
            queries_there |= (asked.has(line + n * STEP) ? 1u : 0u) << n;
        }
    }
    void next(const Search &s) {
        if (tile < last) {
            const u32 to = memory + stage * STAGE;
            const bool within = step * UNITS + unit < units;
            const u32 offset = step * DEEP + unit * 16;
#pragma unroll
            for (u32 n = 0; n < HELD; n++) {
                const u32 at = tile * TILE + line + n * STEP;
                const bool is = within && at < looked;
                bring(to + place(line + n * STEP, unit), is ? row_of(s, s.begin + at) + offset : s.rows, is);
            }
#pragma unroll
            for (u32 n = 0; n < HELD; n++) {
                const bool is = within && (queries_there >> n & 1);
                bring(to + ROWS_BYTES + place(line + n * STEP, unit),
                      is ? s.coded + queries[n] * s.coded_bytes + offset : s.rows, is);
            }
            if (++step == steps) {
                step = 0;
                tile++;
            }
        }
        stage = stage + 1 == Tensor::COUNT ? 0 : stage + 1;
        asm volatile("cp.async.commit_group;");
    }
};

// A thread block takes tiles of one item.
template <class Tensor> void many_of_run(Search s, const Runs &runs, const Item &item) {
    // Every row has its place; rows are counted from the first of the run on.
    s.begin = item.begin;
    s.end = item.end;
    s.stride = 0;
    s.direct = 1;
    const u32 tiles = (item.end - item.begin + TILE - 1) / TILE, some = runs.chunk / TILE;
    // Long items are many blocks' work; the host has as many as are needed.
    const u32 first = blockIdx.y * some, last = min(first + some, tiles);
    if (first >= tiles)
        return;
    const OfItem asked(runs, item);
    FetchRun<Tensor> fetch(s, asked, first, last);
#pragma unroll
    for (u32 n = 0; n < Tensor::COUNT - 1; n++)
        fetch.next(s);
    u32 stage = 0;
    for (u32 tile = first; tile < last; tile++) {
        if (tile != first)
            together<THREADS>(0);
        tile_of<Tensor, 4>(s, fetch, stage, tile * TILE, asked);
    }
    asm volatile("cp.async.wait_all;");
}

#define RUNS_MANY(name, Tensor)                                                                                      \
    extern "C" __global__ void __launch_bounds__(THREADS, 2) runs_many_##name(Search s, Runs runs) {                 \
        many_of_run<Tensor>(s, runs, runs.items[blockIdx.x]);                                                        \
    }

#else

// The host does not launch these on a GPU that is older.
#define RUNS_MANY(name, Tensor) extern "C" __global__ void runs_many_##name(Search, Runs) {}

#endif
