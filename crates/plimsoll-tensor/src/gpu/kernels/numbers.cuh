// What the kernels here share: numbers of any kind, read and written as singles.
//
// A kind is looked up when the kernel runs, once for eight numbers: what is bound by memory does not notice, and each
// operation is written, compiled and loaded once for all kinds. The compiler has no include path, so nothing of the
// toolkit is included.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef int i32;
typedef unsigned long long u64;

// As `Dtype`, in its order.
enum Kind { F32, F16, BF16 };

#define INFINITE __int_as_float(0x7f800000)

// Numbers one behind the other. `wide`: they begin at a multiple of 16 bytes.
struct Line {
    char *at;
    u32 kind;
    u32 wide;
};

// Numbers in any layout, dimensions put together where they lie in one piece, the last of six the innermost. `wide`: eight
// from any multiple of eight on lie side by side, at a multiple of their bytes.
struct View {
    Line line;
    u32 dims[6];
    u32 strides[6];
};

__device__ __forceinline__ float of_half(u16 bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}

__device__ __forceinline__ u16 to_half(float value) {
    u16 bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}

__device__ __forceinline__ float of_brain(u16 bits) { return __uint_as_float((u32)bits << 16); }

__device__ __forceinline__ u16 to_brain(float value) {
    const u32 bits = __float_as_uint(value);
    // A NaN whose payload is all in the lower half would round to infinity.
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (u16)(bits >> 16 | 0x40);
    return (u16)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

__device__ __forceinline__ float load(const Line &line, u64 index) {
    if (line.kind == F32)
        return ((const float *)line.at)[index];
    const u16 bits = ((const u16 *)line.at)[index];
    return line.kind == F16 ? of_half(bits) : of_brain(bits);
}

__device__ __forceinline__ void store(const Line &line, u64 index, float value) {
    if (line.kind == F32)
        ((float *)line.at)[index] = value;
    else
        ((u16 *)line.at)[index] = line.kind == F16 ? to_half(value) : to_brain(value);
}

__device__ __forceinline__ void widen(u32 kind, const uint4 &eight, float *into) {
    const u32 words[4] = {eight.x, eight.y, eight.z, eight.w};
#pragma unroll
    for (u32 word = 0; word < 4; word++) {
        const u16 low = (u16)words[word], high = (u16)(words[word] >> 16);
        into[2 * word] = kind == F16 ? of_half(low) : of_brain(low);
        into[2 * word + 1] = kind == F16 ? of_half(high) : of_brain(high);
    }
}

__device__ __forceinline__ u32 narrow(u32 kind, float low, float high) {
    return kind == F16 ? (u32)to_half(low) | (u32)to_half(high) << 16 : (u32)to_brain(low) | (u32)to_brain(high) << 16;
}

// Up to eight numbers from a multiple of eight on; what is not there is zero.
__device__ __forceinline__ void load8(const Line &line, u64 index, u32 count, float *into) {
    if (count == 8 && line.wide) {
        if (line.kind == F32) {
            const float4 one = ((const float4 *)line.at)[index / 4], two = ((const float4 *)line.at)[index / 4 + 1];
            into[0] = one.x, into[1] = one.y, into[2] = one.z, into[3] = one.w;
            into[4] = two.x, into[5] = two.y, into[6] = two.z, into[7] = two.w;
        } else {
            widen(line.kind, ((const uint4 *)line.at)[index / 8], into);
        }
        return;
    }
#pragma unroll
    for (u32 each = 0; each < 8; each++)
        into[each] = each < count ? load(line, index + each) : 0.0f;
}

__device__ __forceinline__ void store8(const Line &line, u64 index, u32 count, const float *from) {
    if (count == 8 && line.wide) {
        if (line.kind == F32) {
            ((float4 *)line.at)[index / 4] = make_float4(from[0], from[1], from[2], from[3]);
            ((float4 *)line.at)[index / 4 + 1] = make_float4(from[4], from[5], from[6], from[7]);
        } else {
            const u32 kind = line.kind;
            ((uint4 *)line.at)[index / 8] = make_uint4(narrow(kind, from[0], from[1]), narrow(kind, from[2], from[3]),
                                                       narrow(kind, from[4], from[5]), narrow(kind, from[6], from[7]));
        }
        return;
    }
#pragma unroll
    for (u32 each = 0; each < 8; each++)
        if (each < count)
            store(line, index + each, from[each]);
}

// Where the number of this index lies.
__device__ __forceinline__ u64 place(const View &view, u32 index) {
    u64 at = 0;
#pragma unroll
    for (i32 dim = 5; dim >= 0; dim--) {
        if (view.dims[dim] == 1)
            continue;
        const u32 rest = index / view.dims[dim];
        at += (u64)(index - rest * view.dims[dim]) * view.strides[dim];
        index = rest;
    }
    return at;
}

// The same as load8 for numbers that lie anyhow. Where they lie in one piece the index may be of any size.
__device__ __forceinline__ void gather8(const View &view, u64 index, u32 count, float *into) {
    const bool whole = view.dims[4] == 1 && view.strides[5] == 1;
    if (whole || (view.line.wide && count == 8)) {
        load8(view.line, whole ? index : place(view, (u32)index), count, into);
        return;
    }
#pragma unroll
    for (u32 each = 0; each < 8; each++)
        into[each] = each < count ? load(view.line, place(view, (u32)index + each)) : 0.0f;
}

// Each thread takes eight numbers at a time, until all are done.
#define EACH_EIGHT(index, count)                                                                                       \
    for (u64 index = ((u64)blockIdx.x * blockDim.x + threadIdx.x) * 8; index < (count);                                \
         index += (u64)gridDim.x * blockDim.x * 8)

__device__ __forceinline__ u32 up_to_eight(u64 index, u64 count) {
    return count - index < 8 ? (u32)(count - index) : 8;
}

// Kernels of a series may begin before the one in front has ended. `ahead` lets the next one begin; nothing that an earlier one
// writes is read, and nothing written, before `behind`.
__device__ __forceinline__ void ahead() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;");
#endif
}

__device__ __forceinline__ void behind() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

struct Plus {
    static __device__ __forceinline__ float of(float one, float other) { return one + other; }
    static __device__ __forceinline__ float nothing() { return 0.0f; }
};

// NaN wins, so that it is seen.
struct Larger {
    static __device__ __forceinline__ float of(float one, float other) {
        return other > one || other != other ? other : one;
    }
    static __device__ __forceinline__ float nothing() { return -INFINITE; }
};

// What all threads of a block have together, told to all of them. The block is whole warps.
template <class Op> __device__ __forceinline__ float together(float value) {
    __shared__ float warps[32];
#pragma unroll
    for (u32 step = 16; step > 0; step /= 2)
        value = Op::of(value, __shfl_xor_sync(~0u, value, step));
    if (blockDim.x == 32)
        return value;
    __syncthreads();
    if (threadIdx.x % 32 == 0)
        warps[threadIdx.x / 32] = value;
    __syncthreads();
    value = threadIdx.x % 32 < blockDim.x / 32 ? warps[threadIdx.x % 32] : Op::nothing();
#pragma unroll
    for (u32 step = 16; step > 0; step /= 2)
        value = Op::of(value, __shfl_xor_sync(~0u, value, step));
    return value;
}
