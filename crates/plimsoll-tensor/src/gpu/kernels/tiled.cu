// Products of some inputs with quantized weights, by matrix units: weights are read once for up to 32 inputs.
//
// A block has sixteen rows of weights, and its warps share the columns. Of 128 columns at a time a warp reads what is packed,
// lays the levels out in memory of its own, and multiplies 32 columns by eight inputs in an instruction: whole numbers, which
// one scale of the weights and one of the inputs make singles. Inputs lie as the instruction takes them (`laid_at`).

constexpr u32 TALL = 16, TEAM = 8, PITCH = CHUNK + 16, OWN = TALL * PITCH + 2 * TALL * 32;

extern __shared__ __align__(16) char memory[];

struct Quad {
    u32 word[4];
};

// Sixteen rows of 32 bytes as the instruction takes them; a lane tells where one of its rows of sixteen begins.
__device__ __forceinline__ Quad rows_of_bytes(const char *at) {
    Quad out = {};
#if __CUDA_ARCH__ >= 800
    const u32 place = (u32)__cvta_generic_to_shared(at);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(out.word[0]), "=r"(out.word[1]), "=r"(out.word[2]), "=r"(out.word[3])
                 : "r"(place)
                 : "memory");
#endif
    return out;
}

// Products of sixteen rows of 32 levels with eight inputs: numbers 2t and 2t+1 of row g, then of row g+8.
__device__ __forceinline__ void by_32(const Quad &rows, u32 one, u32 two, i32 (&out)[4]) {
    out[0] = out[1] = out[2] = out[3] = 0;
#if __CUDA_ARCH__ >= 800
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+r"(out[0]), "+r"(out[1]), "+r"(out[2]), "+r"(out[3])
        : "r"(rows.word[0]), "r"(rows.word[1]), "r"(rows.word[2]), "r"(rows.word[3]), "r"(one), "r"(two));
#endif
}

// The same of sixteen columns.
__device__ __forceinline__ void by_16(u32 upper, u32 lower, u32 one, i32 (&out)[4]) {
    out[0] = out[1] = out[2] = out[3] = 0;
#if __CUDA_ARCH__ >= 800
    asm("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
        : "+r"(out[0]), "+r"(out[1]), "+r"(out[2]), "+r"(out[3])
        : "r"(upper), "r"(lower), "r"(one));
#endif
}

// What a warp works in: levels, then scales and what weights are lessened by.
template <u32 KIND> struct Desk {
    static constexpr u32 TWO = KIND == Q8_0 ? 1 : 2;
    // Lanes that share a row's 128 columns, rows at once, and how often.
    static constexpr u32 LANES = CHUNK / (16 * TWO), HIGH = 32 / LANES, TURNS = TALL / HIGH;
    // Scales of 128 columns.
    static constexpr u32 SCALES = KIND == Q6_K ? 8 : 4;
    static constexpr bool LESS = KIND != Q8_0;
    char *levels;
    float *scales, *less;

    __device__ __forceinline__ explicit Desk(char *own)
        : levels(own), scales((float *)(own + TALL * PITCH)), less(scales + TALL * SCALES) {}

    // A lane's pieces of 128 columns of sixteen rows.
    static __device__ __forceinline__ void read(const Weights &of, u32 first, u32 chunk, Piece (&pieces)[TURNS]) {
        const u32 lane = threadIdx.x % 32, unit = chunk * LANES + lane % LANES;
        const bool there = unit < of.columns / (16 * TWO);
#pragma unroll
        for (u32 turn = 0; turn < TURNS; turn++) {
            const u32 row = first + turn * HIGH + lane / LANES;
            if (there)
                piece_of<KIND>(of, row < of.rows ? row : of.rows - 1, unit, pieces[turn]);
        }
    }

    __device__ __forceinline__ void lay_out(const Weights &of, u32 chunk, const Piece (&pieces)[TURNS]) const {
        const u32 lane = threadIdx.x % 32;
        if (chunk * LANES + lane % LANES >= of.columns / (16 * TWO))
            return;
#pragma unroll
        for (u32 turn = 0; turn < TURNS; turn++) {
            const u32 row = turn * HIGH + lane / LANES;
            const Piece &piece = pieces[turn];
#pragma unroll
            for (u32 two = 0; two < TWO; two++) {
                const u32 column = piece.at % CHUNK + two * piece.apart;
                *(uint4 *)(levels + row * PITCH + column) = piece.levels[two];
                // One scale for 32: whoever has the first sixteen of them tells it.
                if (KIND == Q6_K)
                    scales[row * 8 + column / 16] = piece.scale[two];
                else if (column % 32 == 0) {
                    scales[row * 4 + column / 32] = piece.scale[two];
                    if (LESS)
                        less[row * 4 + column / 32] = piece.less[two];
                }
            }
        }
    }
};

