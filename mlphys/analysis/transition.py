"""A phase transition as a network sees it (Carrasquilla & Melko 2017; Wang 2016)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field

from mlphys.analysis._finite_size import combined
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import Analysis, AnalysisResult
from mlphys.figures.picture import Picture
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.numerics.randomness import rng
from mlphys.numerics.uncertainty import mean_stderr, rounded
from mlphys.schema.data import PhaseTransition
from mlphys.schema.fields import LARGEST, as_tuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RESAMPLES = 1000  # of the bootstrap
Temperature = Annotated[float, Field(gt=0, le=LARGEST)]


class Transition(Analysis):
    """The temperature where a classifier's output crosses 1/2, or where a code's order ends, and of several sizes T_c.

    `samples` new configurations are drawn at each temperature, which no training has seen. Of a classifier: the mean
    probability p(T) of the disordered phase, and where it first rises through 1/2, on straight lines between
    neighbouring temperatures; its error is the standard deviation over 1 000 bootstrap samples (Efron 1979), drawn at
    each temperature separately. It does not include how nets differ that begin from other seeds. The exact temperature
    beside it is that of the infinite system, from which a finite one differs by the order of 1/L.
    Of a model with codes: R^2 = corr(h_k, m)^2 of each number of the code with the order parameter m; and of the number
    whose R^2 is largest the mean |h - <h>| against T, where it falls through half of its value at the lowest T, with
    the same error (Wetzel 2017).
    Of a study of several sizes L: T_c and a from T(L) = T_c + a L^(-1/nu), by weighted least squares.
    """

    temperatures: Annotated[tuple[Temperature, ...], Field(min_length=2), BeforeValidator(as_tuple)] | None = None
    """The temperatures; null is those of the data. Example: [2.1, 2.2, 2.3, 2.4]"""
    samples: Annotated[int, Field(ge=2, le=100_000)] = 100
    """How many configurations are drawn at each temperature."""
    nu: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Of several sizes: the exponent of the correlation length; 1 is that of the two-dimensional Ising model."""

    def check(self, resolved: ResolvedView) -> None:
        data = resolved.experiment.data
        if data.phase_transition() is None:
            raise NotApplicable(f"data.name: {data.name} has no phase transition; it takes name: ising")
        shapes = resolved.experiment.model.prediction_shapes(resolved.net_input)
        if "codes" not in shapes and not ("probabilities" in shapes and len(resolved.net_input.classes) == 2):
            kind = resolved.experiment.model.kind
            raise NotApplicable(f"kind: {kind} gives neither probabilities of two phases nor a code")

    def measure(self, run: RunView) -> AnalysisResult:
        transition = run.config.data.phase_transition()
        if transition is None:
            raise NotApplicable("its data has no phase transition")
        temperatures = sorted(set(self.temperatures or transition.temperatures))
        generator = rng(run.config.seed, "analysis/transition")
        probabilities, codes, orders = [], [], []
        for temperature in temperatures:
            x = transition.draw(temperature, self.samples, generator)
            predictions = run.trained.predictions(x)
            orders.append(transition.order(x))
            if "probabilities" in predictions:
                ordered = _of_class(predictions["probabilities"], run.description.classes.index(transition.ordered))
                probabilities.append(1 - ordered)
            else:
                codes.append(predictions["codes"].reshape(len(x), -1).astype(np.float64))
        if probabilities:
            return _crossing_result(run, transition, temperatures, np.stack(probabilities))
        return _code_result(run, transition, temperatures, np.concatenate(codes), np.concatenate(orders))

    def together(self, members: Sequence[tuple[RunView, AnalysisResult]]) -> AnalysisResult:
        first, _ = members[0]
        crossings: dict[int, list[tuple[float, float] | None]] = {}
        for run, result in members:
            if transition := run.config.data.phase_transition():
                crossing = result.numbers["crossing"]
                estimate = crossing and (crossing["temperature"], crossing["stderr"])
                crossings.setdefault(transition.length, []).append(estimate)
            if type(run.config.model) is not type(first.config.model):
                raise NotApplicable("its members are of several kinds of model, whose crossings have no common limit")
        exact = first.config.data.phase_transition()
        if exact is None:
            raise NotApplicable("its data has no phase transition")
        return combined(crossings, exact.critical, self.nu)

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {
            "data": {"name": "ising", "temperatures": [1.0, 5.0], "samples_per_temperature": 40, "size": 4},
            "model": {"kind": "classifier", "layers": ["Flatten", {"Dense": {"units": 2, "activation": "softmax"}}]},
            "training": {"epochs": 2},
        }


