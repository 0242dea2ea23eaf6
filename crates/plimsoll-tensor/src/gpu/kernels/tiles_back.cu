// The way back where units multiply what is in registers: a warp has sixteen rows.
//
// On the way back queries' and keys' gradients are found by two kernels, each of which computes the weights again. That is
// two products of seven more than one kernel would need, and in return nothing is added up by atomics: the outcome is the
// same every time, and no memory is needed but a number for each row.

// Warps of the way back, and how many rows pass at a time.
constexpr u32 BACK = 4, BACK_ROWS = BACK * 16;
constexpr u32 PART = DEPTH == 64 ? 64 : 32;

// Gradients of queries. Beside them, for each row, what its weights are to be lessened by, which keys need too.
extern "C" __global__ void __launch_bounds__(BACK * 32, DEPTH == 64 ? 3 : 2)
    attend_queries(Sizes sizes, const u16 *q, const u16 *k, const u16 *v, const u16 *out, const u16 *dout,
                   const float *sums, float *levels, u16 *dq) {
#if TILES
    extern __shared__ __align__(128) char memory[];
    constexpr u32 ROWS = BACK_ROWS, TILE = PART * DEPTH * 2;
    const u32 queries_at = shared_at(memory), backs_at = queries_at + ROWS * DEPTH * 2;
    const u32 keys_at = backs_at + ROWS * DEPTH * 2;
    const u32 warp = threadIdx.x / 32, lane = threadIdx.x % 32, pair = lane % 4;
    const u32 first = (gridDim.y - 1 - blockIdx.y) * ROWS, head = blockIdx.x, kv_head = head / (sizes.heads / sizes.kv_heads);
    const u64 q_pitch = (u64)sizes.heads * sizes.width, k_pitch = (u64)sizes.kv_heads * sizes.width;
    const u64 q_from = ((u64)blockIdx.z * sizes.queries + first) * q_pitch + head * sizes.width;
    const u64 k_from = (u64)blockIdx.z * sizes.keys * k_pitch + kv_head * sizes.width;
    const u32 last = min(first + ROWS, sizes.queries) - 1;
    const u32 tiles = (seen(sizes, last) + PART - 1) / PART;

    const auto bring_keys = [&](u32 tile) {
        const u32 key = tile * PART, to = keys_at + tile % 2 * 2 * TILE;
        bring<PART, BACK * 32>(to, k + k_from + key * k_pitch, k_pitch, sizes.keys - key, sizes.width);
        bring<PART, BACK * 32>(to + TILE, v + k_from + key * k_pitch, k_pitch, sizes.keys - key, sizes.width);
        commit();
    };
    // Outcomes pass through where keys will lie.
    bring<ROWS, BACK * 32>(queries_at, q + q_from, q_pitch, sizes.queries - first, sizes.width);
    bring<ROWS, BACK * 32>(backs_at, dout + q_from, q_pitch, sizes.queries - first, sizes.width);
    bring<ROWS, BACK * 32>(keys_at, out + q_from, q_pitch, sizes.queries - first, sizes.width);
    commit();
    arrived<0>();
    const u32 query = first + warp * 16 + lane / 4;
    float level[2] = {}, sum[2];
#pragma unroll
    for (u32 each = 0; each < 2; each++) {
        const u32 row = warp * 16 + lane / 4 + each * 8;
#pragma unroll
        for (u32 column = pair; column < UNITS; column += 4) {
            uint4 one, two;
            asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                         : "=r"(one.x), "=r"(one.y), "=r"(one.z), "=r"(one.w)
                         : "r"(unit(backs_at, row, column)));
            asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                         : "=r"(two.x), "=r"(two.y), "=r"(two.z), "=r"(two.w)
                         : "r"(unit(keys_at, row, column)));
            float a[8], b[8];
            widen(KIND_OF, one, a);
            widen(KIND_OF, two, b);
#pragma unroll
            for (u32 at = 0; at < 8; at++)
                level[each] += a[at] * b[at];
        }
        level[each] += __shfl_xor_sync(~0u, level[each], 1);
        level[each] += __shfl_xor_sync(~0u, level[each], 2);
        const u64 at = ((u64)blockIdx.z * sizes.queries + query + each * 8) * sizes.heads + head;
        const bool there = query + each * 8 < sizes.queries;
        sum[each] = there ? sums[at] * LOG2_E : INFINITE;
        if (there && pair == 0)
            levels[at] = level[each];
    }
    __syncthreads();
    bring_keys(0);
    u32 mine[STEPS][4], back[STEPS][4];
    float found[UNITS][4] = {};
    const float scale = sizes.scale * LOG2_E;
    const u32 fewest = seen(sizes, first + warp * 16);
    if (DEPTH == 64)
