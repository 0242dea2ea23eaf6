// What a decoder does with packed weights: rows of them as numbers, inputs made ready, and products of few inputs.
//
// Inputs of quantized weights are rounded to eight bits, 32 with one scale, as on the host: what is multiplied and added up
// are whole numbers, four at a time. Beside the scale stand the sums of the first and the second sixteen, times it: what
// weights with a least number, or with levels that count from the middle, are lessened by.

// What a row of inputs is made of.
enum Source { AS_IT_IS, NORMALIZED, GATED };
// What it is made.
// LAID: levels lie as matrix units take them.
enum Form { SINGLES = 1, LEVELS = 2, HALVES = 4, LAID = 8 };

// More than this would come near to what halves hold.
constexpr float HALF_MOST = 16384.0f;

// Numbers of a row that a thread keeps, four at a time; what a longer row has beyond is read again.
constexpr u32 HELD = 4;

__device__ __forceinline__ float4 nothing() { return make_float4(0.0f, 0.0f, 0.0f, 0.0f); }

__device__ __forceinline__ float4 four_times(const float4 &one, const float4 &other, float factor) {
    return make_float4(one.x * factor * other.x, one.y * factor * other.y, one.z * factor * other.z,
                       one.w * factor * other.w);
}

__device__ __forceinline__ float gated(float gate, float up, float back) {
    gate *= back;
    return gate / (1.0f + __expf(-gate)) * (up * back);
}

__device__ __forceinline__ float most_of(const float4 &of) {
    return fmaxf(fmaxf(fabsf(of.x), fabsf(of.y)), fmaxf(fabsf(of.z), fabsf(of.w)));
}

// Four levels of a block of 32, which eight lanes have, and what stands beside it. All lanes of a warp come here.
__device__ __forceinline__ void give_levels(const float4 &of, u32 row, u32 at, u32 columns, bool laid_out,
                                            const Laid &laid, const Ready &out) {
    float most = most_of(of);
#pragma unroll
    for (u32 step = 4; step > 0; step /= 2)
        most = fmaxf(most, __shfl_xor_sync(~0u, most, step));
    const float scale = most / 127.0f;
    const bool some = scale > 0.0f;
    const i32 levels[4] = {some ? __float2int_rn(of.x / scale) : 0, some ? __float2int_rn(of.y / scale) : 0,
                           some ? __float2int_rn(of.z / scale) : 0, some ? __float2int_rn(of.w / scale) : 0};
    i32 sum = levels[0] + levels[1] + levels[2] + levels[3];
    sum += __shfl_xor_sync(~0u, sum, 1);
    sum += __shfl_xor_sync(~0u, sum, 2);
    const i32 other = __shfl_xor_sync(~0u, sum, 4);
    if (at >= columns)
        return;
    const u32 word = (u32)(levels[0] & 255) | (u32)(levels[1] & 255) << 8 | (u32)(levels[2] & 255) << 16 |
                     (u32)(levels[3] & 255) << 24;
    const u64 place = laid_out ? laid_at(laid, row, at) : (u64)row * columns + at;
    *(u32 *)(out.levels + place) = word;
    if (at % 32 != 0)
        return;
    const float lower = scale * (float)sum, upper = scale * (float)other;
    if (laid_out) {
        float *sides = (float *)out.sides + side_at(laid, row, at / 32);
        sides[0] = scale, sides[4 * laid.plane] = lower, sides[8 * laid.plane] = upper;
    } else {
        out.sides[place / 32] = make_float4(scale, lower, upper, 0.0f);
    }
}

