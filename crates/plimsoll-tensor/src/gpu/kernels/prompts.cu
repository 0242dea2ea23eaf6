// Attention of prompts over pages of 16-bit numbers, by matrix units.
//
// A block has 64 rows: heads of queries that share a head of keys, of some neighbouring tokens; a warp has sixteen of them. Keys and
// values come 32 at a time by the copy engine, the next ones while these are looked at. Scores, chances and means stay in registers:
// what one instruction gives lies as the next one takes it. Compiled for each kind of numbers (HALF) and width of heads (DEPTH).

constexpr u32 KEYS = 32, PITCH = DEPTH + 8, STEPS = DEPTH / 16, TILES = DEPTH / 8, TALL = 16;

__device__ __forceinline__ u32 two(float low, float high) {
#ifdef HALF
    return narrow(F16, low, high);
#else
    return narrow(BF16, low, high);
#endif
}

// Sixteen rows by sixteen, times sixteen by eight, added to what is there.
__device__ __forceinline__ void add_product(float (&sums)[4], const u32 (&rows)[4], u32 one, u32 other) {
#if __CUDA_ARCH__ >= 800
#ifdef HALF
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
#else
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
#endif
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(rows[0]), "r"(rows[1]), "r"(rows[2]), "r"(rows[3]), "r"(one), "r"(other));
#endif
}

// Four times eight rows of eight numbers, as they lie or turned.
template <bool TURNED> __device__ __forceinline__ void eights(const u16 *at, u32 (&out)[4]) {
#if __CUDA_ARCH__ >= 800
    const u32 place = (u32)__cvta_generic_to_shared(at);
    if (TURNED)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                     : "r"(place)
                     : "memory");
    else
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                     : "r"(place)
                     : "memory");
#endif
}

// Keys or values of 32 tokens; nothing comes for who is not there.
__device__ __forceinline__ void bring(const Heads &of, char *const *pages, u32 head, u32 begin, u32 to, u32 place, u16 *into) {
    for (u32 at = threadIdx.x; at < KEYS * TILES; at += blockDim.x) {
        const u32 row = at / TILES, column = at % TILES * 8;
        u16 *there = into + row * PITCH + column;
        if (begin + row >= to) {
            *(uint4 *)there = make_uint4(0, 0, 0, 0);
            continue;
        }
        const char *from = lies(of, pages, head, begin + row, place, DEPTH) + column * 2;
#if __CUDA_ARCH__ >= 800
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"((u32)__cvta_generic_to_shared(there)), "l"(from)
                     : "memory");
#endif
    }
}

template <u32 LEFT> __device__ __forceinline__ void arrived() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
#endif
}

__device__ __forceinline__ void together_so_far() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Sixteen queries as the instruction takes them, times what scores are multiplied by.
__device__ __forceinline__ void queries_of(const float *const (&rows)[2], float sharpness, u32 (&out)[STEPS][4]) {
    const u32 wide = threadIdx.x % 4;
#pragma unroll
    for (u32 step = 0; step < STEPS; step++)
#pragma unroll
        for (u32 part = 0; part < 4; part++) {
            const float *row = rows[part % 2];
            const u32 column = step * 16 + part / 2 * 8 + wide * 2;
            const float2 both = row ? *(const float2 *)(row + column) : make_float2(0.0f, 0.0f);
            out[step][part] = two(both.x * sharpness, both.y * sharpness);
        }
}

// Scores of 32 keys, and what becomes of the running means: each lane has two rows and of each eight columns two.
struct Running {
    float most[2], sum[2], means[TILES][4];

    __device__ __forceinline__ void scores(const u32 (&queries)[STEPS][4], const u16 *keys, float (&out)[4][4]) const {
        const u32 lane = threadIdx.x % 32;
#pragma unroll
        for (u32 tile = 0; tile < 4; tile++)
#pragma unroll
            for (u32 step = 0; step < STEPS; step += 2) {
                u32 found[4];
                eights<false>(keys + (tile * 8 + lane % 8) * PITCH + step * 16 + lane / 8 * 8, found);
                add_product(out[tile], queries[step], found[0], found[1]);
                add_product(out[tile], queries[step + 1], found[2], found[3]);
            }
    }