#pragma unroll
        for (u32 step = 0; step < STEPS; step++) {
            left_of(queries_at, warp * 16, step, mine[step]);
            left_of(backs_at, warp * 16, step, back[step]);
        }
    for (u32 tile = 0; tile < tiles; tile++) {
        if (tile + 1 < tiles) {
            bring_keys(tile + 1);
            arrived<1>();
        } else {
            arrived<0>();
        }
        const u32 keys = keys_at + tile % 2 * 2 * TILE, values = keys + TILE, key = tile * PART;
        if (key < seen(sizes, first + warp * 16 + 15)) {
            float scores[PART / 8][4] = {}, slopes[PART / 8][4] = {};
#pragma unroll
            for (u32 step = 0; step < STEPS; step++) {
                const u32 held = DEPTH == 64 ? step : 0;
                if (DEPTH != 64) {
                    left_of(queries_at, warp * 16, step, mine[0]);
                    left_of(backs_at, warp * 16, step, back[0]);
                }
#pragma unroll
                for (u32 column = 0; column < PART / 16; column++) {
                    u32 right[4];
                    right_of(keys, column * 16, step, right);
                    multiply(scores[2 * column], mine[held], right);
                    multiply(scores[2 * column + 1], mine[held], right + 2);
                    right_of(values, column * 16, step, right);
                    multiply(slopes[2 * column], back[held], right);
                    multiply(slopes[2 * column + 1], back[held], right + 2);
                }
            }
            const bool rim = key + PART > min(fewest, sizes.keys);
#pragma unroll
            for (u32 column = 0; column < PART / 8; column++)
#pragma unroll
                for (u32 each = 0; each < 4; each++) {
                    float weight = power(scores[column][each] * scale - sum[each / 2]);
                    if (rim && key + column * 8 + pair * 2 + each % 2 >= min(seen(sizes, query + each / 2 * 8), sizes.keys))
                        weight = 0.0f;
                    slopes[column][each] = weight * (slopes[column][each] - level[each / 2]);
                }
#pragma unroll
            for (u32 step = 0; step < PART / 16; step++) {
                const float *one = slopes[2 * step], *two = slopes[2 * step + 1];
                const u32 left[4] = {pack(one[0], one[1]), pack(one[2], one[3]), pack(two[0], two[1]),
                                     pack(two[2], two[3])};
#pragma unroll
                for (u32 column = 0; column < UNITS / 2; column++) {
                    u32 right[4];
                    right_turned(keys, step * 16, 2 * column, right);
                    multiply(found[2 * column], left, right);
                    multiply(found[2 * column + 1], left, right + 2);
                }
            }
        }
        __syncthreads();
    }
    const u32 start = warp * 16;
    write(queries_at, start, found, sizes.scale, sizes.scale, dq + q_from + start * q_pitch, q_pitch,
          less(less(sizes.queries, first), start), sizes.width);
#endif
}

// Two teams of warps share a tile of keys, each with every other tile of queries: the keys that most queries see are what
// all wait for, and so take half as long.
constexpr u32 TEAMS = 2;

// Waits for the warps of a team.
__device__ __forceinline__ void together_in(u32 team) { asm volatile("bar.sync %0, %1;" ::"r"(team + 1), "n"(BACK * 32) : "memory"); }
template <u32 LEFT> __device__ __forceinline__ void arrived_for(u32 team) {
    asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
    together_in(team);
}

