"""Archives of runs: what comes back from another machine stays inside of the run."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from mlphys.errors import UserError
from mlphys.studies import run_archive


@pytest.fixture
def run(tmp_path) -> Path:
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    for name in ("config.yaml", "history.csv", "checkpoints/000001.safetensors", "checkpoints/000002.safetensors"):
        (folder / name).write_text(name)
    (folder / ".config.yaml.0123abcd").write_text("torn")
    (folder / "link").symlink_to("/etc/passwd")
    return folder


def entry(name: str, content: bytes = b"x", **changes: object) -> bytes:
    """An archive of one entry, whose header may claim something else."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in changes.items():
        setattr(info, key, value)
    return info.tobuf() + content.ljust(tarfile.BLOCKSIZE, b"\0") + bytes(2 * tarfile.BLOCKSIZE)


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_run_comes_back_as_it_was_without_torn_files(run, tmp_path):
    os.unlink(run / "link")
    run_archive.unpack(run_archive.packed(run), tmp_path / "back")
    assert files(tmp_path / "back") == {name: text for name, text in files(run).items() if text != "torn"}


def test_a_link_in_a_run_is_not_followed_when_it_is_packed(run):
    with pytest.raises(UserError, match="is a link, and what it points to is not touched"):
        run_archive.packed(run)


def test_of_an_unfinished_run_the_newest_checkpoint_is_sent_and_older_ones_are_removed_there(run, tmp_path):
    back = tmp_path / "back"
    (back / "checkpoints").mkdir(parents=True)
    (back / "checkpoints" / "000001.safetensors").write_text("old")
    content = run_archive.packed_unfinished(run)
    assert content
    run_archive.unpack(content, back)
    assert files(back) == {
        name: name for name in ("config.yaml", "history.csv", "checkpoints/000002.safetensors")
    }  # fmt: skip


def test_a_run_without_a_checkpoint_is_not_worth_sending(run):
    for path in (run / "checkpoints").iterdir():
        path.unlink()
    assert run_archive.packed_unfinished(run) is None


@pytest.mark.parametrize(
    "content",
    [
        entry("../outside"),
        entry("/tmp/outside"),
        entry("checkpoints/../../outside"),
        entry("a/b/c/d"),
        entry("link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        entry("link", type=tarfile.LNKTYPE, linkname="../outside"),
        entry("device", type=tarfile.CHRTYPE),
        entry("folder", type=tarfile.DIRTYPE),
        entry("holes", type=tarfile.GNUTYPE_SPARSE),
        entry("config.yaml", size=10**12),
    ],
    ids=["up", "absolute", "up from a folder", "deep", "link", "hard link", "device", "folder", "holes", "claims much"],
)
def test_an_archive_with_anything_but_files_of_a_run_is_refused(content, tmp_path):
    with pytest.raises(UserError, match=r"what came back of the run (holds .* which is no file of a run|is damaged)"):
        run_archive.unpack(content, tmp_path / "runs" / "back")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_archive_of_more_files_than_a_run_has_is_refused(run, tmp_path, monkeypatch):
    os.unlink(run / "link")
    monkeypatch.setattr(run_archive, "MOST_FILES", 3)
    with pytest.raises(UserError, match="which is no file of a run"):
        run_archive.unpack(run_archive.packed(run), tmp_path / "back")


def test_a_link_that_stands_where_a_file_goes_is_replaced_and_one_to_a_folder_refused(tmp_path):
    back, outside = tmp_path / "back", tmp_path / "outside"
    back.mkdir()
    outside.mkdir()
    (outside / "file").write_text("mine")
    (back / "config.yaml").symlink_to(outside / "file")
    run_archive.unpack(entry("config.yaml", b"new"), back)
    assert (outside / "file").read_text() == "mine"
    assert (back / "config.yaml").read_text() == "new"
    (back / "checkpoints").symlink_to(outside)
    with pytest.raises(UserError, match="is a link"):
        run_archive.unpack(entry("checkpoints/file"), back)
    assert (outside / "file").read_text() == "mine"


@pytest.mark.parametrize("content", [b"", b"no archive", entry("config.yaml")[:300]])
def test_what_is_no_archive_is_damaged(content, tmp_path):
    with pytest.raises(UserError, match="is damaged"):
        run_archive.unpack(content, tmp_path / "back")
