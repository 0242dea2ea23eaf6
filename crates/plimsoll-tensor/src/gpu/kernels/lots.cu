// Lots: who takes part in them, and whom they fall on. What is shared with looking for the likeliest is in looks.cuh.

// Who takes part in the lot of a row.
struct Takes {
    float most, least;
    u64 key;

    __device__ __forceinline__ Takes(const Ask &ask, float greatest, const Cut *cut)
        : most(greatest), least(__fadd_rn(greatest, ask.least)), key(ask.what & CUT ? cut->least : 1) {}

    __device__ __forceinline__ double chance(float logit, u32 at, double temperature) const {
        const bool mine = logit >= least && logit > -INFINITE && key_of(logit, at) >= key;
        return mine ? chance_of(logit, most, temperature) : 0.0;
    }
};

// How far each bin goes, as a factor. Whoever lies lower is in no earlier bin.
struct Scale {
    float most, by;

    __device__ __forceinline__ Scale(const uint4 *looks, u32 parts) {
        bool sound;
        most = of_order((u32)(looked(looks, parts, sound) >> 32));
        u32 low = 0;
        for (u32 part = threadIdx.x % 32; part < parts; part += 32)
            low = looks[part].w > low ? looks[part].w : low;
#pragma unroll
        for (u32 step = 16; step > 0; step /= 2) {
            const u32 other = __shfl_xor_sync(~0u, low, step);
            low = other > low ? other : low;
        }
        const float far = fminf(most - of_order(~low), FURTHEST);
        by = far > 0.0f ? (float)BINS / far : 0.0f;
    }

    __device__ __forceinline__ u32 bin(float logit) const {
        const float far = (most - logit) * by;
        return far < (float)(BINS - 1) ? (u32)far : BINS - 1;
    }
};

__device__ __forceinline__ double sum_of_warp(double mine) {
#pragma unroll
    for (u32 step = 16; step > 0; step /= 2)
        mine += __shfl_xor_sync(~0u, mine, step);
    return mine;
}

// Walks along a stretch of a row that is a warp's, and leaves what `each` gives of its logits, added up.
template <class Each>
__device__ __forceinline__ void over_stretch(u32 columns, const float *rows, double *sums, const Each &each) {
    const u32 wide = (columns + STRETCHES - 1) / STRETCHES, stretch = blockIdx.x * 8 + threadIdx.x / 32;
    const u32 from = stretch * wide, to = from + wide < columns ? from + wide : columns;
    const float *row = rows + (u64)blockIdx.y * columns;
    double sum = 0.0;
    // Whole warps come along: some have no logit at the end. Several are on their way at once.
    for (u32 begin = from + threadIdx.x % 32; begin - threadIdx.x % 32 < to; begin += 32 * AT_ONCE) {
        float logits[AT_ONCE];
#pragma unroll
        for (u32 next = 0; next < AT_ONCE; next++)
            logits[next] = begin + 32 * next < to ? row[begin + 32 * next] : -INFINITE;
#pragma unroll
        for (u32 next = 0; next < AT_ONCE; next++)
            sum += each(logits[next], begin + 32 * next);
    }
    sum = sum_of_warp(sum);
    if (threadIdx.x % 32 == 0)
        sums[blockIdx.y * STRETCHES + stretch] = sum;
}

// Chances of all tokens of rows that are cut, by stretches, and about what of it each bin has, by blocks.
extern "C" __global__ void __launch_bounds__(256) masses(u32 columns, u32 parts, const Ask *asks, const float *rows,
                                                        const uint4 *looks, double *sums, float *bins) {
    __shared__ float own[BINS];
    ahead();
    behind();
    if ((asks[blockIdx.y].what & CUT) == 0)
        return;
    for (u32 bin = threadIdx.x; bin < BINS; bin += 256)
        own[bin] = 0.0f;
    __syncthreads();
    const Scale scale(looks + blockIdx.y * parts, parts);
    over_stretch(columns, rows, sums, [&](float logit, u32) {
        if (!(logit > -INFINITE))
            return 0.0;
        const double chance = chance_of(logit, scale.most, 1.0);
        atomicAdd(&own[scale.bin(logit)], (float)chance);
        return chance;
    });
    __syncthreads();
    for (u32 bin = threadIdx.x; bin < BINS; bin += 256)
        bins[(u64)(blockIdx.y * BLOCKS + blockIdx.x) * BINS + bin] = own[bin];
}