// Products of 128 columns, added up.
template <u32 KIND, u32 N>
__device__ __forceinline__ void chunk_times(const Desk<KIND> &desk, const Laid &in, u32 chunk, u32 blocks,
                                            float (&sums)[N][4]) {
    const u32 lane = threadIdx.x % 32, high = lane / 4, wide = lane % 4;
    constexpr u32 EACH = KIND == Q6_K ? 2 : 1;
#pragma unroll
    for (u32 pair = 0; pair < 2; pair++) {
        const u32 begin = chunk * 4 + pair * 2;
        if (begin >= blocks)
            break;
        uint4 inputs[N];
        float4 scale[N], lower[N], upper[N];
#pragma unroll
        for (u32 tile = 0; tile < N; tile++) {
            const u64 at = (u64)tile * in.pairs + begin / 2;
            inputs[tile] = in.levels[at * 32 + lane];
            scale[tile] = in.sides[at * 4 + wide];
            if (KIND != Q8_0)
                lower[tile] = in.sides[in.plane + at * 4 + wide], upper[tile] = in.sides[2 * in.plane + at * 4 + wide];
        }
#pragma unroll
        for (u32 one = 0; one < 2; one++) {
            const u32 block = pair * 2 + one;
            if (begin + one >= blocks)
                break;
            const Quad rows = rows_of_bytes(desk.levels + lane % 16 * PITCH + block * 32 + lane / 16 * 16);
            float by[2][EACH], less[2];
#pragma unroll
            for (u32 side = 0; side < 2; side++) {
                const u32 row = high + side * 8;
#pragma unroll
                for (u32 each = 0; each < EACH; each++)
                    by[side][each] = desk.scales[row * Desk<KIND>::SCALES + block * EACH + each];
                if (KIND == Q4_0 || KIND == Q4_K || KIND == Q5_K)
                    less[side] = desk.less[row * 4 + block];
            }
#pragma unroll
            for (u32 tile = 0; tile < N; tile++) {
                const u32 words[2] = {one ? inputs[tile].z : inputs[tile].x, one ? inputs[tile].w : inputs[tile].y};
                const float scales[2] = {one ? scale[tile].y : scale[tile].x, one ? scale[tile].w : scale[tile].z};
                const float lows[2] = {one ? lower[tile].y : lower[tile].x, one ? lower[tile].w : lower[tile].z};
                const float highs[2] = {one ? upper[tile].y : upper[tile].x, one ? upper[tile].w : upper[tile].z};
                i32 found[EACH][4];
                if (KIND == Q6_K) {
                    by_16(rows.word[0], rows.word[1], words[0], found[0]);
                    by_16(rows.word[2], rows.word[3], words[1], found[EACH - 1]);
                } else {
                    by_32(rows, words[0], words[1], found[0]);
                }
#pragma unroll
                for (u32 number = 0; number < 4; number++) {
                    const u32 side = number / 2, input = number % 2;
                    if (KIND == Q6_K) {
                        // Levels count from the middle of 64.
                        sums[tile][number] +=
                            by[side][0] * (scales[input] * (float)found[0][number] - 32.0f * lows[input]) +
                            by[side][EACH - 1] *
                                (scales[input] * (float)found[EACH - 1][number] - 32.0f * highs[input]);
                        continue;
                    }
                    sums[tile][number] += by[side][0] * scales[input] * (float)found[0][number];
                    if (KIND != Q8_0)
                        sums[tile][number] -= less[side] * (lows[input] + highs[input]);
                }
            }
        }
    }
}

template <u32 KIND, u32 N>
__device__ __forceinline__ void rows_times(const Weights &of, u32 first, const Laid &in, char *own, float (&sums)[N][4]) {
    const Desk<KIND> desk(own);
    const u32 blocks = of.columns / 32, chunks = (of.columns + CHUNK - 1) / CHUNK;
    u32 chunk = threadIdx.x / 32;
    Piece pieces[Desk<KIND>::TURNS];
    if (chunk < chunks)
        desk.read(of, first, chunk, pieces);
    // Weights are there already; what they are multiplied by may be on its way.
    behind();
    while (chunk < chunks) {
        __syncwarp();
        desk.lay_out(of, chunk, pieces);
        __syncwarp();
        const u32 next = chunk + TEAM;
        if (next < chunks)
            desk.read(of, first, next, pieces);
        chunk_times<KIND, N>(desk, in, chunk, blocks, sums);
        chunk = next;
    }
}

