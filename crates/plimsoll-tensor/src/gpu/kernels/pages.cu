// Queries, keys and values over pages of a cache: made what they are for their position, written to pages, and attention
// over those where they lie.

struct Turns {
    const float *bias[3];
    const float *norm[2];
    // A cosine and a sine for each pair of each token.
    const float2 *angles;
    u32 width;
    u32 halves;
    float epsilon;
    u32 unused;
};

// A block for a head of a token: biases and norms where there are any, rotation, and the way to the page.
extern "C" __global__ void turn(Heads of, Turns how, const Token *tokens, const float *divided, float *queries,
                                const float *keys, const float *values) {
    __shared__ float numbers[256];
    ahead();
    // What a step is told and what weights say is there whatever others do.
    const u32 token = blockIdx.x, at = blockIdx.y, each = threadIdx.x;
    const u32 which = at < of.heads ? 0 : at < of.heads + of.kv_heads ? 1 : 2;
    const u32 head = which == 0 ? at : (at - of.heads) % of.kv_heads;
    const u32 width = which == 2 ? of.value_width : of.key_width, heads = which == 0 ? of.heads : of.kv_heads;
    const float *bias = which == 0 ? how.bias[0] : which == 1 ? how.bias[1] : how.bias[2];
    const float *norm = which == 0 ? how.norm[0] : which == 1 ? how.norm[1] : nullptr;
    const bool there = each < width, turned = which < 2 && each < how.width;
    const u32 pairs = how.width / 2, pair = how.halves ? each % pairs : each / 2;
    const bool second = how.halves ? each >= pairs : each % 2;
    const Token mine = tokens[token];
    const float added = bias && there ? bias[head * width + each] : 0.0f, weight = norm && there ? norm[each] : 1.0f;
    const float2 angle = turned ? how.angles[(u64)token * pairs + pair] : make_float2(1.0f, 0.0f);
    behind();
    const float back = divided ? divided[token] : 1.0f;
    const u64 row = ((u64)token * heads + head) * width;
    float number = there ? (which == 0 ? queries : which == 1 ? keys : values)[row + each] * back + added : 0.0f;
    if (norm)
        number *= 1.0f / sqrtf(together<Plus>(number * number) / (float)width + how.epsilon) * weight;
    numbers[each] = number;
    __syncthreads();
    if (!there)
        return;
    if (turned) {
        const float other = numbers[how.halves ? (second ? each - pairs : each + pairs) : each ^ 1];
        number = second ? other * angle.y + number * angle.x : number * angle.x - other * angle.y;
    }
    if (which == 0) {
        queries[row + each] = number;
        return;
    }
    char *page = mine.page + (which == 1 ? of.keys_at : of.values_at);
    store(Line{page, of.kind, 0}, ((u64)mine.row * of.kv_heads + head) * width + each, number);
}

constexpr u32 NONE = ~0u, KEYS = 32, SIDE = 16, EACH_WARP = 4;

// Tokens one behind the other, of which the first `here` are there, and a head of theirs.
struct Rows {
    char *const *pages;
    u32 begin;
    u32 here;
    u32 page_tokens;
    u32 kv_heads;
    u32 head;
    u32 kind;

    // Brings their keys or values, so wide and so far into a page, to rows of a block's own memory; zeros for who is not there.
    __device__ __forceinline__ void bring(u32 width, u32 place, float *to, u32 pitch) const {
        for (u32 at = threadIdx.x * 8; at < KEYS * width; at += blockDim.x * 8) {
            const u32 row = at / width, column = at % width, token = begin + row;
            float eight[8] = {};
            if (row < here) {
                char *page = pages[token / page_tokens] + place;
                load8(Line{page, kind, 1}, ((u64)(token % page_tokens) * kv_heads + head) * width + column, 8, eight);
            }
            float4 *four = (float4 *)(to + row * pitch + column);
            four[0] = make_float4(eight[0], eight[1], eight[2], eight[3]);
            four[1] = make_float4(eight[4], eight[5], eight[6], eight[7]);
        }
    }
};