extern "C" __global__ void __launch_bounds__(1024) ready(u32 source, u32 forms, u32 columns, const u32 *chosen,
                                                         const float *x, const float *y, const float *divided,
                                                         float epsilon, Ready out) {
    ahead();
    // Several blocks have a row where nothing has to be known of all of it.
    const u32 row = blockIdx.x, step = 4 * blockDim.x * gridDim.y, mine = 4 * (threadIdx.x + blockDim.x * blockIdx.y);
    const Laid laid(out, gridDim.x, columns);
    // Weights of a norm are there whatever others do.
    float4 by_weights[HELD];
#pragma unroll
    for (u32 each = 0; each < HELD; each++) {
        const u32 at = mine + each * step;
        by_weights[each] = source == NORMALIZED && at < columns ? *(const float4 *)(y + at) : nothing();
    }
    behind();
    const u64 from = (u64)(chosen ? chosen[row] : row) * columns, to = (u64)row * columns;
    const float back = divided ? divided[row] : 1.0f;
    auto raw = [&](u32 at) { return at < columns ? *(const float4 *)(x + from + at) : nothing(); };
    float4 held[HELD];
#pragma unroll
    for (u32 each = 0; each < HELD; each++)
        held[each] = raw(mine + each * step);
    float factor = 1.0f;
    if (source == NORMALIZED) {
        float squares = 0.0f;
        auto add = [&](const float4 &four) {
            squares += four.x * four.x + four.y * four.y + four.z * four.z + four.w * four.w;
        };
#pragma unroll
        for (u32 each = 0; each < HELD; each++)
            add(held[each]);
        for (u32 at = mine + HELD * step; at < columns; at += step)
            add(raw(at));
        factor = 1.0f / sqrtf(together<Plus>(squares) / (float)columns + epsilon);
    }
    auto made = [&](u32 at, const float4 &four, const float4 &weights) {
        if (at >= columns || source == AS_IT_IS)
            return four;
        if (source == NORMALIZED)
            return four_times(four, weights, factor);
        const float4 up = *(const float4 *)(y + from + at);
        return make_float4(gated(four.x, up.x, back), gated(four.y, up.y, back), gated(four.z, up.z, back),
                           gated(four.w, up.w, back));
    };
    // What no thread keeps.
    auto again = [&](u32 at) {
        const bool weighed = source == NORMALIZED && at < columns;
        return made(at, raw(at), weighed ? *(const float4 *)(y + at) : nothing());
    };
#pragma unroll
    for (u32 each = 0; each < HELD; each++)
        held[each] = made(mine + each * step, held[each], by_weights[each]);
    float by = 1.0f;
    if (forms & HALVES) {
        float most = 0.0f;
#pragma unroll
        for (u32 each = 0; each < HELD; each++)
            most = fmaxf(most, most_of(held[each]));
        for (u32 at = mine + HELD * step; at < columns; at += step)
            most = fmaxf(most, most_of(again(at)));
        most = together<Larger>(most);
        by = most > HALF_MOST ? HALF_MOST / most : 1.0f;
        if (threadIdx.x == 0)
            out.divided[row] = 1.0f / by;
    }
    auto give = [&](u32 at, const float4 &four) {
        if (forms & LEVELS)
            give_levels(four, row, at, columns, forms & LAID, laid, out);
        if (at >= columns)
            return;
        if (forms & SINGLES)
            *(float4 *)(out.singles + to + at) = four;
        if (forms & HALVES)
            *(uint2 *)(out.halves + to + at) =
                make_uint2(narrow(F16, four.x * by, four.y * by), narrow(F16, four.z * by, four.w * by));
    };
#pragma unroll
    for (u32 each = 0; each < HELD; each++)
        if (each * step < columns)
            give(mine + each * step, held[each]);
    for (u32 begin = HELD * step; begin < columns; begin += step)
        give(begin + mine, again(begin + mine));
}

// Rows of a matrix as singles.
extern "C" __global__ void take(Weights of, const u32 *ids, float *out) {
    ahead();
    behind();
    for (u32 at = threadIdx.x; at < of.columns; at += blockDim.x)
        out[(u64)blockIdx.x * of.columns + at] = number(of, ids[blockIdx.x], at);
}

// Some rows of a matrix as halves, for the library of products.
extern "C" __global__ void halve(Weights of, u32 first, u64 count, u16 *out) {
    ahead();
    behind();
    EACH_EIGHT(index, count) {
        u32 words[4];
#pragma unroll
        for (u32 each = 0; each < 8; each += 2) {
            const u64 at = index + each;
            const u32 row = first + (u32)(at / of.columns), column = (u32)(at % of.columns);
            words[each / 2] = narrow(F16, number(of, row, column), number(of, row, column + 1));
        }
        ((uint4 *)out)[index / 8] = make_uint4(words[0], words[1], words[2], words[3]);
    }
}

