"""The energy of a trained net: its gradient is r(x) - x, and for sigmoid units it is minus a free energy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlphys.analysis.energy import Energy
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
    assert f"gradient = {'logit r(x)' if output == 'sigmoid' else 'r(x) - x'} to " in result.summary


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


def test_the_summary_has_every_class_and_how_often_a_sample_is_above_shuffled_values(tmp_path: Path):
    run = random_run(tmp_path, TIED)
    result = found(run)
    values, shuffled, numbers = energies(result), energies(result, "shuffled"), result.numbers
    assert numbers["energy"]["mean"] == pytest.approx(values.mean())
    assert numbers["above_shuffled"] == pytest.approx((values[:, None] > shuffled).mean())
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
