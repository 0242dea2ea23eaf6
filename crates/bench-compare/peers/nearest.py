"""The nearest rows through PyTorch: a product, then topk. One line of JSON for each figure.

python3 crates/bench-compare/peers/nearest.py [ROWS [DIMENSION]]; run it beside `cargo run --release -p plimsoll-cuda --example nearest_speed`.
"""

import json
import sys

import torch
from rounds import median

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
DIMENSION = int(sys.argv[2]) if len(sys.argv) > 2 else 768
K = 10


def told(what, value, unit):
    print(json.dumps({"what": what, "value": value, "unit": unit}), flush=True)


def search(queries, rows):
    return torch.topk(torch.matmul(queries, rows.T), K)


torch.manual_seed(1)
for kind, name in ((torch.float32, "F32"), (torch.float16, "F16"), (torch.bfloat16, "Bf16")):
    rows = torch.randn(ROWS, DIMENSION, device="cuda", dtype=kind)
    queries = torch.randn(1000, DIMENSION, device="cuda", dtype=kind)
    for count in (1, 8, 100, 1000):
        part = queries[:count]
        seconds = median(lambda: search(part, rows), 5 if count == 1000 else 7, 2 if count == 1000 else 5)
        told(f"PyTorch {name}, {count} queries: time", seconds * 1e3, "ms")
        told(f"PyTorch {name}, {count} queries: rate", count / seconds, "queries/s")
    if kind == torch.float32:
        torch.backends.cuda.matmul.allow_tf32 = True
        seconds = median(lambda: search(queries, rows), 5, 2)
        told("PyTorch F32 as TF32, 1000 queries: rate", 1000 / seconds, "queries/s")
        torch.backends.cuda.matmul.allow_tf32 = False
    del rows
