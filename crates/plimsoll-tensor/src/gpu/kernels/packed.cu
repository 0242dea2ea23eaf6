// What a decoder does with packed weights: rows of them as numbers, inputs made ready, and products of few inputs.
//
// Inputs of quantized weights are rounded to eight bits, 32 with one scale, as on the host: what is multiplied and added up
// are whole numbers, four at a time. Beside the scale stand the sums of the first and the second sixteen, times it: what
// weights with a least number, or with levels that count from the middle, are lessened by.

// What a row of inputs is made of.
enum Source { AS_IT_IS, NORMALIZED, GATED };
// What it is made.
enum Form { SINGLES = 1, LEVELS = 2, HALVES = 4 };

// More than this would come near to what halves hold.
constexpr float HALF_MOST = 16384.0f;

struct Ready {
    float *singles;
    signed char *levels;
    float4 *sides;
    u16 *halves;
    // By what rows of halves were divided.
    float *divided;
};

extern "C" __global__ void ready(u32 source, u32 forms, u32 columns, const u32 *chosen, const float *x, const float *y,
                                 const float *divided, float epsilon, Ready out) {
    const u32 row = blockIdx.x;
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
        out.levels[to + at] = (signed char)level;
        if (at % 32 == 0)
            out.sides[(to + at) / 32] = make_float4(scale, scale * (float)sum, scale * (float)other, 0.0f);
    }
}

// Rows of a matrix as singles.
extern "C" __global__ void take(Weights of, const u32 *ids, float *out) {
    for (u32 at = threadIdx.x; at < of.columns; at += blockDim.x)
        out[(u64)blockIdx.x * of.columns + at] = number(of, ids[blockIdx.x], at);
}

// Some rows of a matrix as halves, for the library of products.
extern "C" __global__ void halve(Weights of, u32 first, u64 count, u16 *out) {
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
    for (u64 at = (u64)blockIdx.x * blockDim.x + threadIdx.x; at < count; at += (u64)gridDim.x * blockDim.x)
        into[at] += x[at] * (factors ? factors[at / columns] : 1.0f);
}

// Matrices that are multiplied with the same inputs, in one launch.
struct Part {
    Weights weights;
    float *out;
    // Blocks of threads before this part's, and how many numbers lie from one row of `out` to the next.
    u32 first;
    u32 pitch;
    u32 add;
    u32 unused;
};

struct Parts {
    Part part[3];
    u32 count;
    // How many rows of inputs there are; those up to the next multiple of eight may be read.
    u32 tokens;
};

constexpr u32 ROWS = 2, WARPS = 4;

__device__ __forceinline__ i32 four_products(u32 one, u32 other, i32 sum) {
    i32 out;
    asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(out) : "r"(one), "r"(other), "r"(sum));
    return out;
}

__device__ __forceinline__ i32 sixteen(const uint4 &one, const uint4 &other) {
    return four_products(one.x, other.x,
                         four_products(one.y, other.y, four_products(one.z, other.z, four_products(one.w, other.w, 0))));
}

__device__ __forceinline__ uint4 only(const uint4 &of, u32 shift, u32 mask) {
    return make_uint4(of.x >> shift & mask, of.y >> shift & mask, of.z >> shift & mask, of.w >> shift & mask);
}

// Bits of another number's bytes, moved to where they belong and put beside.
__device__ __forceinline__ void put_beside(uint4 &levels, const uint4 &bits, u32 shift, u32 mask) {
    levels.x |= (bits.x >> shift & mask) << 4;
    levels.y |= (bits.y >> shift & mask) << 4;
    levels.z |= (bits.z >> shift & mask) << 4;
    levels.w |= (bits.w >> shift & mask) << 4;
}

__device__ __forceinline__ uint4 stream_in(const u8 *at) {
    uint4 out;
    asm("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
        : "=r"(out.x), "=r"(out.y), "=r"(out.z), "=r"(out.w)
        : "l"(at));
    return out;
}

// A lane's numbers of a row of weights: sixteen levels, or two times sixteen, that stand at `at` and `at + apart` among the
// columns; what they are multiplied by, and what they are lessened by, a level.
struct Piece {
    uint4 levels[2];
    u32 at;
    u32 apart;
    float scale[2];
    float less[2];
};

