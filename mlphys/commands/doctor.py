"""What mlphys finds on this machine: each part by itself, so that a broken one does not hide the others."""

from __future__ import annotations

import getpass
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import mlphys
from mlphys import machine
from mlphys.config.experiment import DATASETS
from mlphys.config.load import load
from mlphys.config.shipped import shipped
from mlphys.errors import UserError
from mlphys.io import history, landlock, memory
from mlphys.io.download import locate
from mlphys.io.run_folder import RunFolder
from mlphys.native.processor import simd_unit
from mlphys.schema.document import flow
from mlphys.training.backend import choose

LONGEST_TRAINING = 300  # seconds, until it is given up
REMEDY = "reinstall it: `pip install --force-reinstall mlphys`"
CONFIG = "conv_digits"  # comes along, with its samples
DENSE: Mapping[str, Any] = {  # what makes it a second of dense layers
    "model": {
        "kind": "classifier",
        "layers": [
            "Flatten",
            {"Dense": {"units": 64, "activation": "relu"}},
            {"Dense": {"units": 10, "activation": "softmax"}},
        ],
    },
    "training.epochs": 40,
    "training.early_stopping": None,
    "plots": [],
}


@dataclass(frozen=True)
class Check:
    """One part: what is found, in lines, and what is wrong with it, with the remedy."""

    name: str
    lines: tuple[str, ...]
    problem: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {"lines": list(self.lines), "problem": self.problem, **self.facts}


def examine() -> list[Check]:
    """All checks; a training of a second is the last, and says whether mlphys can train."""
    parts: Mapping[str, Callable[[], Check]] = {
        "versions": _versions, "machine": _machine, "backends": _backends, "pictures": _pictures,
        "datasets": _datasets, "extras": _extras, "training": _training,
    }  # fmt: skip
    checks = [_without_fail(name, part) for name, part in parts.items()]
    return [
        replace(
            check,
            lines=tuple(anonymous(line) for line in check.lines),
            problem=anonymous(check.problem) if check.problem else None,
        )
        for check in checks
    ]


def _without_fail(name: str, part: Callable[[], Check]) -> Check:
    try:
        return part()
    except Exception as error:
        what = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        return Check(name, (), f"{what}; {REMEDY}")


def anonymous(text: str) -> str:
    """Without the home folder and the user's name."""
    home = os.path.expanduser("~")
    if home not in ("", "/", "~"):
        text = text.replace(home, "~")
    text = re.sub(r"/(home|Users)/[^/\s]+", r"/\1/USER", text)
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        return text
    return re.sub(rf"\b{re.escape(user)}\b", "USER", text) if len(user) > 2 else text


def _versions() -> Check:
    lines, missing, packages = [f"mlphys {mlphys.__version__}, Python {platform.python_version()}"], [], {}
    for name in machine.PACKAGES:
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
    lines.append(", ".join(f"{name} {version}" for name, version in packages.items()))
    problem = f"{', '.join(missing)} not installed; `pip install {' '.join(missing)}`" if missing else None
    return Check("versions", tuple(lines), problem, {"mlphys": mlphys.__version__, "packages": packages})


def _machine() -> Check:
    unit = simd_unit()
    processor = machine.processor()
    threads = machine.threads()
    vector = f"vectors of {unit.width} floats" if unit else "no vector unit that machine code is made for"
    lines = (
        f"{platform.system()} {platform.machine()}, {processor or 'processor unknown'}",
        f"{machine.cores()} cores for this process, {threads} threads in a training, {vector}",
        f"{memory.free() / 1e9:.1f} GB of memory free",
        _confinement(landlock.version()),
    )
    facts = {
        "processor": processor,
        "cores": machine.cores(),
        "threads": threads,
        "simd": unit.width if unit else None,
        "landlock": landlock.version(),
    }
    return Check("machine", lines, None, facts)


def _confinement(landlock_version: int) -> str:
    """What processes that parse files of C libraries are kept from, as docs/security.md says in detail."""
    if landlock_version:
        return f"images, HDF5, MATLAB and FITS files are parsed in processes confined by Landlock {landlock_version}"
    return "no Landlock (Linux 5.13 and newer): a process that parses a file can change other files of yours"


