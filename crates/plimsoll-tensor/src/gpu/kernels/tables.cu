// Numbers that go from one place to another.

// A thread block for each row that is named. An id that there is no row for makes its row no numbers, as the device
// cannot refuse it.
extern "C" __global__ void rows(u32 rows, u32 width, Line table, const u32 *ids, Line out) {
    const u32 id = ids[blockIdx.x];
    const u64 to = (u64)blockIdx.x * width, from = (u64)id * width;
    Line source = table, target = out;
    source.wide &= width % 8 == 0, target.wide &= width % 8 == 0;
    for (u32 at = threadIdx.x * 8; at < width; at += blockDim.x * 8) {
        const u32 many = min(8u, width - at);
        float v[8];
        if (id < rows)
            load8(source, from + at, many, v);
        else
            for (u32 k = 0; k < 8; k++)
                v[k] = __uint_as_float(0x7fc00000);
        store8(target, to + at, many, v);
    }
}

// Adds rows to those of a table. The first thread block that has an id adds all rows of that id, so that what is added is
// added in order and by one.
extern "C" __global__ void rows_back(u32 rows, u32 width, u32 count, const u32 *ids, Line dy, Line table) {
    const u32 id = ids[blockIdx.x];
    if (id >= rows)
        return;
    u32 earlier = 0;
    for (u32 other = threadIdx.x; other < blockIdx.x; other += blockDim.x)
        earlier |= ids[other] == id;
    if (__syncthreads_or(earlier))
        return;
    __shared__ u32 found[1024];
    __shared__ u32 many;
    // Those of the same id, a thousand places at a time, in order.
    for (u32 from = blockIdx.x; from < count; from += 1024) {
        if (threadIdx.x == 0)
            many = 0;
        __syncthreads();
        if (threadIdx.x < 32)
            for (u32 at = threadIdx.x; at < 1024; at += 32) {
                const bool same = from + at < count && ids[from + at] == id;
                const u32 lanes = __ballot_sync(~0u, same);
                const u32 before = many;
                if (same)
                    found[before + __popc(lanes & ((1u << threadIdx.x) - 1))] = from + at;
                __syncwarp();
                if (threadIdx.x == 0)
                    many = before + __popc(lanes);
                __syncwarp();
            }
        __syncthreads();
        for (u32 at = threadIdx.x; at < width; at += blockDim.x) {
            float sum = load(table, (u64)id * width + at);
            for (u32 each = 0; each < many; each++)
                sum += load(dy, (u64)found[each] * width + at);
            store(table, (u64)id * width + at, sum);
        }
        __syncthreads();
    }
}

// Rows `start..` of the middle of `[outer, middle, inner]`.
extern "C" __global__ void put(u64 count, u64 len, u64 whole, u64 start, u32 add, u32 even, Line x, Line into) {
    Line source = x, target = into;
    // Only where every run is whole eights do eights not reach from one into the next.
    source.wide &= even, target.wide &= even;
    EACH_EIGHT(at, count) {
        const u32 many = up_to_eight(at, count);
        float v[8];
        load8(source, at, many, v);
        if (even) {
            const u64 to = at / len * whole + start + at % len;
            if (add) {
                float w[8];
                load8(target, to, many, w);
#pragma unroll
                for (u32 k = 0; k < 8; k++)
                    v[k] += w[k];
            }
            store8(target, to, many, v);
        } else {
            for (u32 k = 0; k < many; k++) {
                const u64 to = (at + k) / len * whole + start + (at + k) % len;
                store(target, to, add ? load(target, to) + v[k] : v[k]);
            }
        }
    }
}

