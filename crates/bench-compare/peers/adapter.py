"""Reads an adapter of `plimsoll train lora` with PEFT, into a model of the shipped one's shape with random weights.

    python adapter.py ADAPTER-FOLDER

Says how many tensors came through as they are, and whether the model's outcome moved. Needs torch, transformers, peft.
"""

import json
import sys
import warnings

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM


def main():
    folder = sys.argv[1]
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
    print(json.dumps({
        "tensors": len(kept),
        "equal": equal,
        "in_the_model": sum("lora_" in name for name in state),
        "warnings": [str(warning.message) for warning in told],
        "outcome_moved_by": moved,
    }))


if __name__ == "__main__":
    main()