def _of_class(probabilities: np.ndarray, k: int) -> np.ndarray:
    """The probability of class k of two, float64 (n,); one column is that of the second."""
    p = probabilities.reshape(len(probabilities), -1).astype(np.float64)
    if p.shape[1] == 2:
        return p[:, k]
    return p[:, 0] if k == 1 else 1 - p[:, 0]


def crossings(temperatures: Sequence[float], curves: np.ndarray) -> np.ndarray:
    """Where each curve (n, temperatures) first rises through 1/2, by linear interpolation; nan where it does not."""
    t = np.asarray(temperatures, np.float64)
    rises = (curves[:, :-1] < 0.5) & (curves[:, 1:] >= 0.5)
    first, row = rises.argmax(axis=1), np.arange(len(curves))
    low, high = curves[row, first], curves[row, first + 1]
    share = np.divide(0.5 - low, high - low, out=np.full(len(curves), math.nan), where=rises.any(axis=1))
    return t[first] + share * (t[first + 1] - t[first])


def crossing_with_error(
    temperatures: Sequence[float], values: np.ndarray, generator: np.random.Generator
) -> tuple[float, float] | None:
    """Where the mean of values (temperatures, samples) rises through 1/2, and its standard error by bootstrap.

    None where it does not; where fewer than half of the bootstrap samples do, the error would be that of the others.
    """
    value = float(crossings(temperatures, values.mean(axis=1)[None])[0])
    count = values.shape[1]
    means = [of_one[generator.integers(count, size=(RESAMPLES, count))].mean(axis=1) for of_one in values]
    resampled = crossings(temperatures, np.stack(means, axis=1))
    known = resampled[np.isfinite(resampled)]
    if math.isnan(value) or len(known) < RESAMPLES / 2:
        return None
    return value, float(known.std(ddof=1))


def _crossing_result(
    run: RunView, transition: PhaseTransition, temperatures: list[float], values: np.ndarray
) -> AnalysisResult:
    """`values` (temperatures, samples) are probabilities of the disordered phase."""
    estimate = crossing_with_error(temperatures, values, rng(run.config.seed, "analysis/transition/bootstrap"))
    rows = [
        {"temperature": temperature, "probability": float(of_one.mean()), "stderr": mean_stderr(of_one)}
        for temperature, of_one in zip(temperatures, values, strict=True)
    ]
    crossing = {"temperature": estimate[0], "stderr": estimate[1]} if estimate else None
    numbers = {
        "samples": values.shape[1], "exact": transition.critical, "crossing": crossing, "disordered": rows,
    }  # fmt: skip
    span = f"between {temperatures[0]:g} and {temperatures[-1]:g}"
    where = f"crosses 1/2 at T = {rounded(*estimate)}" if estimate else f"does not rise through 1/2 {span}"
    summary = (
        f"mean probability of the disordered phase {where}; the infinite system's transition is at "
        f"{transition.critical:.6f}; {values.shape[1]} new samples at each of {len(rows)} temperatures"
    )
    return AnalysisResult(numbers, summary, [_curve(run.name, numbers)])


def _curve(name: str, numbers: dict[str, Any]) -> Picture:
    caption = f"{numbers['samples']:,} new samples at each temperature; lines are standard errors"
    figure = theme.figure(8, 5.4, f"{name}: the transition", caption)
    axes = figure.subplots()
    table = {key: [row[key] for row in numbers["disordered"]] for key in ("temperature", "probability", "stderr")}
    _against_temperature(axes, numbers, table, (0.5, "½"))
    axes.set(xlabel="temperature T", ylabel="probability of the disordered phase", ylim=(-0.02, 1.02))
    axes.legend(loc="lower right")
    return Picture("transition", figure, table)


