// Number by number.

// As `Unary`, in its order.
enum Unary { NEG, EXP, LOG, SQRT, SQUARE, ABS, TANH, SIGMOID, SILU, GELU, GELU_TANH, RELU };
// As `Binary`, in its order.
enum Binary { ADD, SUB, MUL, DIV };

__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

constexpr float SQRT_HALF = 0.70710678f, TANH_SCALE = 0.79788456f, TANH_CUBE = 0.044715f;

__device__ __forceinline__ float value_of(u32 op, float x) {
    switch (op) {
    case NEG: return -x;
    case EXP: return expf(x);
    case LOG: return logf(x);
    case SQRT: return sqrtf(x);
    case SQUARE: return x * x;
    case ABS: return fabsf(x);
    case TANH: return tanhf(x);
    case SIGMOID: return sigmoid(x);
    case SILU: return x * sigmoid(x);
    case GELU: return 0.5f * x * (1.0f + erff(x * SQRT_HALF));
    case GELU_TANH: return 0.5f * x * (1.0f + tanhf(TANH_SCALE * (x + TANH_CUBE * x * x * x)));
    default: return fmaxf(x, 0.0f);
    }
}

__device__ __forceinline__ float slope_of(u32 op, float x) {
    switch (op) {
    case NEG: return -1.0f;
    case EXP: return expf(x);
    case LOG: return 1.0f / x;
    case SQRT: return 0.5f / sqrtf(x);
    case SQUARE: return 2.0f * x;
    case ABS: return x == 0.0f ? 0.0f : copysignf(1.0f, x);
    case TANH: {
        const float y = tanhf(x);
        return 1.0f - y * y;
    }
    case SIGMOID: {
        const float y = sigmoid(x);
        return y * (1.0f - y);
    }
    case SILU: {
        const float s = sigmoid(x);
        return s * (1.0f + x * (1.0f - s));
    }
    case GELU: return 0.5f * (1.0f + erff(x * SQRT_HALF)) + x * 0.39894228f * expf(-0.5f * x * x);
    case GELU_TANH: {
        const float t = tanhf(TANH_SCALE * (x + TANH_CUBE * x * x * x));
        return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * TANH_SCALE * (1.0f + 3.0f * TANH_CUBE * x * x);
    }
    default: return x > 0.0f ? 1.0f : 0.0f;
    }
}

extern "C" __global__ void fill(Line out, u64 count, float value) {
    const float all[8] = {value, value, value, value, value, value, value, value};
    EACH_EIGHT(at, count) store8(out, at, up_to_eight(at, count), all);
}

extern "C" __global__ void clear_bytes(u8 *out, u64 count) {
    for (u64 at = (u64)blockIdx.x * blockDim.x + threadIdx.x; at < count; at += (u64)gridDim.x * blockDim.x)
        out[at] = 0;
}

extern "C" __global__ void unary(u32 op, Line x, Line out, u64 count) {
    EACH_EIGHT(at, count) {
        const u32 many = up_to_eight(at, count);
        float v[8];
        load8(x, at, many, v);
#pragma unroll
        for (u32 each = 0; each < 8; each++)
            v[each] = value_of(op, v[each]);
        store8(out, at, many, v);
    }
}

extern "C" __global__ void unary_back(u32 op, Line x, Line dy, Line out, u64 count) {
    EACH_EIGHT(at, count) {
        const u32 many = up_to_eight(at, count);
        float v[8], back[8];
        load8(x, at, many, v);
        load8(dy, at, many, back);
#pragma unroll
        for (u32 each = 0; each < 8; each++)
            v[each] = back[each] * slope_of(op, v[each]);
        store8(out, at, many, v);
    }
}

extern "C" __global__ void affine(Line x, float scale, float shift, Line out, u64 count) {
    EACH_EIGHT(at, count) {
        const u32 many = up_to_eight(at, count);
        float v[8];
        load8(x, at, many, v);
#pragma unroll
        for (u32 each = 0; each < 8; each++)
            v[each] = v[each] * scale + shift;
        store8(out, at, many, v);
    }
}

extern "C" __global__ void copy(View x, Line out, u64 count) {
    EACH_EIGHT(at, count) {
        const u32 many = up_to_eight(at, count);
        float v[8];
        gather8(x, at, many, v);
        store8(out, at, many, v);
    }
}

// Of whole numbers, in the bytes that they are.
extern "C" __global__ void copy_words(View x, u32 *out, u64 count) {
    for (u64 at = (u64)blockIdx.x * blockDim.x + threadIdx.x; at < count; at += (u64)gridDim.x * blockDim.x)
        out[at] = ((const u32 *)x.line.at)[place(x, (u32)at)];
}

