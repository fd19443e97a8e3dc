"""The kind rbm: energies and gradients against sums over all states, its runs through the commands."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from mlphys.errors import Refusal, UserError
from mlphys.io.history import History
from mlphys.models import rbm
from mlphys.networks import gibbs_sampling
from mlphys.networks.autodiff import gradient
from mlphys.plots import samples as samples_plot
from mlphys.runs.run import Run
from mlphys.schema.data import Description
from mlphys.schema.document import dump, read
from mlphys.schema.samples import Split
from mlphys.schema.training import Training
from mlphys.training import checkpoint as checkpoints
from mlphys.training.engine import Engine
from tests.helpers.cli import mlphys
from tests.helpers.digits import load_digits

CONFIG = {
    "name": "rbm",
    "data": {"name": "digits", "train": 300, "validation": 100, "test": 100},
    "model": {"kind": "rbm", "hidden": 10, "sampling": {"PCD": {"steps": 3, "chains": 7}}},
    "training": {"optimizer": {"SGD": {"learning_rate": 0.1}}, "batch_size": 20, "epochs": 3},
    "plots": ["learning_curves", "filters", "reconstructions", "samples"],
}
V, H = 6, 4
ALL_V = np.array(list(itertools.product([0, 1], repeat=V)), np.float64)
ALL_H = np.array(list(itertools.product([0, 1], repeat=H)), np.float64)


SMALL = rbm.RBM(kind="rbm", hidden=H)


def made(visible: str = "bernoulli", sampling: object = "CD", shape: tuple[int, ...] = (V,), hidden: int = H):
    """A small machine with large random weights, its spec, and its weights W, b, c as float64."""
    spec = rbm.RBM(kind="rbm", hidden=hidden, visible=visible, sampling=sampling)
    network = spec.build(Description(shape, (), 1000, None), seed=0)
    random = np.random.default_rng(5)
    for variable in network.weights.values():
        variable.assign(random.normal(0, 0.7, variable.shape))
    return network, spec, [variable.numpy().astype(np.float64) for variable in network.weights.values()]


def energies(v: np.ndarray, w: np.ndarray, b: np.ndarray, c: np.ndarray, visible: str) -> np.ndarray:
    """E(v, h) of samples (n, V) with all hidden states, (n, 2^H)."""
    alone = -(v @ b) if visible == "bernoulli" else ((v - b) ** 2).sum(axis=1) / 2
    return alone[:, None] - ALL_H @ c - v @ w @ ALL_H.T


def free_energies(v: np.ndarray, w: np.ndarray, b: np.ndarray, c: np.ndarray, visible: str = "bernoulli") -> np.ndarray:
    return -np.log(np.exp(-energies(v, w, b, c, visible)).sum(axis=1))


def samples(visible: str, n: int = 20) -> np.ndarray:
    random = np.random.default_rng(1)
    return (random.random((n, V)) if visible == "bernoulli" else random.normal(size=(n, V))).astype(np.float32)


def logistic(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_the_free_energy_is_minus_the_logarithm_of_a_sum_over_all_hidden_states(visible):
    network, _, (w, b, c) = made(visible)
    v = samples(visible)
    np.testing.assert_allclose(
        network.machine.free_energy(v).numpy(), free_energies(v.astype(np.float64), w, b, c, visible), rtol=1e-5
    )


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_the_gradient_of_the_free_energy_is_that_of_its_formula(visible):
    network, _, (w, b, c) = made(visible)
    v = samples(visible)
    p = logistic(c + v @ w)
    expected = (v - b if visible == "gaussian" else -b) - p @ w.T
    np.testing.assert_allclose(gradient(network.machine.free_energy, v), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_the_probability_of_a_hidden_unit_is_its_share_of_all_hidden_states(visible):
    network, _, (w, b, c) = made(visible)
    v = samples(visible)
    share = np.exp(-energies(v.astype(np.float64), w, b, c, visible))
    share /= share.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(SMALL.predictions(network, v)["codes"].numpy(), share @ ALL_H, rtol=1e-4)


def gradients(network, values) -> list[np.ndarray]:
    """Of the mean loss of a batch by the weights; `values()` computes it."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        cost = tf.reduce_mean(values()["loss"])
    return [part.numpy() for part in tape.gradient(cost, [variable.value for variable in network.weights.values()])]


