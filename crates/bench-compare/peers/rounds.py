"""Times work that a GPU does, for the scripts beside this one."""

import statistics
import time

import torch


def median(work, rounds=7, depth=4):
    """Seconds of one turn: the middle of several rounds of so many turns, after one round that does not count."""

    def once():
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(depth):
            work()
        torch.cuda.synchronize()
        return (time.perf_counter() - began) / depth

    once()
    return statistics.median(once() for _ in range(rounds))
