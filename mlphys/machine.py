"""The environment of a run: versions, machine, threads, backends."""

from __future__ import annotations

import contextlib
import math
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import mlphys
from mlphys.errors import UserError

MOST_THREADS = 1024
TIME_LIMIT = Path("/sys/fs/cgroup/cpu.max")  # CPU quota of a container: microseconds of CPU time per period
DECISIVE = ("tensorflow", "keras", "numpy", "llvmlite")  # packages whose version may change the trained bytes
LONGEST_EXCLUDE = 100_000  # bytes of the checkout's info/exclude
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
        "packages": {name: _version(name) for name in PACKAGES},
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": processor(),
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
    return {"mlphys": mlphys.__version__} | {name: _version(name) for name in DECISIVE}


@cache
def _version(package: str) -> str:
    """The version that is installed, read once in a process: what is imported does not change."""
    return metadata.version(package)


def processor() -> str:
    """The name of the processor, on whose instructions the last digits of a training depend; empty if unknown."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def require_matplotlib() -> None:
    """Import matplotlib. Raises UserError where it has no folder for the list of its fonts."""
    try:
        import matplotlib

        matplotlib.get_cachedir()
    except OSError:
        raise UserError(
            "pictures need a folder that can be written to, for matplotlib's fonts; set MPLCONFIGDIR to one of yours"
        ) from None


def _git() -> dict[str, Any] | None:
    """Commit of the working directory's git checkout and whether it is dirty; None outside of a checkout.

    The folder may have come with its `.git`, whose config can name commands that git runs: fsmonitor, filters, hooks,
    helpers of remotes. `rev-parse` runs none of them; the state is found by way of a repository of our own that has
    the other's objects and index, but neither its config nor its hooks, and leaves submodules alone.
    """
    wanted = ("--git-path", "objects", "--git-path", "index", "--git-path", "info/exclude", "--show-toplevel")
    try:
        commit, objects, index, exclude, top = _output("rev-parse", "HEAD", *wanted).split("\n")
        with tempfile.TemporaryDirectory() as folder:
            _bare(Path(folder), commit, Path(exclude))
            files = {"GIT_OBJECT_DIRECTORY": os.path.abspath(objects), "GIT_INDEX_FILE": os.path.abspath(index)}
            arguments = ("status", "--porcelain", "--ignore-submodules=all")
            changed = _output(*arguments, GIT_DIR=folder, GIT_WORK_TREE=top, **files)
        return {"commit": commit, "dirty": bool(changed)}
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _bare(folder: Path, commit: str, exclude: Path) -> None:
    """A repository without objects at a commit, with the other's list of files to leave out."""
    for name in ("objects", "refs", "info"):
        (folder / name).mkdir()
    sha256 = len(commit) == 64
    extension = "[extensions]\n\tobjectFormat = sha256\n" if sha256 else ""
    (folder / "config").write_text(f"[core]\n\trepositoryFormatVersion = {int(sha256)}\n{extension}")
    (folder / "HEAD").write_text(f"{commit}\n")
    if exclude.is_file():
        with exclude.open("rb") as file:
            (folder / "info" / "exclude").write_bytes(file.read(LONGEST_EXCLUDE))


def _output(*arguments: str, **variables: str) -> str:
    """What git prints; `variables` may name the repository that it looks at."""
    off = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}", "-c", "core.untrackedCache=false")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    result = subprocess.run(
        ("git", "--no-optional-locks", "--no-pager", *off, *arguments),
        env={**environment, "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=5,
        check=True,
    )
    return result.stdout.strip()
