"""Nets whose outputs are drawn: what their mean gains is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from mlphys.analysis.ensemble import Ensemble
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult
from tests.analysis.runs import CLASSIFIER, CODES
from tests.plots.runs import MadeRun, written


@dataclass(frozen=True)
class Member(MadeRun):
    """One of several runs in a folder, measured on test."""

    beside: list[MadeRun] = field(default_factory=list)
    metrics: dict[str, object] = field(default_factory=lambda: {"test": {}})

    def study(self) -> list[MadeRun]:
        return self.beside


def members(name: str, each: np.ndarray, labels: np.ndarray, **more: np.ndarray) -> list[Member]:
    """Runs whose predictions are `each` (nets, n, values)."""
    beside: list[MadeRun] = []
    for one in each:
        beside.append(Member(of_split={"test": {name: one, "labels": labels, **more}}, beside=beside))
    return beside


def measured(run: MadeRun, **settings: str) -> AnalysisResult:
    with theme.applied():
        return Ensemble(**settings).measure(run)


def test_the_mean_of_independent_errors_has_a_kth_of_their_square_and_is_covered():
    random = np.random.default_rng(0)
    truth = random.normal(size=(2000, 1))
    nets = members("outputs", truth + 0.2 * random.normal(size=(4, 2000, 1)), truth)
    result = measured(nets[0])
    found = result.numbers["mse"]
    assert found["one"] == pytest.approx(0.04, rel=0.05)
    assert found["together"] == pytest.approx(0.01, rel=0.1)
    assert abs(found["gain"] - 0.03) < 4 * found["stderr"]
    assert [row["score"] for row in result.numbers["by_nets"]] == pytest.approx([0.04, 0.02, 0.04 / 3, 0.01], rel=0.1)
    assert all(row["covered"] >= row["level"] for row in result.numbers["coverage"])
    assert [picture.name for picture in result.pictures] == ["ensemble", "ensemble_coverage"]
    assert result.summary.startswith("mean of 4 nets: mse 0.0")


def test_nets_that_agree_gain_nothing_and_cover_nothing():
    truth = np.linspace(0, 1, 50)[:, None]
    found = measured(members("outputs", np.stack([truth + 1] * 3), truth)[1]).numbers
    assert found["mse"] == pytest.approx({"one": 1.0, "together": 1.0, "gain": 0.0, "stderr": 0.0})
    assert [row["covered"] for row in found["coverage"]] == [0, 0, 0, 0]


def test_probabilities_are_averaged_before_the_class_is_chosen():
    labels = np.array([0, 0, 1])
    p = np.array([[[0.9, 0.1], [0.4, 0.6], [0.3, 0.7]], [[0.7, 0.3], [0.8, 0.2], [0.3, 0.7]]])
    found = measured(members("probabilities", p, labels)[0]).numbers
    assert (found["accuracy"]["one"], found["accuracy"]["together"]) == (pytest.approx(5 / 6), 1)
    assert found["nll"]["one"] == pytest.approx(-np.log([0.9, 0.4, 0.7, 0.7, 0.8, 0.7]).mean())
    assert found["nll"]["together"] == pytest.approx(-np.log([0.8, 0.6, 0.7]).mean())
    assert found["nll"]["gain"] == pytest.approx(found["nll"]["one"] - found["nll"]["together"])
    assert found["ece"]["together"] == pytest.approx((0.2 + 0.4 + 0.3) / 3)


@pytest.mark.parametrize("name", ["outputs", "probabilities"])
def test_weights_count_as_copies_of_a_sample(name: str):
    random = np.random.default_rng(3)
    each = random.dirichlet([1, 1], size=(3, 40))
    labels = random.integers(2, size=40) if name == "probabilities" else random.random((40, 2))
    copies = np.arange(40) % 3 + 1
    rows = np.repeat(np.arange(40), copies)
    weighted = measured(members(name, each, labels, weights=copies.astype(np.float32))[0]).numbers
    copied = measured(members(name, each[:, rows], labels[rows])[0]).numbers
    for key, parts in {"nll": ("one", "together", "gain"), "accuracy": ("one", "gain"), "mse": ("one", "gain")}.items():
        for part in parts if key in copied else ():
            assert weighted[key][part] == pytest.approx(copied[key][part])
    assert weighted.get("ece") == pytest.approx(copied.get("ece"))
    for key, value in (("coverage", "covered"), ("by_nets", "score")):
        assert [row[value] for row in weighted.get(key, [])] == pytest.approx([r[value] for r in copied.get(key, [])])
    with pytest.raises(NotApplicable, match="some samples have negative weights"):
        measured(members(name, each, labels, weights=-copies)[0])


def test_a_single_sample_has_no_error():
    found = measured(members("outputs", np.array([[[0.0]], [[1.0]]]), np.array([[0.5]]))[0]).numbers
    assert found["mse"]["stderr"] is None
    assert {row["stderr"] for row in found["coverage"]} == {None}


def test_runs_with_other_samples_or_without_predictions_are_no_part_of_it():
    labels = np.array([0, 1])
    p = np.array([[[0.9, 0.1], [0.4, 0.6]]] * 3)
    nets = members("probabilities", p, labels)
    nets[0].beside.append(Member(of_split={"test": {"probabilities": p[0], "labels": 1 - labels}}))
    nets[0].beside.append(Member())
    nets[0].beside.append(Member(of_split=nets[0].of_split, status={"state": "running"}))
    assert measured(nets[0]).numbers["nets"] == 3
    alone = members("probabilities", p[:1], labels)[0]
    with pytest.raises(NotApplicable, match=r"1 has predictions of these test samples; an ensemble takes two or more"):
        measured(alone)
    with pytest.raises(NotApplicable, match="its train split was not evaluated"):
        measured(alone, split="train")


def test_what_predicts_neither_classes_nor_numbers_is_refused(tmp_path: Path):
    Ensemble().check(written(tmp_path / "classes", CLASSIFIER).loaded)
    with pytest.raises(NotApplicable, match=r"^kind: autoencoder predicts neither classes nor numbers$"):
        Ensemble().check(written(tmp_path / "codes", CODES).loaded)
