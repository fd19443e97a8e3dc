"""The environment of a run: versions, machine, threads, backends."""

from __future__ import annotations

import contextlib
import math
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import mlphys

MOST_THREADS = 1024
TIME_LIMIT = Path("/sys/fs/cgroup/cpu.max")  # CPU quota of a container: microseconds of CPU time per period
DECISIVE = ("tensorflow", "keras", "numpy", "llvmlite")  # packages whose version may change the trained bytes
PACKAGES = ("tensorflow", "keras", "numpy", "llvmlite", "scikit-learn", "safetensors", "pydantic", "matplotlib")


def describe(
    accelerators: list[str],
    xla: bool,
    lanes: int | None = None,
    native: Sequence[str] = (),
    steps: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The content of environment.json.

    `lanes`: SIMD width of the batch-interleaved convolutions, in samples; `native`: the phases trained by machine
    code; `steps`: the backend of each phase, and why a faster one cannot train it.
    """
    chosen = {"backend": "tensorflow", "float": "float32", "onednn": True, "xla": xla, "lanes": lanes}
    return {
        "started": datetime.now(UTC).isoformat(),
        "mlphys": mlphys.__version__,
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "threads": threads(),
        "accelerators": accelerators,
        "engine": {**chosen, "native": list(native), "steps": dict(steps or {})},
        "git": _git(),
        "command": shlex.join(sys.argv),
    }


_chosen: int | None = None


@contextlib.contextmanager
def using_threads(threads: int | None) -> Iterator[None]:
    """Set the number of threads of the trainings inside the context; None: one per core.

    TensorFlow takes it only if this process has not imported it yet.
    """
    global _chosen
    before, _chosen = _chosen, threads
    try:
        with _numpy_limited(threads):
            yield
    finally:
        _chosen = before


@contextlib.contextmanager
def _numpy_limited(threads: int | None) -> Iterator[None]:
    """Limit the threads of NumPy's linear algebra, on which its last digits depend."""
    if threads is None:
        yield
        return
    import numpy  # noqa: F401 - limited is what is loaded
    from threadpoolctl import threadpool_limits

    with threadpool_limits(threads):
        yield


def chosen_threads() -> int | None:
    """The number given to `using_threads`; None: none was given."""
    return _chosen


def threads() -> int:
    """Number of threads of a training, on which its bytes may depend."""
    return _chosen or cores()


def cores() -> int:
    """Number of cores this process may use; more threads than a container's CPU quota would only wait."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        time, period = map(int, TIME_LIMIT.read_text().split())
    except (OSError, ValueError):  # there is no limit
        return cores
    return max(1, min(cores, math.ceil(time / period)))


def versions() -> dict[str, str]:
    """Versions of mlphys and of the packages that determine the trained bytes."""
    return {"mlphys": mlphys.__version__} | {name: metadata.version(name) for name in DECISIVE}


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _git() -> dict[str, Any] | None:
    """Commit of the working directory's git checkout and whether it is dirty; None outside of a checkout."""
    try:
        commit = _said("git", "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_said("git", "status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
