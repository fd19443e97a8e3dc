from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlphys.errors import NotApplicable
from mlphys.plots import interpolation
from tests.plots.runs import CODED, written

WHOLE = CODED.replace("units: 2", "units: 9")
DIGITS = WHOLE.replace(
    "{name: circles, size: 3, samples: 30, train: 20, validation: 10, test: 0}",
    "{name: digits, train: 40, validation: 30, test: 10}",
).replace("units: 9", "units: 64")


def test_a_net_that_gives_back_what_it_gets_goes_the_straight_line_between_the_samples(tmp_path: Path):
    run = written(tmp_path, WHOLE, [np.eye(9), np.zeros(9), np.eye(9), np.zeros(9)])
    (picture,) = interpolation.Interpolation().draw(run)
    table = {name: np.array(column) for name, column in picture.table.items()}
    code, pixels = (table["value"][table["line"] == name] for name in ("code", "pixels"))
    assert code == pytest.approx(pixels, abs=1e-6)
    x = run.dataset().validation.x[..., 0]
    ends = [x[table[end], table["row"], table["column"]] for end in ("first", "last")]
    assert table["value"] == pytest.approx((1 - table["share"]) * ends[0] + table["share"] * ends[1], abs=1e-6)
    labels = [axes.get_ylabel() for axes in picture.figure.axes[::9]]
    assert labels[:4] == ["0 to 1, code", "pixels", "2 to 3, code", "pixels"]


def test_in_between_a_code_goes_another_way_than_the_pixels(tmp_path: Path):
    """relu of the code -x, as x is not negative, is zero: all that is decoded is the bias."""
    text = WHOLE.replace("encoder: [{Dense: {units: 9}}]", "encoder: [{Dense: {units: 9, activation: relu}}]")
    run = written(tmp_path, text, [-np.eye(9), np.zeros(9), np.eye(9), np.full(9, 0.25)])
    (picture,) = interpolation.Interpolation().draw(run)
    table = {name: np.array(column) for name, column in picture.table.items()}
    assert set(table["value"][table["line"] == "code"]) == {0.25}


def test_the_ends_are_of_two_classes_and_no_sample_is_used_twice(tmp_path: Path):
    run = written(tmp_path, DIGITS)
    (picture,) = interpolation.Interpolation().draw(run)
    first, last = (np.array(picture.table[name]) for name in ("first", "last"))
    labels = run.dataset().validation.y
    assert (labels[first] != labels[last]).all()
    pairs = set(zip(first.tolist(), last.tolist(), strict=True))
    assert len(pairs) == 5
    assert len({end for pair in pairs for end in pair}) == 10
    names = f"{labels[first[0]]} to {labels[last[0]]}, code"
    assert picture.figure.axes[0].get_ylabel() == names


def test_each_of_the_first_samples_goes_with_the_next_one_of_another_class():
    assert interpolation._pairs(np.array([3, 3, 5, 3, 1])).tolist() == [[0, 2], [1, 4]]


def test_of_one_sample_alone_there_is_nothing_to_go_to(tmp_path: Path):
    run = written(tmp_path, WHOLE.replace("validation: 10, test: 0", "validation: 1, test: 9"))
    with pytest.raises(NotApplicable, match=r"^there are no two validation samples to go between$"):
        next(interpolation.Interpolation().draw(run))
