"""The same measurements through PyTorch; one line of JSON for each figure."""

import json
import statistics
import time

import torch

SIZES = [4 << 10, 64 << 10, 1 << 20, 2 << 20, 16 << 20, 256 << 20]
GIB = 1 << 30


def told(what, value, unit):
    print(json.dumps({"what": what, "value": value, "unit": unit}), flush=True)


def name(size):
    for unit, step in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= step:
            return f"{size / step:.2f} {unit}"
    return f"{size} B"


def median(rounds, work):
    work()
    return statistics.median(work() for _ in range(rounds))


def pairs(size, count):
    began = time.perf_counter_ns()
    for _ in range(count):
        block = torch.empty(size, dtype=torch.uint8, device="cuda")
        del block
    return (time.perf_counter_ns() - began) / count


def copies(target, source, depth):
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(depth):
        target.copy_(source, non_blocking=True)
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / depth


def select(source, index, target, depth):
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(depth):
        torch.index_select(source, 0, index, out=target)
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / depth


for size in SIZES:
    told(f"take and give back {name(size)}", median(9, lambda: pairs(size, 2000)), "ns")
host = torch.zeros(GIB, dtype=torch.uint8).pin_memory()
one = torch.zeros(GIB, dtype=torch.uint8, device="cuda")
two = torch.zeros(GIB, dtype=torch.uint8, device="cuda")
for what, target, source, counted in (
    ("copy 1 GiB up from pinned memory", one, host, 1),
    ("copy 1 GiB down to pinned memory", host, one, 1),
    ("copy 1 GiB on the device, read and written", two, one, 2),
):
    told(what, counted * GIB / median(9, lambda: copies(target, source, 8)) / 1e9, "GB/s")
count = GIB // (256 << 10)
index = (torch.arange(count, device="cuda") * 1103 + 7) % count
blocks, into = one.view(torch.int32).view(count, -1), two.view(torch.int32).view(count, -1)
told(
    "4,096 blocks of 256 KiB on the device, read and written",
    2 * GIB / median(9, lambda: select(blocks, index, into, 8)) / 1e9,
    "GB/s",
)
