"""The commit and the state of a checkout, told without running what its .git names."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mlphys import machine

WHO = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}


def git(*arguments: str, folder: Path = Path()) -> str:
    command = ["git", "-c", "protocol.file.allow=always", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, env={**os.environ, **WHO})
    return done.stdout.strip()


def committed(folder: Path) -> None:
    folder.mkdir()
    git("init", "--quiet", folder=folder)
    (folder / "kept.txt").write_text("kept")
    git("add", ".", folder=folder)
    git("commit", "--quiet", "--message", "first", folder=folder)


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    committed(tmp_path / "checkout")
    monkeypatch.chdir(tmp_path / "checkout")
    return tmp_path / "checkout"


def test_a_clean_checkout_and_one_with_a_new_a_changed_or_an_ignored_file_are_distinguished(checkout):
    commit = git("rev-parse", "HEAD")
    assert machine._git() == {"commit": commit, "dirty": False}
    (checkout / "new.txt").write_text("new")
    assert machine._git() == {"commit": commit, "dirty": True}
    (checkout / ".git/info/exclude").write_text("new.txt\n")
    assert machine._git() == {"commit": commit, "dirty": False}
    (checkout / "kept.txt").write_text("changed")
    assert machine._git() == {"commit": commit, "dirty": True}


def test_a_folder_of_a_checkout_and_a_worktree_of_its_own_have_its_state(checkout, tmp_path, monkeypatch):
    commit = git("rev-parse", "HEAD")
    git("worktree", "add", "--quiet", str(tmp_path / "beside"))
    (checkout / "kept.txt").write_text("changed")
    monkeypatch.chdir(tmp_path / "beside")
    assert machine._git() == {"commit": commit, "dirty": False}
    (checkout / "inside").mkdir()
    monkeypatch.chdir(checkout / "inside")
    assert machine._git() == {"commit": commit, "dirty": True}


def test_outside_of_a_checkout_there_is_no_state(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert machine._git() is None


HOSTILE = {
    "file system monitor": "[core]\n\tfsmonitor = {command}\n",
    "filter": '[filter "f"]\n\tclean = {command}\n\tsmudge = {command}\n\tprocess = {command}\n',
    "external diff": '[diff]\n\texternal = {command}\n[diff "f"]\n\ttextconv = {command}\n\tcommand = {command}\n',
    "pager": "[core]\n\tpager = {command}\n[pager]\n\tstatus = true\n\trev-parse = true\n",
    "alias": "[alias]\n\tstatus = !{command}\n\trev-parse = !{command}\n",
    "hooks elsewhere": "[core]\n\thooksPath = {hooks}\n",
    "included": "[include]\n\tpath = included\n",
    "remote that is fetched when an object is missing": (
        '[remote "r"]\n\turl = ext::{command}\n\tpromisor = true\n[protocol "ext"]\n\tallow = always\n'
        "[core]\n\trepositoryFormatVersion = 1\n[extensions]\n\tpartialClone = r\n"
    ),
}


@pytest.mark.parametrize("way", HOSTILE)
def test_nothing_that_the_config_of_a_checkout_names_is_run(way, checkout, tmp_path):
    ran, command, hooks = tmp_path / "ran", tmp_path / "command", tmp_path / "hooks"
    command.write_text(f"#!/bin/sh\necho $0 >> {ran}\ncat\n")
    command.chmod(0o700)
    hooks.mkdir()
    for folder in (hooks, checkout / ".git/hooks"):
        for name in ("post-index-change", "fsmonitor-watchman", "post-checkout", "pre-commit", "reference-transaction"):
            (folder / name).symlink_to(command)
    (checkout / ".gitattributes").write_text("* filter=f diff=f\n")
    (checkout / ".git/included").write_text(HOSTILE["file system monitor"].format(command=command, hooks=hooks))
    with (checkout / ".git/config").open("a") as config:
        config.write(HOSTILE[way].format(command=command, hooks=hooks))
    (checkout / "kept.txt").write_text("KEPT")  # of the same size: only its content tells
    if way.startswith("remote"):
        for path in (checkout / ".git/objects").glob("??/*"):
            path.unlink()
    state = machine._git()
    assert state is None if way.startswith("remote") else state and state["dirty"]
    assert not ran.exists()


def test_a_submodule_is_not_entered(checkout, tmp_path):
    committed(tmp_path / "other")
    git("submodule", "--quiet", "add", str(tmp_path / "other"), "inside")
    git("commit", "--quiet", "--message", "second")
    ran, command = tmp_path / "ran", tmp_path / "command"
    command.write_text(f"#!/bin/sh\necho ran >> {ran}\n")
    command.chmod(0o700)
    git("config", "core.fsmonitor", str(command), folder=checkout / "inside")
    (checkout / "inside/kept.txt").write_text("changed")
    assert machine._git() == {"commit": git("rev-parse", "HEAD"), "dirty": False}
    assert not ran.exists()
