// The way there: a warp has twice sixteen queries.

// Warps of the way there, each with twice sixteen rows: what is read of keys and values serves both.
constexpr u32 AHEAD = 4, HIGH = 2, AHEAD_ROWS = AHEAD * HIGH * 16;
constexpr u32 PASSING = 64;

extern "C" __global__ void __launch_bounds__(AHEAD * 32, 2)
    attend(Sizes sizes, const u16 *q, const u16 *k, const u16 *v, u16 *out, float *sums) {
#if TILES
    extern __shared__ __align__(128) char memory[];
    constexpr u32 TILE = PASSING * DEPTH * 2;
    const u32 queries_at = shared_at(memory), keys_at = queries_at + AHEAD_ROWS * DEPTH * 2;
    const u32 warp = threadIdx.x / 32, lane = threadIdx.x % 32, pair = lane % 4;
    // Tiles that see most come first, of all heads: one that began last would be waited for alone.
    const u32 first = (gridDim.y - 1 - blockIdx.y) * AHEAD_ROWS, start = warp * HIGH * 16;
    const u32 head = blockIdx.x, kv_head = head / (sizes.heads / sizes.kv_heads);
    const u64 q_pitch = (u64)sizes.heads * sizes.width, k_pitch = (u64)sizes.kv_heads * sizes.width;
    const u64 q_from = ((u64)blockIdx.z * sizes.queries + first) * q_pitch + head * sizes.width;
    const u64 k_from = (u64)blockIdx.z * sizes.keys * k_pitch + kv_head * sizes.width;
    const u32 last = min(first + AHEAD_ROWS, sizes.queries) - 1;
    const u32 tiles = (seen(sizes, last) + PASSING - 1) / PASSING;

    const auto bring_keys = [&](u32 tile) {
        const u32 key = tile * PASSING, to = keys_at + tile % 2 * 2 * TILE;
        bring<PASSING, AHEAD * 32>(to, k + k_from + key * k_pitch, k_pitch, sizes.keys - key, sizes.width);
        bring<PASSING, AHEAD * 32>(to + TILE, v + k_from + key * k_pitch, k_pitch, sizes.keys - key, sizes.width);
        commit();
    };
    bring<AHEAD_ROWS, AHEAD * 32>(queries_at, q + q_from, q_pitch, sizes.queries - first, sizes.width);
    bring_keys(0);

    float found[HIGH][UNITS][4] = {};
    float most[HIGH][2], total[HIGH][2] = {};
#pragma unroll
    for (u32 high = 0; high < HIGH; high++)
        most[high][0] = most[high][1] = -INFINITE;
    const float scale = sizes.scale * LOG2_E;
    // The first of a lane's queries; the others are eight on each.
    const u32 query = first + start + lane / 4;
    const u32 fewest = seen(sizes, first + start);
    for (u32 tile = 0; tile < tiles; tile++) {
        if (tile + 1 < tiles) {
            bring_keys(tile + 1);
            arrived<1>();
        } else {
            arrived<0>();
        }
        const u32 keys = keys_at + tile % 2 * 2 * TILE, values = keys + TILE, key = tile * PASSING;
        if (key < seen(sizes, first + start + HIGH * 16 - 1)) {
            float scores[HIGH][PASSING / 8][4] = {};
#pragma unroll
            for (u32 step = 0; step < STEPS; step++) {
                u32 mine[HIGH][4];
#pragma unroll
                for (u32 high = 0; high < HIGH; high++)
                    left_of(queries_at, start + high * 16, step, mine[high]);
#pragma unroll
                for (u32 column = 0; column < PASSING / 16; column++) {
                    u32 right[4];
                    right_of(keys, column * 16, step, right);
#pragma unroll
                    for (u32 high = 0; high < HIGH; high++) {
                        multiply(scores[high][2 * column], mine[high], right);
                        multiply(scores[high][2 * column + 1], mine[high], right + 2);
                    }
                }
            }
            const bool rim = key + PASSING > min(fewest, sizes.keys);
#pragma unroll
            for (u32 high = 0; high < HIGH; high++) {
                float(*mine)[4] = scores[high];
                if (rim)
#pragma unroll
                    for (u32 column = 0; column < PASSING / 8; column++)
#pragma unroll
                        for (u32 each = 0; each < 4; each++) {
                            const u32 sees = min(seen(sizes, query + high * 16 + each / 2 * 8), sizes.keys);
                            if (key + column * 8 + pair * 2 + each % 2 >= sees)
                                mine[column][each] = -INFINITE;
                        }
                float peak[2] = {most[high][0], most[high][1]};
#pragma unroll
                for (u32 column = 0; column < PASSING / 8; column++)
#pragma unroll
                    for (u32 each = 0; each < 4; each++)
                        peak[each / 2] = fmaxf(peak[each / 2], mine[column][each]);
                float shrink[2], shift[2];
#pragma unroll
                for (u32 each = 0; each < 2; each++) {
                    peak[each] = fmaxf(peak[each], __shfl_xor_sync(~0u, peak[each], 1));
                    peak[each] = fmaxf(peak[each], __shfl_xor_sync(~0u, peak[each], 2));
                    shift[each] = peak[each] == -INFINITE ? 0.0f : peak[each] * scale;
                    shrink[each] = power(most[high][each] * scale - shift[each]);
                    most[high][each] = peak[each];
                    total[high][each] *= shrink[each];
                }
#pragma unroll
                for (u32 column = 0; column < UNITS; column++)
#pragma unroll
                    for (u32 each = 0; each < 4; each++)
                        found[high][column][each] *= shrink[each / 2];
#pragma unroll
                for (u32 column = 0; column < PASSING / 8; column++)
#pragma unroll
                    for (u32 each = 0; each < 4; each++) {
                        mine[column][each] = power(mine[column][each] * scale - shift[each / 2]);
                        total[high][each / 2] += mine[column][each];
                    }
            }
#pragma unroll
            for (u32 step = 0; step < PASSING / 16; step++) {
                u32 weights[HIGH][4];
#pragma unroll
                for (u32 high = 0; high < HIGH; high++) {
                    const float *one = scores[high][2 * step], *two = scores[high][2 * step + 1];
                    weights[high][0] = pack(one[0], one[1]), weights[high][1] = pack(one[2], one[3]);
                    weights[high][2] = pack(two[0], two[1]), weights[high][3] = pack(two[2], two[3]);
                }
#pragma unroll
                for (u32 column = 0; column < UNITS / 2; column++) {
                    u32 right[4];
                    right_turned(values, step * 16, 2 * column, right);
#pragma unroll
                    for (u32 high = 0; high < HIGH; high++) {
                        multiply(found[high][2 * column], weights[high], right);
                        multiply(found[high][2 * column + 1], weights[high], right + 2);
                    }
                }
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (u32 high = 0; high < HIGH; high++) {
#pragma unroll
        for (u32 each = 0; each < 2; each++) {
            total[high][each] += __shfl_xor_sync(~0u, total[high][each], 1);
            total[high][each] += __shfl_xor_sync(~0u, total[high][each], 2);
            const u32 row = query + high * 16 + each * 8;
            if (pair == 0 && row < sizes.queries)
                sums[((u64)blockIdx.z * sizes.queries + row) * sizes.heads + head] =
                    most[high][each] * sizes.scale + LN_2 * __log2f(total[high][each]);
        }
        const u32 from = start + high * 16;
        write(queries_at, from, found[high], 1.0f / total[high][0], 1.0f / total[high][1], out + q_from + from * q_pitch,
              q_pitch, less(less(sizes.queries, first), from), sizes.width);
    }
#endif
}