// Gradients of keys and values: a tile of them stays, and queries of all heads that share them pass.
extern "C" __global__ void __launch_bounds__(TEAMS * BACK * 32, 1)
    attend_keys(Sizes sizes, u32 batch, const u16 *q, const u16 *k, const u16 *v, const u16 *dout,
                const float *sums, const float *levels, u16 *dk, u16 *dv) {
#if TILES
    extern __shared__ __align__(128) char memory[];
    constexpr u32 ROWS = BACK_ROWS, TILE = PART * DEPTH * 2;
    const u32 keys_at = shared_at(memory), values_at = keys_at + ROWS * DEPTH * 2;
    const u32 team = threadIdx.x / (BACK * 32), member = threadIdx.x % (BACK * 32);
    const u32 passing_at = values_at + ROWS * DEPTH * 2 + team * 4 * TILE;
    float *rows = (float *)(memory + 2 * ROWS * DEPTH * 2 + TEAMS * 4 * TILE) + team * 4 * PART;
    const u32 warp = member / 32, lane = threadIdx.x % 32, pair = lane % 4;
    // Tiles that are seen by most come first.
    const u32 sharing = sizes.kv_heads * batch, kv_head = blockIdx.x % sharing % sizes.kv_heads;
    const u32 of = blockIdx.x % sharing / sizes.kv_heads;
    const u32 first = blockIdx.x / sharing * ROWS;
    const u32 group = sizes.heads / sizes.kv_heads;
    const u64 q_pitch = (u64)sizes.heads * sizes.width, k_pitch = (u64)sizes.kv_heads * sizes.width;
    const u64 k_from = ((u64)of * sizes.keys + first) * k_pitch + kv_head * sizes.width;
    const u32 before = sizes.keys - sizes.queries;
    const u32 begin = sizes.causal ? less(first, before) / PART : 0;
    const u32 each_head = (sizes.queries + PART - 1) / PART - min(begin, (sizes.queries + PART - 1) / PART);
    const u32 turns = each_head * group;

    const auto bring_queries = [&](u32 turn) {
        const u32 head = kv_head * group + turn / each_head, query = (begin + turn % each_head) * PART;
        const u32 to = passing_at + turn / TEAMS % 2 * 2 * TILE, many = sizes.queries - query;
        const u64 from = ((u64)of * sizes.queries + query) * q_pitch + head * sizes.width;
        bring_by<PART, BACK * 32>(member, to, q + from, q_pitch, many, sizes.width);
        bring_by<PART, BACK * 32>(member, to + TILE, dout + from, q_pitch, many, sizes.width);
        if (member < PART) {
            const u64 at = ((u64)of * sizes.queries + query + member) * sizes.heads + head;
            const bool there = member < many;
            float *row = rows + turn / TEAMS % 2 * 2 * PART;
            row[member] = there ? sums[at] * LOG2_E : INFINITE;
            row[PART + member] = there ? levels[at] : 0.0f;
        }
        commit();
    };
    bring<ROWS, TEAMS * BACK * 32>(keys_at, k + k_from, k_pitch, sizes.keys - first, sizes.width);
    bring<ROWS, TEAMS * BACK * 32>(values_at, v + k_from, k_pitch, sizes.keys - first, sizes.width);
    commit();
    arrived<0>();
    if (team < turns)
        bring_queries(team);
    u32 mine[STEPS][4], value[STEPS][4];
    float by_key[UNITS][4] = {}, by_value[UNITS][4] = {};
    const float scale = sizes.scale * LOG2_E;
    const u32 key = first + warp * 16 + lane / 4;
    for (u32 turn = team; turn < turns; turn += TEAMS) {
        if (turn + TEAMS < turns) {
            bring_queries(turn + TEAMS);
            arrived_for<1>(team);
        } else {
            arrived_for<0>(team);
        }
        if (DEPTH == 64 && turn == team)
#pragma unroll
            for (u32 step = 0; step < STEPS; step++) {
                left_of(keys_at, warp * 16, step, mine[step]);
                left_of(values_at, warp * 16, step, value[step]);
            }
        const u32 queries = passing_at + turn / TEAMS % 2 * 2 * TILE, backs = queries + TILE;
        const float *row = rows + turn / TEAMS % 2 * 2 * PART;
        const u32 query = (begin + turn % each_head) * PART;
        float weights[PART / 8][4] = {}, slopes[PART / 8][4] = {};
#pragma unroll
        for (u32 step = 0; step < STEPS; step++) {
            const u32 held = DEPTH == 64 ? step : 0;
            if (DEPTH != 64) {
                left_of(keys_at, warp * 16, step, mine[0]);
                left_of(values_at, warp * 16, step, value[0]);
            }
#pragma unroll
            for (u32 column = 0; column < PART / 16; column++) {
                u32 right[4];
                right_of(queries, column * 16, step, right);
                multiply(weights[2 * column], mine[held], right);
                multiply(weights[2 * column + 1], mine[held], right + 2);
                right_of(backs, column * 16, step, right);
                multiply(slopes[2 * column], value[held], right);
                multiply(slopes[2 * column + 1], value[held], right + 2);
            }
        }
        // Only where a query does not see the last of the warp's keys is there a rim.
        const bool rim = sizes.causal && first + warp * 16 + 15 >= seen(sizes, query);
#pragma unroll
        for (u32 column = 0; column < PART / 8; column++)
#pragma unroll
            for (u32 each = 0; each < 4; each++) {
                const u32 at = column * 8 + pair * 2 + each % 2;
                float weight = power(weights[column][each] * scale - row[at]);
                if (rim && key + each / 2 * 8 >= seen(sizes, query + at))
                    weight = 0.0f;
                weights[column][each] = weight;
                slopes[column][each] = weight * (slopes[column][each] - row[PART + at]);
            }
#pragma unroll
        for (u32 step = 0; step < PART / 16; step++) {
            const float *one = weights[2 * step], *two = weights[2 * step + 1];
            const u32 by_weight[4] = {pack(one[0], one[1]), pack(one[2], one[3]), pack(two[0], two[1]), pack(two[2], two[3])};
            const float *three = slopes[2 * step], *four = slopes[2 * step + 1];
            const u32 by_slope[4] = {pack(three[0], three[1]), pack(three[2], three[3]), pack(four[0], four[1]),
                                     pack(four[2], four[3])};
#pragma unroll
            for (u32 column = 0; column < UNITS / 2; column++) {
                u32 right[4];
                right_turned(backs, step * 16, 2 * column, right);
                multiply(by_value[2 * column], by_weight, right);
                multiply(by_value[2 * column + 1], by_weight, right + 2);
                right_turned(queries, step * 16, 2 * column, right);
                multiply(by_key[2 * column], by_slope, right);
                multiply(by_key[2 * column + 1], by_slope, right + 2);
            }
        }
        together_in(team);
    }
    // The second team's sums go to the first by way of what tiles were in, always in the same order.
    __syncthreads();
    float *given = (float *)(memory + 2 * ROWS * DEPTH * 2) + member;
    if (team == 1)
#pragma unroll
        for (u32 at = 0; at < UNITS * 4; at++) {
            given[at * BACK * 32] = by_key[at / 4][at % 4];
            given[(UNITS * 4 + at) * BACK * 32] = by_value[at / 4][at % 4];
        }
    __syncthreads();
    if (team == 1)
        return;
#pragma unroll
    for (u32 at = 0; at < UNITS * 4; at++) {
        by_key[at / 4][at % 4] += given[at * BACK * 32];
        by_value[at / 4][at % 4] += given[(UNITS * 4 + at) * BACK * 32];
    }
    const u32 start = warp * 16, many = less(less(sizes.keys, first), start);
    write(keys_at, start, by_key, sizes.scale, sizes.scale, dk + k_from + start * k_pitch, k_pitch, many, sizes.width);
    write(values_at, start, by_value, 1.0f, 1.0f, dv + k_from + start * k_pitch, k_pitch, many, sizes.width);
#endif
}