extern "C" __global__ void copy_bytes(View x, u8 *out, u64 count) {
    for (u64 at = (u64)blockIdx.x * blockDim.x + threadIdx.x; at < count; at += (u64)gridDim.x * blockDim.x)
        out[at] = ((const u8 *)x.line.at)[place(x, (u32)at)];
}

extern "C" __global__ void binary(u32 op, View x, View y, Line out, u64 count) {
    EACH_EIGHT(at, count) {
        const u32 many = up_to_eight(at, count);
        float v[8], w[8];
        gather8(x, at, many, v);
        gather8(y, at, many, w);
#pragma unroll
        for (u32 each = 0; each < 8; each++)
            v[each] = op == ADD   ? v[each] + w[each]
                      : op == SUB ? v[each] - w[each]
                      : op == MUL ? v[each] * w[each]
                                  : v[each] / w[each];
        store8(out, at, many, v);
    }
}

extern "C" __global__ void add_into(Line into, View x, float factor, u64 count) {
    EACH_EIGHT(at, count) {
        const u32 many = up_to_eight(at, count);
        float v[8], w[8];
        load8(into, at, many, v);
        gather8(x, at, many, w);
#pragma unroll
        for (u32 each = 0; each < 8; each++)
            v[each] += factor * w[each];
        store8(into, at, many, v);
    }
}

extern "C" __global__ void gated(Line x, Line y, Line out, u64 count) {
    EACH_EIGHT(at, count) {
        const u32 many = up_to_eight(at, count);
        float v[8], w[8];
        load8(x, at, many, v);
        load8(y, at, many, w);
#pragma unroll
        for (u32 each = 0; each < 8; each++)
            v[each] = v[each] * sigmoid(v[each]) * w[each];
        store8(out, at, many, v);
    }
}

extern "C" __global__ void gated_back(Line x, Line y, Line dout, Line dx, Line dy, u64 count) {
    EACH_EIGHT(at, count) {
        const u32 many = up_to_eight(at, count);
        float v[8], w[8], back[8];
        load8(x, at, many, v);
        load8(y, at, many, w);
        load8(dout, at, many, back);
#pragma unroll
        for (u32 each = 0; each < 8; each++) {
            const float open = sigmoid(v[each]);
            const float given = back[each];
            back[each] = given * w[each] * open * (1.0f + v[each] * (1.0f - open));
            w[each] = given * v[each] * open;
        }
        store8(dx, at, many, back);
        store8(dy, at, many, w);
    }
}

// 24 bits that depend on the seed and a number's place and nothing else, as the host draws them.
__device__ __forceinline__ u32 drawn(u64 seed, u64 place) {
    u64 bits = seed + (place + 1) * 0x9e3779b97f4a7c15ull;
    bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9ull;
    bits = (bits ^ bits >> 27) * 0x94d049bb133111ebull;
    return (u32)((bits ^ bits >> 31) >> 40);
}

extern "C" __global__ void dropout(u64 seed, u32 limit, float keep, Line x, Line out, u64 count) {
    EACH_EIGHT(at, count) {
        const u32 many = up_to_eight(at, count);
        float v[8];
        load8(x, at, many, v);
#pragma unroll
        for (u32 each = 0; each < 8; each++)
            v[each] *= drawn(seed, at + each) < limit ? 0.0f : keep;
        store8(out, at, many, v);
    }
}

// `mean_fix` and `square_fix` make up for having begun at zero.
extern "C" __global__ void adam(Line value, Line grad, Line mean, Line square, u64 count, float rate, float beta1,
                                float beta2, float epsilon, float decay, float factor, float mean_fix,
                                float square_fix) {
    EACH_EIGHT(at, count) {
        const u32 many = up_to_eight(at, count);
        float v[8], g[8], m[8], s[8];
        load8(value, at, many, v);
        load8(grad, at, many, g);
        load8(mean, at, many, m);
        load8(square, at, many, s);
#pragma unroll
        for (u32 each = 0; each < 8; each++) {
            const float given = g[each] * factor;
            m[each] = beta1 * m[each] + (1.0f - beta1) * given;
            s[each] = beta2 * s[each] + (1.0f - beta2) * given * given;
            const float root = sqrtf(s[each] * square_fix) + epsilon;
            v[each] -= rate * (m[each] * mean_fix / root + decay * v[each]);
        }
        store8(value, at, many, v);
        store8(mean, at, many, m);
        store8(square, at, many, s);
    }
}

// States in eight bits, as `train/code.rs` argues and tells them: 127 powers of two with a sign, or 255 without.
struct Code {
    float top, step;
    bool never_nothing;
};

__device__ __forceinline__ Code code_of_means() { return {127.0f, 1.0f / 9.0f, false}; }
__device__ __forceinline__ Code code_of_squares() { return {255.0f, 24.0f / 254.0f, true}; }

__device__ __forceinline__ float told(Code code, u32 bits) {
    return bits == 0 ? 0.0f : exp2f(((float)bits - code.top) * code.step);
}

