from __future__ import annotations

from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from mlphys.plots import traversals
from tests.plots.runs import CODED, measured, written

NORMAL = CODED.replace("units: 2", "units: 4").replace("decoder:", "variational: {beta: 1.0}, decoder:")
DECODER = np.stack([np.linspace(0, 0.1, 9), np.linspace(1, 0, 9)])  # the second number changes the image more
BIAS = np.linspace(0.1, 0.9, 9)


def drawn(path: Path, text: str) -> list[Any]:
    encoder = np.random.default_rng(0).normal(size=(9, 4 if text == NORMAL else 2))
    return list(
        traversals.Traversals().draw(
            measured(written(path, text, [encoder, np.zeros(encoder.shape[1]), DECODER, BIAS]))
        )
    )


def columns(picture: Any) -> dict[str, np.ndarray]:
    return {name: np.array(column) for name, column in picture.table.items()}


def test_along_a_normal_code_lie_its_quantiles_and_in_the_middle_the_image_of_zero(tmp_path: Path):
    table = columns(drawn(tmp_path, NORMAL)[0])
    expected = [NormalDist().inv_cdf(level) for level in table["quantile"]]
    assert table["code"] == pytest.approx(expected)
    middle = table["value"][table["quantile"] == 0.5].reshape(2, 9)
    assert middle == pytest.approx(np.tile(BIAS, (2, 1)), abs=1e-6)


def test_an_image_is_the_decoders_of_the_value_beside_it(tmp_path: Path):
    table = columns(drawn(tmp_path, NORMAL)[0])
    place = 3 * table["row"] + table["column"]
    expected = BIAS[place] + table["code"] * DECODER[table["number"], place]
    assert table["value"] == pytest.approx(expected, abs=1e-5)


def test_the_number_that_changes_the_image_most_is_in_the_first_row(tmp_path: Path):
    picture = drawn(tmp_path, NORMAL)[0]
    assert list(dict.fromkeys(picture.table["number"])) == [1, 0]
    labels = [axes.get_ylabel() for axes in picture.figure.axes[::9]]
    assert labels == ["1:  −2.1 to 2.1", "0:  −2.1 to 2.1"]


def test_another_code_goes_through_its_own_quantiles_from_the_sample_in_the_middle(tmp_path: Path):
    picture = drawn(tmp_path, CODED)[0]
    table = columns(picture)
    codes = np.load(tmp_path / "predictions_validation.npz")["codes"]
    for number in (0, 1):
        found = table["code"][table["number"] == number][::9]
        assert found == pytest.approx(np.quantile(codes[:, number], traversals.LEVELS))
    place = ((codes - np.median(codes, axis=0)) ** 2).sum(axis=1).argmin()
    caption = picture.figure.get_supxlabel().replace("\n", " ")
    assert f"the other numbers are those of validation sample {place}, whose code is nearest" in caption
    expected = BIAS[0] + codes[place, 0] * DECODER[0, 0] + table["code"][table["number"] == 1][::9] * DECODER[1, 0]
    assert table["value"][table["number"] == 1][::9] == pytest.approx(expected, abs=1e-5)


def test_of_a_code_of_two_numbers_the_plane_is_drawn_too_the_second_growing_upwards(tmp_path: Path):
    table = columns(drawn(tmp_path, NORMAL)[1])
    place = 3 * table["row"] + table["column"]
    expected = BIAS[place] + table["first"] * DECODER[0, place] + table["second"] * DECODER[1, place]
    assert table["value"] == pytest.approx(expected, abs=1e-5)
    assert (table["second"][0], table["first"][0]) == (table["second"].max(), table["first"].min())


@pytest.mark.parametrize("size", [1, 12])
def test_of_other_codes_there_is_no_plane_and_of_large_ones_ten_numbers(size: int, tmp_path: Path):
    (picture,) = traversals.Traversals().draw(measured(written(tmp_path, CODED.replace("units: 2", f"units: {size}"))))
    assert len(picture.figure.axes) == 9 * min(size, 10)
    told = "drawn are the 10 of 12 that change the image most" in picture.figure.get_supxlabel().replace("\n", " ")
    assert told == (size == 12)
