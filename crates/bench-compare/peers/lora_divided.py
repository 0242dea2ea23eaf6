"""LoRA on a Llama shape with its weights divided among several GPUs by PyTorch's FSDP2: peak memory and time of a step.

What `plimsoll bench train --shape 8b --devices cuda:0,cuda:1 --only divided` is measured beside: bf16 weights, changes of rank 16
in all seven matrices of a layer with AdamW, every layer computed again on the way back and divided by `fully_shard`, one row for
each GPU, random weights. The model is built a layer at a time and divided at once, so that it never lies whole on a GPU.

    python lora_divided.py [--shape 1b|8b] [--sequence 2048] [--steps 10] [--gpus 2]

Needs torch and transformers, and that many CUDA devices. A JSON line.
"""

import argparse
import json
import os
import statistics
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from transformers import LlamaConfig, LlamaForCausalLM

from lora import SHAPES, written_out


def member(place, arguments):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29511", RANK=str(place), WORLD_SIZE=str(arguments.gpus))
    torch.cuda.set_device(place)
    dist.init_process_group("nccl", device_id=torch.device("cuda", place))
    mesh = init_device_mesh("cuda", (arguments.gpus,))
    config = LlamaConfig(**SHAPES[arguments.shape], max_position_embeddings=131072, rope_theta=500000.0)
    config._attn_implementation = "sdpa"
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("meta"):
        model = written_out(LlamaForCausalLM(config), 16)
    torch.set_default_dtype(before)
    model.train()
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.enable_input_require_grads()
    policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    for layer in model.model.layers:
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    model.to_empty(device="cuda")
    model.tie_weights()
    for name, parameter in model.named_parameters():
        local = parameter.to_local() if hasattr(parameter, "to_local") else parameter
        torch.nn.init.zeros_(local) if name.endswith(".b.weight") else torch.nn.init.normal_(local, std=0.02)
    # Angles are no parameters: they are made anew, since the model was built without numbers.
    rotary = type(model.model.rotary_emb)(config=config, device=torch.device("cuda", place))
    model.model.rotary_emb = rotary
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    adam = torch.optim.AdamW(learned, lr=1e-4)
    tokens = torch.randint(0, 128256, (1, arguments.sequence), device="cuda")
    times = []
    for step in range(arguments.steps + 3):
        if step == 3:
            torch.cuda.reset_peak_memory_stats()
        torch.cuda.synchronize()
        dist.barrier()
        began = time.perf_counter()
        adam.zero_grad(set_to_none=False)
        loss = model(input_ids=tokens, labels=tokens).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        adam.step()
        torch.cuda.synchronize()
        if step >= 3:
            times.append((time.perf_counter() - began) * 1e3)
    if place == 0:
        median = statistics.median(times)
        print(json.dumps({
            "work": f"layers twice, divided among {arguments.gpus}",
            "engine": f"torch {torch.__version__}, fully_shard",
            "peak_allocated_bytes": torch.cuda.max_memory_allocated(),
            "peak_reserved_bytes": torch.cuda.max_memory_reserved(),
            "loss": loss.item(),
            "ms": median,
            "tokens_per_s": arguments.sequence * arguments.gpus / median * 1e3,
        }), flush=True)
    dist.destroy_process_group()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", choices=SHAPES, default="1b")
    parser.add_argument("--sequence", type=int, default=2048)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--gpus", type=int, default=2)
    arguments = parser.parse_args()
    mp.spawn(member, args=(arguments,), nprocs=arguments.gpus)


if __name__ == "__main__":
    main()
