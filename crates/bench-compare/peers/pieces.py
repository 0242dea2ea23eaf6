"""The pieces of a Llama of a billion weights through PyTorch, there and back, in bf16. One line of JSON for each figure.

Each is timed twice: as it is called, where much of a short piece is the host putting work on the stream, and as a recorded
graph that is played again, which is what the device alone takes.

python3 crates/bench-compare/peers/pieces.py; run it beside `cargo run --release -p plimsoll-tensor --example pieces_speed`.
"""

import json
import time

import torch
import torch.nn.functional as F

HIDDEN, HEADS, SHARED, WIDTH, INNER, WORDS, ROWS = 2048, 32, 8, 64, 8192, 128256, 2048
KIND = torch.bfloat16


def told(name, way, value):
    print(json.dumps({"what": f"{name}, {way}", "value": round(value, 4), "unit": "ms"}), flush=True)


def rounds(work, calls=10):
    for _ in range(3):
        work()
    torch.cuda.synchronize()
    times = []
    for _ in range(7):
        began = time.perf_counter()
        for _ in range(calls):
            work()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - began) * 1e3 / calls)
    return sorted(times)[len(times) // 2]


def alone(work):
    """The same, recorded once and played: nothing of the host is in it."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return rounds(graph.replay)


def random(*dims):
    return torch.rand(*dims, device="cuda", dtype=KIND) * 2 - 1


def piece(name, dims, part):
    inputs = [random(*size) for size in dims]
    with torch.no_grad():
        there = rounds(lambda: part(*inputs))
        there_alone = alone(lambda: part(*inputs))
    for x in inputs:
        x.requires_grad_()

    def both():
        out = part(*inputs)
        torch.autograd.grad(out, inputs, out.detach())

    told(name, "there", there)
    told(name, "there, on the device alone", there_alone)
    told(name, "there and back", rounds(both))
    told(name, "there and back, on the device alone", alone(both))


def attention(q, k, v):
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    k, v = (x.repeat_interleave(HEADS // SHARED, dim=1) for x in (k, v))
    return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)


def rms_norm(x):
    wide = x.float()
    wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-5)
    return ones * wide.to(KIND)


def rope(x):
    half = WIDTH // 2
    turned = torch.cat((-x[..., half:], x[..., :half]), dim=-1)
    return x * cosines + turned * sines


def low_rank(x, down, up):
    return F.linear(x, square) + 2.0 * F.linear(F.linear(x, down), up)


def cross_entropy(x):
    return F.cross_entropy(F.linear(x, table).float(), targets)


torch.manual_seed(1)
ones = torch.ones(HIDDEN, device="cuda", dtype=KIND)
angles = torch.arange(ROWS, device="cuda")[:, None] * 500000.0 ** (-torch.arange(32, device="cuda") / 32)
angles = torch.cat((angles, angles), dim=-1)[None, :, None, :]
cosines, sines = angles.cos().to(KIND), angles.sin().to(KIND)
wide = random(INNER, HIDDEN)
square = random(HIDDEN, HIDDEN)
targets = torch.arange(ROWS, device="cuda") * 61 % WORDS

piece("attention", [(1, ROWS, HEADS, WIDTH), (1, ROWS, SHARED, WIDTH), (1, ROWS, SHARED, WIDTH)], attention)
piece("attention of 128", [(1, ROWS, HEADS, 128), (1, ROWS, SHARED, 128), (1, ROWS, SHARED, 128)], attention)
piece("rms norm", [(1, ROWS, HIDDEN)], rms_norm)
piece("gated", [(ROWS, INNER), (ROWS, INNER)], lambda x, y: F.silu(x) * y)
piece("add", [(1, ROWS, HIDDEN), (1, ROWS, HIDDEN)], lambda x, y: x + y)
piece("rope", [(1, ROWS, HEADS, WIDTH)], rope)
piece("linear", [(1, ROWS, HIDDEN)], lambda x: F.linear(x, wide))
piece("low rank", [(1, ROWS, HIDDEN), (16, HIDDEN), (HIDDEN, 16)], low_rank)
sizes = [(HIDDEN, HIDDEN), (512, HIDDEN), (512, HIDDEN), (HIDDEN, HIDDEN), (INNER, HIDDEN), (INNER, HIDDEN), (HIDDEN, INNER)]
frozen = [random(*size) for size in sizes]


def layer(x, *low):
    def changed(x, at):
        return F.linear(x, frozen[at]) + 2.0 * F.linear(F.linear(x, low[2 * at]), low[2 * at + 1])

    y = rms_norm(x)
    q, k, v = (changed(y, at).view(1, ROWS, -1, WIDTH) for at in range(3))
    found = attention(rope(q), rope(k), v).reshape(1, ROWS, HIDDEN)
    x = x + changed(found, 3)
    y = rms_norm(x)
    return x + changed(F.silu(changed(y, 4)) * changed(y, 5), 6)


piece("a layer of low rank", [(1, ROWS, HIDDEN)] + [part for outer, inner in sizes for part in ((16, inner), (outer, 16))], layer)
table = random(WORDS, HIDDEN)
piece("cross-entropy", [(ROWS, HIDDEN)], cross_entropy)
del table

weights = [torch.zeros(4096, 2048, device="cuda", requires_grad=True) for _ in range(8)]
for weight in weights:
    weight.grad = torch.zeros_like(weight)
adam = torch.optim.AdamW(weights, lr=1e-3, fused=True)
told("AdamW of 67 million", "step", rounds(adam.step))
