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

extern "C" __global__ void ready(u32 source, u32 forms, u32 columns, const u32 *chosen, const float *x, const float *y,
                                 const float *divided, float epsilon, Ready out) {
    ahead();
    behind();
    const u32 row = blockIdx.x;
    const Laid laid(out, gridDim.x, columns);
    const u64 from = (u64)(chosen ? chosen[row] : row) * columns, to = (u64)row * columns;
    const float back = divided ? divided[row] : 1.0f;
    float factor = 1.0f;
    if (source == NORMALIZED) {
        float squares = 0.0f;
        for (u32 at = threadIdx.x; at < columns; at += blockDim.x)
            squares += x[from + at] * x[from + at];
        factor = 1.0f / sqrtf(together<Plus>(squares) / (float)columns + epsilon);
    }
    auto value = [&](u32 at) {
        const float number = x[from + at];
        if (source == NORMALIZED)
            return number * factor * y[at];
        if (source == GATED) {
            const float gate = number * back;
            return gate / (1.0f + __expf(-gate)) * (y[from + at] * back);
        }
        return number;
    };
    float by = 1.0f;
    if (forms & HALVES) {
        float most = 0.0f;
        for (u32 at = threadIdx.x; at < columns; at += blockDim.x)
            most = fmaxf(most, fabsf(value(at)));
        most = together<Larger>(most);
        by = most > HALF_MOST ? HALF_MOST / most : 1.0f;
        if (threadIdx.x == 0)
            out.divided[row] = 1.0f / by;
    }
    for (u32 at = threadIdx.x; at < columns; at += blockDim.x) {
        const float number = value(at);
        if (forms & SINGLES)
            out.singles[to + at] = number;
        if (forms & HALVES)
            out.halves[to + at] = to_half(number * by);
        if (!(forms & LEVELS))
            continue;
        // Columns are whole blocks of 32 here, so a warp has one block.
        float most = fabsf(number);
#pragma unroll
        for (u32 step = 16; step > 0; step /= 2)
            most = fmaxf(most, __shfl_xor_sync(~0u, most, step));
        const float scale = most / 127.0f;
        const i32 level = scale > 0.0f ? __float2int_rn(number / scale) : 0;
        i32 sum = level;
#pragma unroll
        for (u32 step = 8; step > 0; step /= 2)
            sum += __shfl_xor_sync(~0u, sum, step);
        const i32 other = __shfl_xor_sync(~0u, sum, 16);
        const float lower = scale * (float)sum, upper = scale * (float)other;
        if (forms & LAID) {
            const u32 which = at % 32;
            out.levels[laid_at(laid, row, at)] = (signed char)level;
            if (which < 3)
                ((float *)out.sides)[4 * which * laid.plane + side_at(laid, row, at / 32)] =
                    which == 0 ? scale : which == 1 ? lower : upper;
            continue;
        }
        out.levels[to + at] = (signed char)level;
        if (at % 32 == 0)
            out.sides[(to + at) / 32] = make_float4(scale, lower, upper, 0.0f);
    }
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

// Adds rows to rows, each times its factor.
extern "C" __global__ void add_rows(u64 count, u32 columns, const float *x, const float *factors, float *into) {
    ahead();
    behind();
    for (u64 at = (u64)blockIdx.x * blockDim.x + threadIdx.x; at < count; at += (u64)gridDim.x * blockDim.x)
        into[at] += x[at] * (factors ? factors[at / columns] : 1.0f);
}

constexpr u32 ROWS = 2, WARPS = 4;

template <u32 KIND, u32 N>
__device__ __forceinline__ void levels_times(const Weights &of, const u32 (&row)[ROWS], const Ready &in, u32 token,
                                             float (&sums)[ROWS][N]) {
    // As many pieces are on their way at once as a row of 2,048 numbers has for a lane.
    constexpr u32 TWO = KIND == Q8_0 ? 1 : 2, DEEP = 4 / TWO;
    const u32 units = of.columns / (16 * TWO), lane = threadIdx.x % 32;
    for (u32 begin = 0; begin < units; begin += 32 * DEEP) {
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
        if (begin == 0)
            behind();
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
                                             float (&sums)[ROWS][N]) {
    const u32 columns = of.columns;
    behind();
#pragma unroll 2
    for (u32 at = threadIdx.x % 32 * 8; at < columns; at += 256) {
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
    const u32 begin = ((blockIdx.x - part.first) * WARPS + threadIdx.x / 32) * ROWS, token = blockIdx.y * N;
    if (begin >= of.rows)
        return;
    u32 row[ROWS];
    float sums[ROWS][N] = {};
#pragma unroll
    for (u32 each = 0; each < ROWS; each++)
        row[each] = begin + each < of.rows ? begin + each : of.rows - 1;
    if (KIND <= BF16)
        floats_times<KIND, N>(of, row, in, token, sums);
    else
        levels_times<KIND, N>(of, row, in, token, sums);
#pragma unroll
    for (u32 each = 0; each < ROWS; each++) {
#pragma unroll
        for (u32 other = 0; other < N; other++) {
            float sum = sums[each][other];
#pragma unroll
            for (u32 step = 16; step > 0; step /= 2)
                sum += __shfl_xor_sync(~0u, sum, step);
            if (threadIdx.x % 32 == 0 && begin + each < of.rows && token + other < parts.tokens) {
                float *out = part.out + (u64)(token + other) * part.pitch + begin + each;
                *out = part.add ? *out + sum : sum;
            }
        }
    }
}

// One for each packing and number of inputs: what one packing needs of a processor's registers is no other's burden.
#define PRODUCTS(NAME, KIND, N)                                                                                        \
    extern "C" __global__ void __launch_bounds__(128) NAME##_##N(Parts parts, Ready in) {                              \
        products_of<KIND, N>(parts, in);                                                                               \
    }
#define FLOATS(NAME, KIND)                                                                                             \
    PRODUCTS(NAME, KIND, 1) PRODUCTS(NAME, KIND, 2) PRODUCTS(NAME, KIND, 4) PRODUCTS(NAME, KIND, 8)
#define LEVELLED(NAME, KIND) PRODUCTS(NAME, KIND, 1) PRODUCTS(NAME, KIND, 2) PRODUCTS(NAME, KIND, 4)

FLOATS(f32, F32)
FLOATS(f16, F16)
FLOATS(bf16, BF16)
LEVELLED(q8_0, Q8_0)
LEVELLED(q4_0, Q4_0)
LEVELLED(q4_k, Q4_K)
LEVELLED(q5_k, Q5_K)
LEVELLED(q6_k, Q6_K)

// Where the greatest of each row is: of equals the first, and what is no number is never greater. Beside it, how many are no
// numbers, or infinitely great.
extern "C" __global__ void __launch_bounds__(1024) likeliest(u32 columns, const float *rows, uint2 *out) {
    __shared__ u64 greatest[32];
    ahead();
    behind();
    const float *row = rows + (u64)blockIdx.x * columns;
    u64 most = 0;
    u32 odd = 0;
#pragma unroll 8
    for (u32 at = threadIdx.x; at < columns; at += blockDim.x) {
        // No zero is negative, so that both are equal.
        const float number = row[at] + 0.0f;
        const u32 bits = __float_as_uint(number), order = bits >> 31 ? ~bits : bits | 1u << 31;
        const u64 mine = (u64)order << 32 | (u32)~at;
        const bool none = number != number;
        odd += none || number == INFINITE;
        most = !none && mine > most ? mine : most;
    }
#pragma unroll
    for (u32 step = 16; step > 0; step /= 2) {
        const u64 other = __shfl_xor_sync(~0u, most, step);
        most = other > most ? other : most;
    }
    if (threadIdx.x % 32 == 0)
        greatest[threadIdx.x / 32] = most;
    const float all = together<Plus>((float)odd);
    for (u32 warp = 0; warp < blockDim.x / 32; warp++)
        most = greatest[warp] > most ? greatest[warp] : most;
    if (threadIdx.x == 0)
        out[blockIdx.x] = make_uint2(most ? ~(u32)most : 0, (u32)all);
}