__device__ __forceinline__ u32 tell(Code code, float share, float lot) {
    if (!(share > 0.0f))
        return 0;
    const float place = code.top + log2f(share) / code.step;
    if (place < 1.0f)
        return code.never_nothing || lot < share / told(code, 1) ? 1 : 0;
    const u32 below = (u32)fminf(place, code.top);
    if (below >= (u32)code.top)
        return (u32)code.top;
    const float low = told(code, below), high = told(code, below + 1);
    return below + (lot < (share - low) / (high - low) ? 1 : 0);
}

__device__ __forceinline__ float largest_of_warp(const float *eight) {
    float most = 0.0f;
#pragma unroll
    for (u32 each = 0; each < 8; each++)
        most = fmaxf(most, fabsf(eight[each]));
#pragma unroll
    for (u32 step = 16; step > 0; step /= 2)
        most = fmaxf(most, __shfl_xor_sync(~0u, most, step));
    return most;
}

__device__ __forceinline__ float lot(u64 seed, u64 place) { return (float)drawn(seed, place) / 16777216.0f; }

// A warp has a block of 256 numbers, which share two scales. Slices of states are whole blocks, so that codes may be read
// where there are no numbers any more.
extern "C" __global__ void adam_bytes(Line value, Line grad, u8 *means, u8 *squares, float *mean_scales,
                                      float *square_scales, u64 count, u64 first, u64 seed, float rate, float beta1,
                                      float beta2, float epsilon, float decay, float factor, float mean_fix,
                                      float square_fix) {
    const u32 lane = threadIdx.x % 32;
    const u64 blocks = (count + 255) / 256;
    for (u64 block = ((u64)blockIdx.x * blockDim.x + threadIdx.x) / 32; block < blocks;
         block += (u64)gridDim.x * blockDim.x / 32) {
        const u64 at = block * 256 + lane * 8;
        const u32 many = at >= count ? 0 : up_to_eight(at, count);
        float v[8], g[8], m[8], s[8];
        load8(value, at, many, v);
        load8(grad, at, many, g);
        const float mean_scale = mean_scales[block], square_scale = square_scales[block];
#pragma unroll
        for (u32 each = 0; each < 8; each++) {
            const u32 mean = means[at + each], square = squares[at + each];
            const float size = mean_scale * told(code_of_means(), mean & 127);
            m[each] = mean & 128 ? -size : size;
            s[each] = square_scale * told(code_of_squares(), square);
            const float given = g[each] * factor;
            m[each] = beta1 * m[each] + (1.0f - beta1) * given;
            s[each] = beta2 * s[each] + (1.0f - beta2) * given * given;
            const float root = sqrtf(s[each] * square_fix) + epsilon;
            v[each] -= rate * (m[each] * mean_fix / root + decay * v[each]);
            if (each >= many)
                m[each] = s[each] = 0.0f;
        }
        store8(value, at, many, v);
        const float mean_most = largest_of_warp(m), square_most = largest_of_warp(s);
#pragma unroll
        for (u32 each = 0; each < 8; each++) {
            const u64 place = first + at + each;
            const float mean = mean_most > 0.0f ? fabsf(m[each]) / mean_most : 0.0f;
            const float square = square_most > 0.0f ? s[each] / square_most : 0.0f;
            const u32 sign = m[each] < 0.0f ? 128 : 0;
            means[at + each] = (u8)(tell(code_of_means(), mean, lot(seed, place)) | sign);
            squares[at + each] = (u8)tell(code_of_squares(), square, lot(seed + 1, place));
        }
        if (lane == 0)
            mean_scales[block] = mean_most, square_scales[block] = square_most;
        __syncwarp();
    }
}

// A sum of squares in two steps, always added up in the same order: each thread block's share, then all shares.
extern "C" __global__ void squares(Line x, u64 count, float *shares) {
    float sum = 0.0f;
    EACH_EIGHT(at, count) {
        float v[8];
        load8(x, at, up_to_eight(at, count), v);
#pragma unroll
        for (u32 each = 0; each < 8; each++)
            sum += v[each] * v[each];
    }
    sum = together<Plus>(sum);
    if (threadIdx.x == 0)
        shares[blockIdx.x] = sum;
}

// Adds shares to one number. One thread block.
extern "C" __global__ void add_shares(const float *shares, u32 count, float *into) {
    double sum = 0.0;
    for (u32 at = threadIdx.x; at < count; at += blockDim.x)
        sum += shares[at];
    __shared__ double all[256];
    all[threadIdx.x] = sum;
    __syncthreads();
    for (u32 step = blockDim.x / 2; step > 0; step /= 2) {
        if (threadIdx.x < step)
            all[threadIdx.x] += all[threadIdx.x + step];
        __syncthreads();
    }
    if (threadIdx.x == 0)
        *into += (float)all[0];
}
