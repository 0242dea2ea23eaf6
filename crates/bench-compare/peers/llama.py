"""Prompts read and tokens written by llama.cpp, as `plimsoll bench llm` does it. One line of JSON for each figure.

CMAKE_ARGS=-DGGML_NATIVE=ON pip install --no-binary llama-cpp-python llama-cpp-python
plimsoll bench llm --shape 1b --keep made-up-1b.gguf
python3 crates/bench-compare/peers/llama.py made-up-1b.gguf [THREADS [TURNS]]; run it beside the other, in turns.
"""

import ctypes
import json
import sys
import time

import llama_cpp as ll

MODEL = sys.argv[1]
THREADS = int(sys.argv[2]) if len(sys.argv) > 2 else 2
TURNS = int(sys.argv[3]) if len(sys.argv) > 3 else 5
PROMPT, BEFORE, PATIENCE = 512, 64, 0.7

ll.llama_backend_init()
quiet = ll.llama_log_callback(lambda level, text, data: None)
ll.llama_log_set(quiet, ctypes.c_void_p(0))
model = ll.llama_model_load_from_file(MODEL.encode(), ll.llama_model_default_params())
vocabulary = ll.llama_vocab_n_tokens(ll.llama_model_get_vocab(model))
trained = ll.llama_model_n_ctx_train(model)


def context(sequences):
    params = ll.llama_context_default_params()
    params.n_ctx = min(trained, 4096) if sequences == 1 else 512 * sequences
    params.n_batch = params.n_ubatch = 512
    params.n_seq_max = sequences
    params.n_threads = params.n_threads_batch = THREADS
    return ll.llama_init_from_model(model, params)


def text(tokens):
    return [(at * 7919 + 13) % vocabulary for at in range(tokens)]


def decode(ctx, rows):
    """Rows of (token, position, sequence, whether its logits are wanted)."""
    batch = ll.llama_batch_init(len(rows), 0, 1)
    batch.n_tokens = len(rows)
    for at, (token, position, sequence, wanted) in enumerate(rows):
        batch.token[at], batch.pos[at] = token, position
        batch.n_seq_id[at], batch.seq_id[at][0] = 1, sequence
        batch.logits[at] = wanted
    assert ll.llama_decode(ctx, batch) == 0
    ll.llama_synchronize(ctx)
    ll.llama_batch_free(batch)


def clear(ctx, sequence, begin):
    ll.llama_memory_seq_rm(ll.llama_get_memory(ctx), sequence, begin, -1)


def told(work, batch, rates):
    rates = sorted(rates[1:])
    rate = rates[len(rates) // 2]
    print(json.dumps({"work": work, "batch": batch, "engine": "llama.cpp", "tokens_per_s": rate}), flush=True)


ctx = context(1)
prompt = text(min(PROMPT, trained // 2))
rates = []
for _ in range(TURNS + 1):
    clear(ctx, 0, 0)
    began = time.perf_counter()
    decode(ctx, [(token, at, 0, at + 1 == len(prompt)) for at, token in enumerate(prompt)])
    rates.append(len(prompt) / (time.perf_counter() - began))
told("prefill", 1, rates)
ll.llama_free(ctx)

for count in 1, 4, 16:
    ctx = context(count)
    before = text(min(BEFORE, trained // 4))
    for sequence in range(count):
        decode(ctx, [(token, at, sequence, at + 1 == len(before)) for at, token in enumerate(before)])
    rates = []
    for _ in range(TURNS + 1):
        for sequence in range(count):
            clear(ctx, sequence, len(before))
        began, position = time.perf_counter(), len(before)
        while time.perf_counter() - began < PATIENCE and position < min(trained, 500):
            decode(ctx, [(position * 31 % vocabulary, position, sequence, True) for sequence in range(count)])
            position += 1
        rates.append((position - len(before)) * count / (time.perf_counter() - began))
    told("decode", count, rates)
    ll.llama_free(ctx)
