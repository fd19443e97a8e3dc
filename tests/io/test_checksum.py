import os

import pytest

from mlphys.errors import UserError
from mlphys.io import checksum


@pytest.fixture
def path(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    return tmp_path / "file"


def test_it_is_the_known_sha256_of_abc(path):
    assert checksum.sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_file_that_was_moved_is_the_same(path):
    recorded = checksum.record(path)
    checksum.verify(path.rename(path.with_name("moved")), recorded)


def test_another_size_is_refused(path):
    recorded = checksum.record(path)
    path.write_bytes(b"abcd")
    with pytest.raises(UserError) as error:
        checksum.verify(path, recorded)
    assert str(error.value) == (
        f"{path}: not the file that the run was trained with (4 bytes, then 3); name the right one with --data PATH"
    )


def test_another_content_of_the_same_size_is_refused(path):
    recorded = checksum.record(path)
    path.write_bytes(b"abd")
    with pytest.raises(UserError) as error:
        checksum.verify(path, recorded)
    assert str(error.value) == (
        f"{path}: not the file that the run was trained with (its sha256 is not {recorded['sha256']}); "
        "name the right one with --data PATH"
    )


def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="is not a regular file"):
        checksum.sha256(tmp_path / "pipe")


def test_a_file_that_is_nearly_nothing_but_holes_is_refused(path):
    with path.open("ab") as file:
        file.truncate(10**12)
    with pytest.raises(UserError) as error:
        checksum.sha256(path)
    assert str(error.value) == (
        f"{path}: says that it has 1e+03 GB, but nearly nothing of it was ever written; make it again"
    )


def test_a_name_that_no_file_can_have_is_refused():
    with pytest.raises(UserError, match="cannot be read"):
        checksum.regular(checksum.Path("a\0b"))