def _code_result(
    run: RunView, transition: PhaseTransition, temperatures: list[float], codes: np.ndarray, order: np.ndarray
) -> AnalysisResult:
    """`codes` (n, numbers of a code) and `order` (n,) are of all temperatures, one after the other."""
    shares = [squared_correlation(code, order) for code in codes.T]
    best = int(np.argmax(shares))
    count = len(order) // len(temperatures)
    centred = np.abs(codes[:, best] - codes[:, best].mean()).reshape(len(temperatures), count)
    plateau = float(centred[0].mean())
    random = rng(run.config.seed, "analysis/transition/bootstrap")
    estimate = crossing_with_error(temperatures, 1 - centred / plateau, random) if plateau > 0 else None
    rows = [
        {"temperature": temperature, "modulus": float(of_one.mean()), "stderr": mean_stderr(of_one)}
        for temperature, of_one in zip(temperatures, centred, strict=True)
    ]
    crossing = {"temperature": estimate[0], "stderr": estimate[1]} if estimate else None
    numbers = {
        "samples": count, "order_parameter": transition.order_parameter, "r2": shares, "best": best,
        "exact": transition.critical, "crossing": crossing, "code": rows,
    }  # fmt: skip
    where = f"falls through half at T = {rounded(*estimate)}" if estimate else "does not fall through half"
    summary = (
        f"R^2 of the {transition.order_parameter} with number {best + 1} of the code {shares[best]:.6f}, "
        f"the largest of {len(shares)}; its mean modulus {where}; the infinite system's transition is at "
        f"{transition.critical:.6f}; {count} new samples at each of {len(temperatures)} temperatures"
    )
    table = {
        "temperature": np.repeat(temperatures, count).tolist(),
        transition.order_parameter: order.tolist(),
        "code": codes[:, best].tolist(),
    }
    figure = theme.figure(
        8, 5.4, f"{run.name}: code and {transition.order_parameter}",
        f"number {best + 1} of the code; R² = {shares[best]:.6f}; {count:,} new samples at each temperature",
    )  # fmt: skip
    axes = figure.subplots()
    points = axes.scatter(table[transition.order_parameter], table["code"], c=table["temperature"], s=8, cmap="cividis")
    figure.colorbar(points, ax=axes, label="temperature T")
    axes.set(xlabel=transition.order_parameter, ylabel=f"number {best + 1} of the code")
    return AnalysisResult(numbers, summary, [Picture("transition", figure, table), _modulus(run.name, numbers)])


def _modulus(name: str, numbers: dict[str, Any]) -> Picture:
    """The mean modulus of a code's number against the temperature."""
    caption = f"number {numbers['best'] + 1} of the code, less its mean; lines are standard errors"
    figure = theme.figure(8, 5.4, f"{name}: order in the code", caption)
    axes = figure.subplots()
    table = {key: [row[key] for row in numbers["code"]] for key in ("temperature", "modulus", "stderr")}
    _against_temperature(axes, numbers, table, (table["modulus"][0] / 2, "half"))
    axes.set(xlabel="temperature T", ylabel="mean modulus of the code", ylim=(0, None))
    axes.legend(loc="upper right")
    return Picture("transition_code", figure, table)


def _against_temperature(
    axes: Axes, numbers: dict[str, Any], table: dict[str, list[float]], level: tuple[float, str]
) -> None:
    """Means with their errors against the temperature; the exact temperature, and the band where they cross a level."""
    height, name = level
    axes.axhline(height, color=theme.PALE, linewidth=1)
    exact, crossing = numbers["exact"], numbers["crossing"]
    axes.axvline(exact, color=theme.GREY, linestyle=":", linewidth=2, label=f"exact, L → ∞: {exact:.4f}")
    if crossing:
        value, error = crossing["temperature"], crossing["stderr"]
        label = f"crosses {name} at {theme.measured(value, error)}"
        axes.axvspan(value - error, value + error, color=theme.VERMILLION, alpha=0.3, linewidth=0, label=label)
    temperatures, means, errors = table.values()
    axes.errorbar(temperatures, means, errors, color=theme.BLUE, marker="o", markersize=5)


def squared_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """R^2 of a straight line through b against a; 0 where one of them is constant."""
    a, b = a - a.mean(), b - b.mean()
    norm = (a @ a) * (b @ b)
    return float((a @ b) ** 2 / norm) if norm > 0 else 0.0
