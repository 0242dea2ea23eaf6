// Rows: what becomes of them together.

constexpr u32 IGNORED = 0xffffffff;

// A thread block for each row.
extern "C" __global__ void softmax(u32 row, Line x, Line out) {
    const u64 from = (u64)blockIdx.x * row;
    float most = -INFINITE;
    for (u32 at = threadIdx.x; at < row; at += blockDim.x)
        most = fmaxf(most, load(x, from + at));
    most = together<Larger>(most);
    if (most == -INFINITE)
        most = 0.0f;
    float sum = 0.0f;
    for (u32 at = threadIdx.x; at < row; at += blockDim.x)
        sum += expf(load(x, from + at) - most);
    sum = together<Plus>(sum);
    for (u32 at = threadIdx.x; at < row; at += blockDim.x)
        store(out, from + at, expf(load(x, from + at) - most) / sum);
}

extern "C" __global__ void softmax_back(u32 row, Line y, Line dy, Line out) {
    const u64 from = (u64)blockIdx.x * row;
    float sum = 0.0f;
    for (u32 at = threadIdx.x; at < row; at += blockDim.x)
        sum += load(y, from + at) * load(dy, from + at);
    sum = together<Plus>(sum);
    for (u32 at = threadIdx.x; at < row; at += blockDim.x)
        store(out, from + at, load(y, from + at) * (load(dy, from + at) - sum));
}

// Which weight the eight numbers from `at` on of a row have. A run that is not one long has one for all of them.
struct Norm {
    u32 centred, row, run, weights;
    float epsilon;
};

__device__ __forceinline__ float weight_of(const Norm &norm, const Line &weight, u64 row, u32 at) {
    if (norm.run == 1 && norm.weights == norm.row)
        return load(weight, at);
    return load(weight, (u32)((row * (norm.row / norm.run) + at / norm.run) % norm.weights));
}

// A thread block for each row, eight numbers of which a thread keeps in registers while they are few enough.
constexpr u32 KEPT = 2;

extern "C" __global__ void norm_rows(Norm norm, Line x, Line weight, Line bias, Line out, float *stats) {
    const u64 row = blockIdx.x, from = row * norm.row;
    // Rows that are no multiple of eight do not begin at one.
    const bool wide = norm.row % 8 == 0;
    const u32 step = blockDim.x * 8;
    float kept[KEPT][8];
    float sum = 0.0f;
    const auto read = [&](u32 at, float *v) {
        Line line = x;
        line.wide &= wide;
        load8(line, from + at, min(8u, norm.row - at), v);
    };
    const bool fits = norm.row <= KEPT * step;
    if (fits) {
#pragma unroll
        for (u32 part = 0; part < KEPT; part++) {
            const u32 at = threadIdx.x * 8 + part * step;
            if (at < norm.row)
                read(at, kept[part]);
        }
    }
    const auto each = [&](auto work) {
        if (fits) {
#pragma unroll
            for (u32 part = 0; part < KEPT; part++) {
                const u32 at = threadIdx.x * 8 + part * step;
                if (at < norm.row)
                    work(at, kept[part]);
            }
        } else {
            for (u32 at = threadIdx.x * 8; at < norm.row; at += step) {
                float v[8];
                read(at, v);
                work(at, v);
            }
        }
    };
    float middle = 0.0f;
    if (norm.centred) {
        each([&](u32 at, const float *v) {
#pragma unroll
            for (u32 k = 0; k < 8; k++)
                sum += v[k];
        });
        middle = together<Plus>(sum) / norm.row;
    }
    float squares = 0.0f;
    each([&](u32 at, const float *v) {
#pragma unroll
        for (u32 k = 0; k < 8; k++)
            if (at + k < norm.row)
                squares += (v[k] - middle) * (v[k] - middle);
    });
    const float inverse = 1.0f / sqrtf(together<Plus>(squares) / norm.row + norm.epsilon);
    if (threadIdx.x == 0) {
        stats[2 * row] = middle;
        stats[2 * row + 1] = inverse;
    }
    Line to = out;
    to.wide &= wide;
    each([&](u32 at, const float *v) {
        const u32 many = min(8u, norm.row - at);
        const bool aligned = norm.run == 1 && norm.weights == norm.row;
        float y[8], w[8];
#pragma unroll
        for (u32 k = 0; k < 8; k++)
            y[k] = (v[k] - middle) * inverse;
        if (weight.at && aligned)
            load8(weight, at, many, w);
        if (weight.at)
#pragma unroll
            for (u32 k = 0; k < 8; k++)
                if (k < many)
                    y[k] *= aligned ? w[k] : weight_of(norm, weight, row, at + k);
        if (bias.at)
#pragma unroll
            for (u32 k = 0; k < 8; k++)
                if (k < many)
                    y[k] += weight_of(norm, bias, row, at + k);
        store8(to, from + at, many, y);
    });
}

