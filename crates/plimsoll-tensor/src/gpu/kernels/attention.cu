// Attention of any kind of numbers and of heads of up to 256, a warp for each row: plain, and slow beside the tiles. A
// lane has every 32nd number of a head.

constexpr u32 EACH = 8;

__device__ __forceinline__ float warp_sum(float value) {
#pragma unroll
    for (u32 step = 16; step > 0; step /= 2)
        value += __shfl_xor_sync(~0u, value, step);
    return value;
}

__device__ __forceinline__ void take(const Line &line, u64 from, u32 width, float *into) {
#pragma unroll
    for (u32 each = 0; each < EACH; each++) {
        const u32 at = threadIdx.x % 32 + 32 * each;
        into[each] = at < width ? load(line, from + at) : 0.0f;
    }
}

__device__ __forceinline__ void give(const Line &line, u64 to, u32 width, const float *from, float factor) {
#pragma unroll
    for (u32 each = 0; each < EACH; each++) {
        const u32 at = threadIdx.x % 32 + 32 * each;
        if (at < width)
            store(line, to + at, from[each] * factor);
    }
}

__device__ __forceinline__ float dot(const float *one, const float *other) {
    float sum = 0.0f;
#pragma unroll
    for (u32 each = 0; each < EACH; each++)
        sum += one[each] * other[each];
    return warp_sum(sum);
}

// The warp's number among all.
__device__ __forceinline__ u64 warp_number() { return ((u64)blockIdx.x * blockDim.x + threadIdx.x) / 32; }

extern "C" __global__ void attend_plain(Sizes sizes, u32 batch, Line q, Line k, Line v, Line out, float *sums) {
    const u64 number = warp_number();
    if (number >= (u64)batch * sizes.queries * sizes.heads)
        return;
    const u32 head = (u32)(number % sizes.heads), kv_head = head / (sizes.heads / sizes.kv_heads);
    const u64 row = number / sizes.heads;
    const u32 query = (u32)(row % sizes.queries);
    const u64 first = row / sizes.queries * sizes.keys;
    float mine[EACH], theirs[EACH], found[EACH] = {};
    take(q, number * sizes.width, sizes.width, mine);
    float most = -INFINITE, sum = 0.0f;
    for (u32 key = 0; key < seen(sizes, query); key++) {
        const u64 at = ((first + key) * sizes.kv_heads + kv_head) * sizes.width;
        take(k, at, sizes.width, theirs);
        const float score = dot(mine, theirs) * sizes.scale;
        const float peak = fmaxf(most, score);
        const float shrink = most == peak ? 1.0f : expf(most - peak), weight = expf(score - peak);
        take(v, at, sizes.width, theirs);
#pragma unroll
        for (u32 each = 0; each < EACH; each++)
            found[each] = found[each] * shrink + weight * theirs[each];
        sum = sum * shrink + weight;
        most = peak;
    }
    give(out, number * sizes.width, sizes.width, found, 1.0f / sum);
    if (threadIdx.x % 32 == 0)
        sums[number] = most + logf(sum);
}

// Gradients of queries, and what each row's weights are to be lessened by.
extern "C" __global__ void attend_plain_queries(Sizes sizes, u32 batch, Line q, Line k, Line v, Line out, Line dout,
                                                const float *sums, float *levels, Line dq) {
    const u64 number = warp_number();
    if (number >= (u64)batch * sizes.queries * sizes.heads)
        return;
    const u32 head = (u32)(number % sizes.heads), kv_head = head / (sizes.heads / sizes.kv_heads);
    const u64 row = number / sizes.heads;
    const u32 query = (u32)(row % sizes.queries);
    const u64 first = row / sizes.queries * sizes.keys;
    float mine[EACH], back[EACH], keys[EACH], theirs[EACH], found[EACH] = {};
    take(q, number * sizes.width, sizes.width, mine);
    take(dout, number * sizes.width, sizes.width, back);
    take(out, number * sizes.width, sizes.width, theirs);
    const float level = dot(back, theirs);
    for (u32 key = 0; key < seen(sizes, query); key++) {
        const u64 at = ((first + key) * sizes.kv_heads + kv_head) * sizes.width;
        take(k, at, sizes.width, keys);
        take(v, at, sizes.width, theirs);
        const float weight = expf(dot(mine, keys) * sizes.scale - sums[number]);
        const float slope = weight * (dot(back, theirs) - level);
#pragma unroll
        for (u32 each = 0; each < EACH; each++)
            found[each] += slope * keys[each];
    }
    give(dq, number * sizes.width, sizes.width, found, sizes.scale);
    if (threadIdx.x % 32 == 0)
        levels[number] = level;
}

// Gradients of keys and values.
extern "C" __global__ void attend_plain_keys(Sizes sizes, u32 batch, Line q, Line k, Line v, Line dout,
                                             const float *sums, const float *levels, Line dk, Line dv) {
    const u64 number = warp_number();
    if (number >= (u64)batch * sizes.keys * sizes.kv_heads)
        return;
    const u32 group = sizes.heads / sizes.kv_heads, kv_head = (u32)(number % sizes.kv_heads);
    const u64 row = number / sizes.kv_heads;
    const u32 key = (u32)(row % sizes.keys);
    const u64 first = row / sizes.keys * sizes.queries;
    float mine[EACH], value[EACH], theirs[EACH], back[EACH], by_key[EACH] = {}, by_value[EACH] = {};
    take(k, number * sizes.width, sizes.width, mine);
    take(v, number * sizes.width, sizes.width, value);
    for (u32 head = kv_head * group; head < (kv_head + 1) * group; head++)
        for (u32 query = 0; query < sizes.queries; query++) {
            if (key >= seen(sizes, query))
                continue;
            const u64 at = (first + query) * sizes.heads + head;
            take(q, at * sizes.width, sizes.width, theirs);
            take(dout, at * sizes.width, sizes.width, back);
            const float weight = expf(dot(mine, theirs) * sizes.scale - sums[at]);
            const float slope = weight * (dot(back, value) - levels[at]);
#pragma unroll
            for (u32 each = 0; each < EACH; each++) {
                by_key[each] += slope * theirs[each];
                by_value[each] += weight * back[each];
            }
        }
    give(dk, number * sizes.width, sizes.width, by_key, sizes.scale);
    give(dv, number * sizes.width, sizes.width, by_value, 1.0f);
}
