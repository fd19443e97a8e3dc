"""Checkpoints on a real disk."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mlphys.errors import UserError
from mlphys.io.history import History
from mlphys.training import checkpoint as checkpoints
from mlphys.training.checkpoint import Checkpoint
from mlphys.training.early_stopping import Watch
from tests.helpers.corrupt_checkpoint import facts_of, rewrite, rewrite_text

ROWS = [{"phase": "train", "epoch": e, "loss": 1 / e} for e in (1, 2, 3, 4)]


def at(epoch: int) -> Checkpoint:
    tensors = {
        "weights/a": np.arange(6, dtype=np.float32).reshape(2, 3) * epoch,
        "optimizer/0": np.int64(epoch),
    }
    return Checkpoint("train", epoch, epoch, Watch(0.5, 1), {"config": "c", "data": "d", "keras": "3"}, tensors)


@pytest.fixture
def history(room) -> History:
    written = History(room / "history.csv")
    for row in ROWS:
        written.append(row)
    return written


@pytest.fixture
def folder(room) -> Path:
    return room / "checkpoints"


def test_a_checkpoint_is_read_as_it_was_written(folder, history):
    checkpoints.write(folder, at(3), history)
    read, passed = checkpoints.newest(folder, history)
    assert passed == {}
    assert (read.phase, read.epoch, read.rows, read.watch) == ("train", 3, 3, Watch(0.5, 1))
    assert read.fingerprints == {"config": "c", "data": "d", "keras": "3"}
    np.testing.assert_array_equal(read.tensors["weights/a"], at(3).tensors["weights/a"])
    assert read.tensors["optimizer/0"].shape == ()
    assert read.tensors["optimizer/0"] == 3


def test_the_last_two_checkpoints_are_kept(folder, history):
    for epoch in (1, 2, 3, 4):
        checkpoints.write(folder, at(epoch), history)
    assert [path.name for path in sorted(folder.iterdir())] == ["000003.safetensors", "000004.safetensors"]


def test_what_a_kill_left_unpruned_is_pruned_when_training_goes_on(folder, history):
    for epoch in (1, 2, 3, 4):
        checkpoints.write(folder, at(epoch), history)
        shutil.copy(folder / f"{epoch:06d}.safetensors", folder.parent)
    shutil.copy(folder.parent / "000001.safetensors", folder)
    shutil.copy(folder.parent / "000002.safetensors", folder)
    checkpoints.keep_up_to(folder, 3)
    assert [path.name for path in sorted(folder.iterdir())] == ["000002.safetensors", "000003.safetensors"]


def test_a_folder_without_checkpoints_has_none(folder, history):
    assert checkpoints.newest(folder, history) == (None, {})


def test_a_checkpoint_does_not_grow_with_the_rows_of_history(folder, tmp_path):
    sizes = []
    for rows in (100, 900):
        history = History(tmp_path / f"{rows}.csv")
        for epoch in range(1, rows + 1):
            history.append({"phase": "train", "epoch": epoch, "loss": 0.5})
        checkpoint = Checkpoint("train", 1, rows, Watch(), {}, at(1).tensors)
        sizes.append(checkpoints.write(folder, checkpoint, history).stat().st_size)
    assert sizes[0] == sizes[1]


def test_rows_behind_those_of_the_checkpoint_do_not_matter_and_are_cut(folder, history, tmp_path):
    checkpoints.write(folder, at(2), history)
    with history.path.open("a") as file:
        file.write("train,5,0.")  # torn
    again = History(history.path)
    read, _ = checkpoints.newest(folder, again)
    again.cut(read.rows)
    again.append(ROWS[2])
    assert history.path.read_text() == "phase,epoch,loss\ntrain,1,1.0\ntrain,2,0.5\ntrain,3,0.3333333333333333\n"


@pytest.mark.parametrize("harm", ["another number", "another header", "a row less", "the last line end missing"])
def test_a_checkpoint_is_passed_over_where_history_is_not_what_it_was(folder, history, harm):
    checkpoints.write(folder, at(1), history)
    newer = checkpoints.write(folder, at(2), history)
    text = "phase,epoch,loss\ntrain,1,1.0\ntrain,2,0.5\n"
    harmed = {
        "another number": text.replace("0.5", "0.6"),
        "another header": text.replace("loss", "lost"),
        "a row less": text[: text.index("train,2")],
        "the last line end missing": text[:-1],
    }
    history.path.write_text(harmed[harm])
    read, passed = checkpoints.newest(folder, history)
    assert passed[newer] == "history.csv has changed"
    assert (read is None) == (harm == "another header")


def test_without_history_no_checkpoint_is_gone_on_from(folder, history):
    path = checkpoints.write(folder, at(2), history)
    history.path.unlink()
    assert checkpoints.newest(folder, history) == (None, {path: "history.csv has changed"})


def test_a_checkpoint_is_not_written_once_its_rows_are_gone(folder, history):
    history.path.write_text("phase,epoch,loss\ntrain,1,1.0\n")
    with pytest.raises(
        UserError, match=r"history\.csv: another program changed it while the run was trained; retrain it"
    ):
        checkpoints.write(folder, at(2), history)


def test_a_renamed_checkpoint_is_passed_over(folder, history):
    checkpoints.write(folder, at(2), history)
    path = checkpoints.write(folder, at(3), history)
    renamed = path.rename(folder / "000009.safetensors")
    read, passed = checkpoints.newest(folder, history)
    assert (read.epoch, passed) == (2, {renamed: "damaged"})


def regions(content: bytes) -> dict[str, range]:
    """The parts of a safetensors file: how long the header is, the header, the numbers."""
    header = 8 + int.from_bytes(content[:8], "little")
    return {"length": range(8), "header": range(8, header), "tensors": range(header, len(content))}


@pytest.mark.parametrize("region", ["length", "header", "tensors"])
def test_every_flipped_bit_is_noticed_and_the_older_checkpoint_taken(folder, history, region):
    checkpoints.write(folder, at(1), history)
    path = checkpoints.write(folder, at(2), history)
    content = path.read_bytes()
    for i in regions(content)[region]:
        for bit in range(8):
            path.write_bytes(content[:i] + bytes([content[i] ^ 1 << bit]) + content[i + 1 :])
            read, passed = checkpoints.newest(folder, history)
            # The header's padding may change into another blank of JSON: then nothing differs.
            padding = region == "header" and not content[i:].partition(b"}}")[1]
            assert (read.epoch, passed) == (1, {path: "damaged"}) or (padding and read.epoch == 2), (i, bit)


def test_a_checkpoint_cut_off_anywhere_is_passed_over_for_the_older(folder, history):
    checkpoints.write(folder, at(1), history)
    path = checkpoints.write(folder, at(2), history)
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        read, passed = checkpoints.newest(folder, history)
        assert (read.epoch, passed) == (1, {path: "damaged"}), size


@pytest.mark.parametrize("block", [512, 4096])
def test_a_checkpoint_with_blocks_of_zeros_is_passed_over(folder, history, block):
    """What some file systems leave of a file whose size was written and whose content was not."""
    checkpoints.write(folder, at(1), history)
    tensors = {"weights/a": np.arange(1, 5001, dtype=np.float32)}
    path = checkpoints.write(folder, Checkpoint("train", 2, 2, Watch(), {}, tensors), history)
    content = path.read_bytes()
    for start in range(0, len(content), block):
        lost = content[start : start + block]
        path.write_bytes(content[:start] + bytes(len(lost)) + content[start + block :])
        read, passed = checkpoints.newest(folder, history)
        assert (read.epoch, passed) == (1, {path: "damaged"}), start


FACTS = ["phase", "epoch", "rows", "history", "watch", "fingerprints"]
REMEMBERED = ["best", "best_epoch", "waited", "reached"]


def test_a_checkpoint_holds_these_facts(folder, history):
    facts = facts_of(checkpoints.write(folder, at(2), history))
    assert (list(facts), list(facts["watch"])) == (FACTS, REMEMBERED)


@pytest.mark.parametrize("name", FACTS)
def test_a_checkpoint_without_one_of_its_facts_is_passed_over(folder, history, name):
    checkpoints.write(folder, at(1), history)
    path = checkpoints.write(folder, at(2), history)
    rewrite(path, lambda facts: None)
    assert checkpoints.newest(folder, history)[0].epoch == 2
    rewrite(path, lambda facts: facts.pop(name))
    read, passed = checkpoints.newest(folder, history)
    assert (read.epoch, passed) == (1, {path: "damaged"})


@pytest.mark.parametrize("name", REMEMBERED)
def test_a_checkpoint_that_forgot_a_part_of_early_stopping_is_passed_over(folder, history, name):
    checkpoints.write(folder, at(1), history)
    path = checkpoints.write(folder, at(2), history)
    rewrite(path, lambda facts: facts["watch"].pop(name))
    read, passed = checkpoints.newest(folder, history)
    assert (read.epoch, passed) == (1, {path: "damaged"})


POSSIBLE = {"phase": ["1"], "fingerprints": [{}], "best": [None, -1, 1.5], "reached": [True]}
WRONG = [None, True, -1, 1.5, "1", [], {}, math.nan, math.inf, 10**400, "x" * 1000]


@pytest.mark.parametrize("name", FACTS + REMEMBERED)
def test_a_checkpoint_with_a_fact_that_no_training_writes_is_passed_over(folder, history, name):
    checkpoints.write(folder, at(1), history)
    path = checkpoints.write(folder, at(2), history)
    right = facts_of(path)
    for value in WRONG:
        facts = {**right, "watch": {**right["watch"], name: value}} if name in REMEMBERED else {**right, name: value}
        if value in POSSIBLE.get(name, []):
            continue
        rewrite_text(path, json.dumps(facts))
        read, passed = checkpoints.newest(folder, history)
        assert (read.epoch, passed) == (1, {path: "damaged"}), value


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "7", "{", "[" * 10_000, '{"phase":' * 10_000, '{"watch": ' + "[" * 10_000 + "]" * 10_000 + "}"],
)
def test_a_checkpoint_whose_facts_are_no_block_of_keys_is_passed_over(folder, history, text):
    checkpoints.write(folder, at(1), history)
    path = checkpoints.write(folder, at(2), history)
    rewrite_text(path, text)
    read, passed = checkpoints.newest(folder, history)
    assert (read.epoch, passed) == (1, {path: "damaged"})


def test_a_checkpoint_without_its_checksum_is_passed_over(folder, history):
    path = checkpoints.write(folder, at(2), history)
    text = json.dumps(facts_of(path))
    save_file(load_file(path), path, metadata={"checkpoint": text})
    assert checkpoints.newest(folder, history) == (None, {path: "damaged"})


def test_a_checkpoint_that_cannot_be_written_says_why(tmp_path, history):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        UserError, match=r"file/checkpoints: cannot be written: Not a directory; write to another place"
    ):
        checkpoints.write(tmp_path / "file" / "checkpoints", at(1), history)