extern "C" __global__ void norm_rows_back(Norm norm, Line x, Line weight, const float *stats, Line dy, Line dx) {
    const u64 row = blockIdx.x, from = row * norm.row;
    const bool wide = norm.row % 8 == 0, aligned = norm.run == 1 && norm.weights == norm.row;
    const u32 step = blockDim.x * 8;
    const float middle = stats[2 * row], inverse = stats[2 * row + 1];
    Line one = x, two = dy, to = dx;
    one.wide &= wide, two.wide &= wide, to.wide &= wide;
    // Of a number: how far it is from the middle, and what comes back of it.
    const auto read = [&](u32 at, float *hat, float *back) {
        const u32 many = min(8u, norm.row - at);
        float w[8];
        load8(one, from + at, many, hat);
        load8(two, from + at, many, back);
        if (weight.at && aligned)
            load8(weight, at, many, w);
#pragma unroll
        for (u32 k = 0; k < 8; k++) {
            hat[k] = k < many ? (hat[k] - middle) * inverse : 0.0f;
            if (weight.at && k < many)
                back[k] *= aligned ? w[k] : weight_of(norm, weight, row, at + k);
        }
    };
    float hats[KEPT][8], backs[KEPT][8];
    const bool fits = norm.row <= KEPT * step;
    float along = 0.0f, level = 0.0f;
    const auto add = [&](const float *hat, const float *back) {
#pragma unroll
        for (u32 k = 0; k < 8; k++) {
            along += hat[k] * back[k];
            level += back[k];
        }
    };
    if (fits) {
#pragma unroll
        for (u32 part = 0; part < KEPT; part++) {
            const u32 at = threadIdx.x * 8 + part * step;
            if (at < norm.row) {
                read(at, hats[part], backs[part]);
                add(hats[part], backs[part]);
            }
        }
    } else {
        for (u32 at = threadIdx.x * 8; at < norm.row; at += step) {
            float hat[8], back[8];
            read(at, hat, back);
            add(hat, back);
        }
    }
    along = together<Plus>(along) / norm.row;
    level = norm.centred ? together<Plus>(level) / norm.row : 0.0f;
    const auto put = [&](u32 at, const float *hat, const float *back) {
        float v[8];
#pragma unroll
        for (u32 k = 0; k < 8; k++)
            v[k] = inverse * (back[k] - level - hat[k] * along);
        store8(to, from + at, min(8u, norm.row - at), v);
    };
    if (fits) {
#pragma unroll
        for (u32 part = 0; part < KEPT; part++) {
            const u32 at = threadIdx.x * 8 + part * step;
            if (at < norm.row)
                put(at, hats[part], backs[part]);
        }
    } else {
        for (u32 at = threadIdx.x * 8; at < norm.row; at += step) {
            float hat[8], back[8];
            read(at, hat, back);
            put(at, hat, back);
        }
    }
}

// Gradients of weights that one number of each row has: 32 of them a thread block, its rows divided among warps.
extern "C" __global__ void norm_weights_back(Norm norm, u64 rows, Line x, const float *stats, Line dy, Line dweight,
                                             Line dbias) {
    __shared__ float weights[32][33], biases[32][33];
    const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    const u32 column = blockIdx.x * 32 + lane;
    float weight = 0.0f, bias = 0.0f;
    if (column < norm.row)
        for (u64 row = warp; row < rows; row += warps) {
            const float back = load(dy, row * norm.row + column);
            weight += back * (load(x, row * norm.row + column) - stats[2 * row]) * stats[2 * row + 1];
            bias += back;
        }
    weights[warp][lane] = weight;
    biases[warp][lane] = bias;
    __syncthreads();
    if (warp != 0 || column >= norm.row)
        return;
    for (u32 other = 1; other < warps; other++) {
        weight += weights[other][lane];
        bias += biases[other][lane];
    }
    if (dweight.at)
        store(dweight, column, load(dweight, column) + weight);
    if (dbias.at)
        store(dbias, column, load(dbias, column) + bias);
}

// The same of weights that runs of numbers have: a thread block for each.
extern "C" __global__ void norm_runs_back(Norm norm, u64 rows, Line x, const float *stats, Line dy, Line dweight,
                                          Line dbias) {
    const u64 runs = rows * (norm.row / norm.run);
    float weight = 0.0f, bias = 0.0f;
    for (u64 run = blockIdx.x; run < runs; run += norm.weights) {
        const u64 row = run / (norm.row / norm.run);
        for (u32 at = threadIdx.x; at < norm.run; at += blockDim.x) {
            const float back = load(dy, run * norm.run + at);
            weight += back * (load(x, run * norm.run + at) - stats[2 * row]) * stats[2 * row + 1];
            bias += back;
        }
    }
    weight = together<Plus>(weight);
    bias = together<Plus>(bias);
    if (threadIdx.x == 0) {
        if (dweight.at)
            store(dweight, blockIdx.x, load(dweight, blockIdx.x) + weight);
        if (dbias.at)
            store(dbias, blockIdx.x, load(dbias, blockIdx.x) + bias);
    }
}

