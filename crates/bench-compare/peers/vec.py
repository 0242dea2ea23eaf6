#!/usr/bin/env python3
"""Vector search of other engines on the vectors that our benches leave.

    plimsoll vec bench --only lists --lists 1024 --leave FOLDER
    pip install numpy faiss-cpu usearch turbovec scann
    crates/bench-compare/peers/vec.py FOLDER --metric l2 [ENGINE...]

Without `--metric` by cosine, as plimsoll-vec's example `scan_speed --write FOLDER` searches: vectors are brought to length
one, then compared by product. Two threads, ten nearest, one query and a batch of all; medians of turns that each engine
takes one after the other, once it has had one that does not count: caches are as warm as they get. Engines that are not
installed are passed over. What takes long is built by `--build-threads` threads on any core; `--cores 0,1` keeps what is
measured on those, as `taskset -c 0,1 plimsoll vec bench --threads 2` keeps ours.
"""

import argparse
import os
import statistics
import sys
import time

os.environ.update(OMP_NUM_THREADS="2", OPENBLAS_NUM_THREADS="2", RAYON_NUM_THREADS="2")
import numpy as np

K = 10
TURNS = 7
THREADS = 2


def engines(base, l2, wanted, builders):
    """Name and search of each engine: queries in, rows out. What takes long to build is built if it is wanted."""
    squares = (base**2).sum(axis=1) if l2 else None

    def exact(queries):
        scores = squares - 2 * (queries @ base.T) if l2 else -(queries @ base.T)
        return np.argpartition(scores, K, axis=1)[:, :K]

    found = {"numpy f32": exact}
    try:
        import faiss

        faiss.omp_set_num_threads(builders)
        metric = faiss.METRIC_L2 if l2 else faiss.METRIC_INNER_PRODUCT
        flat = faiss.IndexFlat(base.shape[1], metric)
        flat.add(base)

        def faiss_flat(queries, threshold):
            faiss.cvar.distance_compute_blas_threshold = threshold
            return flat.search(queries, K)[1]

        found["faiss f32"] = lambda queries: faiss_flat(queries, 20)
        found["faiss f32 blas"] = lambda queries: faiss_flat(queries, 1)
        int8 = faiss.IndexScalarQuantizer(base.shape[1], faiss.ScalarQuantizer.QT_8bit, metric)
        int8.train(base[:20000])
        int8.add(base)
        found["faiss sq8"] = lambda queries: int8.search(queries, K)[1]
        if wanted("faiss PQ"):
            found.update(faiss_fast(faiss, base, metric))
        if wanted("faiss IVF"):
            found.update(faiss_lists(faiss, base, metric))
        faiss.omp_set_num_threads(THREADS)
    except ImportError:
        print("faiss is not installed", file=sys.stderr)
    try:
        import usearch.index
        from usearch.index import MetricKind

        kind = MetricKind.L2sq if l2 else MetricKind.IP
        scale = 127 / np.abs(base).max()
        for dtype in ("f32", "i8"):
            rows = base if dtype == "f32" else np.round(base * scale).astype(np.int8)

            def usearch_exact(queries, rows=rows, dtype=dtype):
                if dtype == "i8":
                    queries = np.clip(np.round(queries * scale), -127, 127).astype(np.int8)
                keys = usearch.index.search(rows, queries, K, kind, exact=True, threads=THREADS).keys
                return keys.reshape(len(queries), -1)

            found[f"usearch {dtype} exact"] = usearch_exact
    except ImportError:
        print("usearch is not installed", file=sys.stderr)
    try:
        if wanted("scann"):
            found.update(scann_codes(base, l2, builders))
    except (ImportError, RuntimeError, TypeError) as error:
        print(f"scann is passed over: {error}", file=sys.stderr)
    try:
        import turbovec

        if l2:
            raise ImportError("it compares by product alone")
        index = turbovec.TurboQuantIndex(base.shape[1], 4)
        index.add(base)
        found["turbovec 4-bit"] = lambda queries: np.asarray(index.search(queries, K)[1]).reshape(len(queries), -1)
    except (ImportError, AttributeError, TypeError) as error:
        print(f"turbovec is passed over: {error}", file=sys.stderr)
    return found