// A block has sixteen rows: heads of queries that share a head of keys, of one token or several; a warp has four of them.
// Over 32 keys at a time a lane has a key, then numbers of the values. Parts keep for each row the greatest score, what the
// weights add up to, and the weighted values.
template <u32 DEEP>
__device__ __forceinline__ void attend_pages(const Heads &of, const Share *shares, const Token *tokens,
                                             char *const *pages, const float *queries, float *out, float *parts) {
    extern __shared__ float memory[];
    ahead();
    behind();
    const u32 keyed = of.key_width, valued = of.value_width, pitch = keyed + 4;
    float *query = memory, *key = query + SIDE * keyed, *value = key + KEYS * pitch;
    const Share share = shares[blockIdx.x];
    const u32 head = blockIdx.y, group = of.heads / of.kv_heads, each = group < SIDE ? group : SIDE;
    const u32 first = blockIdx.z * SIDE, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    // How many of its rows there are.
    const u32 heads_here = group - first < each ? group - first : each, rows = share.count * each;
    const float sharpness = rsqrtf((float)keyed);
    for (u32 at = threadIdx.x; at < SIDE * keyed; at += blockDim.x) {
        const u32 row = at / keyed, token = row / each, within = row % each;
        const bool there = row < rows && within < heads_here;
        const u64 from = ((u64)(share.token + token) * of.heads + head * group + first + within) * keyed + at % keyed;
        query[at] = there ? queries[from] * sharpness : 0.0f;
    }
    u32 position[EACH_WARP];
    float most[EACH_WARP], sum[EACH_WARP], means[EACH_WARP][DEEP];
#pragma unroll
    for (u32 mine = 0; mine < EACH_WARP; mine++) {
        const u32 row = warp * EACH_WARP + mine;
        position[mine] = row < rows ? tokens[share.token + row / each].position : 0;
        most[mine] = -INFINITE, sum[mine] = 0.0f;
#pragma unroll
        for (u32 deep = 0; deep < DEEP; deep++)
            means[mine][deep] = 0.0f;
    }
    for (u32 begin = share.from; begin < share.to; begin += KEYS) {
        const u32 here = share.to - begin < KEYS ? share.to - begin : KEYS;
        __syncthreads();
        const Rows those{pages + share.table, begin, here, of.page_tokens, of.kv_heads, head, of.kind};
        those.bring(keyed, of.keys_at, key, pitch);
        those.bring(valued, of.values_at, value, valued);
        __syncthreads();
        if (warp * EACH_WARP >= rows)
            continue;
        float weight[EACH_WARP] = {};
        for (u32 column = 0; column < keyed; column += 4) {
            const float4 mine = *(const float4 *)(key + lane * pitch + column);
#pragma unroll
            for (u32 row = 0; row < EACH_WARP; row++) {
                const float4 other = *(const float4 *)(query + (warp * EACH_WARP + row) * keyed + column);
                weight[row] += mine.x * other.x + mine.y * other.y + mine.z * other.z + mine.w * other.w;
            }
        }
#pragma unroll
        for (u32 row = 0; row < EACH_WARP; row++) {
            const bool seen = lane < here && begin + lane <= position[row];
            const float score = seen ? weight[row] : -INFINITE;
            float greatest = score;
#pragma unroll
            for (u32 step = 16; step > 0; step /= 2)
                greatest = fmaxf(greatest, __shfl_xor_sync(~0u, greatest, step));
            greatest = fmaxf(greatest, most[row]);
            // Nothing seen yet: nothing to be scaled, and no weight.
            const float down = most[row] == -INFINITE ? 0.0f : __expf(most[row] - greatest);
            weight[row] = seen ? __expf(score - greatest) : 0.0f;
            most[row] = greatest;
            float all = weight[row];
#pragma unroll
            for (u32 step = 16; step > 0; step /= 2)
                all += __shfl_xor_sync(~0u, all, step);
            sum[row] = sum[row] * down + all;
#pragma unroll
            for (u32 deep = 0; deep < DEEP; deep++)
                means[row][deep] *= down;
        }
        for (u32 token = 0; token < here; token++) {
            float by[EACH_WARP];
#pragma unroll
            for (u32 row = 0; row < EACH_WARP; row++)
                by[row] = __shfl_sync(~0u, weight[row], token);
#pragma unroll
            for (u32 deep = 0; deep < DEEP; deep++) {
                const u32 column = deep * 32 + lane;
                const float number = column < valued ? value[token * valued + column] : 0.0f;
#pragma unroll
                for (u32 row = 0; row < EACH_WARP; row++)
                    means[row][deep] += by[row] * number;
            }
        }
    }
#pragma unroll
    for (u32 mine = 0; mine < EACH_WARP; mine++) {
        const u32 row = warp * EACH_WARP + mine, token = row / each, within = row % each;
        if (row >= rows || within >= heads_here)
            continue;
        if (share.part == NONE) {
            const float whole = sum[mine] > 0.0f ? 1.0f / sum[mine] : 0.0f;
            float *to = out + ((u64)(share.token + token) * of.heads + head * group + first + within) * valued;
#pragma unroll
            for (u32 deep = 0; deep < DEEP; deep++)
                if (deep * 32 + lane < valued)
                    to[deep * 32 + lane] = means[mine][deep] * whole;
            continue;
        }
        const u64 line = (((u64)share.part * of.kv_heads + head) * gridDim.z + blockIdx.z) * SIDE + row;
        float *to = parts + line * (valued + 2);
        if (lane == 0)
            to[0] = most[mine], to[1] = sum[mine];
#pragma unroll
        for (u32 deep = 0; deep < DEEP; deep++)
            if (deep * 32 + lane < valued)
                to[2 + deep * 32 + lane] = means[mine][deep];
    }
}

