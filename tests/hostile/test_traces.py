"""What the system sees of a command: no socket but local ones, no file written outside of its folder and caches."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

import mlphys
from tests.hostile import inputs
from tests.hostile.families import arrays, containers, images, tables

ROOT = Path(mlphys.__file__).parents[1]
# A call that succeeded: a file opened so that it can be written, or made, moved, removed, changed.
OPENED = re.compile(r'open(?:at|at2)?\((?:[^,"]*, )?"([^"]*)", [^)]*O_(?:WRONLY|RDWR|CREAT|TRUNC|APPEND)[^)]*\)\s+= \d')
CHANGED = re.compile(
    r'(?:mkdir|rmdir|unlink|rename|link|symlink|truncate|chmod|chown|mknod)\w*\((?:[^,"]*, )?"([^"]*)".*\)\s+= 0'
)
SOCKET = re.compile(r"socket\((AF_\w+)")
LOCAL = {"AF_UNIX", "AF_NETLINK"}
DEVICES = ("/dev/null", "/dev/tty", "/dev/shm/", "/dev/pts/", "/proc/self/", "/proc/")


def _array(name: str, content: Callable[[], bytes]) -> Callable[[], None]:
    def prepare() -> None:
        inputs.write(name, content())
        inputs.write("c.yaml", f"data: {{name: array, path: {name}}}\n{inputs.PCA}")

    return prepare


def _npz() -> bytes:
    return arrays.zipped(
        {"x.npy": arrays.npy(arrays.header(), np.random.default_rng(0).random(200, np.float32).tobytes())}
    )


def _table() -> None:
    inputs.write("t.csv", tables.SOUND)
    inputs.write(
        "c.yaml",
        f"data: {{name: table, path: t.csv, target: c, target_is: classes}}\n{tables.MODEL.replace('UNITS', '2')}",
    )


def _folder(ending: str) -> Callable[[], None]:
    def prepare() -> None:
        for i in range(20):
            inputs.write(f"photos/{i}.{ending}", images.sound(ending))
        inputs.write("c.yaml", "data: {name: image_folder, path: photos}\nmodel: {kind: transform}\n")

    return prepare


FORMATS: dict[str, Callable[[], None]] = {
    "npy": _array(
        "x.npy", lambda: arrays.npy(arrays.header(), np.random.default_rng(0).random(200, np.float32).tobytes())
    ),
    "npz": _array("x.npz", _npz),
    "idx": _array("t-images-idx3-ubyte", lambda: arrays.idx(body=bytes(range(160)) * 4)),
    "hdf5": _array("x.h5", lambda: containers._sound("h5")),
    "matlab": _array("x.mat", lambda: containers._sound("mat")),
    "fits": _array("x.fits", lambda: containers._sound("fits")),
    "csv": _table,
    **{ending: _folder(ending) for ending in images.FORMATS},
}
COMMANDS = {
    "list": "list layers",
    "explain": "explain training.epochs",
    "config check": "config check small.yaml",
    "config show": "config show small.yaml",
    "config explain": "config explain small.yaml",
    "config diff": "config diff small.yaml small",
    "config schema": "config schema",
    "config copy": "config copy conv_digits",
    "config from-keras": "config from-keras net.json",
    "data list": "data list",
    "data show": "data show small.yaml",
    "data check": "data check small.yaml",
    "new": "new",
    "train": "train small.yaml --set training.epochs=1",
    "sweep": "sweep small.yaml --grid seed=[1,2] --dry-run",
    "train a study": "train small.yaml --seeds 2 --workers 0 --threads 1 --set training.epochs=1",
    "resume": "resume small --set training.epochs=3",
    "evaluate": "evaluate small",
    "predict": "predict small x.npy",
    "plot": "plot small",
    "plot-filters": "plot-filters small",
    "analyze": "analyze small",
    "report": "report small",
    "export": "export small --format keras",
    "runs": "runs",
    "compare": "compare runs/small/1 runs/small/1",
    "check": "check small",
    "exercise": "exercise small.yaml --blank seed",
    "doctor": "doctor",
    "completion": "completion show bash",
}
KERAS = """
{"class_name": "Sequential", "config": {"layers": [
    {"class_name": "InputLayer", "config": {"batch_shape": [null, 4]}}, {"class_name": "Dense", "config": {"units": 3}}
]}}
"""


def _can_trace() -> bool:
    """Whether strace is there and may trace, which some containers forbid."""
    command = ["strace", "-qq", "-o", os.devnull, "true"]
    return bool(shutil.which("strace")) and subprocess.run(command, capture_output=True).returncode == 0


needs_strace = pytest.mark.skipif(
    not _can_trace() and os.environ.get("MLPHYS_TEST_EXTRAS") != "required",
    reason="strace is not installed or may not trace",
)


def _some(names: Iterable[str], sample: tuple[str, ...]) -> list[object]:
    return [pytest.param(name, marks=pytest.mark.sample if name in sample else ()) for name in names]


def traced(command: str, folder: Path) -> None:
    """Run a command; assert that it succeeds or refuses, talks to nobody and writes only where it may."""
    variables = {
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MPLCONFIGDIR": str(folder / "home"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "MPLBACKEND": "Agg",
    }
    (folder / "tmp").mkdir(exist_ok=True)
    (folder / "home").mkdir(exist_ok=True)
    trace = folder / "tmp" / "trace"
    words = [
        "strace",
        "-f",
        "-qq",
        "-s",
        "4096",
        "-e",
        "trace=%file,%network",
        "-o",
        str(trace),
        sys.executable,
        "-m",
        "mlphys",
    ]
    done = subprocess.run(
        [*words, *command.split()], cwd=folder, env={**os.environ, **variables}, capture_output=True, timeout=500
    )
    assert done.returncode in (0, 2), done.stderr.decode("utf-8", "replace")[-3000:]
    lines = trace.read_text(errors="replace").splitlines()
    assert len(lines) > 100
    families = {found[1] for line in lines if (found := SOCKET.search(line))}
    assert families <= LOCAL
    paths = {found[1] for line in lines if (found := OPENED.search(line) or CHANGED.search(line))}
    elsewhere = {path for path in paths if path.startswith("/") and not path.startswith((str(folder), *DEVICES))}
    assert elsewhere == set()


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path(os.path.realpath(tmp_path))


@needs_strace
@pytest.mark.hostile
@pytest.mark.parametrize("name", _some(FORMATS, ("npz", "hdf5", "png")))
def test_data_of_each_format_are_read_without_a_socket_and_written_nowhere(name, folder):
    FORMATS[name]()
    traced("data check c.yaml", folder)


@needs_strace
@pytest.mark.hostile
@pytest.mark.parametrize("name", _some(COMMANDS, ("config check", "runs")))
def test_each_command_writes_into_its_run_and_talks_to_nobody(name, folder):
    inputs.write("small.yaml", inputs.TRAINED)
    inputs.write("net.json", KERAS)
    np.save("x.npy", np.random.default_rng(0).random((3, 8, 8, 1), np.float32))
    inputs.a_run()
    traced(COMMANDS[name], folder)
