"""Latents read back through PyTorch: levels times their scale, times a matrix, plus the mean. One line of JSON for each figure.

python3 crates/bench-compare/peers/decode.py [ROWS [DIMENSION [LATENT]]]; run it beside `plimsoll vec bench-codec --device cuda:0`.
"""

import json
import sys

import torch
from rounds import median

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
DIMENSION = int(sys.argv[2]) if len(sys.argv) > 2 else 768
LATENT = int(sys.argv[3]) if len(sys.argv) > 3 else 128
CHUNK = 32 << 20


def told(what, seconds):
    print(json.dumps({"what": f"PyTorch, {what}", "value": ROWS / seconds, "unit": "vectors/s"}), flush=True)


torch.manual_seed(1)
levels = torch.randint(-127, 128, (ROWS, LATENT), device="cuda", dtype=torch.int8)
scales = torch.rand(ROWS, 1, device="cuda")
matrix = torch.randn(DIMENSION, LATENT, device="cuda")
mean = torch.randn(DIMENSION, device="cuda")
out = torch.empty(ROWS, DIMENSION, device="cuda")


def decode(levels, scales, out):
    torch.addmm(mean, levels.to(torch.float32) * scales, matrix.T, out=out)


told("decode", median(lambda: decode(levels, scales, out)))
torch.backends.cuda.matmul.allow_tf32 = True
told("decode as TF32", median(lambda: decode(levels, scales, out)))

host = torch.empty(ROWS, DIMENSION, pin_memory=True)
host_levels, host_scales = levels.cpu().pin_memory(), scales.cpu().pin_memory()
rows = CHUNK // (DIMENSION * 4)
streams = [torch.cuda.Stream() for _ in range(3)]
slots = [torch.empty(rows, DIMENSION, device="cuda") for _ in streams]


def home():
    for turn, first in enumerate(range(0, ROWS, rows)):
        end = min(first + rows, ROWS)
        slot = slots[turn % len(slots)][: end - first]
        with torch.cuda.stream(streams[turn % len(streams)]):
            part = host_levels[first:end].to("cuda", non_blocking=True)
            decode(part, host_scales[first:end].to("cuda", non_blocking=True), slot)
            host[first:end].copy_(slot, non_blocking=True)


told("decode as TF32 to page-locked memory", median(home, depth=1))
told("rows copied to page-locked memory", median(lambda: host.copy_(out, non_blocking=True), depth=1))