#define ATTEND(DEEP)                                                                                                   \
    extern "C" __global__ void __launch_bounds__(128)                                                                  \
        attend_##DEEP(Heads of, const Share *shares, const Token *tokens, char *const *pages, const float *queries,    \
                      float *out, float *parts) {                                                                      \
        attend_pages<DEEP>(of, shares, tokens, pages, queries, out, parts);                                            \
    }

ATTEND(2)
ATTEND(4)
ATTEND(8)

// The same for one token of each sequence, which is all that writing a text computes: four of its heads of queries that share a
// head of keys, and the warps of a block share the keys. A lane has a key, which it reads where it lies, then eight numbers of
// the values; what lanes and warps have found is put together at the end.
constexpr u32 FEW = 4, TEAM = 4, EIGHT = 8;

// Eight numbers as they lie in a page.
template <bool SINGLES> struct Eight {
    uint4 one, two;

    __device__ __forceinline__ void read(const char *at) {
        one = *(const uint4 *)at;
        if (SINGLES)
            two = *(const uint4 *)(at + 16);
    }

    __device__ __forceinline__ void numbers(u32 kind, float (&into)[EIGHT]) const {
        if (!SINGLES) {
            widen(kind, one, into);
            return;
        }
        const u32 words[EIGHT] = {one.x, one.y, one.z, one.w, two.x, two.y, two.z, two.w};
#pragma unroll
        for (u32 each = 0; each < EIGHT; each++)
            into[each] = __uint_as_float(words[each]);
    }
};

// Has lines brought to the second cache.
__device__ __forceinline__ void come_nearer(const char *at, u32 bytes) {
    for (u32 byte = 0; byte < bytes; byte += 128)
        asm volatile("prefetch.global.L2 [%0];" ::"l"(at + byte));
}

// What a warp has found of its keys.
struct Found {
    float most[FEW], sum[FEW], mean[FEW][EIGHT];
};

