"""Messages about many problems, long lists and large values stay short, and say how much there is."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mlphys.errors import Refusal, UserError
from mlphys.schema.document import parse
from mlphys.schema.keras_code import NAMES
from mlphys.schema.messages import MOST_SHOWN, complain, problems_of
from mlphys.schema.spec import under
from mlphys.schema.suggestions import MANY, listed, quoted, require_known


@pytest.mark.parametrize(("problems", "last"), [(MOST_SHOWN, "f.yaml: key9: wrong"), (12, "... and 2 more")])
def test_of_many_problems_the_first_are_named_and_the_others_counted(problems, last):
    lines = str(complain([Refusal((f"key{i}",), "wrong") for i in range(problems)], parse("", "f.yaml"))).splitlines()
    assert lines[0] == "f.yaml: key0: wrong"
    assert lines[-1] == last
    assert len(lines) == min(problems, MOST_SHOWN + 1)


def test_of_many_names_the_first_are_listed_with_how_many_there_are():
    names = [f"n{i}" for i in range(MANY + 1)]
    assert listed(names[:MANY]) == ", ".join(names[:MANY])
    assert listed(names) == f"{', '.join(names[: MANY - 1])}, ... ({MANY + 1} in all)"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1, 2, 3, 4, 5, 6], "[1, 2, 3, 4, 5, 6]"), ((1, 2), "[1, 2]"), ([1] * 7, "a list of 7"),
        ((1,) * 9, "a list of 9"), ({}, "an empty block"), ({"a": 1}, "a block of keys"), (None, "nothing"),
        (True, "true"), ("a" * 99, "text 'aaa"),
    ],
)  # fmt: skip
def test_a_received_value_is_quoted_in_few_words(value, text):
    assert quoted(value).startswith(text)
    assert len(quoted(value)) <= 60


def test_a_name_that_is_not_known_is_refused_with_those_that_are():
    require_known("format", ["keras"], ["keras", "onnx"])
    with pytest.raises(UserError) as error:
        require_known("format", ["onx"], ["keras", "onnx"])
    assert str(error.value) == "unknown format; received text 'onx'; allowed keras, onnx; did you mean onnx?"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"Dense": {"units": 3}, "Flatten": {}}, ": expected one name"),
        (
            {"GaussianNoise": {"stddev": 1e31}},
            ".GaussianNoise.stddev: must lie between -1e+30 and 1e+30: computed in float32; received 1e+31",
        ),
    ],
)
def test_two_names_at_once_and_a_number_beyond_float32_are_refused(value, message):
    with pytest.raises(ValidationError) as error:
        under("layer", NAMES.validate, value)
    (line,) = str(complain(problems_of(error.value), parse("", "f.yaml"))).splitlines()
    assert line.startswith(f"f.yaml: layer{message}")
