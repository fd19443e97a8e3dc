"""What a number depends on beside config and data: versions, machine, choices."""

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
TIME_LIMIT = Path("/sys/fs/cgroup/cpu.max")  # of a container: microseconds of all cores together in so many
DECISIVE = ("tensorflow", "keras", "numpy", "llvmlite")  # another version of these may give other bytes
PACKAGES = ("tensorflow", "keras", "numpy", "llvmlite", "scikit-learn", "safetensors", "pydantic", "matplotlib")


def describe(
    accelerators: list[str],
    xla: bool,
    lanes: int | None = None,
    native: Sequence[str] = (),
    steps: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The content of environment.json.

    `lanes`: SIMD width of the batch-interleaved convolutions, in samples; `native`: the phases that are trained by
    machine code; `steps`: the backend of each phase, and why no faster one trains it.
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
    """What is trained inside has so many threads; None: as many as there are cores.

    TensorFlow hears of it where it is not imported yet.
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
    """NumPy's linear algebra with so many threads, on which its last digits depend."""
    if threads is None:
        yield
        return
    import numpy  # noqa: F401 - limited is what is loaded
    from threadpoolctl import threadpool_limits

    with threadpool_limits(threads):
        yield


def chosen_threads() -> int | None:
    """What `using_threads` was given; None: nothing was chosen."""
    return _chosen


def threads() -> int:
    """How many threads a training has, on which its bytes may depend."""
    return _chosen or cores()


def cores() -> int:
    """How many cores this process may use: threads beyond the time that a container is given wait for each other."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        time, period = map(int, TIME_LIMIT.read_text().split())
    except (OSError, ValueError):  # there is no limit
        return cores
    return max(1, min(cores, math.ceil(time / period)))


def versions() -> dict[str, str]:
    """Those that the bytes of a training depend on, mlphys first."""
    return {"mlphys": mlphys.__version__} | {name: metadata.version(name) for name in DECISIVE}


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _git() -> dict[str, Any] | None:
    """Commit and state of the checkout that the command was given in, None outside of one."""
    try:
        commit = _said("git", "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_said("git", "status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
