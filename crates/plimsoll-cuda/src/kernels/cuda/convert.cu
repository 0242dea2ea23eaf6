// Converts numbers: between floats, from floats to small integers that share a scale, and back.
//
// Each kind says how four numbers lie in memory; everything is computed in single precision, which holds the others
// exactly, so that a conversion rounds once. Division is IEEE's: the compiler's default, and no option changes it.

#include "common.cuh"

struct F32 {
    typedef uint4 Four;
    typedef u32 One;

    static float widen(One bits) { return __uint_as_float(bits); }
    static One narrow(float value) { return __float_as_uint(value); }
    static float4 widen(Four four) {
        return make_float4(widen(four.x), widen(four.y), widen(four.z), widen(four.w));
    }
    static Four narrow(float4 four) {
        return make_uint4(narrow(four.x), narrow(four.y), narrow(four.z), narrow(four.w));
    }
};

struct F16 {
    typedef uint2 Four;
    typedef u16 One;

    static float widen(One bits) {
        float value;
        asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
        return value;
    }
    static One narrow(float value) {
        One bits;
        asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
        return bits;
    }
    static float4 widen(Four four) {
        return make_float4(widen((One)four.x), widen((One)(four.x >> 16)), widen((One)four.y),
                           widen((One)(four.y >> 16)));
    }
    static u32 pair(float low, float high) {
#if __CUDA_ARCH__ >= 800
        u32 bits;
        asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
        return bits;
#else
        return narrow(low) | (u32)narrow(high) << 16;
#endif
    }
    static Four narrow(float4 four) { return make_uint2(pair(four.x, four.y), pair(four.z, four.w)); }
};

struct Bf16 {
    typedef uint2 Four;
    typedef u16 One;

    static float widen(One bits) { return __uint_as_float((u32)bits << 16); }
    static One narrow(float value) {
        const u32 bits = __float_as_uint(value);
        // A NaN whose payload is all in the lower half would round to infinity.
        if ((bits & 0x7fffffff) > 0x7f800000)
            return (One)(bits >> 16 | 0x40);
        return (One)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
    static float4 widen(Four four) {
        return make_float4(widen((One)four.x), __uint_as_float(four.x & 0xffff0000), widen((One)four.y),
                           __uint_as_float(four.y & 0xffff0000));
    }
    static u32 pair(float low, float high) {
#if __CUDA_ARCH__ >= 800
        u32 bits;
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
        return bits;
#else
        return narrow(low) | (u32)narrow(high) << 16;
#endif
    }
    static Four narrow(float4 four) { return make_uint2(pair(four.x, four.y), pair(four.z, four.w)); }
};

// Both integer kinds: `widen` gives the integers as floats, `narrow` takes integers within the extremes.
struct Int8 {
    typedef u32 Four;
    static constexpr float EXTREME = 127;

    static float4 widen(Four four) {
        return make_float4((i8)four, (i8)(four >> 8), (i8)(four >> 16), (i8)(four >> 24));
    }
    static Four narrow(i32 a, i32 b, i32 c, i32 d) {
        return (a & 0xff) | (b & 0xff) << 8 | (c & 0xff) << 16 | (u32)d << 24;
    }
};

struct Int4 {
    typedef u16 Four;
    static constexpr float EXTREME = 7;