// A warp's way along chances until they are more than `share` of their whole, or more than `target` if there is one. Which that is, and
// how much there is before it; where rounding left a crumb, the last that has a chance.
struct Found {
    u32 at;
    double before, whole;
};

__device__ __forceinline__ Found along(const double *chances, u32 count, double share, double target) {
    const u32 lane = threadIdx.x % 32, each = count > 0 ? (count + 31) / 32 : 1;
    const u32 from = lane * each < count ? lane * each : count, to = from + each < count ? from + each : count;
    double mine = 0.0;
    // Lanes begin at places that differ, as they would meet in a bank of the block's memory.
    for (u32 step = 0, turn = lane % each; step < each; step++, turn = turn + 1 < each ? turn + 1 : 0)
        if (lane * each + turn < count)
            mine += chances[lane * each + turn];
    double behind_mine = mine;
#pragma unroll
    for (u32 step = 1; step < 32; step *= 2) {
        const double other = __shfl_up_sync(~0u, behind_mine, step);
        behind_mine += lane >= step ? other : 0.0;
    }
    Found found = {0, 0.0, __shfl_sync(~0u, behind_mine, 31)};
    if (share >= 0.0)
        target = share * found.whole;
    double before = __shfl_up_sync(~0u, behind_mine, 1);
    before = lane == 0 ? 0.0 : before;
    const u32 passed = __ballot_sync(~0u, mine > 0.0 && behind_mine > target), some = __ballot_sync(~0u, mine > 0.0);
    const u32 whose = passed ? __ffs(passed) - 1 : some ? 31 - __clz(some) : 0;
    for (u32 next = from; next < to && lane == whose; next++) {
        if (chances[next] > 0.0) {
            found.at = next, found.before = before;
            if (before + chances[next] > target)
                break;
        }
        before += chances[next];
    }
    found.at = __shfl_sync(~0u, found.at, whose), found.before = __shfl_sync(~0u, found.before, whose);
    return found;
}

// In which bin a row's likeliest tokens come to what is wanted of all chances. Bins were added up in any order, so that may be the one
// beside it: `cut` sees that.
extern "C" __global__ void __launch_bounds__(BINS) bracket(const Ask *asks, const double *sums, const float *bins, Cut *cuts) {
    __shared__ double own[BINS];
    ahead();
    behind();
    const Ask ask = asks[blockIdx.x];
    if ((ask.what & CUT) == 0)
        return;
    double mine = 0.0;
    for (u32 block = 0; block < BLOCKS; block++)
        mine += bins[(u64)(blockIdx.x * BLOCKS + block) * BINS + threadIdx.x];
    own[threadIdx.x] = mine;
    __syncthreads();
    if (threadIdx.x >= 32)
        return;
    const double wanted = along(sums + blockIdx.x * STRETCHES, STRETCHES, 0.0, 0.0).whole * ask.top_p;
    const Found found = along(own, BINS, -1.0, wanted);
    if (threadIdx.x == 0)
        cuts[blockIdx.x] = {found.at, 0, 0, 0, wanted, ~(u64)0};
}

// Chances of all tokens in bins before that one, by stretches, and the keys of all in it, in any order.
extern "C" __global__ void __launch_bounds__(256) above(u32 columns, u32 parts, const Ask *asks, const float *rows,
                                                       const uint4 *looks, double *sums, Cut *cuts, u64 *in_bin) {
    ahead();
    behind();
    if ((asks[blockIdx.y].what & CUT) == 0)
        return;
    const Scale scale(looks + blockIdx.y * parts, parts);
    Cut &cut = cuts[blockIdx.y];
    in_bin += (u64)blockIdx.y * IN_BIN;
    const u32 lane = threadIdx.x % 32, its = cut.bin;
    over_stretch(columns, rows, sums, [&](float logit, u32 at) {
        const bool some = logit > -INFINITE;
        const u32 bin = scale.bin(logit), all = __ballot_sync(~0u, some && bin == its);
        if (all != 0) {
            u32 from = lane == 0 ? atomicAdd(&cut.count, __popc(all)) : 0;
            from = __shfl_sync(~0u, from, 0) + __popc(all & ((1u << lane) - 1));
            if (some && bin == its && from < IN_BIN)
                in_bin[from] = key_of(logit, at);
        }
        return some && bin < its ? chance_of(logit, scale.most, 1.0) : 0.0;
    });
}

