"""A run's folder gives, takes and loses its own regular files only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlphys.errors import UserError
from mlphys.io.run_folder import RunFolder

DOINGS = {
    "read": lambda run, name: run.read(name),
    "size": lambda run, name: run.size(name),
    "append": lambda run, name: run.append(name, b"x", new=False),
    "begin": lambda run, name: run.append(name, b"x", new=True),
    "truncate": lambda run, name: run.truncate(name, 0),
}
IN_FOLDERS = DOINGS | {
    "write": lambda run, name: run.write(name, b"x"),
    "remove": lambda run, name: run.remove(name),
    "has": lambda run, name: run.has(name),
}


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of change of all files."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@pytest.fixture
def mine(tmp_path) -> Path:
    folder = tmp_path / "mine"
    (folder / "inner").mkdir(parents=True)
    for name in ("thesis.txt", "inner/thesis.txt", "inner/.thesis.txt.abcd1234"):
        (folder / name).write_text("years of work")
    return folder


@pytest.fixture
def run(tmp_path) -> RunFolder:
    (tmp_path / "run").mkdir()
    return RunFolder(tmp_path / "run")


LINKS = {"absolute": "{mine}", "relative": "../mine", "of a link": "hop", "to a loop": "looped"}


@pytest.fixture(params=LINKS)
def target(request, run, mine) -> str:
    (run.path / "hop").symlink_to(mine)
    return LINKS[request.param].format(mine=mine)


@pytest.mark.parametrize("doing", IN_FOLDERS)
def test_no_folder_that_is_a_link_is_entered(doing, run, mine, target):
    (run.path / "looped").symlink_to(target)
    before = state(mine)
    with pytest.raises(UserError, match=r"run/looped: is a link, and what it points to is not touched"):
        IN_FOLDERS[doing](run, "looped/thesis.txt")
    assert state(mine) == before


def test_no_folder_deeper_inside_that_is_a_link_is_entered(run, mine):
    run.make("analysis")
    (run.path / "analysis/inner").symlink_to(mine / "inner")
    with pytest.raises(UserError, match=r"run/analysis/inner: is a link"):
        run.write("analysis/inner/thesis.txt", "x")
    assert run.torn() == []
    with pytest.raises(UserError, match=r"run/analysis/inner: is a link"):
        run.names("analysis/inner")
    with pytest.raises(UserError, match=r"run/analysis/inner: is a link"):
        run.make("analysis/inner")


@pytest.mark.parametrize("doing", DOINGS)
def test_no_file_that_is_a_link_is_read_or_changed(doing, run, mine):
    (run.path / "history.csv").symlink_to(mine / "thesis.txt")
    before = state(mine)
    with pytest.raises(UserError, match=r"run/history.csv: is a link"):
        DOINGS[doing](run, "history.csv")
    assert state(mine) == before


@pytest.mark.parametrize("doing", DOINGS)
def test_a_pipe_and_a_folder_are_no_files(doing, run):
    os.mkfifo(run.path / "pipe")
    (run.path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(UserError, match=rf"run/{name}: not a regular file"):
            DOINGS[doing](run, name)


def test_a_link_is_replaced_and_removed_but_not_what_it_points_to(run, mine):
    before = state(mine)
    for name in ("metrics.json", "gone.json"):
        (run.path / name).symlink_to(mine / "thesis.txt")
    run.write("metrics.json", "{}")
    run.remove("gone.json")
    run.remove("gone.json")
    assert run.names() == ["metrics.json"]
    assert run.read("metrics.json") == b"{}"
    assert state(mine) == before


def test_a_file_with_a_second_name_elsewhere_is_never_changed_in_place(run, mine):
    for name in ("history.csv", "begun.csv", "cut.csv"):
        os.link(mine / "thesis.txt", run.path / name)
    with pytest.raises(UserError, match=r"run/history.csv: has a second name, a hard link"):
        run.append("history.csv", b"x", new=False)
    run.append("begun.csv", b"begun", new=True)
    run.truncate("cut.csv", 5)
    assert [run.read(name) for name in run.names()] == [b"begun", b"years", b"years of work"]
    assert (mine / "thesis.txt").read_text() == "years of work"


def test_a_run_may_be_reached_by_a_link_and_its_files_are_its_own(run, tmp_path):
    (tmp_path / "short").symlink_to(run.path)
    named = RunFolder(tmp_path / "short")
    named.make("figures")
    named.write("figures/loss.csv", "1")
    named.append("history.csv", b"a\n", new=True)
    named.append("history.csv", b"b\n", new=False)
    assert run.read("history.csv") == b"a\nb\n"
    run.truncate("history.csv", 2)
    assert (run.read("history.csv"), run.size("history.csv"), run.names("figures")) == (b"a\n", 2, ["loss.csv"])
    assert run.names("checkpoints") == []
    assert (run.has("history.csv"), run.has("metrics.json"), run.has("checkpoints/1")) == (True, False, False)


def test_a_file_that_is_larger_than_such_a_file_can_be_is_not_read(run):
    run.write("status.json", b"12345")
    assert run.read("status.json", 5) == b"12345"
    with pytest.raises(UserError, match="larger than 4 bytes"):
        run.read("status.json", 4)


def test_a_name_that_no_file_can_have_is_a_message(run):
    for name in ("a\0b", "n" * 300):
        for doing in DOINGS:
            with pytest.raises(UserError, match="cannot be"):
                DOINGS[doing](run, name)
