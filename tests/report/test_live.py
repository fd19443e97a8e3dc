"""What a page computes of each kind of model."""

from __future__ import annotations

import numpy as np
import pytest

from mlphys.config.experiment import MODELS
from mlphys.errors import NotApplicable
from mlphys.networks.forward_pass import ForwardPass
from mlphys.networks.model_kind import ModelKind
from mlphys.report.live import known_layers
from tests.helpers.kind_contract import Example


def forward_pass(spec: ModelKind, example: Example) -> ForwardPass:
    random = np.random.default_rng(0)
    shapes = spec.weight_shapes(example.description)
    return spec.forward_pass(
        example.description, {name: random.random(shape, np.float32) for name, shape in shapes.items()}
    )


@pytest.mark.parametrize("kind", MODELS)
def test_a_page_has_the_layers_of_every_kind(kind):
    example = Example(MODELS[kind])
    whole = forward_pass(example.spec, example)
    steps = [*whole.steps, *(step for branch in whole.branches for step in branch.steps)]
    assert {step.type for step in steps} <= known_layers()
    assert all(step.input_shape for step in steps)
    assert 0 <= whole.code < len(whole.steps)
    assert all(branch.start <= len(whole.steps) for branch in whole.branches)


def test_decoders_that_do_not_fit_encoders_that_a_head_has_trained_on_are_left_out():
    example = Example(MODELS["stacked_autoencoder"])
    open_, frozen = (
        forward_pass(example.spec.model_copy(update={"frozen": frozen}), example) for frozen in (False, True)
    )
    assert [branch.name for branch in frozen.branches] == ["through stage 1", "through stages 1 to 2"]
    assert open_.branches == []
    assert [step.type for step in open_.steps] == ["Dense"] * 3


def test_a_kind_that_says_nothing_of_its_steps_has_no_living_net():
    class Further(MODELS["regressor"]):
        ONE_CHAIN_TO_COST = False

    example = Example(MODELS["regressor"])
    spec = Further.model_validate(example.spec.model_dump())
    with pytest.raises(NotApplicable, match="kind: regressor is no chain of layers"):
        forward_pass(spec, example)
