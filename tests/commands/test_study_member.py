"""What the members of a study share in a process."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest

from mlphys.commands import study_member
from mlphys.config.load import validate
from mlphys.networks import tensorflow
from mlphys.schema.document import parse
from mlphys.studies.executor import Order

NET = "model: {kind: classifier, layers: [Flatten, {Dense: {units: 3, activation: softmax}}]}\n"


def read(data: str, seed: int = 0):
    loaded = validate(parse(f"name: small\nseed: {seed}\ndata: {{{data}}}\n{NET}", "c.yaml"))
    return study_member._read(loaded, print)


def test_members_that_differ_in_the_seed_share_their_samples_and_others_do_not():
    spirals = "name: spirals, samples_per_class: 50, train: 100, validation: 20, test: 20"
    first = read(spirals)
    assert all(mine is yours for mine, yours in zip(read(spirals, seed=1), first, strict=True))
    other = read(spirals.replace("100", "90"))[0]
    assert (len(first[0].train), len(other.train)) == (100, 90)


def test_the_users_own_files_are_read_for_every_member(tmp_path: Path):
    found = []
    for value in (1.0, 2.0):
        np.savez(tmp_path / "x.npz", x=np.full((20, 3), value), y=np.arange(20) % 3)
        found.append(read(f"name: array, path: {tmp_path}/x.npz")[0].train.x)
    assert [x.flat[0] for x in found] == [1.0, 2.0]


CONVOLUTIONAL = """
name: small
data: {name: digits, train: 100, validation: 50, test: 0}
model:
  kind: classifier
  layers:
    - Conv2D: {filters: 2, kernel_size: 3, activation: relu}
    - Flatten
    - Dense: {units: 10, activation: softmax}
"""


@pytest.mark.slow
def test_of_a_trained_member_no_graph_stays_in_memory(tmp_path: Path):
    left = []
    for seed in range(3):
        config = {**parse(CONVOLUTIONAL, "c.yaml").data, "seed": seed}
        order = Order(seed, "c.yaml", config, str(tmp_path / str(seed)), 1)
        assert study_member.train_member(order, lambda report: None).state == "done"
        left.append(
            (len(tensorflow.custom_gradients()), sum(type(o).__name__ == "FuncGraph" for o in gc.get_objects()))
        )
    assert left[1] == left[2]
