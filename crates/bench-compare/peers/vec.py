#!/usr/bin/env python3
"""Vector search of other engines on the vectors that plimsoll-vec's example leaves.

    cargo run --release -p plimsoll-vec --example scan_speed -- --write FOLDER
    pip install numpy faiss-cpu usearch turbovec
    crates/bench-compare/peers/vec.py FOLDER [ENGINE...]

Two threads, ten nearest by cosine (vectors are brought to length one, then compared by product), one query and a batch of
all; medians of turns that the engines take one after the other. Engines that are not installed are passed over.
"""

import os
import statistics
import sys
import time

os.environ.update(OMP_NUM_THREADS="2", OPENBLAS_NUM_THREADS="2", RAYON_NUM_THREADS="2")
import numpy as np

K = 10
TURNS = 7


def engines(base):
    """Name and search of each engine: queries in, rows out."""

    def exact(queries):
        scores = queries @ base.T
        top = np.argpartition(-scores, K, axis=1)[:, :K]
        return top

    found = {"numpy f32": exact}
    try:
        import faiss

        faiss.omp_set_num_threads(2)
        flat = faiss.IndexFlatIP(base.shape[1])
        flat.add(base)

        def faiss_flat(queries, threshold):
            faiss.cvar.distance_compute_blas_threshold = threshold
            return flat.search(queries, K)[1]

        found["faiss f32"] = lambda queries: faiss_flat(queries, 20)
        found["faiss f32 blas"] = lambda queries: faiss_flat(queries, 1)
        int8 = faiss.IndexScalarQuantizer(base.shape[1], faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
        int8.train(base[:20000])
        int8.add(base)
        found["faiss sq8"] = lambda queries: int8.search(queries, K)[1]
        found.update(faiss_fast(faiss, base))
        found.update(faiss_lists(faiss, base))
    except ImportError:
        print("faiss is not installed", file=sys.stderr)
    try:
        import usearch.index

        for dtype in ("f32", "i8"):
            rows = base if dtype == "f32" else np.round(base * 127 / np.abs(base).max()).astype(np.int8)

            def usearch(queries, rows=rows, dtype=dtype):
                if dtype == "i8":
                    queries = np.round(queries * 127 / np.abs(queries).max()).astype(np.int8)
                return usearch_exact(rows, queries)

            def usearch_exact(rows, queries):
                from usearch.index import MetricKind, search

                return search(rows, queries, K, MetricKind.IP, exact=True, threads=2).keys.reshape(len(queries), -1)

            found[f"usearch {dtype} exact"] = usearch
    except ImportError:
        print("usearch is not installed", file=sys.stderr)
    try:
        import turbovec

        index = turbovec.TurboQuantIndex(base.shape[1], 4)
        index.add(base)
        found["turbovec 4-bit"] = lambda queries: np.asarray(index.search(queries, K)[1]).reshape(len(queries), -1)
    except (ImportError, AttributeError, TypeError) as error:
        print(f"turbovec is passed over: {error}", file=sys.stderr)
    return found


def faiss_fast(faiss, base):
    """FAISS's product quantization with fast scan: alone, and with a second look at 200 rows."""
    found = {}
    dimension = base.shape[1]
    for parts in (dimension // 2, dimension // 4):
        kind = f"PQ{parts}x4fs"
        index = faiss.index_factory(dimension, kind, faiss.METRIC_INNER_PRODUCT)
        begun = time.perf_counter()
        index.train(base[:16384])
        index.add(base)
        print(f"{kind} was built in {time.perf_counter() - begun:.1f} s", file=sys.stderr)
        refined = faiss.IndexRefineFlat(index, faiss.swig_ptr(base))
        refined.k_factor = 20
        found[f"faiss {kind}"] = lambda queries, index=index: index.search(queries, K)[1]
        found[f"faiss {kind} + 200"] = lambda queries, index=refined, base=base: index.search(queries, K)[1]
    return found


def faiss_lists(faiss, base):
    """FAISS's lists: 4-bit codes with a second look, and vectors as they are, with more and more lists looked into."""
    found = {}
    dimension = base.shape[1]
    lists = min(1024, len(base) // 39)
    for kind in (f"IVF{lists},PQ{dimension // 2}x4fs", f"IVF{lists},Flat"):
        index = faiss.index_factory(dimension, kind, faiss.METRIC_INNER_PRODUCT)
        begun = time.perf_counter()
        index.train(base[: 256 * lists])
        index.add(base)
        print(f"{kind} was built in {time.perf_counter() - begun:.1f} s", file=sys.stderr)
        whole = faiss.IndexRefineFlat(index, faiss.swig_ptr(base)) if "fs" in kind else index
        if "fs" in kind:
            whole.k_factor = 4
        for probes in (1, 2, 4, 8, 16, 32):

            def search(queries, index=index, whole=whole, probes=probes, base=base):
                index.nprobe = probes
                return whole.search(queries, K)[1]

            found[f"faiss {kind}{' refined' if 'fs' in kind else ''} {probes}"] = search
    return found


def main():
    folder = sys.argv[1]
    base = np.load(f"{folder}/base.npy")
    queries = np.load(f"{folder}/queries.npy")
    for vectors in (base, queries):
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = engines(base)
    if len(sys.argv) > 2:
        found = {name: search for name, search in found.items() if name.startswith(("numpy", *sys.argv[2:]))}
    truth = found["numpy f32"](queries)
    one = {name: [] for name in found}
    batch = {name: [] for name in found}
    rows = {}
    for turn in range(TURNS):
        for name, search in found.items():
            begun = time.perf_counter()
            search(queries[turn : turn + 1])
            one[name].append(time.perf_counter() - begun)
            begun = time.perf_counter()
            rows[name] = search(queries)
            batch[name].append(time.perf_counter() - begun)
    print(f"{'engine':<36} {'one ms':>8} {'batch QPS':>10}  recall@{K}")
    for name in found:
        right = sum(len(set(a) & set(b)) for a, b in zip(truth.tolist(), np.asarray(rows[name]).tolist()))
        ms = statistics.median(one[name]) * 1e3
        qps = len(queries) / statistics.median(batch[name])
        print(f"{name:<36} {ms:>8.2f} {qps:>10.0f}  {right / truth.size:.4f}")


if __name__ == "__main__":
    main()