def test_the_positive_phase_of_the_gradient_is_v_times_p_of_h():
    """Each chain ends in zeros where b and c hold all units at zero: what is left is the data's part, and -p(0)."""
    network, _, _ = made()
    network.weights["rbm.kernel"].assign(np.zeros((V, H)))
    network.weights["rbm.visible_bias"].assign(np.full(V, -80.0))
    v = samples("bernoulli")
    terms = rbm.RBM(kind="rbm", hidden=H).cost(Training(), Description((V,), (), 20, None), network)
    by_kernel, by_visible, by_hidden = gradients(network, lambda: terms(v, None, True)[0])
    p = logistic(network.weights["rbm.hidden_bias"].numpy())
    np.testing.assert_allclose(by_kernel, -v.mean(axis=0)[:, None] * p, rtol=1e-4)
    np.testing.assert_allclose(by_visible, -v.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(by_hidden, np.zeros(H), atol=1e-6)


@pytest.mark.parametrize("sampling", [{"CD": 30}, {"PCD": {"steps": 30, "chains": 4000}}], ids=["CD", "PCD"])
def test_after_many_steps_the_gradient_is_that_of_the_exact_log_likelihood(sampling):
    network, _, (w, b, c) = made(sampling=sampling)
    random = np.random.default_rng(2)
    v = (random.random((4000, V)) < 0.1).astype(np.float32)
    terms = rbm.RBM(kind="rbm", hidden=H).cost(Training(), Description((V,), (), 4000, None), network)
    measured = gradients(network, lambda: terms(v, None, True)[0])
    weight = np.exp(-free_energies(ALL_V, w, b, c))
    model = weight / weight.sum()
    p_data, p_all = logistic(c + v @ w), logistic(c + ALL_V @ w)
    exact = [
        -(v.T @ p_data / len(v)) + ALL_V.T @ (model[:, None] * p_all),
        -v.mean(axis=0) + model @ ALL_V,
        -p_data.mean(axis=0) + model @ p_all,
    ]
    for found, wanted in zip(measured, exact, strict=True):
        # the chains' ends are 4000 draws of numbers between 0 and 1: standard errors of .5 / sqrt(4000) at most
        np.testing.assert_allclose(found, wanted, atol=4.5 * 0.5 / np.sqrt(4000))
        assert np.abs(wanted).max() > 0.1


def in_a_graph(function):
    import tensorflow as tf

    return tf.function(function, autograph=False)


@pytest.fixture(params=["machine code", "TensorFlow"])
def gibbs(request, monkeypatch):
    """v after so many steps of a machine, in a graph."""
    monkeypatch.setattr(gibbs_sampling, "is_compiled", lambda: request.param == "machine code")
    return lambda machine, v, steps: in_a_graph(lambda: machine.gibbs(v, steps))().numpy()


def test_chains_end_in_the_distribution_of_the_machine(gibbs):
    network, _, (w, b, c) = made()
    end = gibbs(network.machine, np.zeros((20_000, V), np.float32), 30)
    assert set(np.unique(end)) == {0.0, 1.0}
    weight = np.exp(-free_energies(ALL_V, w, b, c))
    counts = np.bincount((end @ 2 ** np.arange(V)[::-1]).astype(int), minlength=2**V)
    p = weight / weight.sum()
    chi_squared = ((counts - 20_000 * p) ** 2 / (20_000 * p)).sum()
    assert chi_squared < 63 + 4 * np.sqrt(2 * 63)


def test_gaussian_chains_end_in_a_mixture_of_gaussians(gibbs):
    """p(v) is a Gaussian of variance 1 around b + W h for each h; its mean is a sum over all h."""
    network, _, (w, b, c) = made("gaussian")
    end = gibbs(network.machine, np.zeros((20_000, V), np.float32), 60)
    centres = b + ALL_H @ w.T
    weight = np.exp(ALL_H @ c + ((centres**2).sum(axis=1) - b @ b) / 2)
    p = weight / weight.sum()
    mean = p @ centres
    variance = 1 + p @ (centres - mean) ** 2
    np.testing.assert_allclose(end.mean(axis=0), mean, atol=4.5 * np.sqrt(variance.max() / 20_000))
    np.testing.assert_allclose(end.var(axis=0), variance, rtol=0.06)


def test_the_pseudo_log_likelihood_is_the_sum_of_log_p_of_each_value_and_where_it_is_drawn_on_average_so():
    network, _, (w, b, c) = made()
    v = np.tile(ALL_V[[11, 38]], (3000, 1))
    probabilities = np.exp(-free_energies(ALL_V, w, b, c))
    number = {tuple(state): p for state, p in zip(ALL_V, probabilities, strict=True)}
    exact = np.zeros((2, V))
    for row, state in enumerate(ALL_V[[11, 38]]):
        for i in range(V):
            flipped = state.copy()
            flipped[i] = 1 - flipped[i]
            exact[row, i] = np.log(number[tuple(state)] / (number[tuple(state)] + number[tuple(flipped)]))
    summed = network.machine.pseudo_log_likelihood(v[:2].astype(np.float32)).numpy()
    np.testing.assert_allclose(summed, exact.sum(axis=1), rtol=1e-5)
    drawn = network.machine.drawn_pseudo_log_likelihood(v.astype(np.float32)).numpy().reshape(3000, 2)
    for row in range(2):
        # every value is one of V times log p(v_i | all others), and all of them come
        assert np.abs(drawn[:, row, None] - V * exact[row]).min(axis=1).max() < 1e-4
        assert len(np.unique(drawn[:, row].round(4))) == V
        error = drawn[:, row].std() / np.sqrt(3000)
        assert drawn[:, row].mean() == pytest.approx(exact[row].sum(), abs=4.5 * error)


def test_initial_weights_are_those_of_the_tutorial_for_zeros_and_ones_and_small_for_gaussian_units():
    description = Description((30, 1, 1), (), 100, None)
    binary, gaussian = (
        rbm.RBM(kind="rbm", hidden=20, visible=visible).build(description, seed=3).weights
        for visible in ("bernoulli", "gaussian")
    )
    kernel = binary["rbm.kernel"].numpy()
    assert kernel.shape == (30, 20)
    limit = 4 * np.sqrt(6 / 50)
    assert 0.97 * limit < np.abs(kernel).max() <= limit
    assert gaussian["rbm.kernel"].numpy().std() == pytest.approx(0.01, rel=0.1)
    assert not binary["rbm.visible_bias"].numpy().any()
    assert not binary["rbm.hidden_bias"].numpy().any()


def test_the_reconstruction_goes_up_and_down_once_without_drawing():
    network, _, (w, b, c) = made()
    v = samples("bernoulli")
    expected = logistic(b + logistic(c + v @ w) @ w.T)
    np.testing.assert_allclose(SMALL.image_outputs(network, v)["reconstructions"].numpy(), expected, rtol=1e-5)
    said = SMALL.predictions(network, v)
    np.testing.assert_allclose(said["squared_errors"].numpy(), ((expected - v) ** 2).mean(axis=1), rtol=1e-4)


def test_measuring_twice_gives_the_same_numbers_of_draws_that_no_two_batches_share():
    network, _, _ = made(sampling={"CD": 5})
    terms = rbm.RBM(kind="rbm", hidden=H).cost(Training(), Description((V,), (), 20, None), network)
    found = []
    for _ in range(2):
        network.measure_alike()
        found.append([terms(samples("bernoulli"), None, False)[0] for _ in range(2)])
    for name in ("loss", "pseudo_log_likelihood"):
        (first, second), again = ([values[name].numpy() for values in batches] for batches in found)
        np.testing.assert_array_equal([first, second], again)
        assert (first != second).any()


def engine(steps: int, split: Split):
    spec = rbm.RBM(kind="rbm", hidden=8, sampling={"PCD": {"steps": steps, "chains": 5}})
    description = Description((8, 8, 1), (), len(split), None)
    network = spec.build(description, seed=0)
    settings = Training.model_validate({"batch_size": 30, "optimizer": {"SGD": {"learning_rate": 0.1}}})
    (phase,) = spec.phases(settings, description, network, split)
    return Engine(phase, split)


def test_persistent_chains_go_on_from_batch_to_batch_and_are_restored():
    split = Split((load_digits().images[:100, ..., None] / 16).astype(np.float32), np.zeros(100, np.int32))

    def after(start: dict, epoch: int) -> dict:
        trained.restore(start)
        trained.start_epoch(np.arange(100), {"rbm": np.array([3, epoch], np.uint32)})
        trained.train(0, trained.batches)
        return trained.state()

    trained = engine(1, split)
    states = [trained.state()]
    for epoch in range(3):
        states.append(after(states[-1], epoch))
    assert [bool(state["state/rbm.chains"].any()) for state in states] == [False, True, True, True]
    assert (states[2]["state/rbm.chains"] != states[3]["state/rbm.chains"]).any()
    for epoch in (2, 0, 1):
        for name, value in after(states[epoch], epoch).items():
            np.testing.assert_array_equal(value, states[epoch + 1][name], err_msg=name)
    forgotten = states[2] | {"state/rbm.chains": states[0]["state/rbm.chains"]}
    assert (after(forgotten, 2)["weights/rbm.kernel"] != states[3]["weights/rbm.kernel"]).any()


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    path = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        patch.setattr(samples_plot, "LINES", 2)  # each is traced
        Path("rbm.yaml").write_text(dump(CONFIG))
        mlphys("train", "rbm.yaml", "--quiet", "--no-report", "--out", "run")
        mlphys("evaluate", "run", "--no-plots")
    return Run(path / "run")


def test_a_run_resumed_after_an_epoch_ends_with_the_same_bytes(run, tmp_path):
    half = tmp_path / "half"
    sets = ("--quiet", "--set", "plots=[]", "--set", "training.epochs=1")
    mlphys("train", run.path.parent / "rbm.yaml", "--out", half, *sets)
    mlphys("resume", half, "--quiet", "--no-report", "--set", "training.epochs=3")
    assert (half / "weights.safetensors").read_bytes() == (run.path / "weights.safetensors").read_bytes()
    (last, damaged), (expected, _) = (
        checkpoints.newest(path / "checkpoints", History(path / "history.csv")) for path in (half, run.path)
    )
    assert damaged == {}
    np.testing.assert_array_equal(last.tensors["state/rbm.chains"], expected.tensors["state/rbm.chains"])


def test_a_run_holds_what_it_measured_and_its_pictures(run):
    assert set(run.weights) == {"rbm.kernel", "rbm.visible_bias", "rbm.hidden_bias"}
    arrays, measured = run.predictions("test"), run.metrics["test"]
    assert arrays["codes"].shape == (100, 10)
    assert measured["free_energy"] == pytest.approx(arrays["free_energies"].mean(), rel=1e-5)
    assert measured["pseudo_log_likelihood"] == pytest.approx(arrays["pseudo_log_likelihoods"].mean(), rel=1e-5)
    assert measured["pseudo_log_likelihood_stderr"] > 0
    assert "reconstruction_loss" not in measured
    first, *_, last = (row["pseudo_log_likelihood"] for row in run.history)
    assert first < last < 0
    for picture in CONFIG["plots"]:
        assert (run.path / "figures" / f"{picture}.png").exists()


def test_validation_is_measured_alike_in_training_and_after_it(run):
    before, last = run.metrics["validation"], run.history[-1]
    for name in ("loss", "mse"):
        assert last[f"validation_{name}"] == pytest.approx(before[name], rel=1e-5)
    drawn, summed, error = (last["validation_pseudo_log_likelihood"], *(
        before[f"pseudo_log_likelihood{end}"] for end in ("", "_stderr")
    ))  # fmt: skip
    assert drawn == pytest.approx(summed, abs=10 * error)


def test_samples_of_ones_own_get_codes_and_free_energies(run, tmp_path):
    np.save(tmp_path / "mine.npy", run.dataset().test.x[:3])
    (first, *_) = json.loads(mlphys("predict", run.path, tmp_path / "mine.npy", "--json"))
    assert list(first) == ["file", "sample", "code", "mse", "mae", "free_energy", "pseudo_log_likelihood"]
    assert len(first["code"]) == 10


@pytest.mark.usefixtures("few_points")
def test_a_gaussian_machine_learns_standardized_data_and_has_no_pseudo_likelihood(run, tmp_path):
    data = CONFIG["data"] | {"preprocess": ["standardize"]}
    model = {"kind": "rbm", "hidden": 10, "visible": "gaussian"}
    training = CONFIG["training"] | {"optimizer": {"SGD": {"learning_rate": 0.05}}, "epochs": 8}
    plots = ["learning_curves", "filters", "samples", "reconstructions"]
    (tmp_path / "g.yaml").write_text(
        dump(CONFIG | {"data": data, "model": model, "training": training, "plots": plots})
    )
    mlphys("train", tmp_path / "g.yaml", "--quiet", "--no-report", "--out", tmp_path / "g")
    trained = Run(tmp_path / "g")
    assert list(trained.history[0])[3:7] == ["loss", "mse", "validation_loss", "validation_mse"]
    measured = trained.metrics["validation"]
    assert "pseudo_log_likelihood" not in measured
    assert measured["mse"] < measured["mean_image_mse"]
    assert measured["pixel_mse"] > 0
    for picture in plots:
        assert (trained.path / "figures" / f"{picture}.png").exists()


@pytest.mark.parametrize(
    ("values", "has", "remedy"),
    [
        ([-1, 1], "-1 to 1", "save spins as (x + 1) / 2"),
        ([-0.5, -0.5], "-0.5 to -0.5", "bring them there (data.scale divides them)"),
        ([0, 255], "0 to 255", "bring them there (data.scale divides them)"),
        ([0, 1.5], "0 to 1.5", "bring them there (data.scale divides them)"),
    ],
)
def test_values_that_are_no_probabilities_are_refused(values, has, remedy):
    spec = rbm.RBM(kind="rbm", hidden=H)
    description = Description((V,), (), 4, None)
    network = spec.build(description, seed=0)
    split = Split(np.full((4, V), values[0], np.float32), np.zeros(4, np.int32))
    split.x[1] = values[1]
    with pytest.raises(UserError) as caught:
        spec.phases(Training(), description, network, split)
    assert str(caught.value) == (
        f"model.visible: bernoulli takes values from 0 to 1, the training samples have {has}; "
        f"{remedy}, or write visible: gaussian and preprocess: [standardize]"
    )


@pytest.mark.parametrize(("batch_size", "chains"), [(20, 20), (500, 300), ("all", 300)])
def test_there_are_as_many_persistent_chains_as_a_batch_has_samples(batch_size, chains):
    spec = rbm.RBM(kind="rbm", hidden=H, sampling={"PCD": 15})
    settings = Training.model_validate({"batch_size": batch_size})
    completed = spec.completed(settings, Description((V,), (), 300, None), lambda: np.zeros(0))
    assert completed.sampling == rbm.PCD(steps=15, chains=chains)


def test_the_config_of_a_run_names_the_chains_and_the_loss(run):
    config = read(run.path / "config.yaml").data
    assert config["model"]["sampling"] == {"PCD": {"steps": 3, "chains": 7}}
    assert config["training"]["loss"] == "FreeEnergyDifference"


REFUSED = [
    (
        {"hidden": 50_000_000}, {}, ("model", "hidden"),
        "6 x 50000000 weights are more than 250000000; use fewer hidden units",
    ),
    (
        {"sampling": {"PCD": {"chains": 50_000_000}}}, {}, ("model", "sampling", "PCD", "chains"),
        "50000000 chains of 6 values are more than 250000000; use fewer",
    ),
    (
        {"visible": "gaussian"}, {"early_stopping": {"monitor": "validation_pseudo_log_likelihood"}},
        ("training", "early_stopping", "monitor"),
        "a gaussian machine has no pseudo-likelihood in closed form; monitor validation_mse",
    ),
    (
        {}, {"class_weight": "balanced"}, ("training", "class_weight"),
        "only a classifier's loss weighs classes; leave it out",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("model", "training", "path", "text"), REFUSED, ids=[".".join(row[2]) for row in REFUSED])
def test_what_does_not_go_together_is_refused_with_the_reason(model, training, path, text):
    spec = rbm.RBM.model_validate({"kind": "rbm", "hidden": H, **model})
    with pytest.raises(Refusal) as caught:
        spec.check(Training.model_validate(training), Description((V,), (), 100, None))
    assert (caught.value.path, caught.value.text) == (path, text)


def test_the_pseudo_log_likelihood_is_the_better_the_greater():
    monitor = {"early_stopping": {"monitor": "validation_pseudo_log_likelihood"}}
    assert Training.model_validate(monitor).early_stopping.greater_is_better()


def test_the_cost_is_reported_with_its_numbers():
    settings, description = Training(), Description((V,), (), 100, None)
    persistent = rbm.RBM(kind="rbm", hidden=H, sampling={"PCD": {"steps": 15, "chains": 20}})
    assert persistent.cost_formula(settings, description) == (
        "mean over the samples of  F(v) - F(v_k), v_k after k = 15 Gibbs steps of 20 persistent chains\n"
        "    F(v) = -b v - sum_j log(1 + exp(c_j + v W_j)), j = 1 ... 4, v of 6 values"
    )
    gaussian = rbm.RBM(kind="rbm", hidden=H, visible="gaussian")
    assert gaussian.cost_formula(settings, description) == (
        "mean over the samples of  F(v) - F(v_k), v_k after k = 1 Gibbs steps of chains that start at v\n"
        "    F(v) = |v - b|^2 / 2 - sum_j log(1 + exp(c_j + v W_j)), j = 1 ... 4, v of 6 values"
    )