// What q8_0 has of 128 columns needs no unpacking, and neither do inputs: the copy engine brings both where they are read, while
// the chunks before are multiplied. A block has no more than 96 KiB for it, which all generations give.

__device__ __forceinline__ void bring_16(void *to, const void *from) {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"((u32)__cvta_generic_to_shared(to)), "l"(from) : "memory");
#endif
}

__device__ __forceinline__ void bring_8(void *to, const void *from) {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.ca.shared.global [%0], [%1], 8;" ::"r"((u32)__cvta_generic_to_shared(to)), "l"(from) : "memory");
#endif
}

// What was brought since the last call belongs together; then all but the last groups are waited for.
__device__ __forceinline__ void together_so_far() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

template <u32 LEFT> __device__ __forceinline__ void arrived() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
#endif
}

// One chunk of a warp: levels and scales of sixteen rows, and of N times eight inputs.
template <u32 N> struct Stage {
    static constexpr u32 SCALES = TALL * PITCH, INPUTS = SCALES + TALL * 8, SIDES = INPUTS + N * 2 * 512,
                         BYTES = SIDES + N * 2 * 64;
    // How many a warp has room for; with 32 inputs there would be room for one.
    static constexpr u32 STAGES = N == 1 ? 3 : 2;
    static constexpr bool FITS = N <= 2;
    char *at;

    __device__ __forceinline__ void bring_weights(const Weights &of, u32 first, u32 chunk) const {
        const u32 lane = threadIdx.x % 32;
#pragma unroll
        for (u32 turn = 0; turn < TALL / 4; turn++) {
            const u32 row = turn * 4 + lane / 8, there = first + row < of.rows ? first + row : of.rows - 1;
            bring_16(at + row * PITCH + lane % 8 * 16, of.blocks + (u64)there * of.columns + chunk * CHUNK + lane % 8 * 16);
        }
        if (lane < TALL) {
            const u32 there = first + lane < of.rows ? first + lane : of.rows - 1;
            bring_8(at + SCALES + lane * 8, of.scales + (u64)there * (of.columns / 32) + chunk * 4);
        }
    }

    __device__ __forceinline__ void bring_inputs(const Laid &in, u32 chunk) const {
        const u32 lane = threadIdx.x % 32;
#pragma unroll
        for (u32 tile = 0; tile < N; tile++) {
            const u64 pair = (u64)tile * in.pairs + chunk * 2;
#pragma unroll
            for (u32 two = 0; two < 2; two++)
                bring_16(at + INPUTS + (tile * 2 + two) * 512 + lane * 16, in.levels + (pair + two) * 32 + lane);
            if (lane < 8)
                bring_16(at + SIDES + tile * 128 + lane * 16, in.sides + pair * 4 + lane);
        }
    }

    __device__ __forceinline__ void multiply(float (&sums)[N][4]) const {
        const u32 lane = threadIdx.x % 32, high = lane / 4, wide = lane % 4;
        const uint2 upper = *(const uint2 *)(at + SCALES + high * 8), lower = *(const uint2 *)(at + SCALES + (high + 8) * 8);
#pragma unroll
        for (u32 pair = 0; pair < 2; pair++) {
            Quad rows[2];
            float by[2][2];
#pragma unroll
            for (u32 one = 0; one < 2; one++) {
                rows[one] = rows_of_bytes(at + lane % 16 * PITCH + (pair * 2 + one) * 32 + lane / 16 * 16);
                by[one][0] = of_half((u16)((pair ? upper.y : upper.x) >> (one * 16)));
                by[one][1] = of_half((u16)((pair ? lower.y : lower.x) >> (one * 16)));
            }
#pragma unroll
            for (u32 tile = 0; tile < N; tile++) {
                const uint4 inputs = *(const uint4 *)(at + INPUTS + (tile * 2 + pair) * 512 + lane * 16);
                const float4 scale = *(const float4 *)(at + SIDES + tile * 128 + pair * 64 + wide * 16);
#pragma unroll
                for (u32 one = 0; one < 2; one++) {
                    i32 found[4];
                    by_32(rows[one], one ? inputs.z : inputs.x, one ? inputs.w : inputs.y, found);
                    const float scales[2] = {one ? scale.y : scale.x, one ? scale.w : scale.z};
#pragma unroll
                    for (u32 number = 0; number < 4; number++)
                        sums[tile][number] += by[one][number / 2] * scales[number % 2] * (float)found[number];
                }
            }
        }
    }
};