def scann_codes(base, l2, builders):
    """ScaNN's four-bit codes: alone, with a second look at 200 rows, and in trees with one of 100."""
    from scann import scann_ops_pybind as scann

    found = {}
    leaves = min(1024, len(base) // 39)

    def built(name, looked, probes):
        builder = scann.builder(base, K, "squared_l2" if l2 else "dot_product").set_n_training_threads(builders)
        if probes:
            builder = builder.tree(num_leaves=leaves, num_leaves_to_search=probes, training_sample_size=len(base))
        builder = builder.score_ah(2, anisotropic_quantization_threshold=float("nan") if l2 else 0.2)
        begun = time.perf_counter()
        index = (builder.reorder(looked) if looked else builder).build()
        index.set_num_threads(THREADS)
        print(f"scann {name} was built in {time.perf_counter() - begun:.1f} s", file=sys.stderr)
        return index

    def searching(index, probes=None):
        more = {} if probes is None else {"leaves_to_search": probes}
        return lambda queries: index.search_batched_parallel(queries, **more)[0] if len(queries) > 1 else [
            index.search(queries[0], **more)[0]
        ]

    found["scann 4-bit"] = searching(built("4-bit", 0, 0))
    found["scann 4-bit + 200"] = searching(built("4-bit + 200", 200, 0))
    tree = built("tree", 100, 1)
    for probes in (1, 2, 4, 8, 16, 32):
        found[f"scann tree{leaves} + 100 {probes}"] = searching(tree, probes)
    return found


def faiss_fast(faiss, base, metric):
    """FAISS's product quantization with fast scan: alone, and with a second look at 200 rows."""
    found = {}
    dimension = base.shape[1]
    for parts in (dimension // 2, dimension // 4):
        kind = f"PQ{parts}x4fs"
        index = faiss.index_factory(dimension, kind, metric)
        begun = time.perf_counter()
        index.train(base[:16384])
        index.add(base)
        print(f"{kind} was built in {time.perf_counter() - begun:.1f} s", file=sys.stderr)
        refined = faiss.IndexRefineFlat(index, faiss.swig_ptr(base))
        refined.k_factor = 20
        found[f"faiss {kind}"] = lambda queries, index=index: index.search(queries, K)[1]
        found[f"faiss {kind} + 200"] = lambda queries, index=refined, base=base: index.search(queries, K)[1]
    return found


def faiss_lists(faiss, base, metric):
    """FAISS's lists: 4-bit codes with a second look, and vectors as they are, with more and more lists looked into."""
    found = {}
    dimension = base.shape[1]
    lists = min(1024, len(base) // 39)
    for kind in (f"IVF{lists},PQ{dimension // 2}x4fs", f"IVF{lists},Flat"):
        index = faiss.index_factory(dimension, kind, metric)
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
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folder")
    asked.add_argument("engines", nargs="*", help="the beginnings of their names")
    asked.add_argument("--metric", choices=("cosine", "l2"), default="cosine")
    asked.add_argument("--build-threads", type=int, default=THREADS, metavar="N")
    asked.add_argument("--cores", type=lambda cores: {int(core) for core in cores.split(",")}, metavar="0,1")
    asked = asked.parse_intermixed_args()
    base = np.load(f"{asked.folder}/base.npy")
    queries = np.load(f"{asked.folder}/queries.npy")
    if asked.metric == "cosine":
        for vectors in (base, queries):
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    def wanted(kind):
        return not asked.engines or any(kind.startswith(name) or name.startswith(kind) for name in asked.engines)

    found = engines(base, asked.metric == "l2", wanted, asked.build_threads)
    if asked.cores:
        # Of threads that were there to build, too.
        for thread in os.listdir("/proc/self/task"):
            os.sched_setaffinity(int(thread), asked.cores)
    if asked.engines:
        found = {name: search for name, search in found.items() if name.startswith(("numpy", *asked.engines))}
    truth = found["numpy f32"](queries)
    print(f"{'engine':<36} {'one ms':>8} {'batch QPS':>10}  recall@{K}")
    for name, search in found.items():
        one, batch = [], []
        try:
            for turn in range(TURNS + 1):
                begun = time.perf_counter()
                search(queries[turn : turn + 1])
                one.append(time.perf_counter() - begun)
                begun = time.perf_counter()
                rows = search(queries)
                batch.append(time.perf_counter() - begun)
        except Exception as error:
            # One engine's trouble is not the others'.
            print(f"{name} failed: {error}", file=sys.stderr)
            continue
        right = sum(len(set(a) & set(b)) for a, b in zip(truth.tolist(), np.asarray(rows).tolist()))
        ms = statistics.median(one[1:]) * 1e3
        qps = len(queries) / statistics.median(batch[1:])
        print(f"{name:<36} {ms:>8.2f} {qps:>10.0f}  {right / truth.size:.4f}", flush=True)


if __name__ == "__main__":
    main()
