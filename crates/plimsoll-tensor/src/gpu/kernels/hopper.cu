// The way back on Hopper, whose units read tiles where they lie in shared memory, and go on while four warps, a group of 64
// rows, do something else. Two kernels as elsewhere, for the same reason: nothing is added up by atomics.
//
// Weights and slopes are left sides in registers, where the product before left them; all else is read from tiles. The copies write
// tiles by one way and the units read them by another, so whoever copied says that it did before the others are let on.

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

constexpr u32 GROUP = 128, GROUPS = 2, PART = 64, TILE = PART * DEPTH * 2, WIDTHS = DEPTH / 64;

#define ROW_OF(d, n) "+f"(d[n][0]), "+f"(d[n][1]), "+f"(d[n][2]), "+f"(d[n][3])
#define SUMS_OF(d)                                                                                                   \
    ROW_OF(d, 0), ROW_OF(d, 1), ROW_OF(d, 2), ROW_OF(d, 3), ROW_OF(d, 4), ROW_OF(d, 5), ROW_OF(d, 6), ROW_OF(d, 7)
#define SUMS                                                                                                         \
    "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "                                         \
    "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}"
#define SHAPE "wgmma.mma_async.sync.aligned.m64n64k16.f32." KIND "." KIND " "

// How a tile lies from some unit on: eight rows of 128 bytes in one piece, the next eight behind all panels of these.
__device__ __forceinline__ u64 matrix(u32 at) {
    return (u64)((at & 0x3ffff) >> 4) | 64ull << 16 | (u64)DEPTH << 32 | 1ull << 62;
}

// Sixteen numbers of a tile's rows, from row `row` on.
__device__ __forceinline__ u64 along(u32 tile, u32 row, u32 step) {
    return matrix(tile + row * (DEPTH * 2) + step / 4 * 1024 + step % 4 * 32);
}

// Sixteen rows of a tile, 64 of their numbers.
__device__ __forceinline__ u64 across(u32 tile, u32 step, u32 panel) {
    return matrix(tile + step * (DEPTH * 32) + panel * 1024);
}

// 64 rows by 64 columns: `d` and what comes of `left` and `right`, or only that where there is nothing before.
__device__ __forceinline__ void product(float (*d)[4], u64 left, u64 right, u32 before) {
    asm volatile("{ .reg .pred more; setp.ne.b32 more, %34, 0; " SHAPE SUMS ", %32, %33, more, 1, 1, 0, 0; }"
                 : SUMS_OF(d)
                 : "l"(left), "l"(right), "r"(before));
}

// The same, added, where the left side is in registers and the right side's rows are to be rows.
__device__ __forceinline__ void product_turned(float (*d)[4], const u32 *left, u64 right) {
    asm volatile("{ .reg .pred more; setp.eq.b32 more, 0, 0; " SHAPE SUMS
                 ", {%32, %33, %34, %35}, %36, more, 1, 1, 1; }"
                 : SUMS_OF(d)
                 : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "l"(right));
}

__device__ __forceinline__ void begin_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void end_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
// Waits until all products but the last so many are done; `d` is not looked at before.
template <u32 LEFT> __device__ __forceinline__ void done(float (*d)[4]) {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(LEFT) : "memory");
    asm volatile("" : SUMS_OF(d)::"memory");
}

// All that this thread began to bring is there, and units may read it once whoever waits for it has met this thread.
__device__ __forceinline__ void brought() {
    asm volatile("cp.async.wait_all;" ::: "memory");
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

__device__ __forceinline__ void together_in(u32 group) {
    asm volatile("bar.sync %0, %1;" ::"r"(group + 1), "n"(GROUP) : "memory");
}

// Scores of 64 rows that stay, from `row` on, with all of a tile that passes.
__device__ __forceinline__ void score(float (*d)[4], u32 stays, u32 row, u32 passing) {
#pragma unroll
    for (u32 step = 0; step < STEPS; step++)
        product(d, along(stays, row, step), along(passing, 0, step), step);
    end_products();
}

// Scores as the left side of a product.
__device__ __forceinline__ void packed(const float (*d)[4], u32 (*left)[4]) {
#pragma unroll
    for (u32 step = 0; step < PART / 16; step++) {
        const float *one = d[2 * step], *two = d[2 * step + 1];
        left[step][0] = pack(one[0], one[1]), left[step][1] = pack(one[2], one[3]);
        left[step][2] = pack(two[0], two[1]), left[step][3] = pack(two[2], two[3]);
    }
}

// Adds what comes of a left side and a tile's rows.
__device__ __forceinline__ void add(float (*sums)[4], const u32 (*left)[4], u32 tile) {
#pragma unroll
    for (u32 step = 0; step < PART / 16; step++)
#pragma unroll
        for (u32 panel = 0; panel < WIDTHS; panel++)
            product_turned(sums + 8 * panel, left[step], across(tile, step, panel));
}

__device__ __forceinline__ uint4 read(u32 at) {
    uint4 bits;
    asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(bits.x), "=r"(bits.y), "=r"(bits.z), "=r"(bits.w)
                 : "r"(at));
    return bits;
}

