"""Calls of generated training steps: aligned memory, threads, sums by metric."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Sequence

import numpy as np

from mlphys.native.chain import Chain
from mlphys.native.llvm.function import Function
from mlphys.native.processor import SimdUnit


def sums_by_metric(totals: np.ndarray, metrics: Sequence[str]) -> np.ndarray:
    """The weight of all samples, then the sums of the metrics by name, from those that machine code adds up."""
    loss, metric, penalty, weight = totals
    known = {"loss": loss + penalty, "reconstruction_loss": loss}  # others are the metric of `dense_loss`
    return np.array([weight, *(known.get(name, metric) for name in metrics)])


def together(threads: int, work: Callable[[int], None]) -> None:
    """Run work(0), work(1), ..., each on its own thread, starting when all threads are ready: they use barriers."""
    if threads == 1:
        return work(0)
    gate = threading.Barrier(threads)

    def begin(thread: int) -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            gate.wait()
            work(thread)

    workers = [threading.Thread(target=begin, args=(i,)) for i in range(threads)]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    except BaseException:
        gate.abort()
        for worker in workers:
            if worker.is_alive():  # it writes to the workspace until its steps are done
                worker.join()
        raise


@functools.cache
def compiled(steps: Callable[[Chain, SimdUnit], Function], chain: Chain, simd: SimdUnit) -> Callable[..., None]:
    """The compiled function of nine pointers and five integers."""
    return steps(chain, simd).compiled()


def aligned(size: int) -> np.ndarray:
    """Zeros, aligned to a cache line of 64 bytes."""
    buffer = np.zeros(size + 16, np.float32)
    first = -buffer.ctypes.data % 64 // 4
    return buffer[first : first + size]