// The same of quantized ones, a thread for sixteen or 32 numbers.
template <u32 KIND> __device__ __forceinline__ void halve_levels(const Weights &of, u32 first, u32 rows, u16 *out) {
    constexpr u32 TWO = KIND == Q8_0 ? 1 : 2;
    const u32 units = of.columns / (16 * TWO);
    for (u32 row = blockIdx.y; row < rows; row += gridDim.y)
        for (u32 unit = blockIdx.x * blockDim.x + threadIdx.x; unit < units; unit += gridDim.x * blockDim.x) {
            Piece piece;
            piece_of<KIND>(of, first + row, unit, piece);
#pragma unroll
            for (u32 two = 0; two < TWO; two++) {
                const u32 levels[4] = {piece.levels[two].x, piece.levels[two].y, piece.levels[two].z,
                                       piece.levels[two].w};
                const float scale = piece.scale[two], less = KIND == Q8_0 ? 0.0f : piece.less[two];
                u32 words[8];
#pragma unroll
                for (u32 pair = 0; pair < 8; pair++) {
                    const u32 word = levels[pair / 2] >> (pair % 2 * 16);
                    const float one = (float)(signed char)word, other = (float)(signed char)(word >> 8);
                    words[pair] = narrow(F16, scale * one - less, scale * other - less);
                }
                uint4 *to = (uint4 *)(out + (u64)row * of.columns + piece.at + two * piece.apart);
                to[0] = make_uint4(words[0], words[1], words[2], words[3]);
                to[1] = make_uint4(words[4], words[5], words[6], words[7]);
            }
        }
}

extern "C" __global__ void halve_quantized(Weights of, u32 first, u32 rows, u16 *out) {
    ahead();
    behind();
    switch (of.kind) {
    case Q8_0: halve_levels<Q8_0>(of, first, rows, out); break;
    case Q4_0: halve_levels<Q4_0>(of, first, rows, out); break;
    case Q4_K: halve_levels<Q4_K>(of, first, rows, out); break;
    case Q5_K: halve_levels<Q5_K>(of, first, rows, out); break;
    default: halve_levels<Q6_K>(of, first, rows, out); break;
    }
}

// Adds rows to rows, each times its factor.
extern "C" __global__ void add_rows(u64 count, u32 columns, const float *x, const float *factors, float *into) {
    ahead();
    behind();
    for (u64 at = (u64)blockIdx.x * blockDim.x + threadIdx.x; at < count; at += (u64)gridDim.x * blockDim.x)
        into[at] += x[at] * (factors ? factors[at / columns] : 1.0f);
}

constexpr u32 ROWS = 2, WARPS = 4;

// What a lane adds to: read as soon as it may be, so that nobody waits for it at the end.
struct Added {
    const float *from;
    float number;

    __device__ __forceinline__ void read() { number = from ? *from : 0.0f; }
};

template <u32 KIND, u32 N>
__device__ __forceinline__ void levels_times(const Weights &of, const u32 (&row)[ROWS], const Ready &in, u32 token,
                                             u32 from, u32 step, Added &added, float (&sums)[ROWS][N]) {
    // As many pieces are on their way at once as a row of 2,048 numbers has for a lane.
    constexpr u32 TWO = KIND == Q8_0 ? 1 : 2, DEEP = 4 / TWO;
    const u32 units = of.columns / (16 * TWO), lane = threadIdx.x % 32;
    for (u32 begin = from * 32 * DEEP; begin < units; begin += step * 32 * DEEP) {
        Piece pieces[DEEP][ROWS];
#pragma unroll
        for (u32 deep = 0; deep < DEEP; deep++) {
            const u32 unit = begin + deep * 32 + lane;
            if (unit < units)
#pragma unroll
                for (u32 each = 0; each < ROWS; each++)
                    piece_of<KIND>(of, row[each], unit, pieces[deep][each]);
        }
        // Weights are on their way already; what they are multiplied by may not be there.
        if (begin == from * 32 * DEEP) {
            behind();
            added.read();
        }
#pragma unroll
        for (u32 deep = 0; deep < DEEP; deep++) {
            if (begin + deep * 32 + lane >= units)
                break;
            const Piece(&piece)[ROWS] = pieces[deep];
#pragma unroll
            for (u32 other = 0; other < N; other++) {
#pragma unroll
                for (u32 two = 0; two < TWO; two++) {
                    const u64 at = (u64)(token + other) * of.columns + piece[0].at + two * piece[0].apart;
                    const uint4 levels = *(const uint4 *)(in.levels + at);
                    const float4 side = in.sides[at / 32];
                    const float sum = at % 32 == 0 ? side.y : side.z;
#pragma unroll
                    for (u32 each = 0; each < ROWS; each++) {
                        const float products = (float)sixteen(piece[each].levels[two], levels);
                        sums[each][other] += piece[each].scale[two] * side.x * products;
                        if (KIND != Q8_0)
                            sums[each][other] -= piece[each].less[two] * sum;
                    }
                }
            }
        }
    }
}