// The sum of products of a row of two tiles, of which a lane takes every fourth unit.
__device__ __forceinline__ float level_of(u32 one, u32 other, u32 row) {
    float sum = 0.0f;
#pragma unroll
    for (u32 column = threadIdx.x % 4; column < UNITS; column += 4) {
        float a[8], b[8];
        widen(KIND_OF, read(unit(one, row, column)), a);
        widen(KIND_OF, read(unit(other, row, column)), b);
#pragma unroll
        for (u32 at = 0; at < 8; at++)
            sum += a[at] * b[at];
    }
    sum += __shfl_xor_sync(~0u, sum, 1);
    return sum + __shfl_xor_sync(~0u, sum, 2);
}

// Gradients of queries: two groups, each with 64 of a block's, share the keys that pass.
extern "C" __global__ void __launch_bounds__(GROUPS * GROUP, DEPTH == 64 ? 2 : 1)
    attend_queries(Sizes sizes, const u16 *q, const u16 *k, const u16 *v, const u16 *out, const u16 *dout,
                   const float *sums, float *levels, u16 *dq) {
    extern __shared__ __align__(1024) char memory[];
    constexpr u32 ROWS = GROUPS * 64, THREADS = GROUPS * GROUP;
    const u32 queries_at = shared_at(memory), backs_at = queries_at + ROWS * DEPTH * 2;
    const u32 keys_at = backs_at + ROWS * DEPTH * 2;
    const u32 group = threadIdx.x / GROUP, lane = threadIdx.x % 32, pair = lane % 4;
    const u32 start = group * 64 + threadIdx.x % GROUP / 32 * 16;
    const u32 first = (gridDim.y - 1 - blockIdx.y) * ROWS, head = blockIdx.x, kv_head = head / (sizes.heads / sizes.kv_heads);
    const u64 q_pitch = (u64)sizes.heads * sizes.width, k_pitch = (u64)sizes.kv_heads * sizes.width;
    const u64 q_from = ((u64)blockIdx.z * sizes.queries + first) * q_pitch + head * sizes.width;
    const u64 k_from = (u64)blockIdx.z * sizes.keys * k_pitch + kv_head * sizes.width;
    const u32 last = min(first + ROWS, sizes.queries) - 1;
    const u32 tiles = (seen(sizes, last) + PART - 1) / PART;

    const auto bring_keys = [&](u32 tile) {
        const u32 key = tile * PART, to = keys_at + tile % 2 * 2 * TILE;
        bring<PART, THREADS>(to, k + k_from + key * k_pitch, k_pitch, sizes.keys - key, sizes.width);
        bring<PART, THREADS>(to + TILE, v + k_from + key * k_pitch, k_pitch, sizes.keys - key, sizes.width);
    };
    // Outcomes pass through where keys will lie.
    bring<ROWS, THREADS>(queries_at, q + q_from, q_pitch, sizes.queries - first, sizes.width);
    bring<ROWS, THREADS>(backs_at, dout + q_from, q_pitch, sizes.queries - first, sizes.width);
    bring<ROWS, THREADS>(keys_at, out + q_from, q_pitch, sizes.queries - first, sizes.width);
    brought();
    __syncthreads();
    const u32 query = first + start + lane / 4;
    float level[2], sum[2];
#pragma unroll
    for (u32 each = 0; each < 2; each++) {
        level[each] = level_of(backs_at, keys_at, start + lane / 4 + each * 8);
        const u64 at = ((u64)blockIdx.z * sizes.queries + query + each * 8) * sizes.heads + head;
        const bool there = query + each * 8 < sizes.queries;
        sum[each] = there ? sums[at] * LOG2_E : INFINITE;
        if (there && pair == 0)
            levels[at] = level[each];
    }
    __syncthreads();
    bring_keys(0);

    float found[UNITS][4] = {};
    const float scale = sizes.scale * LOG2_E;
    const u32 fewest = seen(sizes, first + start);
    for (u32 tile = 0; tile < tiles; tile++) {
        // Who has come here has done with the tile before, into whose place the next one goes.
        brought();
        __syncthreads();
        if (tile + 1 < tiles)
            bring_keys(tile + 1);
        const u32 keys = keys_at + tile % 2 * 2 * TILE, values = keys + TILE, key = tile * PART;
        if (key >= seen(sizes, first + group * 64 + 63))
            continue;
        float scores[PART / 8][4], slopes[PART / 8][4];
        begin_products();
        score(scores, queries_at, group * 64, keys);
        score(slopes, backs_at, group * 64, values);
        done<1>(scores);
        const bool rim = key + PART > min(fewest, sizes.keys);
#pragma unroll
        for (u32 column = 0; column < PART / 8; column++)
#pragma unroll
            for (u32 each = 0; each < 4; each++) {
                float weight = power(scores[column][each] * scale - sum[each / 2]);
                if (rim && key + column * 8 + pair * 2 + each % 2 >= min(seen(sizes, query + each / 2 * 8), sizes.keys))
                    weight = 0.0f;
                scores[column][each] = weight;
            }
        done<0>(slopes);
#pragma unroll
        for (u32 column = 0; column < PART / 8; column++)
#pragma unroll
            for (u32 each = 0; each < 4; each++)
                slopes[column][each] = scores[column][each] * (slopes[column][each] - level[each / 2]);
        u32 left[PART / 16][4];
        packed(slopes, left);
        begin_products();
        add(found, left, keys);
        end_products();
#pragma unroll
        for (u32 panel = 0; panel < WIDTHS; panel++)
            done<0>(found + 8 * panel);
    }
    together_in(group);
    write(queries_at, start, found, sizes.scale, sizes.scale, dq + q_from + start * q_pitch, q_pitch,
          less(less(sizes.queries, first), start), sizes.width);
}