    static i32 digit(u32 four, u32 at) { return (i32)(four << (28 - at * 4)) >> 28; }
    static float4 widen(Four four) {
        return make_float4(digit(four, 0), digit(four, 1), digit(four, 2), digit(four, 3));
    }
    static Four narrow(i32 a, i32 b, i32 c, i32 d) {
        return (Four)((a & 0xf) | (b & 0xf) << 4 | (c & 0xf) << 8 | (d & 0xf) << 12);
    }
};

template <class From, class To> void convert(const void *source, void *target, u64 numbers) {
    const typename From::Four *from = (const typename From::Four *)source;
    typename To::Four *to = (typename To::Four *)target;
    const u64 fours = numbers / 4;
    const u64 step = (u64)gridDim.x * THREADS * DEPTH;
    for (u64 first = (u64)blockIdx.x * THREADS * DEPTH + threadIdx.x; first < fours; first += step) {
        typename From::Four held[DEPTH];
#pragma unroll
        for (u32 k = 0; k < DEPTH; k++)
            if (first + k * THREADS < fours)
                held[k] = load_once(from + first + k * THREADS);
#pragma unroll
        for (u32 k = 0; k < DEPTH; k++)
            if (first + k * THREADS < fours)
                store_once(to + first + k * THREADS, To::narrow(From::widen(held[k])));
    }
    if (blockIdx.x == 0 && threadIdx.x < numbers % 4) {
        const typename From::One *last = (const typename From::One *)(from + fours);
        ((typename To::One *)(to + fours))[threadIdx.x] = To::narrow(From::widen(last[threadIdx.x]));
    }
}

// Eight numbers, which lie together: what a lane quantizes at once, so that it loads 16 bytes and stores whole words.
template <class Four> struct Eight {
    Four low, high;
};

inline Eight<uint4> load_eight(const uint4 *from) { return {from[0], from[1]}; }
inline Eight<uint2> load_eight(const uint2 *from) {
    const uint4 both = *(const uint4 *)from;
    return {make_uint2(both.x, both.y), make_uint2(both.z, both.w)};
}
inline void store_eight(u32 *to, Eight<u32> eight) { store_once((uint2 *)to, make_uint2(eight.low, eight.high)); }
inline void store_eight(u16 *to, Eight<u16> eight) { store_once((u32 *)to, eight.low | (u32)eight.high << 16); }

// The lanes that share one group: a power of two, at most a warp, chosen by the launcher so that it divides the
// group's eights. A warp may hold several teams, which leave the loop at different times, so each names its own lanes.
struct Team {
    u32 lanes, lane, mask;
    u64 number, count;

    Team(u32 lanes) : lanes(lanes) {
        const u32 in_warp = threadIdx.x % 32;
        lane = in_warp % lanes;
        mask = (lanes == 32 ? 0xffffffff : (1u << lanes) - 1) << (in_warp - lane);
        number = ((u64)blockIdx.x * THREADS + threadIdx.x) / lanes;
        count = (u64)gridDim.x * THREADS / lanes;
    }

