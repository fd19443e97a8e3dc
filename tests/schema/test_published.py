"""The block `published`: numbers as they were printed."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mlphys.schema.published import Published


@pytest.mark.parametrize(
    ("value", "unit", "text", "last"),
    [
        (0.9324, None, "0.9324", 1e-4),
        (0.142, 1e-4, "0.1420", 1e-4),
        (-62.76, None, "-62.76", 0.01),
        (3.0, 0.01, "3.00", 0.01),
        (1e-5, None, "0.00001", 1e-5),
        (120.0, 10.0, "120", 10.0),
    ],
)
def test_a_number_has_the_digits_that_were_printed(value, unit, text, last):
    published = Published(value=value, unit=unit, source="a book")
    assert published.text() == text
    assert published.last_digit() == pytest.approx(last)


def test_its_error_stands_beside_it():
    assert Published(value=0.93, error=0.002, source="a book").text() == "0.93 +- 0.002"


@pytest.mark.parametrize(
    "changed", [{"source": ""}, {"error": -1.0}, {"runs": 0}, {"samples": "others"}, {"samples": 0}, {"unit": 0.0}]
)
def test_impossible_facts_are_refused(changed):
    with pytest.raises(ValidationError):
        Published.model_validate({"value": 0.5, "source": "a book", **changed})
