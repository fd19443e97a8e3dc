from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from mlphys.figures import log_axis


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.3, 0.8, ["0.3", "0.4", "0.5", "0.6", "0.7", "0.8"]),
        (0.9, 2.5, ["0.9", "1", "2"]),
        (0.15, 40, ["0.2", "0.5", "1", "2", "5", "10", "20"]),
        (900, 50_000, ["1,000", "2,000", "5,000", "10,000", "20,000", "50,000"]),
        (1e-9, 1e-2, ["10⁻⁹", "10⁻⁸", "10⁻⁷", "10⁻⁶", "10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²"]),
        (2e-5, 9e-5, ["2e−05", "3e−05", "4e−05", "5e−05", "6e−05", "7e−05", "8e−05", "9e−05"]),
    ],
)
def test_a_logarithmic_axis_is_labelled_over_any_range(low: float, high: float, labels: list[str]):
    axes = Figure(figsize=(6, 5)).subplots()
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    log_axis.label(axes.yaxis)
    axes.figure.draw_without_rendering()
    ticks = axes.yaxis.get_major_ticks()
    inside = [tick.label1.get_text() for tick in ticks if 0.999 * low <= tick.get_loc() <= 1.001 * high]
    assert inside == labels