    u32 largest(u32 value) const {
        for (u32 distance = lanes / 2; distance > 0; distance /= 2) {
            const u32 other = __shfl_xor_sync(mask, value, distance);
            value = value > other ? value : other;
        }
        return value;
    }
};

// Magnitudes of floats are ordered like their bits.
u32 magnitude(float value) {
    const u32 bits = __float_as_uint(value) & 0x7fffffff;
    return bits < 0x7f800000 ? bits : 0;
}

u32 magnitude(float4 four) {
    const u32 a = magnitude(four.x), b = magnitude(four.y), c = magnitude(four.z), d = magnitude(four.w);
    const u32 ab = a > b ? a : b, cd = c > d ? c : d;
    return ab > cd ? ab : cd;
}

template <class To> i32 quantum(float value, float scale) {
    const float exact = value / scale;
    // Also zero by a scale of zero.
    if (exact != exact)
        return 0;
    return __float2int_rn(fminf(fmaxf(exact, -To::EXTREME), To::EXTREME));
}

template <class To> typename To::Four quanta(float4 four, float scale) {
    return To::narrow(quantum<To>(four.x, scale), quantum<To>(four.y, scale), quantum<To>(four.z, scale),
                      quantum<To>(four.w, scale));
}

template <class From> u32 magnitude(Eight<typename From::Four> eight) {
    const u32 low = magnitude(From::widen(eight.low)), high = magnitude(From::widen(eight.high));
    return low > high ? low : high;
}

template <class From, class To> Eight<typename To::Four> quanta(Eight<typename From::Four> eight, float scale) {
    return {quanta<To>(From::widen(eight.low), scale), quanta<To>(From::widen(eight.high), scale)};
}

// The first eight of a lane stays in registers; a group that has more of them than lanes is read a second time, from
// the cache.
template <class From, class To>
void quantize(const void *source, void *target, float *scales, u64 groups, u32 fours, u32 lanes) {
    const Team team(lanes);
    for (u64 group = team.number; group < groups; group += team.count) {
        const typename From::Four *from = (const typename From::Four *)source + group * fours;
        typename To::Four *to = (typename To::Four *)target + group * fours;
        const u32 first = team.lane * 2, step = lanes * 2;
        const Eight<typename From::Four> held = load_eight(from + first);
        u32 largest = magnitude<From>(held);
        for (u32 at = first + step; at < fours; at += step) {
            const u32 other = magnitude<From>(load_eight(from + at));
            largest = largest > other ? largest : other;
        }
        const float scale = __uint_as_float(team.largest(largest)) / To::EXTREME;
        if (team.lane == 0)
            scales[group] = scale;
        store_eight(to + first, quanta<From, To>(held, scale));
        for (u32 at = first + step; at < fours; at += step)
            store_eight(to + at, quanta<From, To>(load_eight(from + at), scale));
    }
}

// A team takes several groups at once: one integer is little to have under way.
template <class From, class To>
void restore(const void *source, void *target, const float *scales, u64 groups, u32 fours, u32 lanes) {
    const typename From::Four *from = (const typename From::Four *)source;
    typename To::Four *to = (typename To::Four *)target;
    const Team team(lanes);
    for (u64 first = team.number; first < groups; first += team.count * DEPTH) {
        float scale[DEPTH];
#pragma unroll
        for (u32 k = 0; k < DEPTH; k++)
            if (first + k * team.count < groups)
                scale[k] = scales[first + k * team.count];
        for (u32 at = team.lane; at < fours; at += lanes) {
            typename From::Four held[DEPTH];
#pragma unroll
            for (u32 k = 0; k < DEPTH; k++)
                if (first + k * team.count < groups)
                    held[k] = load_once(from + (first + k * team.count) * fours + at);
#pragma unroll
            for (u32 k = 0; k < DEPTH; k++)
                if (first + k * team.count < groups) {
                    const float4 four = From::widen(held[k]);
                    store_once(to + (first + k * team.count) * fours + at,
                               To::narrow(make_float4(four.x * scale[k], four.y * scale[k], four.z * scale[k],
                                                      four.w * scale[k])));
                }
        }
    }
}

#define CONVERT(name, From, To)                                                                                        \
    extern "C" __global__ void __launch_bounds__(THREADS) name(const void *source, void *target, u64 numbers) {       \
        convert<From, To>(source, target, numbers);                                                                    \
    }

#define SCALED(name, way, From, To, Scale)                                                                             \
    extern "C" __global__ void __launch_bounds__(THREADS)                                                              \
        name(const void *source, void *target, Scale *scales, u64 groups, u32 fours, u32 lanes) {                      \
        way<From, To>(source, target, scales, groups, fours, lanes);                                                   \
    }

CONVERT(f32_to_f16, F32, F16)
CONVERT(f32_to_bf16, F32, Bf16)
CONVERT(f16_to_f32, F16, F32)
CONVERT(f16_to_bf16, F16, Bf16)
CONVERT(bf16_to_f32, Bf16, F32)
CONVERT(bf16_to_f16, Bf16, F16)

SCALED(f32_to_int8, quantize, F32, Int8, float)
SCALED(f16_to_int8, quantize, F16, Int8, float)
SCALED(bf16_to_int8, quantize, Bf16, Int8, float)
SCALED(f32_to_int4, quantize, F32, Int4, float)
SCALED(f16_to_int4, quantize, F16, Int4, float)
SCALED(bf16_to_int4, quantize, Bf16, Int4, float)

SCALED(int8_to_f32, restore, Int8, F32, const float)
SCALED(int8_to_f16, restore, Int8, F16, const float)
SCALED(int8_to_bf16, restore, Int8, Bf16, const float)
SCALED(int4_to_f32, restore, Int4, F32, const float)
SCALED(int4_to_f16, restore, Int4, F16, const float)
SCALED(int4_to_bf16, restore, Int4, Bf16, const float)
