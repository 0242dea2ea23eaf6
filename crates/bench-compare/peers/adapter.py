"""Reads an adapter of `plimsoll train lora` with PEFT, and holds what it does there against what it does here.

    python adapter.py ADAPTER-FOLDER
    python adapter.py ADAPTER-FOLDER --model models/tiny-7m-q8_0.gguf --plimsoll target/release/plimsoll

The first says how many tensors came through as they are, into a model of the shipped one's shape with random weights, and whether its
outcome moved. The second reads the model's file with transformers and compares what both write behind a few prompts, the likeliest token
each time, as far as PEFT's first and second are at least a tenth apart: with the adapter, and as a check without it. Needs torch,
transformers, peft, and for the second gguf.
"""

import argparse
import json
import os
import subprocess
import warnings

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

PROMPTS = [[0, 1153, 268, 954, 317, 1433, 290, 268], [0, 17, 300, 41, 1200, 77], [0, 2000, 3000, 15, 16, 268, 400, 12, 9]]
LENGTH = 48


def carried(folder):
    config = LlamaConfig(num_hidden_layers=8, hidden_size=256, num_attention_heads=4, num_key_value_heads=2,
                         intermediate_size=768, vocab_size=4096)
    model = LlamaForCausalLM(config).eval()
    tokens = torch.arange(20)[None]
    with torch.no_grad():
        before = model(tokens).logits.clone()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        changed = PeftModel.from_pretrained(model, folder).eval()
    kept = load_file(folder + "/adapter_model.safetensors")
    state = changed.state_dict()
    equal = sum(torch.equal(value, state[name.replace(".weight", ".default.weight")]) for name, value in kept.items())
    with torch.no_grad():
        moved = (changed(tokens).logits - before).abs().max().item()
    return {
        "tensors": len(kept),
        "equal": equal,
        "in_the_model": sum("lora_" in name for name in state),
        "warnings": [str(warning.message) for warning in told],
        "outcome_moved_by": moved,
    }


def likeliest(model, prompt):
    """The likeliest tokens, one after the other, and by how much each was ahead of the second."""
    tokens, margins = list(prompt), []
    with torch.no_grad():
        for _ in range(LENGTH):
            top = model(torch.tensor([tokens])).logits[0, -1].topk(2)
            tokens.append(top.indices[0].item())
            margins.append((top.values[0] - top.values[1]).item())
    return tokens[len(prompt):], margins


def ours(program, model, prompt, adapter):
    asked = [program, "--json", "generate", "--model", model, "--ids", "--prompt", " ".join(map(str, prompt)),
             "--temperature", "0", "-n", str(LENGTH)] + (["--adapter", adapter] if adapter else [])
    text = json.loads(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)["text"]
    return [int(token) for token in text.split()]


def compared(model, program, file, adapter):
    rows = []
    for prompt in PROMPTS:
        wanted, margins = likeliest(model, prompt)
        found = ours(program, file, prompt, adapter)
        alike = next((at for at, pair in enumerate(zip(wanted, found)) if pair[0] != pair[1]), min(len(wanted), len(found)))
        sure = next((at for at, margin in enumerate(margins) if margin < 0.1), LENGTH)
        rows.append({"tokens_alike": alike, "until_a_margin_below_a_tenth": sure, "right": alike >= min(sure, len(found)),
                     "text": wanted})
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("adapter")
    parser.add_argument("--model")
    parser.add_argument("--plimsoll", default="plimsoll")
    arguments = parser.parse_args()
    if not arguments.model:
        print(json.dumps(carried(arguments.adapter)))
        return
    folder, file = os.path.split(os.path.abspath(arguments.model))
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32).eval()
    without = compared(model, arguments.plimsoll, arguments.model, None)
    changed = PeftModel.from_pretrained(model, arguments.adapter).eval()
    with_it = compared(changed, arguments.plimsoll, arguments.model, arguments.adapter)
    moved = sum(one["text"] != other["text"] for one, other in zip(without, with_it))
    for row in without + with_it:
        del row["text"]
    print(json.dumps({"without": without, "with": with_it, "texts_that_the_adapter_changed": moved}))


if __name__ == "__main__":
    main()