// A row of logits: its loss, and its gradient in its place. A thread block for each. A target that no logit stands for
// makes the loss no number, as the device cannot refuse it.
extern "C" __global__ void cross_entropy(float factor, u32 row, const u32 *targets, Line logits, float *losses) {
    const u64 from = (u64)blockIdx.x * row;
    const u32 target = targets[blockIdx.x];
    const bool whole = row % 8 == 0;
    Line line = logits;
    line.wide &= whole;
    float v[8];
    if (target >= row) {
        const float bad = target == IGNORED ? 0.0f : __uint_as_float(0x7fc00000);
        for (u32 k = 0; k < 8; k++)
            v[k] = bad;
        for (u32 at = threadIdx.x * 8; at < row; at += blockDim.x * 8)
            store8(line, from + at, min(8u, row - at), v);
        if (threadIdx.x == 0)
            losses[blockIdx.x] = bad;
        return;
    }
    const float right = load(logits, from + target);
    // The largest and the sum in one pass: a sum shrinks when a larger one is met.
    float most = -INFINITE, sum = 0.0f;
    for (u32 at = threadIdx.x * 8; at < row; at += blockDim.x * 8) {
        const u32 many = min(8u, row - at);
        load8(line, from + at, many, v);
        float here = v[0];
#pragma unroll
        for (u32 k = 1; k < 8; k++)
            here = k < many ? fmaxf(here, v[k]) : here;
        if (here > most) {
            sum *= __expf(most - here);
            most = here;
        }
#pragma unroll
        for (u32 k = 0; k < 8; k++)
            sum += k < many ? __expf(v[k] - most) : 0.0f;
    }
    const float all = together<Larger>(most);
    sum = together<Plus>(most == -INFINITE ? 0.0f : sum * __expf(most - all));
    const float scale = factor / sum;
    __syncthreads();
    for (u32 at = threadIdx.x * 8; at < row; at += blockDim.x * 8) {
        const u32 many = min(8u, row - at);
        load8(line, from + at, many, v);
#pragma unroll
        for (u32 k = 0; k < 8; k++)
            v[k] = scale * __expf(v[k] - all) - (at + k == target ? factor : 0.0f);
        store8(line, from + at, many, v);
    }
    if (threadIdx.x == 0)
        losses[blockIdx.x] = all + logf(sum) - right;
}

// Over neighbours: a thread block takes `part` of the numbers of a row, and tells what it found to `found`, or writes it
// down where it is all there is.
template <class Op> __device__ void reduce_row(u64 row, u64 part, Line x, float *found, Line out) {
    const u64 from = blockIdx.x * row, begin = blockIdx.y * part;
    const u64 end = min(begin + part, row);
    float all = Op::nothing();
    for (u64 at = begin + threadIdx.x; at < end; at += blockDim.x)
        all = Op::of(all, load(x, from + at));
    all = together<Op>(all);
    if (threadIdx.x != 0)
        return;
    if (gridDim.y == 1)
        store(out, blockIdx.x, all);
    else
        found[(u64)blockIdx.x * gridDim.y + blockIdx.y] = all;
}

extern "C" __global__ void sum_row(u64 row, u64 part, Line x, float *found, Line out) {
    reduce_row<Plus>(row, part, x, found, out);
}

extern "C" __global__ void max_row(u64 row, u64 part, Line x, float *found, Line out) {
    reduce_row<Larger>(row, part, x, found, out);
}

// Over numbers that lie `inner` apart: a thread for each outcome.
template <class Op> __device__ void reduce_middle(u64 outer, u64 middle, u64 inner, Line x, Line out) {
    const u64 count = outer * inner;
    for (u64 at = (u64)blockIdx.x * blockDim.x + threadIdx.x; at < count; at += (u64)gridDim.x * blockDim.x) {
        const u64 from = at / inner * middle * inner + at % inner;
        float all = Op::nothing();
        for (u64 step = 0; step < middle; step++)
            all = Op::of(all, load(x, from + step * inner));
        store(out, at, all);
    }
}

extern "C" __global__ void sum_middle(u64 outer, u64 middle, u64 inner, Line x, Line out) {
    reduce_middle<Plus>(outer, middle, inner, x, out);
}

extern "C" __global__ void max_middle(u64 outer, u64 middle, u64 inner, Line x, Line out) {
    reduce_middle<Larger>(outer, middle, inner, x, out);
}

// A thread for each largest number: the first of equal ones has all of its gradient.
extern "C" __global__ void max_back(u64 outer, u64 middle, u64 inner, Line x, Line dy, Line out) {
    const u64 count = outer * inner;
    for (u64 at = (u64)blockIdx.x * blockDim.x + threadIdx.x; at < count; at += (u64)gridDim.x * blockDim.x) {
        const u64 from = at / inner * middle * inner + at % inner;
        u64 best = 0;
        for (u64 step = 1; step < middle; step++)
            if (load(x, from + step * inner) > load(x, from + best * inner))
                best = step;
        const float given = load(dy, at);
        for (u64 step = 0; step < middle; step++)
            store(out, from + step * inner, step == best ? given : 0.0f);
    }
}
