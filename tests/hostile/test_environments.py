"""Surroundings that a command has not chosen: streams, terminals, homes, disks, variables. Each is a process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlphys
from tests.hostile import inputs, trial

ROOT = Path(mlphys.__file__).parents[1]
MLPHYS = f"{sys.executable} -m mlphys"
SECONDS = 300  # of a machine that does much else
EVERY = 17  # without a common factor with the number of commands: the sample has each of them

COMMANDS = {
    "list": "list layers",
    "explain": "explain training.epochs",
    "config show": "config show small.yaml",
    "config check": "config check small.yaml",
    "a wrong config": "config check wrong.yaml",
    "runs": "runs",
    "check": "check",
    "config schema": "config schema",
    "doctor's help": "doctor --help",
}
REFUSED = {"a wrong config"}
# How the shell starts a command, with its variables; exit codes where they are not those of the command.
SURROUNDINGS: dict[str, tuple[str, dict[str, str]]] = {
    "no home": ("env -u HOME {}", {}),
    "a home that is not there": ("{}", {"HOME": "/nowhere/at/all"}),
    "a home that is a file": ("{}", {"HOME": "/etc/passwd"}),
    "an empty home": ("{}", {"HOME": ""}),
    "no variables": ("env -i PYTHONPATH=$PYTHONPATH {}", {}),
    "an unknown user without home": ("env -u HOME setpriv --reuid 54321 --regid 54321 --clear-groups {}", {}),
    "a temporary folder that is not there": ("{}", {"TMPDIR": "/nowhere/at/all"}),
    "a temporary folder that is a file": ("{}", {"TMPDIR": "/etc/passwd"}),
    "a cache that is a file": ("{}", {"XDG_CACHE_HOME": "/etc/passwd"}),
    "a cache that is a relative path": ("{}", {"XDG_CACHE_HOME": "."}),
    "a matplotlib folder that is a file": ("{}", {"MPLCONFIGDIR": "/etc/passwd"}),
    "an unknown backend of matplotlib": ("{}", {"MPLBACKEND": "module://evil"}),
    "the C locale": ("{}", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    "an unknown locale": ("{}", {"LC_ALL": "xx_XX.UTF-9", "LANG": "xx"}),
    "a latin-1 terminal": ("{}", {"PYTHONIOENCODING": "latin-1"}),
    "an ASCII terminal that is strict": ("{}", {"PYTHONIOENCODING": "ascii:strict"}),
    "20 columns": ("{}", {"COLUMNS": "20"}),
    "no columns": ("{}", {"COLUMNS": "0"}),
    "columns of text": ("{}", {"COLUMNS": "many", "LINES": "-3"}),
    "a dumb terminal": ("{}", {"TERM": "dumb", "NO_COLOR": "1"}),
    "an unknown terminal": ("{}", {"TERM": "\x1b[2J", "FORCE_COLOR": "1"}),
    "a closed input": ("{} <&-", {}),
    "a closed output": ("{} >&-", {}),
    "a closed error": ("{} 2>&-", {}),
    "all closed": ("{} <&- >&- 2>&-", {}),
    "a full output": ("{} >/dev/full", {}),
    "a full error": ("{} 2>/dev/full", {}),
    "a reader that leaves": ("{} | head -c 1 >/dev/null; exit ${{PIPESTATUS[0]}}", {}),
    "few open files": ("ulimit -n 30; {}", {}),
    "files that cannot grow": ("ulimit -f 0; {}", {}),
    "little stack": ("ulimit -s 1024; {}", {}),
    "no permission for others": ("umask 0777; {}", {}),
    "a foreign Keras": ("{}", {"KERAS_BACKEND": "torch", "KERAS_HOME": "/etc/passwd", "KERAS_NNX_ENABLED": "x"}),
    "a foreign TensorFlow": (
        "{}",
        {"TF_XLA_FLAGS": "--no_such_flag", "TF_NUM_INTRAOP_THREADS": "many", "TF_USE_LEGACY_KERAS": "1"},
    ),
    "threads that are none": ("{}", {"OMP_NUM_THREADS": "x", "OPENBLAS_NUM_THREADS": "-1", "MKL_NUM_THREADS": ""}),
    "data that are not there": ("{}", {"MLPHYS_DATA": "/nowhere/at/all"}),
    "a cache switched to nonsense": ("{}", {"MLPHYS_CACHE": "\x1b[2J"}),
    "a clock of 1970": ("{}", {"SOURCE_DATE_EPOCH": "0"}),
    "a time zone of nonsense": ("{}", {"TZ": ":/etc/passwd"}),
    "a Python that warns of all": ("{}", {"PYTHONWARNINGS": "always"}),
}
TAKE_NOTHING = {"a full output"}


def _combinations() -> Iterator[object]:
    for number, (around, command) in enumerate((a, c) for a in SURROUNDINGS for c in COMMANDS):
        marks = [pytest.mark.hostile, *([pytest.mark.sample] if number % EVERY == 0 else [])]
        yield pytest.param(around, command, id=f"{command}: {around}", marks=marks)


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o777)
    Path("small.yaml").write_text(inputs.TRAINED)
    Path("wrong.yaml").write_text("data: {name: größe}\n")
    inputs.a_run()
    return tmp_path


def shell(line: str, folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder / "home"), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "3", **variables}
    return subprocess.run(["bash", "-c", line], cwd=folder, env=environment, capture_output=True, timeout=SECONDS)


def seemly(done: subprocess.CompletedProcess[bytes], codes: set[int]) -> None:
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert done.returncode in codes, said[-3000:]
    assert "Traceback" not in said, said[-3000:]
    assert "Exception ignored" not in said, said[-3000:]
    assert trial.unseemly(done.stderr.decode("utf-8", "replace").replace("\x1b", "")) == []
    if done.returncode == 2:
        assert len(done.stderr) <= trial.LONGEST


@pytest.mark.parametrize(("around", "command"), list(_combinations()))
def test_a_command_in_hostile_surroundings_works_or_says_why_not(around, command, place):
    line, variables = SURROUNDINGS[around]
    if "setpriv" in line and (os.geteuid() != 0 or not shutil.which("setpriv") or not _open_to_others()):
        pytest.skip("another user is only to be had by root, with a Python that others may run")
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*") if "home" not in path.parts}
    done = shell(line.format(f"{MLPHYS} {COMMANDS[command]}"), place, variables)
    if around in TAKE_NOTHING and command not in REFUSED:
        seemly(done, {2})
    else:
        seemly(
            done,
            {2} if command in REFUSED else {0, 2} if around in ("few open files", "files that cannot grow") else {0},
        )
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*") if "home" not in path.parts} == before


def _open_to_others() -> bool:
    """Whether everybody may run this Python and read the package."""
    return (
        subprocess.run(
            [
                "setpriv",
                "--reuid",
                "54321",
                "--regid",
                "54321",
                "--clear-groups",
                sys.executable,
                "-c",
                "import sys; sys.path.insert(0, sys.argv[1]); import mlphys, click",
                str(ROOT),
            ],
            capture_output=True,
        ).returncode
        == 0
    )


TRAINING = "train small.yaml --no-report --set plots=[]"


@pytest.mark.hostile
@pytest.mark.parametrize(
    ("around", "codes"),
    [
        ("all closed", {0}),
        ("a closed output", {0}),
        ("a closed error", {0}),
        ("a full output", {0, 2}),
        ("a full error", {0, 2}),
        ("a latin-1 terminal", {0}),
        ("20 columns", {0}),
        ("no home", {0}),
        ("a temporary folder that is a file", {0}),
        ("a matplotlib folder that is a file", {0}),
        ("a foreign Keras", {0, 2}),
        ("a foreign TensorFlow", {0, 2}),
        ("files that cannot grow", {2}),
        ("the C locale", {0}),
        ("a cache that is a file", {0}),
    ],
)
def test_a_training_in_hostile_surroundings_ends_or_says_why_not(around, codes, place):
    line, variables = SURROUNDINGS[around]
    seemly(shell(line.format(f"{MLPHYS} {TRAINING}"), place, variables), codes)


@pytest.mark.hostile
@pytest.mark.parametrize("command", ["plot small", "evaluate small", "analyze small", "report small"])
@pytest.mark.parametrize(
    "around",
    [
        "a matplotlib folder that is a file",
        "a temporary folder that is a file",
        "a closed output",
        "files that cannot grow",
        "a full output",
    ],
)
def test_pictures_in_hostile_surroundings_are_drawn_or_refused(around, command, place):
    line, variables = SURROUNDINGS[around]
    seemly(shell(line.format(f"{MLPHYS} {command}"), place, variables), {0, 2})


@pytest.mark.hostile
@pytest.mark.sample
@pytest.mark.parametrize("command", ["list models", "runs", "config check small.yaml", "check"])
def test_a_working_folder_that_is_gone_is_one_message(command, place):
    (place / "gone").mkdir()
    done = shell(f"cd gone && rmdir ../gone && {MLPHYS} {command}", place, {})
    seemly(done, {2})
    assert b"is gone" in done.stderr


@pytest.mark.hostile
@pytest.mark.sample
@pytest.mark.parametrize("closed", ["runs/small/2", "runs/other", "runs/small/2/status.json"])
@pytest.mark.parametrize("command", ["runs", "check", "plot small/1 --only learning_curves"])
def test_a_run_that_another_user_may_not_read_hides_no_other(command, closed, place):
    if os.geteuid() != 0 or not shutil.which("setpriv") or not _open_to_others():
        pytest.skip("another user is only to be had by root, with a Python that others may run")
    inputs.a_run("runs/small/2")
    inputs.a_run("runs/other/1")
    for path in place.rglob("*"):
        path.chmod(0o777 if path.is_dir() else 0o666)
    Path(closed).chmod(0)
    user = "setpriv --reuid 54321 --regid 54321 --clear-groups"
    done = shell(
        f"{user} {MLPHYS} {command.replace('small/1', 'runs/small/1')}", place, {"MPLCONFIGDIR": str(place / "home")}
    )
    seemly(done, {0})
