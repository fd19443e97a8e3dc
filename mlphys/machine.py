"""What a number depends on beside config and data: versions, machine, choices."""

from __future__ import annotations

import math
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import mlphys

TIME_LIMIT = Path("/sys/fs/cgroup/cpu.max")  # of a container: microseconds of all cores together in so many
DECISIVE = ("tensorflow", "keras", "numpy", "llvmlite")  # another version of these may give other bytes
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


def threads() -> int:
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
    """Commit and state of the checkout that the command was given in, None outside of one.

    The folder may have come with its `.git`, whose config can name commands that git runs: fsmonitor, filters, hooks,
    helpers of remotes. `rev-parse` runs none of them; the state is found by way of a repository of our own that has
    the other's objects and index, but neither its config nor its hooks, and leaves submodules alone.
    """
    wanted = ("--git-path", "objects", "--git-path", "index", "--git-path", "info/exclude", "--show-toplevel")
    try:
        commit, objects, index, exclude, top = _said("rev-parse", "HEAD", *wanted).split("\n")
        with tempfile.TemporaryDirectory() as folder:
            _bare(Path(folder), commit, Path(exclude))
            files = {"GIT_OBJECT_DIRECTORY": os.path.abspath(objects), "GIT_INDEX_FILE": os.path.abspath(index)}
            arguments = ("status", "--porcelain", "--ignore-submodules=all")
            changed = _said(*arguments, GIT_DIR=folder, GIT_WORK_TREE=top, **files)
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


def _said(*arguments: str, **variables: str) -> str:
    """What git prints; `variables` may name the repository that it looks at."""
    off = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}", "-c", "core.untrackedCache=false")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    result = subprocess.run(
        ("git", "--no-optional-locks", "--no-pager", *off, *arguments),
        env={**kept, "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=5,
        check=True,
    )
    return result.stdout.strip()