template <u32 KIND> __device__ __forceinline__ void piece_of(const Weights &of, u32 row, u32 unit, Piece &out) {
    const u32 columns = of.columns;
    if (KIND == Q8_0) {
        const u64 at = (u64)row * columns + unit * 16;
        out.levels[0] = stream_in(of.blocks + at);
        out.scale[0] = of_half(of.scales[at / 32]);
        out.at = unit * 16;
    } else if (KIND == Q4_0) {
        const u64 block = (u64)row * (columns / 32) + unit;
        const uint4 two = stream_in(of.blocks + block * 16);
        out.levels[0] = only(two, 0, LOWS), out.levels[1] = only(two, 4, LOWS);
        out.scale[0] = out.scale[1] = of_half(of.scales[block]);
        out.less[0] = out.less[1] = 8.0f * out.scale[0];
        out.at = unit * 32, out.apart = 16;
    } else if (KIND == Q6_K) {
        const u64 block = (u64)row * (columns / 256) + unit / 8;
        const u32 half = unit / 4 % 2, which = unit / 2 % 2, side = unit % 2;
        const u8 *base = of.blocks + block * Q6_K_BYTES;
        const uint4 two = stream_in(base + half * 64 + which * 32 + side * 16);
        const uint4 upper = *(const uint4 *)(base + 128 + half * 32 + side * 16);
        out.levels[0] = only(two, 0, LOWS), out.levels[1] = only(two, 4, LOWS);
        put_beside(out.levels[0], upper, 2 * which, 0x03030303);
        put_beside(out.levels[1], upper, 2 * which + 4, 0x03030303);
        const float scale = of_half(of.scales[block]);
        const signed char *scales = (const signed char *)(base + 192) + half * 8 + which * 2 + side;
        out.scale[0] = scale * (float)scales[0], out.scale[1] = scale * (float)scales[4];
        out.less[0] = 32.0f * out.scale[0], out.less[1] = 32.0f * out.scale[1];
        out.at = unit / 8 * 256 + half * 128 + which * 32 + side * 16, out.apart = 64;
    } else {
        const bool fives = KIND == Q5_K;
        const u64 block = (u64)row * (columns / 256) + unit / 8;
        const u32 pair = unit / 2 % 4, side = unit % 2;
        const u8 *base = of.blocks + block * (fives ? Q5_K_BYTES : Q4_K_BYTES);
        const uint4 header = *(const uint4 *)base;
        const uint4 two = stream_in(base + (fives ? 48 : 16) + pair * 32 + side * 16);
        out.levels[0] = only(two, 0, LOWS), out.levels[1] = only(two, 4, LOWS);
        if (fives) {
            const uint4 upper = *(const uint4 *)(base + 16 + side * 16);
            put_beside(out.levels[0], upper, 2 * pair, 0x01010101);
            put_beside(out.levels[1], upper, 2 * pair + 1, 0x01010101);
        }
        const float scale = of_half((u16)header.x), least = of_half((u16)(header.x >> 16));
#pragma unroll
        for (u32 each = 0; each < 2; each++) {
            sixes(header, 2 * pair + each, &out.scale[each], &out.less[each]);
            out.scale[each] *= scale, out.less[each] *= least;
        }
        out.at = unit / 8 * 256 + pair * 64 + side * 16, out.apart = 32;
    }
}

template <u32 KIND, u32 N>
__device__ __forceinline__ void levels_times(const Weights &of, const u32 (&row)[ROWS], const Ready &in, u32 token,
                                             float (&sums)[ROWS][N]) {
    constexpr u32 TWO = KIND == Q8_0 ? 1 : 2;
    const u32 units = of.columns / (16 * TWO);
#pragma unroll 2
    for (u32 unit = threadIdx.x % 32; unit < units; unit += 32) {
        Piece piece[ROWS];
#pragma unroll
        for (u32 each = 0; each < ROWS; each++)
            piece_of<KIND>(of, row[each], unit, piece[each]);
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

template <u32 KIND, u32 N>
__device__ __forceinline__ void floats_times(const Weights &of, const u32 (&row)[ROWS], const Ready &in, u32 token,
                                             float (&sums)[ROWS][N]) {
    const u32 columns = of.columns;
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

template <u32 N> __device__ __forceinline__ void products_of(const Parts &parts, const Ready &in) {
    u32 which = 0;
    while (which + 1 < parts.count && blockIdx.x >= parts.part[which + 1].first)
        which++;
    const Part &part = parts.part[which];
    const Weights &of = part.weights;
    const u32 begin = ((blockIdx.x - part.first) * WARPS + threadIdx.x / 32) * ROWS, token = blockIdx.y * N;
    if (begin >= of.rows)
        return;
    u32 row[ROWS];
    float sums[ROWS][N];
#pragma unroll
    for (u32 each = 0; each < ROWS; each++) {
        row[each] = begin + each < of.rows ? begin + each : of.rows - 1;
#pragma unroll
        for (u32 other = 0; other < N; other++)
            sums[each][other] = 0.0f;
    }
    switch (of.kind) {
    case F32: floats_times<F32, N>(of, row, in, token, sums); break;
    case F16: floats_times<F16, N>(of, row, in, token, sums); break;
    case BF16: floats_times<BF16, N>(of, row, in, token, sums); break;
    case Q8_0: levels_times<Q8_0, N>(of, row, in, token, sums); break;
    case Q4_0: levels_times<Q4_0, N>(of, row, in, token, sums); break;
    case Q4_K: levels_times<Q4_K, N>(of, row, in, token, sums); break;
    case Q5_K: levels_times<Q5_K, N>(of, row, in, token, sums); break;
    default: levels_times<Q6_K, N>(of, row, in, token, sums); break;
    }
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

extern "C" __global__ void __launch_bounds__(128) products_1(Parts parts, Ready in) { products_of<1>(parts, in); }
extern "C" __global__ void __launch_bounds__(128) products_2(Parts parts, Ready in) { products_of<2>(parts, in); }
extern "C" __global__ void __launch_bounds__(128) products_4(Parts parts, Ready in) { products_of<4>(parts, in); }
extern "C" __global__ void __launch_bounds__(128) products_8(Parts parts, Ready in) { products_of<8>(parts, in); }