template <u32 N>
__device__ __forceinline__ void rows_on_their_way(const Weights &of, u32 first, const Laid &in, char *own,
                                                  float (&sums)[N][4]) {
    constexpr u32 STAGES = Stage<N>::STAGES;
    const u32 chunks = of.columns / CHUNK, begin = threadIdx.x / 32;
    auto stage = [&](u32 turn) { return Stage<N>{own + turn % STAGES * Stage<N>::BYTES}; };
#pragma unroll
    for (u32 turn = 0; turn + 1 < STAGES; turn++)
        if (begin + turn * TEAM < chunks)
            stage(turn).bring_weights(of, first, begin + turn * TEAM);
    // Weights are on their way already; what they are multiplied by may not be there.
    behind();
#pragma unroll
    for (u32 turn = 0; turn + 1 < STAGES; turn++) {
        if (begin + turn * TEAM < chunks)
            stage(turn).bring_inputs(in, begin + turn * TEAM);
        together_so_far();
    }
    for (u32 turn = 0; begin + turn * TEAM < chunks; turn++) {
        arrived<STAGES - 2>();
        __syncwarp();
        const u32 later = turn + STAGES - 1, chunk = begin + later * TEAM;
        if (chunk < chunks) {
            stage(later).bring_weights(of, first, chunk);
            stage(later).bring_inputs(in, chunk);
        }
        together_so_far();
        stage(turn).multiply(sums);
    }
}

template <u32 KIND, u32 N> __device__ __forceinline__ void tiled(const Parts &parts, const Ready &ready) {
    ahead();
    const Part &part = parts.part[part_of(parts)];
    const Weights &of = part.weights;
    const u32 first = (blockIdx.x - part.first) * TALL, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    float sums[N][4] = {};
    const Laid in(ready, parts.tokens, of.columns);
    if (KIND == Q8_0 && Stage<N>::FITS && of.columns % CHUNK == 0)
        rows_on_their_way<N>(of, first, in, memory + warp * Stage<N>::STAGES * Stage<N>::BYTES, sums);
    else
        rows_times<KIND, N>(of, first, in, memory + warp * OWN, sums);
    // What the warps have is added up in the same order always; what it is added to is on its way meanwhile.
    constexpr u32 EACH = (N * 8 * TALL + TEAM * 32 - 1) / (TEAM * 32);
    float before[EACH];
    auto place = [&](u32 at) -> float * {
        const u32 input = at / TALL, row = first + at % TALL;
        return input < parts.tokens && row < of.rows && at < N * 8 * TALL ? part.out + (u64)input * part.pitch + row : nullptr;
    };
#pragma unroll
    for (u32 each = 0; each < EACH; each++) {
        const float *out = place(threadIdx.x + each * TEAM * 32);
        before[each] = out && part.add ? *out : 0.0f;
    }
    __syncthreads();
    float *all = (float *)memory;
    static_assert(N * 8 * TALL * 4 <= OWN, "what warps have found has room");
#pragma unroll
    for (u32 tile = 0; tile < N; tile++)
#pragma unroll
        for (u32 number = 0; number < 4; number++) {
            const u32 input = tile * 8 + lane % 4 * 2 + number % 2, row = lane / 4 + number / 2 * 8;
            all[(warp * N * 8 + input) * TALL + row] = sums[tile][number];
        }
    __syncthreads();
#pragma unroll
    for (u32 each = 0; each < EACH; each++) {
        const u32 at = threadIdx.x + each * TEAM * 32;
        float *out = place(at);
        if (!out)
            continue;
        float sum = before[each];
#pragma unroll
        for (u32 other = 0; other < TEAM; other++)
            sum += all[other * N * 8 * TALL + at];
        *out = sum;
    }
}

#define TILED(NAME, KIND, N)                                                                                           \
    extern "C" __global__ void __launch_bounds__(256, N < 32 ? 2 : 1) NAME##_##N(Parts parts, Ready ready) {           \
        tiled<KIND, (N) / 8>(parts, ready);                                                                            \
    }
#define ALL_TILED(NAME, KIND) TILED(NAME, KIND, 8) TILED(NAME, KIND, 16) TILED(NAME, KIND, 32)

ALL_TILED(q8_0, Q8_0)
ALL_TILED(q4_0, Q4_0)
ALL_TILED(q4_k, Q4_K)
ALL_TILED(q5_k, Q5_K)
ALL_TILED(q6_k, Q6_K)
