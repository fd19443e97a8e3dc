"""Machine code that is kept in files of this user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import mlphys
from mlphys.native import code_cache, machine_code
from mlphys.native.code_cache import CodeCache

KEY = "ab" * 32
CODE = b"object code" * 100
SEVEN = "define i64 @seven() {\n  ret i64 7\n}"
PROGRAM = f"""
import ctypes
from mlphys.native import machine_code
machine_code._object_code = FORBIDDEN
assert ctypes.CFUNCTYPE(ctypes.c_int64)(machine_code.compile_ir({SEVEN!r}, "seven"))() == 7
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CodeCache:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("MLPHYS_CACHE", raising=False)
    of_user = CodeCache.of_user()
    assert of_user.folder == tmp_path / "mlphys" / "code"
    of_user.write(KEY, CODE)
    assert of_user.read(KEY) == CODE
    return of_user


def file_of(cache: CodeCache) -> Path:
    assert cache.folder
    return cache.folder / KEY


def test_what_is_kept_belongs_to_the_user_alone(cache):
    assert cache.folder.stat().st_mode & 0o777 == 0o700
    assert file_of(cache).stat().st_mode & 0o777 == 0o600
    assert os.listdir(cache.folder) == [KEY]


def test_without_a_folder_or_a_file_nothing_is_found(cache, tmp_path):
    assert cache.read("cd" * 32) is None
    assert CodeCache(tmp_path / "none").read(KEY) is None


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777, 0o1777])
def test_a_folder_that_others_may_write_to_is_not_used(cache, mode):
    cache.folder.chmod(mode)
    assert cache.read(KEY) is None
    cache.write("cd" * 32, CODE)
    assert os.listdir(cache.folder) == [KEY]


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_to_is_not_used(cache, mode):
    file_of(cache).chmod(mode)
    assert cache.read(KEY) is None


def test_what_belongs_to_another_user_is_not_used(cache, monkeypatch):
    me = os.geteuid()
    monkeypatch.setattr(code_cache.os, "geteuid", lambda: me + 1)
    assert cache.read(KEY) is None
    cache.write("cd" * 32, CODE)
    assert os.listdir(cache.folder) == [KEY]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_that_was_given_to_another_user_is_not_used(cache):
    os.chown(file_of(cache), 12345, -1)
    assert cache.read(KEY) is None


def test_a_link_is_not_followed(cache, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    file_of(cache).rename(elsewhere)
    file_of(cache).symlink_to(elsewhere)
    assert cache.read(KEY) is None
    linked = tmp_path / "linked"
    linked.symlink_to(cache.folder)
    elsewhere.replace(file_of(cache))
    assert cache.read(KEY) == CODE
    assert CodeCache(linked).read(KEY) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: bytes([content[0] ^ 1]) + content[1:],
        lambda content: content + b"\0",
    ],
    ids=["empty", "truncated", "code", "digest", "longer"],
)
def test_a_damaged_file_is_ignored_and_replaced(cache, damage):
    file_of(cache).write_bytes(damage(file_of(cache).read_bytes()))
    assert cache.read(KEY) is None
    cache.write(KEY, CODE)
    assert cache.read(KEY) == CODE


def test_a_file_under_the_name_of_another_is_ignored(cache):
    file_of(cache).rename(cache.folder / ("cd" * 32))
    assert cache.read("cd" * 32) is None


def test_a_pipe_or_a_folder_in_the_place_of_a_file_is_ignored(cache):
    file_of(cache).unlink()
    os.mkfifo(file_of(cache), 0o600)
    assert cache.read(KEY) is None
    file_of(cache).unlink()
    file_of(cache).mkdir(0o700)
    assert cache.read(KEY) is None
    cache.write(KEY, CODE)
    assert os.listdir(cache.folder) == [KEY]  # no temporary file is left


def test_it_is_turned_off_by_the_environment(cache, monkeypatch):
    monkeypatch.setenv("MLPHYS_CACHE", "off")
    off = CodeCache.of_user()
    off.write("cd" * 32, CODE)
    assert off.read(KEY) is None
    assert os.listdir(cache.folder) == [KEY]


def test_a_relative_cache_folder_is_not_used(monkeypatch):
    monkeypatch.delenv("MLPHYS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    assert CodeCache.of_user() == CodeCache(None)


def test_a_folder_that_cannot_be_made_keeps_nothing(tmp_path):
    (tmp_path / "file").touch()
    cache = CodeCache(tmp_path / "file" / "code")
    cache.write(KEY, CODE)
    assert cache.read(KEY) is None


def test_the_least_recently_used_are_removed_where_there_is_too_much(cache, monkeypatch):
    monkeypatch.setattr(code_cache, "MOST_BYTES", 3 * (len(CODE) + 32))
    keys = [f"{i}0" * 32 for i in range(1, 4)]
    for age, key in enumerate([KEY, *keys[:2]]):
        cache.write(key, CODE)
        os.utime(cache.folder / key, (1000 + age, 1000 + age))
    assert cache.read(KEY) == CODE  # used again: the next one is older
    cache.write(keys[2], CODE)
    assert sorted(os.listdir(cache.folder)) == sorted([KEY, keys[1], keys[2]])


def test_code_of_another_version_is_compiled_again(cache, monkeypatch):
    def compiled() -> int:
        machine_code.compile_ir.__wrapped__(SEVEN, "seven")
        return len(os.listdir(cache.folder)) - 1

    assert [compiled(), compiled()] == [1, 1]
    monkeypatch.setattr(mlphys, "__version__", "another")
    assert compiled() == 2
    monkeypatch.setattr(machine_code, "cpu_features", lambda: type("Features", (), {"flatten": lambda self: "+sse2"})())
    assert compiled() == 3


def test_two_processes_have_the_same_code_and_the_second_compiles_nothing(cache):
    def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {**os.environ, "PYTHONPATH": str(Path(mlphys.__file__).parents[1]), **environment}
        return subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True)

    compiles = PROGRAM.replace("FORBIDDEN", "machine_code._object_code")
    assert run(compiles).returncode == 0
    forbidden = PROGRAM.replace("FORBIDDEN", "None")
    assert run(forbidden).returncode == 0
    assert "'NoneType' object is not callable" in run(forbidden, MLPHYS_CACHE="off").stderr
