"""What a process that parses a stranger's file gave up, where the kernel has Landlock; SECURITY.md says it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from mlphys.io import image_decoders, image_files, landlock

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PROGRAM = """
import mmap, os, signal, socket, subprocess, sys
from mlphys.io import landlock

opened = open("old", "rb")
assert landlock.confine(readable=None if sys.argv[1] == "everywhere" else ["inside", "no such folder"])

def tried(what, doing):
    try:
        doing()
        print(what, "done")
    except OSError as error:
        print(what, type(error).__name__)

def mapped():
    mmap.mmap(os.open("old", os.O_RDWR), 8)[0:1] = b"Z"

def connected():
    socket.create_connection(("127.0.0.1", int(sys.argv[2]))).close()

tried("make", lambda: os.open("new", os.O_CREAT | os.O_WRONLY))
tried("write", lambda: os.open("old", os.O_WRONLY))
tried("map", mapped)
tried("truncate", lambda: os.truncate("old", 0))
tried("remove", lambda: os.remove("old"))
tried("rename", lambda: os.rename("old", "inside/old"))
tried("link", lambda: os.symlink("old", "link"))
tried("folder", lambda: os.mkdir("folder"))
tried("start", lambda: subprocess.run(["true"]))
tried("connect", connected)
tried("signal", lambda: os.kill(int(sys.argv[3]), 0))
tried("read", lambda: open("old", "rb").read())
tried("read_inside", lambda: open("inside/file", "rb").read())
tried("read_on", lambda: opened.read(1))
tried("confine_again", lambda: landlock.confine())
"""
GIVEN_UP = ("make", "write", "map", "remove", "rename", "link", "folder", "start")


def needs(version: int) -> None:
    if landlock.version() < version:
        pytest.skip(f"Landlock {version}; the kernel has {landlock.version()}")


def tried(folder: Path, where: str) -> dict[str, str]:
    """What a confined process can still do in `folder`."""
    (folder / "old").write_bytes(b"abcdefgh")
    (folder / "inside").mkdir()
    (folder / "inside" / "file").write_bytes(b"a")
    with socket.create_server(("127.0.0.1", 0)) as server, subprocess.Popen(["sleep", "60"]) as other:
        try:
            done = subprocess.run(
                [sys.executable, "-c", PROGRAM, where, str(server.getsockname()[1]), str(other.pid)], cwd=folder,
                env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True,
            )  # fmt: skip
        finally:
            other.kill()
    return dict(line.split() for line in done.stdout.splitlines())


def test_a_confined_process_changes_no_file_and_starts_no_program(tmp_path: Path):
    needs(1)
    found = tried(tmp_path, "everywhere")
    assert [what for what in GIVEN_UP if found[what] == "done"] == []
    assert {found[what] for what in ("read", "read_inside", "read_on", "confine_again")} == {"done"}
    assert (tmp_path / "old").read_bytes() == b"abcdefgh"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inside", "old"]


@pytest.mark.parametrize(("what", "version"), [("truncate", 3), ("connect", 4), ("signal", 6)])
def test_newer_kernels_take_more_away(what: str, version: int, tmp_path: Path):
    needs(version)
    assert tried(tmp_path, "everywhere")[what] == "PermissionError"


def test_with_folders_to_read_it_opens_files_only_there(tmp_path: Path):
    needs(1)
    found = tried(tmp_path, "inside")
    assert found["read"] == "PermissionError"
    assert found["read_inside"] == found["read_on"] == "done"


CURIOUS = """
import os, sys
from mlphys.io import reading_process
from mlphys.io.formats.content import Described

class Curious:
    def describe(file):
        def answer(doing):
            try:
                doing()
            except OSError as error:
                return Described(refusal=type(error).__name__)
            return Described(refusal="done")

        return {
            "itself": answer(lambda: file.read(1)), "other": answer(lambda: open("other", "rb")),
            "truncate": answer(lambda: os.truncate("other", 0)),
            "start": answer(lambda: os.execv("/bin/true", ["true"])), "python": answer(lambda: open(os.__file__, "rb")),
        }

reading_process.FORMATS["fits"] = Curious
reading_process.main()
"""


def test_the_process_that_parses_a_file_opens_no_other_but_those_of_python(tmp_path: Path):
    needs(3)
    for name in ("mine.fits", "other"):
        (tmp_path / name).write_bytes(b"abc")
    request = {"format": "fits", "path": str(tmp_path / "mine.fits"), "names": [], "memory": 10**9, "seconds": 30}
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}){CURIOUS}"], cwd=tmp_path,
        input=json.dumps(request), capture_output=True, text=True, check=True,
        env={"OPENBLAS_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert {name: why for name, (_, _, why) in json.loads(done.stdout)["arrays"].items()} == {
        "itself": "done", "other": "PermissionError", "truncate": "PermissionError", "start": "PermissionError",
        "python": "done",
    }  # fmt: skip


def test_the_process_that_decodes_images_has_given_up_changing_files(tmp_path: Path):
    needs(1)
    Image.new("L", (3, 2)).save(tmp_path / "a.png")
    image_files.decode(tmp_path / "a.png", greyscale=True)
    status = Path(f"/proc/{image_decoders.idle[-1].process.pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status


def test_without_landlock_nothing_is_given_up_and_nothing_fails(monkeypatch):
    monkeypatch.setattr(landlock, "version", lambda: 0)
    assert landlock.confine(readable=[]) is False


def test_other_systems_have_none(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert landlock.version.__wrapped__() == 0
