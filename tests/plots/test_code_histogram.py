from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlphys.errors import NotApplicable
from mlphys.plots.code_histogram import CodeHistogram
from tests.plots.runs import MadeRun, encoded, predictions


def drawn(codes: np.ndarray) -> Any:
    images = np.zeros((len(codes), 2))
    return list(CodeHistogram().draw(MadeRun(of_split={"test": encoded(images, images, codes)})))


def sparse() -> np.ndarray:
    """Of three numbers the first is never active, the second in half of the samples, the third always."""
    codes = np.zeros((10, 3), np.float32)
    codes[:5, 1] = 0.5
    codes[:, 2] = 1.0
    return codes


def test_the_histogram_holds_every_value_and_the_title_how_many_are_active():
    histogram, _ = drawn(sparse())
    table = histogram.table
    assert sum(table["values"]) == 30
    assert sum(table["share"]) == pytest.approx(1)
    assert [count for count in table["values"] if count] == [15, 5, 10]
    assert (table["from"][0], table["to"][-1]) == (0, 1)
    assert histogram.figure.get_suptitle() == "made/1: values of the code, 50 % active"


def test_sparsities_stand_beside_the_histogram():
    """One number alone is active: population sparsity 1; its lifetime sparsity is 0, that of two silent ones 1."""
    constant = np.tile(np.eye(3, dtype=np.float32)[2], (10, 1))
    (numbers,) = drawn(constant)[0].figure.axes[0].texts
    assert numbers.get_text() == "mean 0.333\npopulation sparsity 1\nlifetime sparsity 0.667"


def test_the_numbers_are_sorted_by_how_often_they_are_active_and_silent_ones_are_counted():
    _, numbers = drawn(sparse())
    assert numbers.table == {"number": [2, 1, 0], "active_fraction": [1.0, 0.5, 0.0], "mean": [1.0, 0.25, 0.0]}
    caption = "active: |h| > 0.01; fractions of 10 test samples; 1 of 3 are never active"
    assert numbers.figure.get_supxlabel() == caption


def test_codes_of_images_are_taken_as_rows_of_numbers():
    _, numbers = drawn(sparse().reshape(10, 3, 1))
    assert numbers.table["number"] == [2, 1, 0]


def test_a_code_that_is_zero_everywhere_can_be_drawn():
    for picture in drawn(np.zeros((4, 1), np.float32)):
        picture.figure.draw_without_rendering()


def test_a_classifier_is_told_what_has_codes():
    run = MadeRun(of_split={"test": predictions([1], [1], [0.9])})
    reason = "^kind: classifier has no codes; train a model of kind: autoencoder for this picture$"
    with pytest.raises(NotApplicable, match=reason):
        list(CodeHistogram().draw(run))
