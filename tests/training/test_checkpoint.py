"""Checkpoints on a real disk."""

from __future__ import annotations

import numpy as np
import pytest

from mlphys.errors import UserError
from mlphys.training import checkpoint as checkpoints
from mlphys.training.checkpoint import Checkpoint


def at(epoch: int) -> Checkpoint:
    rows = [{"phase": "train", "epoch": e, "loss": 1 / e} for e in range(1, epoch + 1)]
    tensors = {
        "weights/a": np.arange(6, dtype=np.float32).reshape(2, 3) * epoch,
        "optimizer/0": np.int64(epoch),
    }
    return Checkpoint("train", epoch, rows, {"best": 0.5}, {"config": "c", "data": "d"}, tensors)


def test_a_checkpoint_is_read_as_it_was_written(tmp_path):
    checkpoints.write(tmp_path, at(3))
    read, damaged = checkpoints.newest(tmp_path)
    assert damaged == []
    assert (read.phase, read.epoch, read.history, read.watch) == ("train", 3, at(3).history, {"best": 0.5})
    assert read.fingerprints == {"config": "c", "data": "d"}
    np.testing.assert_array_equal(read.tensors["weights/a"], at(3).tensors["weights/a"])
    assert read.tensors["optimizer/0"].shape == ()
    assert read.tensors["optimizer/0"] == 3


def test_the_last_two_checkpoints_are_kept(tmp_path):
    for epoch in (1, 2, 3, 4):
        checkpoints.write(tmp_path, at(epoch))
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["000003.safetensors", "000004.safetensors"]


def test_a_folder_without_checkpoints_has_none(tmp_path):
    assert checkpoints.newest(tmp_path / "nowhere") == (None, [])


@pytest.mark.parametrize("harm", ["truncated", "emptied", "flipped at the end", "flipped in the header"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path, harm):
    checkpoints.write(tmp_path, at(1))
    path = checkpoints.write(tmp_path, at(2))
    content = bytearray(path.read_bytes())
    if harm == "truncated":
        content = content[: len(content) // 2]
    elif harm == "emptied":
        content = bytearray()
    else:
        content[-1 if harm == "flipped at the end" else 20] ^= 1
    path.write_bytes(content)
    read, damaged = checkpoints.newest(tmp_path)
    assert read.epoch == 1
    assert damaged == [path]


def test_every_flipped_bit_of_a_checkpoint_is_noticed(tmp_path):
    path = checkpoints.write(tmp_path, at(1))
    content = path.read_bytes()
    for i in range(len(content)):
        path.write_bytes(content[:i] + bytes([content[i] ^ 4]) + content[i + 1 :])
        read, _ = checkpoints.newest(tmp_path)
        # A space of padding may change into another byte that JSON ignores: then nothing else may differ.
        assert read is None or read.history == at(1).history
        if read is not None:
            np.testing.assert_array_equal(read.tensors["weights/a"], at(1).tensors["weights/a"])


def test_a_checkpoint_that_cannot_be_written_says_why(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        UserError, match=r"file/checkpoints: cannot be written: Not a directory; write to another place"
    ):
        checkpoints.write(tmp_path / "file" / "checkpoints", at(1))
