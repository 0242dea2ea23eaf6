"""LoRA on a Llama shape with random weights in PyTorch: peak memory and time of a step.

What `plimsoll bench train --shape 1b --device cuda:0` is measured beside: bf16 weights, LoRA of rank 16 in all seven
matrices of a layer with weights and Adam states in singles, autocast, scaled-dot-product attention, steady state. With
the peft package the layers are PEFT's; without it they are the same formula written here.

    python lora.py [--shape 1b|8b] [--sequence 2048] [--steps 10]

Needs torch and transformers, and a CUDA device. A JSON line for each way.
"""

import argparse
import json
import statistics
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

SHAPES = {
    "1b": dict(num_hidden_layers=16, hidden_size=2048, num_attention_heads=32, num_key_value_heads=8,
               intermediate_size=8192, vocab_size=128256, tie_word_embeddings=True),
    "8b": dict(num_hidden_layers=32, hidden_size=4096, num_attention_heads=32, num_key_value_heads=8,
               intermediate_size=14336, vocab_size=128256, tie_word_embeddings=False),
}
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class Changed(torch.nn.Module):
    """A frozen layer with a change of low rank, as PEFT computes it."""

    def __init__(self, base, rank):
        super().__init__()
        self.base = base
        self.a = torch.nn.Linear(base.in_features, rank, bias=False, device=base.weight.device, dtype=torch.float32)
        self.b = torch.nn.Linear(rank, base.out_features, bias=False, device=base.weight.device, dtype=torch.float32)
        torch.nn.init.zeros_(self.b.weight)

    def forward(self, x):
        return self.base(x) + self.b(self.a(x.to(self.a.weight.dtype))) * 2.0


def written_out(model, rank):
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for layer in model.model.layers:
        for part in (layer.self_attn, layer.mlp):
            for name in TARGETS:
                if hasattr(part, name):
                    setattr(part, name, Changed(getattr(part, name), rank))
    return model


def changed(model, rank):
    try:
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=TARGETS, bias="none", task_type="CAUSAL_LM")
        return get_peft_model(model, config), "peft"
    except ImportError:
        return written_out(model, rank), "the same formula"


def measure(shape, sequence, steps, checkpointing):
    config = LlamaConfig(**SHAPES[shape], max_position_embeddings=131072, rope_theta=500000.0)
    config._attn_implementation = "sdpa"
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = LlamaForCausalLM(config)
    torch.set_default_dtype(before)
    model.train()
    if checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    model, by = changed(model, 16)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    adam = torch.optim.AdamW(learned, lr=1e-4)
    tokens = torch.randint(0, 128256, (1, sequence), device="cuda")
    times = []
    for step in range(steps + 3):
        if step == 3:
            torch.cuda.reset_peak_memory_stats()
        torch.cuda.synchronize()
        began = time.perf_counter()
        adam.zero_grad(set_to_none=False)
        with torch.autocast("cuda", dtype=torch.bfloat16):
            loss = model(input_ids=tokens, labels=tokens).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        adam.step()
        torch.cuda.synchronize()
        if step >= 3:
            times.append((time.perf_counter() - began) * 1e3)
    print(json.dumps({
        "work": "layers twice" if checkpointing else "nothing twice",
        "engine": f"torch {torch.__version__}, {by}",
        "peak_allocated_bytes": torch.cuda.max_memory_allocated(),
        "peak_reserved_bytes": torch.cuda.max_memory_reserved(),
        "ms": statistics.median(times),
        "tokens_per_s": sequence / statistics.median(times) * 1e3,
    }), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", choices=SHAPES, default="1b")
    parser.add_argument("--sequence", type=int, default=2048)
    parser.add_argument("--steps", type=int, default=10)
    arguments = parser.parse_args()
    for checkpointing in (False, True):
        measure(arguments.shape, arguments.sequence, arguments.steps, checkpointing)
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
