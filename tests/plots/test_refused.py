"""Pictures that a config alone tells cannot be drawn are refused before anything is trained."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from mlphys.config.load import load
from mlphys.errors import UserError
from tests.plots.runs import ASKED, CODED

CLASSIFIER = ASKED["decision_boundary"]
HEAD = """
    data: {name: digits, train: 40, validation: 30, test: 10}
    model:
      kind: stacked_autoencoder
      stages: [{encoder: [{Dense: {units: 3}}]}]
      head: [{Dense: {units: 10, activation: softmax}}]
"""
ENERGIES = """
    data: {name: digits, train: 40, validation: 30, test: 10}
    model: {kind: energy_classifier, of: {autoencoder: {units: 3}}}
"""  # an encoder for each class, and no code
TABLE = """
    data: {name: moons, samples: 60}
    model: {kind: autoencoder, encoder: [{Dense: {units: 1}}], decoder: mirror}
"""
PROJECTED = CODED.replace("test: 0}", "test: 0, preprocess: [contrast_normalize]}")
LARGE = """
    data: {name: circles, size: 60, samples: 30, train: 20, validation: 10, test: 0}
    model: {kind: autoencoder, encoder: [{Dense: {units: 1000}}], decoder: mirror}
"""
FOR_THIS = "train a model of kind: autoencoder for this picture"
NO_DECODER = "kind: classifier has no decoder; train one of kind: autoencoder"
NO_PICTURE = (
    "a sample of 2 is neither an image of 1 or 3 channels nor a signal of 3 steps and more with at most 6 channels"
)
TRAINED_ON = (
    "the decoders do not fit encoders that a head has trained on; set model.frozen: true, or leave model.head out"
)


@pytest.mark.parametrize(
    ("plot", "text", "reason"),
    [
        ("code_histogram", CLASSIFIER, f"kind: classifier has no codes; {FOR_THIS}"),
        ("jacobian_spectrum", CLASSIFIER, f"kind: classifier has no encoder; {FOR_THIS}"),
        ("jacobian_spectrum", ENERGIES, f"kind: energy_classifier has no encoder; {FOR_THIS}"),
        (
            "jacobian_spectrum",
            LARGE,
            "the Jacobian of a code of 1000 of 60 x 60 x 1 has more than 2,000,000 values",
        ),
        ("traversals", CLASSIFIER, NO_DECODER),
        ("interpolation", CLASSIFIER, NO_DECODER),
        ("reconstructions_by_code_size", CLASSIFIER, NO_DECODER),
        ("traversals", TABLE, NO_PICTURE),
        (
            "interpolation",
            PROJECTED,
            "data.preprocess cannot be undone: what the net gives back are no images",
        ),
        ("stages", HEAD, TRAINED_ON),
        ("traversals", HEAD, TRAINED_ON),
        (
            "stages",
            CODED,
            "autoencoder is no stack; train a model of kind: stacked_autoencoder for this picture",
        ),
    ],
)
def test_a_picture_that_cannot_be_drawn_is_refused_with_the_config(plot: str, text: str, reason: str, tmp_path: Path):
    path = tmp_path / "f.yaml"
    path.write_text(f"{textwrap.dedent(text)}plots: [learning_curves, {plot}]\n")
    with pytest.raises(UserError) as error:
        load(path)
    line = path.read_text().count("\n")
    assert str(error.value) == f"{path}:{line}: plots.1: {plot}: {reason}; leave it out"


def test_a_stack_with_a_head_on_frozen_encoders_keeps_its_decoders(tmp_path: Path):
    path = tmp_path / "f.yaml"
    path.write_text(f"{textwrap.dedent(HEAD)}  frozen: true\nplots: [stages, traversals, interpolation]\n")
    assert load(path).experiment.plots == ["stages", "traversals", "interpolation"]
