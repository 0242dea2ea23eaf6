#!/usr/bin/env python3
"""A Llama shape with random weights in bf16 by PyTorch on a GPU: prompts read and tokens written, as fast as PyTorch goes without
another library. Steps of writing are one CUDA graph, so that launches cost nothing; attention is its own fused one.

    python3 llama_gpu.py 1b|8b [turns]

Prints a line of JSON for each: what was done, sequences side by side, tokens a second, and the part of the speed of copies within
the GPU that reading the weights reached. `plimsoll bench llm --shape 1b --device cuda:0` measures the same."""
import json
import sys
import time

import torch
import torch.nn.functional as F

SHAPES = {"1b": (16, 2048, 32, 8, 8192, 128256), "8b": (32, 4096, 32, 8, 14336, 128256)}
PROMPT, BEFORE, MOST = 512, 64, 564


class Llama:
    def __init__(self, layers, width, heads, kv_heads, inner, vocabulary):
        self.heads, self.kv_heads, self.head = heads, kv_heads, width // heads
        make = lambda rows, columns: torch.randn(rows, columns, device="cuda", dtype=torch.bfloat16) / columns**0.5
        keys = kv_heads * self.head
        self.embedding = make(vocabulary, width)
        self.layers = [
            (make(width + 2 * keys, width), make(width, width), make(2 * inner, width), make(width, inner))
            for _ in range(layers)
        ]
        ones = torch.arange(0, self.head, 2, device="cuda", dtype=torch.float32)
        angles = torch.outer(torch.arange(2048, device="cuda"), 500000.0 ** (-ones / self.head))
        self.cos, self.sin = angles.cos().bfloat16(), angles.sin().bfloat16()
        self.norm = torch.ones(width, device="cuda", dtype=torch.bfloat16)

    def bytes(self):
        return 2 * (self.embedding.numel() + sum(m.numel() for layer in self.layers for m in layer))

    def cache(self, batch):
        shape = (batch, self.kv_heads, MOST, self.head)
        zeros = lambda: torch.zeros(shape, device="cuda", dtype=torch.bfloat16)
        return [(zeros(), zeros()) for _ in self.layers]

    def turn(self, x, positions):
        cos, sin = self.cos[positions], self.sin[positions]
        one, other = x.chunk(2, -1)
        return torch.cat((one * cos - other * sin, one * sin + other * cos), -1)

    def step(self, ids, positions, cache, mask):
        batch, tokens = ids.shape
        x = F.embedding(ids, self.embedding)
        width = x.shape[-1]
        for (qkv, output, both, down), (keys, values) in zip(self.layers, cache):
            y = F.linear(F.rms_norm(x, (width,), self.norm), qkv)
            y = y.view(batch, tokens, -1, self.head).transpose(1, 2)
            q, k, v = y.split((self.heads, self.kv_heads, self.kv_heads), 1)
            q, k = self.turn(q, positions), self.turn(k, positions)
            keys.index_copy_(2, positions, k)
            values.index_copy_(2, positions, v)
            y = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask, enable_gqa=True)
            x = x + F.linear(y.transpose(1, 2).reshape(batch, tokens, width), output)
            gate, up = F.linear(F.rms_norm(x, (width,), self.norm), both).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, down)
        return F.linear(F.rms_norm(x[:, -1:], (width,), self.norm), self.embedding)


def copies():
    one, other = (torch.empty(1 << 30, device="cuda", dtype=torch.uint8) for _ in range(2))
    other.copy_(one)
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(8):
        other.copy_(one)
    torch.cuda.synchronize()
    return 16 * (1 << 30) / (time.perf_counter() - began)


@torch.inference_mode()
def main():
    shape, turns = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    model = Llama(*SHAPES[shape])
    rate = copies()
    every = torch.arange(MOST, device="cuda")
    median = lambda rates: sorted(rates)[len(rates) // 2]

    cache, ids = model.cache(1), torch.randint(0, 1000, (1, PROMPT), device="cuda")
    positions = torch.arange(PROMPT, device="cuda")
    mask = every[None, :] <= positions[:, None]
    rates = []
    for turn in range(turns + 1):
        torch.cuda.synchronize()
        began = time.perf_counter()
        model.step(ids, positions, cache, mask).float().cpu()
        rates.append(PROMPT / (time.perf_counter() - began))
    print(json.dumps({"work": "prefill", "batch": 1, "tokens_per_s": median(rates[1:])}), flush=True)

    for batch in (1, 4, 16):
        cache = model.cache(batch)
        ids = torch.zeros((batch, 1), device="cuda", dtype=torch.long)
        position = torch.full((1,), BEFORE, device="cuda", dtype=torch.long)

        def one():
            logits = model.step(ids, position, cache, every[None, :] <= position[:, None])
            ids.copy_(logits.argmax(-1))
            position.add_(1)

        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            one()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            one()
        rates = []
        for turn in range(turns + 1):
            position.fill_(BEFORE)
            torch.cuda.synchronize()
            began = time.perf_counter()
            for _ in range(MOST - BEFORE - 1):
                graph.replay()
            torch.cuda.synchronize()
            rates.append(batch * (MOST - BEFORE - 1) / (time.perf_counter() - began))
        found = median(rates[1:])
        part = found / batch * model.bytes() / rate
        print(json.dumps({"work": "decode", "batch": batch, "tokens_per_s": found, "bandwidth_fraction": part}), flush=True)


main()
