"""The problems of a config: collected, each told once and at its line."""

from __future__ import annotations

import pytest

from mlphys.config.problems import Problems
from mlphys.errors import Refusal, UserError
from mlphys.schema.document import parse

DOCUMENT = parse("data:\n  train: 5\nmodel:\n  layers:\n    - Flatten\n", "f.yaml")


def test_a_refusal_of_a_part_is_reported_at_the_place_of_the_part():
    placed = Refusal(("units",), "too many").under(("model", "layers", 0, "Dense"))
    assert (placed.path, placed.text) == (("model", "layers", 0, "Dense", "units"), "too many")


def test_what_ends_a_step_is_collected_and_told_with_what_the_next_one_finds():
    problems, reached = Problems(DOCUMENT), []
    with problems.collected():
        raise Refusal(("data", "train"), "too few")
    with problems.collected():
        reached.append("the next step")
        raise Refusal(("model", "layers", 0), "too flat")
    assert reached == ["the next step"]
    with pytest.raises(UserError) as raised:
        problems.raise_any()
    assert str(raised.value) == "f.yaml:2: data.train: too few\nf.yaml:5: model.layers.0: too flat"


def test_a_problem_that_two_steps_find_is_reported_once():
    problems = Problems(DOCUMENT)
    for _ in range(2):
        with problems.collected():
            raise Refusal(("data", "train"), "too few")
    with pytest.raises(UserError, match=r"^f\.yaml:2: data\.train: too few$"):
        problems.raise_any()


def test_without_problems_nothing_is_raised():
    problems = Problems(DOCUMENT)
    with problems.collected():
        pass
    assert not problems
    problems.raise_any()