// Gradients of keys and values: 64 of them stay, and queries of all heads that share them pass. Two groups share a tile of
// keys, each with every other tile of queries: the keys that most queries see are what all wait for, and so take half as long.
extern "C" __global__ void __launch_bounds__(GROUPS * GROUP, 1)
    attend_keys(Sizes sizes, u32 batch, const u16 *q, const u16 *k, const u16 *v, const u16 *dout,
                const float *sums, const float *levels, u16 *dk, u16 *dv) {
    extern __shared__ __align__(1024) char memory[];
    constexpr u32 ROWS = 64;
    const u32 keys_at = shared_at(memory), values_at = keys_at + ROWS * DEPTH * 2;
    const u32 group = threadIdx.x / GROUP, member = threadIdx.x % GROUP;
    const u32 passing_at = values_at + ROWS * DEPTH * 2 + group * 4 * TILE;
    float *rows = (float *)(memory + 2 * ROWS * DEPTH * 2 + GROUPS * 4 * TILE) + group * 4 * PART;
    const u32 start = member / 32 * 16, lane = threadIdx.x % 32, pair = lane % 4;
    // Tiles that are seen by most come first.
    const u32 sharing = sizes.kv_heads * batch, kv_head = blockIdx.x % sharing % sizes.kv_heads;
    const u32 of = blockIdx.x % sharing / sizes.kv_heads;
    const u32 first = blockIdx.x / sharing * ROWS;
    const u32 heads = sizes.heads / sizes.kv_heads;
    const u64 q_pitch = (u64)sizes.heads * sizes.width, k_pitch = (u64)sizes.kv_heads * sizes.width;
    const u64 k_from = ((u64)of * sizes.keys + first) * k_pitch + kv_head * sizes.width;
    const u32 before = sizes.keys - sizes.queries;
    const u32 begin = sizes.causal ? less(first, before) / PART : 0;
    const u32 each_head = less((sizes.queries + PART - 1) / PART, begin);
    const u32 turns = each_head * heads;

    const auto bring_queries = [&](u32 turn) {
        const u32 head = kv_head * heads + turn / each_head, query = (begin + turn % each_head) * PART;
        const u32 to = passing_at + turn / GROUPS % 2 * 2 * TILE, many = sizes.queries - query;
        const u64 from = ((u64)of * sizes.queries + query) * q_pitch + head * sizes.width;
        bring_by<PART, GROUP>(member, to, q + from, q_pitch, many, sizes.width);
        bring_by<PART, GROUP>(member, to + TILE, dout + from, q_pitch, many, sizes.width);
        // A sum and a level for each row; of rows that are not there zeros, whose weights meet no gradient.
        const u32 row = member % PART;
        const u64 at = row < many ? ((u64)of * sizes.queries + query + row) * sizes.heads + head : 0;
        asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_at(
                         rows + turn / GROUPS % 2 * 2 * PART + member)),
                     "l"((member < PART ? sums : levels) + at), "r"(row < many ? 4 : 0)
                     : "memory");
    };
    bring<ROWS, GROUPS * GROUP>(keys_at, k + k_from, k_pitch, sizes.keys - first, sizes.width);
    bring<ROWS, GROUPS * GROUP>(values_at, v + k_from, k_pitch, sizes.keys - first, sizes.width);
    if (group < turns)
        bring_queries(group);
    brought();
    __syncthreads();

    float by_key[UNITS][4] = {}, by_value[UNITS][4] = {};
    const float scale = sizes.scale * LOG2_E;
    const u32 key = first + start + lane / 4;
    for (u32 turn = group; turn < turns; turn += GROUPS) {
        brought();
        together_in(group);
        if (turn + GROUPS < turns)
            bring_queries(turn + GROUPS);
        const u32 queries = passing_at + turn / GROUPS % 2 * 2 * TILE, backs = queries + TILE;
        const float *row = rows + turn / GROUPS % 2 * 2 * PART;
        const u32 query = (begin + turn % each_head) * PART;
        float weights[PART / 8][4], slopes[PART / 8][4];
        begin_products();
        score(weights, keys_at, 0, queries);
        score(slopes, values_at, 0, backs);
        done<1>(weights);
        // Only where a query does not see the last of the warp's keys is there a rim.
        const bool rim = sizes.causal && first + start + 15 >= seen(sizes, query);
#pragma unroll
        for (u32 column = 0; column < PART / 8; column++)
#pragma unroll
            for (u32 each = 0; each < 4; each++) {
                const u32 at = column * 8 + pair * 2 + each % 2;
                float weight = power(weights[column][each] * scale - row[at] * LOG2_E);
                if (rim && key + each / 2 * 8 >= seen(sizes, query + at))
                    weight = 0.0f;
                weights[column][each] = weight;
            }
        u32 by_weight[PART / 16][4], by_slope[PART / 16][4];
        done<0>(slopes);
#pragma unroll
        for (u32 column = 0; column < PART / 8; column++)
#pragma unroll
            for (u32 each = 0; each < 4; each++) {
                const u32 at = column * 8 + pair * 2 + each % 2;
                slopes[column][each] = weights[column][each] * (slopes[column][each] - row[PART + at]);
            }
        packed(weights, by_weight);
        packed(slopes, by_slope);
        begin_products();
        add(by_value, by_weight, backs);
        add(by_key, by_slope, queries);
        end_products();
#pragma unroll
        for (u32 panel = 0; panel < WIDTHS; panel++) {
            done<0>(by_value + 8 * panel);
            done<0>(by_key + 8 * panel);
        }
    }
    // The second group's sums go to the first by way of what tiles were in, always in the same order.
    __syncthreads();
    float *given = (float *)(memory + 2 * ROWS * DEPTH * 2) + member;
    if (group == 1)
#pragma unroll
        for (u32 at = 0; at < UNITS * 4; at++) {
            given[at * GROUP] = by_key[at / 4][at % 4];
            given[(UNITS * 4 + at) * GROUP] = by_value[at / 4][at % 4];
        }
    __syncthreads();
    if (group == 1)
        return;
#pragma unroll
    for (u32 at = 0; at < UNITS * 4; at++) {
        by_key[at / 4][at % 4] += given[at * GROUP];
        by_value[at / 4][at % 4] += given[(UNITS * 4 + at) * GROUP];
    }
    const u32 many = less(less(sizes.keys, first), start);
    write(keys_at, start, by_key, sizes.scale, sizes.scale, dk + k_from + start * k_pitch, k_pitch, many, sizes.width);
    write(values_at, start, by_value, 1.0f, 1.0f, dv + k_from + start * k_pitch, k_pitch, many, sizes.width);
}

#else

// Made for another GPU these have no meaning, and are not launched.
extern "C" __global__ void attend_queries() { asm volatile("trap;"); }
extern "C" __global__ void attend_keys() { asm volatile("trap;"); }

#endif