// The key of the last token that is needed for what is wanted of all chances: those of the bin are put in order, and looked at one behind
// the other.
extern "C" __global__ void __launch_bounds__(1024) cut(u32 parts, const Ask *asks, const uint4 *looks, const double *sums,
                                                      const u64 *in_bin, Cut *cuts) {
    __shared__ u64 keys[IN_BIN];
    __shared__ double before[32];
    __shared__ double left;
    __shared__ u32 last;
    constexpr u32 EACH = IN_BIN / 1024;
    ahead();
    behind();
    if ((asks[blockIdx.x].what & CUT) == 0)
        return;
    Cut &mine = cuts[blockIdx.x];
    const u32 count = mine.count, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    bool sound;
    const float most = of_order((u32)(looked(looks + blockIdx.x * parts, parts, sound) >> 32));
    if (warp == 0) {
        const double above = along(sums + blockIdx.x * STRETCHES, STRETCHES, 0.0, 0.0).whole;
        if (lane == 0)
            left = mine.wanted - above, last = IN_BIN;
    }
    u32 size = 2;
    while (size < count && size < IN_BIN)
        size *= 2;
    for (u32 at = threadIdx.x; at < size; at += 1024)
        keys[at] = at < count && at < IN_BIN ? in_bin[(u64)blockIdx.x * IN_BIN + at] : 0;
    __syncthreads();
    // The greatest first.
    for (u32 run = 2; run <= size; run *= 2)
        for (u32 step = run / 2; step > 0; step /= 2) {
            for (u32 pair = threadIdx.x; pair < size / 2; pair += 1024) {
                const u32 one = pair / step * 2 * step + pair % step, other = one + step;
                const u64 first = keys[one], second = keys[other];
                if ((first < second) == ((one & run) == 0))
                    keys[one] = second, keys[other] = first;
            }
            __syncthreads();
        }
    double chances[EACH], all = 0.0;
#pragma unroll
    for (u32 each = 0; each < EACH; each++) {
        const u32 at = threadIdx.x * EACH + each;
        chances[each] = at < size && keys[at] != 0 ? chance_of(of_order((u32)(keys[at] >> 32)), most, 1.0) : 0.0;
        all += chances[each];
    }
    double to_here = all;
#pragma unroll
    for (u32 step = 1; step < 32; step *= 2) {
        const double other = __shfl_up_sync(~0u, to_here, step);
        to_here += lane >= step ? other : 0.0;
    }
    if (lane == 31)
        before[warp] = to_here;
    __syncthreads();
    double sum = to_here - all;
    for (u32 other = 0; other < warp; other++)
        sum += before[other];
#pragma unroll
    for (u32 each = 0; each < EACH; each++) {
        sum += chances[each];
        if (chances[each] > 0.0 && sum >= left) {
            atomicMin(&last, threadIdx.x * EACH + each);
            break;
        }
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        mine.missed = count > IN_BIN || left <= 0.0 || last == IN_BIN;
        mine.least = last < IN_BIN ? keys[last] : 1;
    }
}

// Chances in the lot of a row at its temperature, by stretches.
extern "C" __global__ void __launch_bounds__(256) stretches(u32 columns, u32 parts, const Ask *asks, const float *rows,
                                                           const uint4 *looks, const Cut *cuts, double *sums) {
    ahead();
    behind();
    const Ask ask = asks[blockIdx.y];
    if ((ask.what & LOT) == 0 || ask.what & FEW)
        return;
    bool sound;
    const float most = of_order((u32)(looked(looks + blockIdx.y * parts, parts, sound) >> 32));
    const Takes takes(ask, most, cuts + blockIdx.y);
    over_stretch(columns, rows, sums, [&](float logit, u32 at) { return takes.chance(logit, at, ask.temperature); });
}

