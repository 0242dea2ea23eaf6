#!/usr/bin/env python3
"""Recall of plimsoll's planes beside turbovec's four bits, with enough queries to tell them apart.

    pip install numpy turbovec
    crates/bench-compare/peers/recall.py FOLDER PLIMSOLL [QUERIES]

FOLDER is what plimsoll-vec's example `scan_speed --write FOLDER` writes, PLIMSOLL the program. Rows of the base are asked for
(a thousand, fixed seed), by cosine; what counts is the ten nearest but themselves. Prints a line of JSON each: the mean and
its standard error, and for the last one those of the difference.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import turbovec

K = 10


def main(folder, program, count=1000):
    base = np.load(Path(folder) / "base.npy")
    base /= np.linalg.norm(base, axis=1, keepdims=True)
    rows = np.random.default_rng(5).choice(len(base), int(count), replace=False)
    queries = np.ascontiguousarray(base[rows], dtype="<f4")
    truth = []
    for query, row in zip(queries, rows):
        near = base @ query
        near[row] = -9.0
        truth.append(set(np.argpartition(-near, K)[:K].tolist()))

    def shares(found):
        others = ([one for one in ids if one != row][:K] for ids, row in zip(found.tolist(), rows))
        return np.array([len(set(ids) & wanted) / K for ids, wanted in zip(others, truth)])

    def told(what, values):
        error = values.std() / len(values) ** 0.5
        print(json.dumps({"what": what, "mean": round(float(values.mean()), 4), "error": round(float(error), 4)}))

    index = turbovec.TurboQuantIndex(base.shape[1], 4)
    index.add(base)
    theirs = shares(np.asarray(index.search(queries, K + 1)[1]).reshape(len(rows), -1))
    told("turbovec 4-bit", theirs)
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        files = [place / name for name in ("base.npy", "queries.npy", "ids.npy")]
        np.save(files[0], base.astype("<f4"))
        np.save(files[1], queries)
        build = ["vec", "build", files[0], "--into", place / "index", "--codec", "planes", "--metric", "cosine"]
        search = ["vec", "search", place / "index", files[1], "-k", str(K + 1), "-o", files[2]]
        for words in (build, search):
            subprocess.run([program, *words], check=True, stdout=subprocess.DEVNULL)
        ours = shares(np.load(files[2]))
    told("planes", ours)
    told("planes less turbovec", ours - theirs)


if __name__ == "__main__":
    main(*sys.argv[1:])
