from __future__ import annotations

import math
import re
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from mlphys.errors import UserError
from mlphys.notebook import html
from mlphys.notebook.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, panel
from mlphys.notebook.history import History

HOSTILE = '<script>alert("x")</script>'


def paths(svg: str) -> list[str]:
    return [path.get("d") for path in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}path")]


def test_a_curve_goes_from_the_first_epoch_to_the_last_between_the_smallest_and_the_largest_value():
    middle, right, bottom = (LEFT + WIDTH - RIGHT) / 2, WIDTH - RIGHT, HEIGHT - BOTTOM
    _, curve = paths(panel("loss", {"train": [3.0, 2.0, 1.0]}))
    expected = f"M{LEFT:.1f} {TOP:.1f}L{middle:.1f} {(TOP + bottom) / 2:.1f}L{right:.1f} {bottom:.1f}"
    assert curve == expected


def test_where_a_value_is_missing_a_curve_has_a_gap():
    _, curve = paths(panel("loss", {"train": [1.0, 2.0, None, math.nan, 3.0, 4.0]}))
    assert [re.sub("[0-9. ]", "", part) for part in re.findall("M[^M]*", curve)] == ["ML", "ML"]


def test_a_long_training_has_no_more_points_than_are_seen_and_its_last_one():
    values = [math.exp(-i / 1000) for i in range(20_000)]
    _, curve = paths(panel("loss", {"train": values}))
    assert curve.count("L") <= 300
    assert curve.endswith(f"L{WIDTH - RIGHT:.1f} {HEIGHT - BOTTOM:.1f}")


@pytest.mark.parametrize("curves", [{}, {"train": [1.0]}, {"train": [None, None]}], ids=str)
def test_there_is_no_panel_where_there_is_no_curve(curves):
    assert panel("loss", curves) == ""


def test_equal_values_are_a_line_in_the_middle():
    _, curve = paths(panel("loss", {"train": [2.0, 2.0]}))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    assert curve == f"M{LEFT:.1f} {middle:.1f}L{WIDTH - RIGHT:.1f} {middle:.1f}"


def test_everything_that_a_notebook_is_shown_is_escaped():
    pieces = [
        panel(HOSTILE, {HOSTILE: [1.0, 2.0]}),
        html.table([HOSTILE], [[HOSTILE]]),
        html.bar(HOSTILE, 1, 2, [HOSTILE])[0],
        html.preformatted(HOSTILE),
    ]
    assert not any("<script" in piece for piece in pieces)
    assert all("&lt;script&gt;" in piece for piece in pieces)


def test_of_a_long_table_the_first_rows_are_shown_and_the_others_counted():
    rows = [[f"layer {i}", i] for i in range(html.MOST_ROWS + 7)]
    shown = html.table(["layer", "parameters"], rows)
    assert f"layer {html.MOST_ROWS - 1}<" in shown
    assert f"layer {html.MOST_ROWS}<" not in shown
    assert "and 7 more" in shown


ROWS = [
    {"phase": "stage1", "epoch": 1, "loss": 0.5, "accuracy": None},
    {"phase": "head", "epoch": 1, "loss": 0.25, "accuracy": 0.9},
]


def test_the_history_is_columns_of_numbers_with_nan_where_a_phase_has_none():
    history = History.of(ROWS)
    assert list(history) == ["phase", "epoch", "loss", "accuracy"]
    assert history["epoch"].dtype == np.int64
    assert history["phase"].tolist() == ["stage1", "head"]
    np.testing.assert_array_equal(history["loss"], [0.5, 0.25])
    np.testing.assert_array_equal(history["accuracy"], [math.nan, 0.9])
    assert repr(history) == "<history of 2 epochs: phase, epoch, loss, accuracy>"


def test_the_history_of_an_untrained_net_is_empty():
    assert History.of([]) == {}
    assert repr(History.of([])) == "<history of 0 epochs: >"


def test_without_pandas_the_message_has_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError) as error:
        History.of(ROWS).to_pandas()
    assert str(error.value) == "to_pandas: needs the package pandas; `pip install 'mlphys[notebook]'` installs it"