template <bool SINGLES>
__device__ __forceinline__ void look_at_keys(const Heads &of, const Share &share, char *const *pages, u32 head,
                                             const float *query, Found &found) {
    constexpr u32 BATCH = SINGLES ? 4 : 8, BYTES = SINGLES ? 32 : 16;
    const u32 keyed = of.key_width, valued = of.value_width, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const u32 wide = valued / EIGHT, high = 32 / wide, line = lane / wide, column = lane % wide;
    for (u32 begin = share.from + warp * 32; begin < share.to; begin += TEAM * 32) {
        const u32 here = share.to - begin < 32 ? share.to - begin : 32;
        const char *key = lies(of, pages, head, begin + (lane < here ? lane : 0), of.keys_at, keyed);
        // The first values are on their way while keys are looked at.
        Eight<SINGLES> values[BATCH];
        auto bring_values = [&](u32 from) {
#pragma unroll
            for (u32 each = 0; each < BATCH; each++) {
                const u32 token = from + each * high + line;
                if (line < high && token < here)
                    values[each].read(lies(of, pages, head, begin + token, of.values_at, valued) + column * BYTES);
            }
        };
        bring_values(0);
        float weight[FEW] = {};
        for (u32 from = 0; from < keyed; from += BATCH * EIGHT) {
            Eight<SINGLES> eights[BATCH];
#pragma unroll
            for (u32 each = 0; each < BATCH; each++)
                if (from + each * EIGHT < keyed)
                    eights[each].read(key + (from / EIGHT + each) * BYTES);
#pragma unroll
            for (u32 each = 0; each < BATCH; each++) {
                const u32 at = from + each * EIGHT;
                if (at >= keyed)
                    break;
                float numbers[EIGHT];
                eights[each].numbers(of.kind, numbers);
#pragma unroll
                for (u32 row = 0; row < FEW; row++)
#pragma unroll
                    for (u32 four = 0; four < EIGHT; four += 4) {
                        const float4 mine = *(const float4 *)(query + row * keyed + at + four);
                        weight[row] += numbers[four] * mine.x + numbers[four + 1] * mine.y + numbers[four + 2] * mine.z +
                                       numbers[four + 3] * mine.w;
                    }
            }
        }
#pragma unroll
        for (u32 row = 0; row < FEW; row++) {
            const float score = lane < here ? weight[row] : -INFINITE;
            float greatest = score;
#pragma unroll
            for (u32 step = 16; step > 0; step /= 2)
                greatest = fmaxf(greatest, __shfl_xor_sync(~0u, greatest, step));
            greatest = fmaxf(greatest, found.most[row]);
            const float down = found.most[row] == -INFINITE ? 0.0f : __expf(found.most[row] - greatest);
            weight[row] = lane < here ? __expf(score - greatest) : 0.0f;
            found.most[row] = greatest;
            // A lane's own; lanes are added up at the end.
            found.sum[row] = found.sum[row] * down + weight[row];
#pragma unroll
            for (u32 each = 0; each < EIGHT; each++)
                found.mean[row][each] *= down;
        }
        for (u32 from = 0; from < here; from += BATCH * high) {
            if (from > 0)
                bring_values(from);
#pragma unroll
            for (u32 each = 0; each < BATCH; each++) {
                const u32 token = from + each * high + line;
                float numbers[EIGHT] = {};
                if (line < high && token < here)
                    values[each].numbers(of.kind, numbers);
#pragma unroll
                for (u32 row = 0; row < FEW; row++) {
                    const float by = __shfl_sync(~0u, weight[row], token % 32);
#pragma unroll
                    for (u32 number = 0; number < EIGHT; number++)
                        found.mean[row][number] += by * numbers[number];
                }
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(128, 3) attend_alone(Heads of, const Share *shares, const Token *tokens,
                                                               char *const *pages, const float *queries, float *out,
                                                               float *parts) {
    __shared__ float query[FEW * 256], means[TEAM][FEW][256], found[TEAM][FEW][2];
    ahead();
    const u32 keyed = of.key_width, valued = of.value_width, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const u32 head = blockIdx.y, group = of.heads / of.kv_heads, first = blockIdx.z * FEW;
    const Share share = shares[blockIdx.x];
    const u32 heads_here = group - first < FEW ? group - first : FEW;
    // Keys and values of before come nearer meanwhile.
    const u32 near = share.from + warp * 32 + lane;
    if (near < share.to) {
        come_nearer(lies(of, pages + share.table, head, near, of.keys_at, keyed), keyed * (of.kind == F32 ? 4 : 2));
        come_nearer(lies(of, pages + share.table, head, near, of.values_at, valued), valued * (of.kind == F32 ? 4 : 2));
    }
    behind();
    if (share.count == 0)
        return;
    const float sharpness = rsqrtf((float)keyed);
    const float *from = queries + ((u64)share.token * of.heads + head * group + first) * keyed;
    for (u32 at = threadIdx.x; at < FEW * keyed; at += blockDim.x)
        query[at] = at < heads_here * keyed ? from[at] * sharpness : 0.0f;
    __syncthreads();
    // Lanes that have a row of values together, and rows at once.
    const u32 wide = valued / EIGHT, high = 32 / wide, column = lane % wide * EIGHT;
    Found mine = {};
#pragma unroll
    for (u32 row = 0; row < FEW; row++)
        mine.most[row] = -INFINITE;
    if (of.kind == F32)
        look_at_keys<true>(of, share, pages + share.table, head, query, mine);
    else
        look_at_keys<false>(of, share, pages + share.table, head, query, mine);
    // Lanes of the same columns, then warps.
#pragma unroll
    for (u32 row = 0; row < FEW; row++) {
#pragma unroll
        for (u32 step = 16; step > 0; step /= 2)
            mine.sum[row] += __shfl_xor_sync(~0u, mine.sum[row], step);
        if (lane == 0)
            found[warp][row][0] = mine.most[row], found[warp][row][1] = mine.sum[row];
        for (u32 other = 1; other < high; other++)
#pragma unroll
            for (u32 each = 0; each < EIGHT; each++) {
                const float theirs = __shfl_sync(~0u, mine.mean[row][each], (lane + other * wide) % 32);
                mine.mean[row][each] += lane < wide ? theirs : 0.0f;
            }
        if (lane < wide)
#pragma unroll
            for (u32 each = 0; each < EIGHT; each++)
                means[warp][row][column + each] = mine.mean[row][each];
    }
    __syncthreads();
    for (u32 at = threadIdx.x; at < heads_here * valued; at += blockDim.x) {
        const u32 row = at / valued, number = at % valued, within = first + row;
        float greatest = -INFINITE, all = 0.0f, whole = 0.0f;
#pragma unroll
        for (u32 other = 0; other < TEAM; other++)
            greatest = fmaxf(greatest, found[other][row][0]);
#pragma unroll
        for (u32 other = 0; other < TEAM; other++) {
            const float by = found[other][row][0] == -INFINITE ? 0.0f : __expf(found[other][row][0] - greatest);
            all += by * found[other][row][1], whole += by * means[other][row][number];
        }
        if (share.part == NONE) {
            out[((u64)share.token * of.heads + head * group + within) * valued + number] = whole / all;
            continue;
        }
        const u32 layers = (group + SIDE - 1) / SIDE;
        const u64 place = (((u64)share.part * of.kv_heads + head) * layers + within / SIDE) * SIDE + within % SIDE;
        float *to = parts + place * (valued + 2);
        if (number == 0)
            to[0] = greatest, to[1] = all;
        to[2 + number] = whole;
    }
}

// Puts parts together: a block for a head of the tokens of a crowd.
extern "C" __global__ void gather(Heads of, const Crowd *crowds, const float *parts, float *out) {
    ahead();
    behind();
    const Crowd crowd = crowds[blockIdx.x];
    const u32 group = of.heads / of.kv_heads, each = group < SIDE ? group : SIDE, layers = (group + SIDE - 1) / SIDE;
    const u32 head = blockIdx.y / group, layer = blockIdx.y % group / SIDE, within = blockIdx.y % group % SIDE;
    const u64 apart = (u64)of.kv_heads * layers * SIDE * (of.value_width + 2);
    for (u32 token = 0; token < crowd.count; token++) {
        const u64 line = (((u64)crowd.first * of.kv_heads + head) * layers + layer) * SIDE + token * each + within;
        const float *from = parts + line * (of.value_width + 2);
        float most = -INFINITE, sum = 0.0f;
        for (u32 part = 0; part < crowd.parts; part++)
            most = fmaxf(most, from[part * apart]);
        for (u32 part = 0; part < crowd.parts; part++)
            sum += from[part * apart] == -INFINITE ? 0.0f : from[part * apart + 1] * __expf(from[part * apart] - most);
        for (u32 column = threadIdx.x; column < of.value_width; column += blockDim.x) {
            float mean = 0.0f;
            for (u32 part = 0; part < crowd.parts; part++)
                if (from[part * apart] != -INFINITE)
                    mean += from[part * apart + 2 + column] * __expf(from[part * apart] - most);
            out[((u64)(crowd.token + token) * of.heads + blockIdx.y) * of.value_width + column] = mean / sum;
        }
    }
}
