"""Axes and lines of charts."""

from __future__ import annotations

import re

import pytest

from mlphys.report.chart import LEFT, MOST_POINTS, RIGHT, WIDTH, Chart, Line, figure, thinned, ticks


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0.93, 1.01, [0.94, 0.96, 0.98, 1.0]),
        (1, 6, [1, 2, 3, 4, 5, 6]),
        (5, 5, [5]),
    ],
)
def test_ticks_are_round_numbers_in_the_range(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


def test_many_points_are_thinned_and_the_last_one_stays():
    kept = thinned(100_000)
    assert len(kept) <= MOST_POINTS + 1
    assert kept[-1] == 99_999
    assert thinned(3) == [0, 1, 2]


def test_a_line_with_a_band_is_drawn_and_told_to_those_who_do_not_see_it():
    made = figure(Chart("loss", "epoch", "loss", [Line("a", [1, 2], [4.0, 2.0], [3, 1], [5, 3])]), "curve0")
    assert made.count("<polyline") == made.count("<polygon") == 1
    assert 'aria-label="loss: a from 4 to 2"' in made
    assert 'data-chart="curve0"' in made


def test_several_lines_have_a_legend_and_one_has_none():
    lines = [Line(name, [1, 2], [4.0, 2.0]) for name in ("dense", "conv")]
    legends = ['class="legend"' in figure(Chart("loss", "epoch", "loss", lines[:n]), "curve0") for n in (1, 2)]
    assert legends == [False, True]


@pytest.mark.parametrize(
    ("xs", "marks"),
    [
        ([0.003, 0.02, 0.5], ["0.003", "0.02", "0.5"]),  # few: at the points
        ([0.001 * 1.8**i for i in range(9)], ["0.001", "0.01", "0.1"]),  # many: at powers of ten
        ([0, 10], ["0", "2", "4", "6", "8", "10"]),  # zero has no logarithm
    ],
)
def test_a_logarithmic_axis_has_marks_at_its_points_or_at_powers_of_ten(xs, marks):
    made = figure(Chart("loss", "rate", "loss", [Line("a", xs, [1.0] * len(xs))], log_x=True), "parameter")
    below = re.findall(r'<text x="[0-9.]+" y="([0-9.]+)" text-anchor="middle">([^<]+)<', made)
    height = below[0][0]
    assert [text for at, text in below if at == height] == marks


@pytest.mark.parametrize("log", [False, True])
def test_points_at_the_ends_of_an_axis_are_not_cut(log):
    line = Line("a", [0.001, 0.1], [1, 2], [0, 1], [2, 3], marked=True)
    made = figure(Chart("loss", "rate", "loss", [line], log), "parameter")
    first, last = [float(x) for x in re.findall('cx="([0-9.]+)"', made)]
    assert LEFT + 5 < first < last < WIDTH - RIGHT - 5