// The token at which a block's lot falls among the `few` likeliest of a row, whose keys stand in order: none if rounding left a crumb.
// `chances` has room for twice as many as there may be.
__device__ __forceinline__ u32 among(const Ask &ask, float most, const u64 *keys, u32 few, double *chances) {
    __shared__ u32 fallen;
    double *in_lot = chances + MOST;
    const u32 mine = threadIdx.x;
    const float logit = mine < few ? of_order((u32)(keys[mine] >> 32)) : 0.0f;
    if (mine == 0)
        fallen = ~0u;
    if (mine < few)
        chances[mine] = chance_of(logit, most, 1.0);
    __syncthreads();
    if (mine < few) {
        double before = 0.0, whole = 0.0;
        for (u32 other = 0; other < few; other++) {
            before = other == mine ? whole : before;
            whole += chances[other];
        }
        // Those before it must not be enough.
        const bool takes = (ask.top_p >= 1.0 || before < whole * ask.top_p) && logit >= __fadd_rn(most, ask.least);
        in_lot[mine] = takes ? chance_of(logit, most, ask.temperature) : 0.0;
    }
    __syncthreads();
    if (mine < few && in_lot[mine] > 0.0) {
        // Keys have tokens the other way round. The lot goes along tokens in their order.
        const u32 token = ~(u32)keys[mine];
        double before = 0.0, whole = 0.0;
        for (u32 other = 0; other < few; other++) {
            before += ~(u32)keys[other] < token ? in_lot[other] : 0.0;
            whole += in_lot[other];
        }
        if (before + in_lot[mine] > ask.share * whole)
            atomicMin(&fallen, token);
    }
    __syncthreads();
    return fallen;
}

// All that is told of a row, by a block: its likeliest token, and the one that is drawn by lot. The likeliest few are put together from
// those of the row's parts.
extern "C" __global__ void __launch_bounds__(1024) draw(u32 columns, u32 parts, u32 keep, const Ask *asks,
                                                       const float *rows, const uint4 *looks, const Cut *cuts,
                                                       const u64 *of_parts, const double *sums, Told *out) {
    __shared__ u64 chosen[2 * MOST], ordered[MOST];
    __shared__ double chances[STRETCH];
    __shared__ Found stretch;
    __shared__ u32 count;
    ahead();
    behind();
    const u32 row = blockIdx.x;
    const Ask ask = asks[row];
    rows += (u64)row * columns, looks += row * parts, sums += row * STRETCHES;
    bool sound;
    const u64 likeliest = looked(looks, parts, sound);
    const float most = of_order((u32)(likeliest >> 32));
    Told told = {sound, ~(u32)likeliest, ~(u32)likeliest, 0};
    if (ask.what & FEW && keep > 0) {
        if (threadIdx.x == 0)
            count = 0;
        u64 keys[HELD];
        const u32 all = parts * 2 * keep, held = (all + blockDim.x - 1) / blockDim.x;
        of_parts += (u64)row * all;
#pragma unroll
        for (u32 each = 0; each < HELD; each++) {
            const u32 at = each * blockDim.x + threadIdx.x;
            keys[each] = at < all ? of_parts[at] : 0;
        }
        const u64 least = least_of(keys, held, keep);
        gather(keys, held, least, count, chosen);
        __syncthreads();
        // Each one's place is how many are greater; several lanes look for that.
        const u32 lanes = blockDim.x / (2 * keep), mine = threadIdx.x / lanes;
        const u64 key = mine < count ? chosen[mine] : 0;
        u32 place = 0;
        for (u32 other = threadIdx.x % lanes; other < count; other += lanes)
            place += chosen[other] > key;
        for (u32 step = lanes / 2; step > 0; step /= 2)
            place += __shfl_xor_sync(~0u, place, step);
        if (threadIdx.x % lanes == 0 && key != 0 && place < keep)
            ordered[place] = key;
        __syncthreads();
        const u32 some = count < keep ? count : keep;
        const u32 fallen = among(ask, most, ordered, ask.top_k < some ? ask.top_k : some, chances);
        told.lot = fallen == ~0u ? told.lot : fallen;
    } else if (ask.what & LOT) {
        if (threadIdx.x < 32) {
            const Found found = along(sums, STRETCHES, ask.share, 0.0);
            if (threadIdx.x == 0)
                stretch = found;
        }
        __syncthreads();
        const Takes takes(ask, most, cuts + row);
        const u32 each = (columns + STRETCHES - 1) / STRETCHES, from = stretch.at * each;
        const u32 tokens = from + each < columns ? each : from < columns ? columns - from : 0;
        for (u32 at = threadIdx.x; at < tokens; at += blockDim.x)
            chances[at] = takes.chance(rows[from + at], from + at, ask.temperature);
        __syncthreads();
        if (threadIdx.x < 32) {
            const Found found = along(chances, tokens, -1.0, ask.share * stretch.whole - stretch.before);
            told.lot = found.whole > 0.0 ? from + found.at : told.lot;
            told.missed = ask.what & CUT ? cuts[row].missed : 0;
        }
    }
    if (threadIdx.x == 0)
        out[row] = told;
}
