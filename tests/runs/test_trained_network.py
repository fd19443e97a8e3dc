from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mlphys.cli import main
from mlphys.runs.run import Run
from mlphys.runs.trained_network import TrainedNetwork
from mlphys.schema.samples import Split
from tests.analysis.runs import random_run
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


AUTOENCODER = """
    data: {name: moons, samples: 60, preprocess: [standardize]}
    model:
      kind: autoencoder
      encoder: [{Dense: {units: 3, activation: tanh}}]
      decoder: [{Dense: {units: 2, activation: sigmoid}}]
"""


def weights_and_points(run: Run) -> tuple[list[np.ndarray], np.ndarray]:
    weights = [value.astype(np.float64) for name, value in run.weights.items() if not name.startswith("preprocess")]
    return weights, run.trained.to_points(run.dataset().train.x)


def test_outputs_at_points_are_those_of_the_formula(tmp_path: Path):
    run = random_run(tmp_path, AUTOENCODER)
    (w, c, v, b), z = weights_and_points(run)
    assert z.shape == (len(run.dataset().train), 2)
    assert z.std(axis=0) == pytest.approx([1, 1], rel=1e-5)
    h = np.tanh(z @ w + c)
    assert run.trained.output("codes")(z) == pytest.approx(h, abs=1e-6)
    assert run.trained.layer_output("encoder.0.Dense")(z) == pytest.approx(h, abs=1e-6)
    assert run.trained.output("reconstructions")(z) == pytest.approx(1 / (1 + np.exp(-h @ v - b)), abs=1e-6)
    assert run.trained.to_data_space(z) == pytest.approx(run.dataset().train.x, abs=1e-5)


def test_jacobians_are_those_of_the_formula_in_whatever_pieces(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("mlphys.networks.point_function.LARGEST_JACOBIANS", 4 * 5)
    run = random_run(tmp_path, AUTOENCODER)
    (w, c, v, b), z = weights_and_points(run)
    h = np.tanh(z @ w + c)
    r = 1 / (1 + np.exp(-h @ v - b))
    expected = np.einsum("bi,ki,bk,jk->bij", r * (1 - r), v, 1 - h**2, w)
    assert run.trained.output("reconstructions").jacobians(z) == pytest.approx(expected, abs=1e-5)
    counts = run.trained.output("reconstructions").jacobians(z, lambda some: np.full(len(some), len(some)))
    assert set(counts) == {5, len(z) % 5 or 5}


def test_a_network_of_another_model_has_the_same_weights(tmp_path: Path):
    run = random_run(tmp_path, AUTOENCODER)
    (w, c, v, b), z = weights_and_points(run)
    model = run.config.model
    linear = model.model_copy(update={"decoder": [model.decoder[0].model_copy(update={"activation": "linear"})]})
    assert run.trained.of(linear).output("reconstructions")(z) == pytest.approx(np.tanh(z @ w + c) @ v + b, abs=1e-5)


def test_laplacians_along_a_direction_are_those_of_the_formula(tmp_path: Path):
    """For a = tanh(z w + c) v + b: d^2 tanh(s) / ds^2 = -2 h (1 - h^2), and sum_j w_jk^2 by the chain rule."""
    run = random_run(tmp_path, AUTOENCODER.replace(", activation: sigmoid", ""))
    (w, c, v, _), z = weights_and_points(run)
    direction = np.random.default_rng(1).normal(size=z.shape)
    h = np.tanh(z @ w + c)
    expected = np.einsum("bk,k,ki,bi->b", -2 * h * (1 - h**2), (w**2).sum(axis=0), v, direction)
    assert run.trained.output("reconstructions").laplacians(z, direction) == pytest.approx(expected, abs=1e-4)


def test_layers_have_the_names_of_a_new_process_whatever_networks_were_built_before(tmp_path: Path):
    run = written(tmp_path, LINE)
    networks = [TrainedNetwork(run.loaded, run.weights, run.preprocessing).network for _ in range(2)]
    for network in networks:
        assert [layer.name for layer in network.model.layers] == ["input_layer", "dense"]
        assert network.model.name == "functional"
