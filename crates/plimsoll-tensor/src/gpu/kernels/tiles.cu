// Attention of 16-bit numbers by matrix units, a tile of scores at a time: no matrix of all queries by all keys is ever
// there. Heads are multiples of eight up to DEPTH, filled up with zeros.
//
// A warp has sixteen rows of what stays, or twice as many, and goes over tiles of what passes, which come two at a time: one is computed with
// while the other arrives. Rows lie in shared memory in units of 16 bytes whose places are turned by the row's number, so
// that eight rows' units of one column are in different banks. Scores stay in registers: what a product leaves there is how
// the next wants its left side.
//
// On the way back queries' and keys' gradients are found by two kernels, each of which computes the weights again. That is
// two products of seven more than one kernel would need, and in return nothing is added up by atomics: the outcome is the
// same every time, and no memory is needed but a number for each row.

// DEPTH and the kind of numbers are put before this text: `HALF` or not.

#if __CUDA_ARCH__ >= 800
#define TILES 1
#else
#define TILES 0
#endif

#ifdef HALF
#define KIND "f16"
constexpr u32 KIND_OF = F16;
#else
#define KIND "bf16"
constexpr u32 KIND_OF = BF16;
#endif

constexpr u32 UNITS = DEPTH / 8, STEPS = DEPTH / 16;
constexpr float LOG2_E = 1.44269504f, LN_2 = 0.69314718f;

__device__ __forceinline__ u32 pack(float low, float high) {
    u32 bits;
#ifdef HALF
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
#else
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
#endif
    return bits;
}

__device__ __forceinline__ float power(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

__device__ __forceinline__ u32 shared_at(const void *p) { return (u32)__cvta_generic_to_shared(p); }

// Where a unit of a row lies in a tile.
__device__ __forceinline__ u32 unit(u32 tile, u32 row, u32 column) {
    return tile + row * (DEPTH * 2) + ((column ^ (row & 7)) << 4);
}

__device__ __forceinline__ void four(u32 at, u32 *into) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(into[0]), "=r"(into[1]), "=r"(into[2]), "=r"(into[3])
                 : "r"(at));
}

__device__ __forceinline__ void four_turned(u32 at, u32 *into) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(into[0]), "=r"(into[1]), "=r"(into[2]), "=r"(into[3])
                 : "r"(at));
}

__device__ __forceinline__ void multiply(float *sums, const u32 *left, const u32 *right) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." KIND "." KIND ".f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
                 "{%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "r"(right[0]), "r"(right[1]));
}

// The left side of a product: sixteen rows of a tile, sixteen of their numbers.
__device__ __forceinline__ void left_of(u32 tile, u32 row, u32 step, u32 *into) {
    const u32 lane = threadIdx.x % 32;
    four(unit(tile, row + lane % 16, 2 * step + lane / 16), into);
}

// The right side, of sixteen rows of a tile that are to be its columns.
__device__ __forceinline__ void right_of(u32 tile, u32 row, u32 step, u32 *into) {
    const u32 lane = threadIdx.x % 32;
    four(unit(tile, row + lane % 8 + lane / 16 * 8, 2 * step + lane / 8 % 2), into);
}

// The right side, of sixteen rows that are its rows, and sixteen of their numbers from `column` units on.
__device__ __forceinline__ void right_turned(u32 tile, u32 row, u32 column, u32 *into) {
    const u32 lane = threadIdx.x % 32;
    four_turned(unit(tile, row + lane % 16, column + lane / 16), into);
}

// Begins to bring rows of heads into a tile; rows and units that are not there become zeros.
template <u32 ROWS, u32 THREADS>
__device__ __forceinline__ void bring_by(u32 thread, u32 tile, const u16 *from, u64 pitch, u32 rows, u32 width) {
#pragma unroll
    for (u32 at = thread; at < ROWS * UNITS; at += THREADS) {
        const u32 row = at / UNITS, column = at % UNITS;
        const bool there = row < rows && column * 8 < width;
        const u16 *source = there ? from + row * pitch + column * 8 : from;
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(unit(tile, row, column)), "l"(source),
                     "r"(there ? 16 : 0));
    }
}

template <u32 ROWS, u32 THREADS>
__device__ __forceinline__ void bring(u32 tile, const u16 *from, u64 pitch, u32 rows, u32 width) {
    bring_by<ROWS, THREADS>(threadIdx.x, tile, from, pitch, rows, width);
}

__device__ __forceinline__ void commit() { asm volatile("cp.async.commit_group;"); }
template <u32 LEFT> __device__ __forceinline__ void arrived() {
    asm volatile("cp.async.wait_group %0;" ::"n"(LEFT));
    __syncthreads();
}

// Writes sixteen rows that a warp has by way of its rows of a tile, so that whole units go out.
__device__ __forceinline__ void write(u32 tile, u32 row, const float (*sums)[4], float low, float high, u16 *to, u64 pitch,
                                      u32 rows, u32 width) {
    const u32 lane = threadIdx.x % 32, group = lane / 4, pair = lane % 4;
    __syncwarp();
#pragma unroll
    for (u32 column = 0; column < UNITS; column++) {
        const float *own = sums[column];
        asm volatile("st.shared.u32 [%0], %1;" ::"r"(unit(tile, row + group, column) + pair * 4),
                     "r"(pack(own[0] * low, own[1] * low)));
        asm volatile("st.shared.u32 [%0], %1;" ::"r"(unit(tile, row + group + 8, column) + pair * 4),
                     "r"(pack(own[2] * high, own[3] * high)));
    }
    __syncwarp();
#pragma unroll
    for (u32 at = lane; at < 16 * UNITS; at += 32) {
        const u32 line = at / UNITS, column = at % UNITS;
        if (line >= rows || column * 8 >= width)
            continue;
        uint4 bits;
        asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                     : "=r"(bits.x), "=r"(bits.y), "=r"(bits.z), "=r"(bits.w)
                     : "r"(unit(tile, row + line, column)));
        *(uint4 *)(to + line * pitch + column * 8) = bits;
    }
}

__device__ __forceinline__ u32 less(u32 from, u32 by) { return from > by ? from - by : 0; }

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
