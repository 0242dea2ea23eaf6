"""Reads an adapter of `plimsoll train lora` with PEFT, over the same GGUF file, and tells the loss of given rows.

    cargo run -p plimsoll-llm --example corpus_rows -- MODEL.gguf DATA 256 > rows.jsonl
    python adapter.py MODEL.gguf ADAPTER-FOLDER rows.jsonl

What it prints is to be what `plimsoll train lora` says of what is held out. Needs torch, transformers, peft and gguf.
"""

import json
import pathlib
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM


def losses(model, rows, batch=4):
    total = []
    # As the rows are looked at there: in passes of `batch`, the last filled up from the beginning.
    rows = rows + rows[: (-len(rows)) % batch]
    for start in range(0, len(rows), batch):
        part = rows[start:start + batch]
        tokens = torch.tensor([row["tokens"] for row in part])
        targets = torch.tensor([[-100 if t == 2**32 - 1 else t for t in row["targets"]] for row in part])
        with torch.no_grad():
            logits = model(input_ids=tokens).logits.float()
        total.append(torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()).item())
    return sum(total) / len(total)


def main():
    model_file, adapter, rows = (pathlib.Path(word) for word in sys.argv[1:4])
    rows = [json.loads(line) for line in rows.read_text().splitlines()]
    model = AutoModelForCausalLM.from_pretrained(str(model_file.parent), gguf_file=model_file.name, dtype=torch.float32)
    model.eval()
    before = losses(model, rows)
    changed = PeftModel.from_pretrained(model, str(adapter))
    changed.eval()
    print(json.dumps({"before": before, "after": losses(changed, rows)}))


if __name__ == "__main__":
    main()
