"""Analyses of the members of a study, and what they say together, through the command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mlphys.schema.document import dump
from tests.helpers.cli import mlphys, reason

pytestmark = pytest.mark.slow
SPINS = {
    "name": "spins",
    "data": {
        "name": "ising", "size": 4, "temperatures": [1.0, 3.0, 6.0], "samples_per_temperature": 20, "validation": 0,
    },
    "model": {"kind": "pca", "components": 1},
    "plots": [],
    "analysis": [{"transition": {"samples": 40}}],
    "study": {"grid": {"data.size": [4, 6]}, "evaluate": "test"},
}  # fmt: skip


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("sizes")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        Path("spins.yaml").write_text(dump(SPINS))
        mlphys("sweep", "spins.yaml", "--workers", 0, "--threads", 1)
    return path / "runs/spins/1"


@pytest.fixture
def study(trained_once, tmp_path) -> Path:
    shutil.copytree(trained_once, tmp_path / "study")
    return tmp_path / "study"


def test_each_member_is_analyzed_and_then_they_say_something_together(study):
    first, second, together, where = mlphys("analyze", study).splitlines()
    assert first.startswith("1: transition: R^2 of the magnetization")
    assert second.startswith("2: transition: R^2 of the magnetization")
    assert together.startswith("together: transition: T(L) = T_c + a / L over L = 4, 6: T_c = ")
    assert where == f"numbers in {study / 'analysis'}, pictures in {study / 'figures'}"
    members = [json.loads((study / f"members/{k}/analysis/transition.json").read_text()) for k in (1, 2)]
    found = json.loads((study / "analysis/transition.json").read_text())
    assert [row["length"] for row in found["lengths"]] == [4, 6]
    assert [row["temperature"] for row in found["lengths"]] == [one["crossing"]["temperature"] for one in members]
    assert (study / "figures/transition_of_sizes.png").exists()
    assert (study / "figures/transition_of_sizes.csv").exists()


def test_an_analysis_that_says_nothing_together_says_so(study):
    *members, together = mlphys("analyze", study, "--only", "pca_comparison").splitlines()
    assert len(members) == 2
    assert together == "together: pca_comparison: left out: its results are those of single members"
    assert not (study / "analysis").exists()


def test_what_does_not_apply_to_a_member_is_refused(study):
    assert "members/1: energy: " in reason("analyze", study, "--only", "energy")
    assert "is a study, whose members have their own data" in reason("analyze", study, "--data", "x.npz")
    assert "unknown" in reason("analyze", study, "--only", "enrgy").lower()
