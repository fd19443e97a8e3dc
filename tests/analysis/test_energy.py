"""The energy of a trained net: minus its gradient is r(x) - x, and for sigmoid units it is a free energy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlphys.analysis.energy import Energy, _net
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult
from mlphys.numerics.activations import ACTIVATIONS
from mlphys.runs.run import Run
from tests.analysis.runs import TIED, UNTIED, random_run
from tests.plots.runs import written

DIGITS = "data: {name: digits, train: 60, validation: 30, test: 20, preprocess: [{scale: 16}]}"
RBM = f"""
    {DIGITS}
    model: {{kind: rbm, hidden: 4, visible: VISIBLE}}
"""
SIGMOID = f"""
    {DIGITS}
    model:
      kind: autoencoder
      encoder: [{{Dense: {{units: 4, activation: sigmoid}}}}]
      decoder: [{{Dense: {{units: 64, activation: OUTPUT}}}}]
      tied: true
"""


def found(run: Run) -> AnalysisResult:
    Energy().check(run.loaded)
    with theme.applied():
        return Energy().measure(run)


def energies(result: AnalysisResult, what: str = "sample") -> np.ndarray:
    table = result.pictures[0].table
    return np.array([value for kind, value in zip(table["what"], table["energy"], strict=True) if kind == what])


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("output", ["linear", "sigmoid"])
def test_the_gradient_agrees_with_the_reconstruction(activation: str, output: str, tmp_path: Path):
    text = TIED.replace("tanh", activation).replace("units: 2}", f"units: 2, activation: {output}}}")
    result = found(random_run(tmp_path, text))
    assert result.numbers["gradient_error"]["max"] < 1e-4
    assert (result.numbers["activation"], result.numbers["output"]) == (activation, output)
    assert f"low is plausible, -gradient = {'logit r(x)' if output == 'sigmoid' else 'r(x) - x'} to " in result.summary


@pytest.mark.parametrize(("visible", "output"), [("bernoulli", "sigmoid"), ("gaussian", "linear")])
def test_a_boltzmann_machine_and_the_autoencoder_of_its_weights_have_one_energy(
    visible: str, output: str, tmp_path: Path
):
    machine = random_run(tmp_path / "rbm", RBM.replace("VISIBLE", visible))
    kernel, visible_bias, hidden_bias = (machine.weights[f"rbm.{n}"] for n in ("kernel", "visible_bias", "hidden_bias"))
    net = written(tmp_path / "net", SIGMOID.replace("OUTPUT", output), [kernel, hidden_bias, visible_bias])
    of_machine, of_net = found(machine), found(net)
    assert energies(of_machine) == pytest.approx(energies(of_net), rel=1e-9)
    assert of_machine.numbers["free_energy_error"] < 1e-5
    assert of_machine.numbers["gradient_error"]["max"] < 1e-4


def test_biases_that_are_not_there_are_zero(tmp_path: Path):
    text = TIED.replace("tanh", "linear, use_bias: false").replace("units: 2}", "units: 2, use_bias: false}")
    run = written(tmp_path, text, [np.eye(2, 5)])
    result = found(run)
    assert energies(result) == pytest.approx(0, abs=1e-12)  # W W^T = 1: r(x) = x


def test_the_energy_is_that_of_physics_and_the_lecture_formula_stands_beside_it(tmp_path: Path):
    """One linear unit along the first feature: E = |x|^2 / 2 - x_1^2 / 2 = x_2^2 / 2, the distance from its line."""
    text = TIED.replace("tanh", "linear, use_bias: false").replace("units: 2}", "units: 2, use_bias: false}")
    run = written(tmp_path, text, [np.eye(2, 5) * [[1], [0]]])
    result = found(run)
    second = run.dataset().validation.x[:, 1].astype(np.float64)
    assert energies(result) == pytest.approx(second**2 / 2, abs=1e-12)
    numbers = result.numbers
    assert numbers["sign"] == "as in physics: low is plausible, -grad E = r(x) - x"
    assert numbers["formula"] == "E(x) = |x - b|^2 / 2 - sum_k H(x W_k + c_k)"
    lecture = "sum_k H(x W_k + c_k) - |x - b|^2 / 2"
    assert numbers["lecture_formula"] == f"{lecture}, which is -E(x) and high where plausible"
    axes = result.pictures[0].figure.axes[0]
    assert axes.get_xlabel() == "energy E(x) = |x − b|² / 2 − sum_k H(x W_k + c_k)"
    caption = result.pictures[0].figure.get_supxlabel().replace("\n", " ")
    assert "the sign of physics, −∇E = r(x) − x: low is plausible (the lecture's has the opposite sign)" in caption


def test_what_the_autoencoder_makes_of_a_sample_has_a_lower_energy(tmp_path: Path):
    """A step along r(x) - x, as `vector_field` takes them, descends."""
    run = random_run(tmp_path, TIED)
    net, z = _net(run), run.trained.to_points(run.dataset().validation.x)
    step = 1e-3 * (run.trained.output("reconstructions")(z) - z)
    assert (net.energies(z + step) < net.energies(z)).all()


def test_the_summary_has_every_class_and_how_often_a_sample_is_below_shuffled_values(tmp_path: Path):
    run = random_run(tmp_path, TIED)
    result = found(run)
    values, shuffled, numbers = energies(result), energies(result, "shuffled"), result.numbers
    assert numbers["energy"]["mean"] == pytest.approx(values.mean())
    assert numbers["above_shuffled"] == pytest.approx((values[:, None] > shuffled).mean())
    assert numbers["below_shuffled"] == pytest.approx((values[:, None] < shuffled).mean())
    assert f"below that of shuffled values in {100 * numbers['below_shuffled']:.1f} %" in result.summary
    labels = run.dataset().validation.y
    for k, name in enumerate(["upper", "lower"]):
        assert numbers["per_class"][name]["mean"] == pytest.approx(values[labels == k].mean())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (UNTIED, "without tied: true r(x) - x is the gradient of nothing"),
        (TIED.replace("tanh", "gelu"), "no antiderivative of gelu is known here; only of linear, relu, sigmoid, tanh"),
        (
            TIED.replace("units: 2}", "units: 2, activation: tanh}"),
            "the energy is a formula for an output that is linear or sigmoid; this one is tanh",
        ),
        (
            TIED.replace("tanh}}", "tanh}}, {Dense: {units: 3}}").replace("[{Dense: {units: 2}}]", "mirror"),
            "the energy is a formula for an encoder of one Dense layer and a decoder of one",
        ),
        (
            TIED + "      sparsity: {k: 2}",
            "sparsity.k: a code cut to its k largest values has no energy; use l1 or kl",
        ),
    ],
)
def test_what_has_no_energy_is_refused_with_the_reason(text: str, reason: str, tmp_path: Path):
    with pytest.raises(NotApplicable) as refused:
        Energy().check(written(tmp_path, text).loaded)
    assert str(refused.value) == reason


def test_in_the_plane_paths_along_the_reconstruction_descend_the_energy_to_where_the_formula_has_them(tmp_path: Path):
    """E = x_2^2 / 2 of one linear unit along the first feature: a step of eta leaves 1 - eta of x_2."""
    text = TIED.replace("tanh", "linear, use_bias: false").replace("units: 2}", "units: 2, use_bias: false}")
    run = written(tmp_path, text, [np.eye(2, 5) * [[1], [0]]])
    with theme.applied():
        result = Energy(eta=0.2, steps=5).measure(run)
    assert [picture.name for picture in result.pictures] == ["energy", "energy_plane"]
    table = {key: np.array(column).reshape(6, -1) for key, column in result.pictures[1].table.items()}
    assert table["x1"][5] == pytest.approx(table["x1"][0])
    assert table["x2"][5] == pytest.approx(0.8**5 * table["x2"][0], rel=1e-5)
    assert table["energy"] == pytest.approx(table["x2"] ** 2 / 2, rel=1e-5)
    assert result.numbers["plane"]["steps_downhill"] == 1.0


def test_with_a_sigmoid_output_or_more_features_there_is_no_plane(tmp_path: Path):
    text = TIED.replace("units: 2}", "units: 2, activation: sigmoid}")
    assert "plane" not in found(random_run(tmp_path, text)).numbers