// A thread block for each row of heads. Sines and cosines of its position are found once for all heads.
extern "C" __global__ void rope(u32 position, u32 neighbours, float sign, u32 rows, u32 heads, u32 width, u32 pairs,
                                const float *frequencies, Line x, Line out) {
    extern __shared__ float turns[];
    const u64 from = (u64)blockIdx.x * heads * width;
    for (u32 pair = threadIdx.x; pair < pairs; pair += blockDim.x) {
        const float angle = (float)(position + blockIdx.x % rows) * frequencies[pair];
        float sine, cosine;
        sincosf(angle, &sine, &cosine);
        turns[2 * pair] = cosine;
        turns[2 * pair + 1] = sine * sign;
    }
    __syncthreads();
    const u32 rest = width - 2 * pairs;
    for (u32 at = threadIdx.x; at < heads * (pairs + rest); at += blockDim.x) {
        const u32 head = at / (pairs + rest), pair = at % (pairs + rest);
        const u64 start = from + (u64)head * width;
        if (pair >= pairs) {
            store(out, start + pairs + pair, load(x, start + pairs + pair));
            continue;
        }
        const u64 one = start + (neighbours ? 2 * pair : pair), other = neighbours ? one + 1 : one + pairs;
        const float cosine = turns[2 * pair], sine = turns[2 * pair + 1];
        const float a = load(x, one), b = load(x, other);
        store(out, one, a * cosine - b * sine);
        store(out, other, a * sine + b * cosine);
    }
}

// A picture, and the window that moves over it.
struct Picture {
    u32 channels, height, width, down, across;
    u32 kernel[2], stride[2], padding[2];
};

// A thread for each number of each patch.
extern "C" __global__ void patches(Picture picture, u64 first, u64 count, Line x, Line out) {
    const u32 area = picture.kernel[0] * picture.kernel[1], patch = picture.channels * area;
    for (u64 at = (u64)blockIdx.x * blockDim.x + threadIdx.x; at < count; at += (u64)gridDim.x * blockDim.x) {
        const u64 row = first + at / patch;
        const u32 index = (u32)(at % patch), places = picture.down * picture.across;
        const u32 place = (u32)(row % places), within = index % area;
        const i32 y = (i32)(place / picture.across * picture.stride[0] + within / picture.kernel[1]) - (i32)picture.padding[0];
        const i32 z = (i32)(place % picture.across * picture.stride[1] + within % picture.kernel[1]) - (i32)picture.padding[1];
        float value = 0.0f;
        if (y >= 0 && y < (i32)picture.height && z >= 0 && z < (i32)picture.width)
            value = load(x, ((row / places * picture.channels + index / area) * picture.height + y) * picture.width + z);
        store(out, at, value);
    }
}

// A thread for each number of the pictures: it collects what patches have of it.
extern "C" __global__ void patches_back(Picture picture, u64 first, u64 rows, u64 count, Line from, Line dx) {
    const u32 area = picture.kernel[0] * picture.kernel[1], patch = picture.channels * area;
    for (u64 at = (u64)blockIdx.x * blockDim.x + threadIdx.x; at < count; at += (u64)gridDim.x * blockDim.x) {
        const u32 z = (u32)(at % picture.width), y = (u32)(at / picture.width % picture.height);
        const u64 plane = at / picture.width / picture.height;
        const u32 channel = (u32)(plane % picture.channels);
        const u64 image = plane / picture.channels;
        float sum = 0.0f;
        for (u32 dy = 0; dy < picture.kernel[0]; dy++) {
            const i32 top = (i32)(y + picture.padding[0]) - (i32)dy;
            if (top < 0 || top % (i32)picture.stride[0] || top / picture.stride[0] >= picture.down)
                continue;
            for (u32 dz = 0; dz < picture.kernel[1]; dz++) {
                const i32 left = (i32)(z + picture.padding[1]) - (i32)dz;
                if (left < 0 || left % (i32)picture.stride[1] || left / picture.stride[1] >= picture.across)
                    continue;
                const u64 row = (image * picture.down + top / picture.stride[0]) * picture.across + left / picture.stride[1];
                if (row >= first && row < first + rows)
                    sum += load(from, (row - first) * patch + channel * area + dy * picture.kernel[1] + dz);
            }
        }
        store(dx, at, load(dx, at) + sum);
    }
}