template <u32 KIND, u32 N>
__device__ __forceinline__ void floats_times(const Weights &of, const u32 (&row)[ROWS], const Ready &in, u32 token,
                                             u32 begin, u32 step, Added &added, float (&sums)[ROWS][N]) {
    const u32 columns = of.columns;
    behind();
    added.read();
#pragma unroll 2
    for (u32 at = begin * 256 + threadIdx.x % 32 * 8; at < columns; at += step * 256) {
        float numbers[ROWS][8];
#pragma unroll
        for (u32 each = 0; each < ROWS; each++) {
            const u64 from = (u64)row[each] * columns + at;
            if (KIND == F32) {
                const uint4 one = stream_in(of.blocks + from * 4), two = stream_in(of.blocks + from * 4 + 16);
                const u32 words[8] = {one.x, one.y, one.z, one.w, two.x, two.y, two.z, two.w};
#pragma unroll
                for (u32 number = 0; number < 8; number++)
                    numbers[each][number] = __uint_as_float(words[number]);
            } else {
                widen(KIND, stream_in(of.blocks + from * 2), numbers[each]);
            }
        }
#pragma unroll
        for (u32 other = 0; other < N; other++) {
            const float4 *from = (const float4 *)(in.singles + (u64)(token + other) * columns + at);
            const float4 one = from[0], two = from[1];
            const float inputs[8] = {one.x, one.y, one.z, one.w, two.x, two.y, two.z, two.w};
#pragma unroll
            for (u32 each = 0; each < ROWS; each++)
#pragma unroll
                for (u32 number = 0; number < 8; number++)
                    sums[each][other] += numbers[each][number] * inputs[number];
        }
    }
}

template <u32 KIND, u32 N> __device__ __forceinline__ void products_of(const Parts &parts, const Ready &in) {
    ahead();
    const Part &part = parts.part[part_of(parts)];
    const Weights &of = part.weights;
    // Several warps share the columns of long rows.
    const u32 share = part.share, warp = threadIdx.x / 32, lane = threadIdx.x % 32, token = blockIdx.y * N;
    const u32 begin = ((blockIdx.x - part.first) * WARPS + warp) / share * ROWS;
    u32 row[ROWS];
    float sums[ROWS][N] = {};
#pragma unroll
    for (u32 each = 0; each < ROWS; each++)
        row[each] = begin + each < of.rows ? begin + each : of.rows - 1;
    // A lane of the first of the warps that share a row writes it.
    const u32 mine = lane / N, input = token + lane % N;
    const bool writes = warp % share == 0 && lane < ROWS * N && begin + mine < of.rows && input < parts.tokens;
    float *out = part.out + (u64)input * part.pitch + begin + mine;
    Added added{writes && part.add ? out : nullptr, 0.0f};
    if (KIND <= BF16)
        floats_times<KIND, N>(of, row, in, token, warp % share, share, added, sums);
    else
        levels_times<KIND, N>(of, row, in, token, warp % share, share, added, sums);
    // Also who had no columns, before anything is written.
    behind();
    __shared__ float found[WARPS][ROWS * N];
#pragma unroll
    for (u32 each = 0; each < ROWS; each++)
#pragma unroll
        for (u32 other = 0; other < N; other++) {
            float sum = sums[each][other];
#pragma unroll
            for (u32 step = 16; step > 0; step /= 2)
                sum += __shfl_xor_sync(~0u, sum, step);
            if (lane == 0)
                found[warp][each * N + other] = sum;
        }
    if (share > 1)
        __syncthreads();
    else
        __syncwarp();
    if (!writes)
        return;
    float sum = added.number;
    for (u32 next = 0; next < share; next++)
        sum += found[warp + next][lane];
    *out = sum;
}

// One for each packing and number of inputs: what one packing needs of a processor's registers is no other's burden.
#define PRODUCTS(NAME, KIND, N)                                                                                        \
    extern "C" __global__ void __launch_bounds__(128, N > 1 ? 4 : KIND > Q8_0 ? 5 : 6)                           \
        NAME##_##N(Parts parts, Ready in) {                                                                            \
        products_of<KIND, N>(parts, in);                                                                               \
    }
#define FLOATS(NAME, KIND)                                                                                             \
    PRODUCTS(NAME, KIND, 1) PRODUCTS(NAME, KIND, 2) PRODUCTS(NAME, KIND, 4) PRODUCTS(NAME, KIND, 8)
#define LEVELLED(NAME, KIND) PRODUCTS(NAME, KIND, 1) PRODUCTS(NAME, KIND, 2)

FLOATS(f32, F32)
FLOATS(f16, F16)
FLOATS(bf16, BF16)
LEVELLED(q8_0, Q8_0)
LEVELLED(q4_0, Q4_0)
LEVELLED(q4_k, Q4_K)
LEVELLED(q5_k, Q5_K)
LEVELLED(q6_k, Q6_K)