def _backends() -> Check:
    lines = []
    for what, changes in {"dense layers": DENSE, "convolutions": {}}.items():
        loaded = load(shipped()[CONFIG], _overrides(changes))
        plans = loaded.experiment.model.plans(loaded.experiment.training, loaded.net_input)
        lines += [f"{what}: {choose(plan, loaded.net_input.samples)}" for plan in plans]
    return Check("backends", tuple(lines))


def _overrides(changes: Mapping[str, Any]) -> list[str]:
    return [f"{key}={flow(value)}" for key, value in changes.items()]


def _pictures() -> Check:
    machine.require_matplotlib()
    import matplotlib

    return Check("pictures", (f"matplotlib keeps its fonts in {matplotlib.get_cachedir()}",))


def _datasets() -> Check:
    lines, available = [], {}
    for name, dataset in DATASETS.items():
        paths = [locate(source) for source in dataset.sources()]
        if not paths:
            continue
        available[name] = None not in paths
        where = ", ".join(dict.fromkeys(str(path.parent) for path in paths if path))
        lines.append(f"{name}: {where if available[name] else f'not here; `mlphys data fetch {name}` downloads it'}")
    built_in = len(DATASETS) - len(available)
    return Check("datasets", (*lines, f"{built_in} more need no download"), None, {"present": available})


def _extras() -> Check:
    lines, installed = [], {}
    for extra, needed in _packages_of_extras().items():
        missing = [name for name in needed if not _is_installed(name)]
        installed[extra] = not missing
        without = f"without {', '.join(missing)}; `pip install 'mlphys[{extra}]'`"
        lines.append(f"{extra}: {without if missing else 'installed'}")
    return Check("extras", tuple(lines), None, {"installed": installed})


def _packages_of_extras() -> dict[str, list[str]]:
    """The packages of each extra that mlphys declares."""
    packages: dict[str, list[str]] = {}
    for requirement in metadata.requires("mlphys") or []:
        package = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", requirement)
        if package and extra and package[0] != "mlphys":
            packages.setdefault(extra[1], []).append(_of_gpu(requirement) or package[0])
    return packages


def _of_gpu(requirement: str) -> str | None:
    """NVIDIA's library in place of TensorFlow, which is installed without it too."""
    return "nvidia-cudnn-cu12" if "[and-cuda]" in requirement else None


def _is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _training() -> Check:
    """A small training by a process of its own, which a processor that TensorFlow does not know would kill."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        done = _trained(Path(folder))
        took = time.perf_counter() - began
        if done.returncode:
            return Check("training", (), _why_failed(done))
        run = RunFolder(Path(folder) / "run")
        rows = history.rows(run.read("history.csv").decode(), "history.csv")
        environment = json.loads(run.read("environment.json"))
    seconds = sum(row["seconds"] for row in rows)
    accelerators = environment["accelerators"]
    lines = (
        f"{len(rows)} epochs of 1 197 digits in {seconds:.1f} s, {took:.1f} s with imports and files; accuracy "
        f"{100 * rows[-1]['validation_accuracy']:.1f} %",
        *environment["engine"]["steps"].values(),
        f"accelerators: {', '.join(accelerators) or 'none'}",
    )
    return Check("training", lines, None, {"seconds": round(seconds, 3), "accelerators": accelerators})


def _trained(folder: Path) -> subprocess.CompletedProcess[str]:
    package = str(Path(mlphys.__file__).parents[1])
    paths = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    changes = [part for override in _overrides(DENSE) for part in ("--set", override)]
    command = (sys.executable, "-m", "mlphys", "train", CONFIG, *changes, "--out", "run", "--quiet")
    return subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": paths}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=LONGEST_TRAINING, check=False,
    )  # fmt: skip


def _why_failed(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode == -signal.SIGILL:
        return "killed by an illegal instruction: TensorFlow needs a processor with AVX; use another machine"
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    if done.returncode < 0:
        return f"killed by {signal.Signals(-done.returncode).name}; {lines[-1] if lines else 'is there enough memory?'}"
    return f"{lines[-1] if lines else f'exit code {done.returncode}'}; {REMEDY}"


def can_train(checks: Sequence[Check]) -> bool:
    """Whether the training, the last check, went through."""
    return checks[-1].problem is None
