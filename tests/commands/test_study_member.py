"""What the members of a study share in a process."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlphys.commands import study_member
from mlphys.config.load import validate
from mlphys.schema.document import parse

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