    // Scores become weights.
    __device__ __forceinline__ void weigh(float (&scores)[4][4], u32 begin, const u32 (&last)[2]) {
        const u32 wide = threadIdx.x % 4;
#pragma unroll
        for (u32 side = 0; side < 2; side++) {
            float greatest = most[side];
#pragma unroll
            for (u32 tile = 0; tile < 4; tile++)
#pragma unroll
                for (u32 one = 0; one < 2; one++) {
                    float &score = scores[tile][side * 2 + one];
                    score = begin + tile * 8 + wide * 2 + one <= last[side] ? score : -INFINITE;
                    greatest = fmaxf(greatest, score);
                }
            greatest = fmaxf(greatest, __shfl_xor_sync(~0u, greatest, 1));
            greatest = fmaxf(greatest, __shfl_xor_sync(~0u, greatest, 2));
            // Nothing seen yet: nothing to be scaled, and no weight.
            const float base = greatest == -INFINITE ? 0.0f : greatest;
            const float down = exp2f(most[side] - base);
            most[side] = greatest, sum[side] *= down;
#pragma unroll
            for (u32 tile = 0; tile < 4; tile++)
#pragma unroll
                for (u32 one = 0; one < 2; one++) {
                    float &score = scores[tile][side * 2 + one];
                    score = exp2f(score - base), sum[side] += score;
                }
#pragma unroll
            for (u32 tile = 0; tile < TILES; tile++)
                means[tile][side * 2] *= down, means[tile][side * 2 + 1] *= down;
        }
    }

    __device__ __forceinline__ void add(const float (&weights)[4][4], const u16 *values) {
        const u32 lane = threadIdx.x % 32;
#pragma unroll
        for (u32 half = 0; half < 2; half++) {
            const float(&one)[4] = weights[half * 2], (&other)[4] = weights[half * 2 + 1];
            const u32 rows[4] = {two(one[0], one[1]), two(one[2], one[3]), two(other[0], other[1]), two(other[2], other[3])};
#pragma unroll
            for (u32 tile = 0; tile < TILES; tile += 2) {
                u32 found[4];
                eights<true>(values + (half * 16 + lane % 16) * PITCH + (tile + lane / 16) * 8, found);
                add_product(means[tile], rows, found[0], found[1]);
                add_product(means[tile + 1], rows, found[2], found[3]);
            }
        }
    }
};

extern "C" __global__ void __launch_bounds__(128) attend_prompt(Heads of, const Share *shares, const Token *tokens,
                                                                char *const *pages, const float *queries, float *out) {
    __shared__ __align__(16) u16 keys[2][KEYS * PITCH], values[2][KEYS * PITCH];
    ahead();
    behind();
    const Share share = shares[blockIdx.x];
    const u32 head = blockIdx.y, group = of.heads / of.kv_heads, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    // What a lane's two rows are.
    const float *rows[2];
    float *outs[2];
    u32 last[2];
#pragma unroll
    for (u32 side = 0; side < 2; side++) {
        const u32 row = warp * TALL + lane / 4 + side * 8, token = share.token + row / group;
        const bool there = row < share.count * group;
        const u64 from = ((u64)token * of.heads + head * group + row % group) * DEPTH;
        rows[side] = there ? queries + from : nullptr;
        outs[side] = there ? out + from : nullptr;
        last[side] = there ? tokens[token].position : 0;
    }
    u32 mine[STEPS][4];
    // Chances are powers of two here.
    queries_of(rows, rsqrtf((float)DEPTH) * 1.44269504f, mine);
    Running running = {};
    running.most[0] = running.most[1] = -INFINITE;
    char *const *table = pages + share.table;
    auto bring_both = [&](u32 begin, u32 stage) {
        bring(of, table, head, begin, share.to, of.keys_at, keys[stage]);
        bring(of, table, head, begin, share.to, of.values_at, values[stage]);
        together_so_far();
    };
    bring_both(share.from, 0);
    u32 stage = 0;
    for (u32 begin = share.from; begin < share.to; begin += KEYS, stage ^= 1) {
        if (begin + KEYS < share.to) {
            bring_both(begin + KEYS, stage ^ 1);
            arrived<1>();
        } else {
            arrived<0>();
        }
        __syncthreads();
        float scores[4][4] = {};
        running.scores(mine, keys[stage], scores);
        running.weigh(scores, begin, last);
        running.add(scores, values[stage]);
        __syncthreads();
    }
#pragma unroll
    for (u32 side = 0; side < 2; side++) {
        float all = running.sum[side];
        all += __shfl_xor_sync(~0u, all, 1);
        all += __shfl_xor_sync(~0u, all, 2);
        if (!outs[side])
            continue;
        const float whole = 1.0f / all;
#pragma unroll
        for (u32 tile = 0; tile < TILES; tile++)
            *(float2 *)(outs[side] + tile * 8 + lane % 4 * 2) =
                make_float2(running.means[tile][side * 2] * whole, running.means[tile][side * 2 + 1] * whole);
    }
}
