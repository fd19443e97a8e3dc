from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mlphys.cli import main
from mlphys.run import Run
from mlphys.schema.data import Split
from tests.plots.runs import ASKED, written

LINE = ASKED["loss_surface"]


def test_the_mean_loss_at_other_weights_is_that_of_the_formula_and_the_network_keeps_its_own(tmp_path: Path):
    run = written(tmp_path, LINE, [np.array(2.0), np.array(3.0)])
    split = run.dataset().train
    x, y = (values.ravel().astype(np.float64) for values in (split.x, split.y))
    places = np.array([[21.0, 10.0], [11.0, 11.0], [-3.0, 200.0]])
    expected = [((m * x + b - y) ** 2).mean() for m, b in places]
    assert run.trained.losses(split, places) == pytest.approx(expected, rel=1e-5, abs=1e-9)
    assert run.trained.predictions(split.x)["outputs"].ravel() == pytest.approx(2 * x + 3)


def test_of_more_samples_than_fit_in_a_batch_every_one_counts_alike(tmp_path: Path):
    run = written(tmp_path, LINE)
    x = np.linspace(-1, 1, 2345, dtype=np.float32)[:, None]
    found = run.trained.losses(Split(x, np.zeros_like(x)), np.array([1.0, 1.0]))
    assert found == pytest.approx([((x.astype(np.float64) + 1) ** 2).mean()], rel=1e-6)


def test_penalties_are_part_of_the_loss(tmp_path: Path):
    text = LINE.replace("units: 1,", "units: 1, kernel_regularizer: {L2: {l2: 0.5}},")
    run = written(tmp_path, text)
    split = run.dataset().train
    assert run.trained.losses(split, np.array([[21.0, 10.0]])) == pytest.approx([0.5 * 21**2], rel=1e-5)


def test_the_initial_weights_are_those_of_the_net_before_training(tmp_path: Path):
    path = tmp_path / "f.yaml"
    path.write_text("name: f\nseed: 3\n" + ASKED["fit_1d"].replace("        ", ""))
    for epochs, out in (("0", "untrained"), ("2", "trained")):
        command = ["train", str(path), "--quiet", "--out", str(tmp_path / out), "--set", f"training.epochs={epochs}"]
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 0, result.output
    untrained, initial = Run(tmp_path / "untrained").weights, Run(tmp_path / "trained").trained.initial
    assert list(initial) == list(untrained)
    assert all((initial[name] == untrained[name]).all() for name in untrained)
    assert any((initial[name] != value).any() for name, value in Run(tmp_path / "trained").weights.items())
