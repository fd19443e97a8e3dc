"""The transitions of systems of several sizes, and that of the infinite system from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult
from mlphys.figures.picture import Picture
from mlphys.numerics.finite_size import Extrapolation, extrapolated
from mlphys.numerics.over_seeds import over_seeds
from mlphys.numerics.uncertainty import rounded

Crossing = tuple[float, float]  # its temperature and the standard error


def combined(crossings: Mapping[int, Sequence[Crossing | None]], exact: float, nu: float) -> AnalysisResult:
    """T_c and its error from the crossings of nets of each length L; None where an output does not cross.

    The error of a length is that of the mean over its nets: their standard deviation, at least the bootstrap's error
    of one, over the square root of their number. Raises NotApplicable for fewer than two lengths, or one without error.
    """
    rows = [_row(length, per_net) for length, per_net in sorted(crossings.items()) if any(per_net)]
    if len(rows) < 2:
        raise NotApplicable(f"T(L) of {len(rows)} lengths L gives no limit; it takes nets of at least two data.size")
    if sharp := [row["length"] for row in rows if not row["stderr"]]:
        raise NotApplicable(
            f"T(L) of L = {', '.join(map(str, sharp))} has no error: the outputs jump between two temperatures; "
            "set temperatures of transition closer to each other"
        )
    lengths, temperatures, stderrs = ([row[key] for row in rows] for key in ("length", "temperature", "stderr"))
    fit = extrapolated(lengths, temperatures, stderrs, nu)
    pull = (fit.critical - exact) / fit.stderr
    numbers = {
        "lengths": rows, "nu": nu, "exact": exact,
        "critical": {"temperature": fit.critical, "stderr": fit.stderr},
        "slope": {"value": fit.slope, "stderr": fit.slope_stderr},
        "chi2": fit.chi2, "degrees_of_freedom": fit.freedom, "scale": fit.scale,
        "deviation_percent": 100 * (fit.critical / exact - 1), "pull": pull,
    }  # fmt: skip
    without = sum(1 for per_net in crossings.values() for one in per_net if one is None)
    left_out = f"; {without} nets whose output does not cross are left out" if without else ""
    scaled = f", errors times {fit.scale:.2f}" if fit.scale > 1 else ""
    quality = f" (chi^2 {fit.chi2:.2g} of {fit.freedom}{scaled})" if fit.freedom else ""
    away = f"{100 * abs(fit.critical / exact - 1):.2f} % or {abs(pull):.1f} sigma away"
    summary = (
        f"T(L) = T_c + {_correction(nu)} over L = {', '.join(map(str, lengths))}: "
        f"T_c = {rounded(fit.critical, fit.stderr)}{quality}; exact {exact:.6f}, {away}{left_out}"
    )
    return AnalysisResult(numbers, summary, [_picture(numbers, fit)])


def _row(length: int, crossings: Sequence[Crossing | None]) -> dict[str, Any]:
    known = [crossing for crossing in crossings if crossing is not None]
    over = over_seeds(*zip(*known, strict=True))
    spread = max(over.stdev or 0.0, over.sampling or 0.0)
    return {"length": length, "nets": over.n, "temperature": over.mean, "stderr": spread / math.sqrt(over.n)}


def _correction(nu: float) -> str:
    return "a / L" if nu == 1 else f"a L^(-1/{nu:g})"


def _picture(numbers: Mapping[str, Any], fit: Extrapolation) -> Picture:
    rows, nu, exact = numbers["lengths"], numbers["nu"], numbers["exact"]
    table = {key: [row[key] for row in rows] for key in ("length", "nets", "temperature", "stderr")}
    critical = theme.measured(fit.critical, fit.stderr)
    caption = f"T(L) = T_c + {_correction(nu)}; bars are standard errors of the mean over nets"
    figure = theme.figure(8, 5.4, "finite-size scaling of the transition", caption)
    axes = figure.subplots()
    inverse = np.array(table["length"], float) ** (-1 / nu)
    reach = np.array([0, 1.15 * inverse.max()])  # room for the label of the last point
    axes.axhline(exact, color=theme.GREY, linestyle=":", linewidth=2, label=f"exact, L → ∞: {exact:.4f}")
    axes.plot(reach, fit.critical + fit.slope * reach, color=theme.BLUE, linewidth=2)
    axes.errorbar(inverse, table["temperature"], table["stderr"], color=theme.BLUE, marker="o", linestyle="", capsize=5)
    style: dict[str, Any] = {"color": theme.VERMILLION, "marker": "D", "capsize": 5, "linestyle": ""}
    axes.errorbar([0], [fit.critical], [fit.stderr], label=f"L → ∞: {critical}", clip_on=False, zorder=4, **style)
    for place, length, value in zip(inverse, table["length"], table["temperature"], strict=True):
        axes.annotate(f"L = {length}", (place, value), (8, -14), textcoords="offset points", color=theme.GREY)
    label = _correction(nu).removeprefix("a ").replace("/ L", "1 / L")
    axes.set(xlabel=label, ylabel="temperature of the crossing", xlim=(0, reach[1]))
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.01), ncols=2)
    return Picture("transition_of_sizes", figure, table)
