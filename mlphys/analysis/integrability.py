"""Test whether r(x) - x is a gradient field (Kamyshanska & Memisevic 2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from mlphys.figures import log_axis, theme
from mlphys.figures.analysis_result import AnalysisResult, SampledAnalysis, needs_matrices, relative
from mlphys.figures.example_experiments import autoencoder_of_points
from mlphys.figures.picture import Picture
from mlphys.figures.run_view import ResolvedView, RunView, TrainedView
from mlphys.numerics.randomness import rng
from mlphys.numerics.uncertainty import mean_stderr, rounded
from mlphys.schema.fields import Count, Positive

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROUNDING = 1e-3  # relative antisymmetric parts below this are float32 rounding


class Integrability(SampledAnalysis):
    """Test whether r(x) - x is the gradient of an energy: antisymmetric part of dr/dx, and integrals around loops.

    Poincare's lemma: a field f(x) = r(x) - x is the gradient of an energy if df/dx is symmetric everywhere.

    At each sample |J - J^T|_F / |J|_F of J = dr/dx, 0 for a symmetric and 2 for an antisymmetric one. Around each a
    circle of `radius`, in the plane to two other samples, of `points`: the integral of f dx, over that of
    |f - mean f| |dx|, is 0 for a gradient and 1 for a rotation; Stokes' theorem gives it from J, to lowest order.
    A decoder that ends in an activation g bends the field: r = g(a), and it is a(x), whose Jacobian is symmetric
    for tied weights; both are measured.
    """

    samples: Count = 100
    radius: Positive = 0.1
    """The radius of the loops, in the units of the network's input."""
    points: Annotated[int, Field(ge=8, le=1000)] = 64
    """Points on each loop."""

    def check(self, resolved: ResolvedView) -> None:
        resolved.experiment.model.without_output_activation()
        needs_matrices(resolved.net_input.shape)

    def measure(self, run: RunView) -> AnalysisResult:
        split, some = self.samples_of(run)
        z = run.trained.to_points(some.x)
        first, second = _planes(z, run.config.seed)
        nets = {"r": run.trained}
        before = run.config.model.without_output_activation()
        if before != run.config.model:
            nets["a"] = run.trained.of(before)
        measured = {name: _measured(net, z, first, second, self) for name, net in nets.items()}
        numbers: dict[str, Any] = {"split": split, "samples": len(z), "radius": self.radius}
        for name, values in measured.items():
            numbers[name] = {
                key: {
                    "mean": float(abs(value).mean()),
                    "stderr": mean_stderr(abs(value)),
                    "max": float(abs(value).max()),
                }
                for key, value in values.items()
            }
        return AnalysisResult(numbers, _summary(numbers, len(z), split), [_picture(run.name, measured, numbers)])

    @classmethod
    def example(cls) -> dict[str, Any]:
        return autoencoder_of_points()


def _planes(z: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two orthonormal directions at each point (n, d), spanning the directions to two random other points."""
    generator = rng(seed, "analysis/integrability")
    n, d = z.shape
    ways = []
    for _ in range(2):
        others = (np.arange(n) + generator.integers(1, max(n, 2), n)) % n
        # for coinciding samples, or a single one, any direction
        way = z[others].astype(np.float64) - z
        short = np.linalg.norm(way, axis=1) < 1e-6
        way[short] = generator.standard_normal((int(short.sum()), d))
        ways.append(way / np.linalg.norm(way, axis=1, keepdims=True))
    first, second = ways
    second = second - (second * first).sum(axis=1, keepdims=True) * first
    parallel = np.linalg.norm(second, axis=1) < 1e-3
    second[parallel] = generator.standard_normal((int(parallel.sum()), d))
    second -= (second * first).sum(axis=1, keepdims=True) * first
    return first, second / np.linalg.norm(second, axis=1, keepdims=True)


def _measured(
    net: TrainedView, z: np.ndarray, first: np.ndarray, second: np.ndarray, settings: Integrability
) -> dict[str, np.ndarray]:
    """Of each point: the relative antisymmetric part, the loop integral, and what Stokes' theorem says of it."""
    rows = iter(np.stack([first, second], axis=1))

    def antisymmetry(jacobians: np.ndarray) -> np.ndarray:
        part = jacobians - jacobians.transpose(0, 2, 1)
        plane = np.stack([next(rows) for _ in jacobians])
        curl = np.einsum("bi,bij,bj->b", plane[:, 1], part.astype(np.float64), plane[:, 0])
        return np.stack([relative(part, jacobians), curl], axis=1)

    antisymmetric, curl = net.output("reconstructions").jacobians(z, antisymmetry).T
    angle = 2 * np.pi * np.arange(settings.points) / settings.points
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    along = np.stack([-np.sin(angle), np.cos(angle)], axis=1)
    integrals, lengths = [], []
    for point, u, v in zip(z, first, second, strict=True):
        plane = np.stack([u, v])
        places = (point + settings.radius * circle @ plane).astype(np.float32)
        field = net.output("reconstructions")(places).astype(np.float64) - places
        field -= field.mean(axis=0)
        integrals.append(((field @ plane.T) * along).sum())
        lengths.append(np.linalg.norm(field, axis=1).sum())
    step, length = 2 * np.pi * settings.radius / settings.points, np.maximum(lengths, 1e-30)
    return {
        "antisymmetric_part": antisymmetric,
        "loop_integral": np.array(integrals) / length,
        "loop_integral_by_stokes": np.pi * settings.radius**2 * curl / (step * length),
    }


def _summary(numbers: dict[str, Any], count: int, split: str) -> str:
    parts = []
    for name, what in (("r", "dr/dx"), ("a", "da/dx before the last activation")):
        if name in numbers:
            of_jacobian, loop = (numbers[name][key] for key in ("antisymmetric_part", "loop_integral"))
            symmetric = of_jacobian["mean"] < ROUNDING
            value = f"{of_jacobian['mean']:.1g}" if symmetric else rounded(of_jacobian["mean"], of_jacobian["stderr"])
            verdict = "symmetric, there is an energy" if symmetric else "not symmetric, there is no energy"
            parts.append(f"antisymmetric part of {what} {value}, loop integral {loop['mean']:.2g} ({verdict})")
    return f"{'; '.join(parts)}; {count} {split} samples"


def _picture(name: str, measurements: dict[str, dict[str, np.ndarray]], numbers: dict[str, Any]) -> Picture:
    caption = (
        f"{numbers['samples']} {numbers['split']} samples; a loop is a circle of radius {numbers['radius']:g} in the "
        "plane to two other samples, its integral relative to a rotation's"
    )
    figure, (left, right) = theme.row(2, 12, 5.4, f"{name}: has r(x) - x an energy?", caption)
    for (key, values), colour in zip(measurements.items(), theme.LINES, strict=False):
        label = {"r": "r(x)", "a": "a(x), before the last activation"}[key]
        _curve(left, values["antisymmetric_part"], colour, label)
        right.plot(values["loop_integral_by_stokes"], values["loop_integral"], "o", color=colour, alpha=0.6)
    left.set(xlabel="share of the samples", ylabel="|J − Jᵀ| / |J|")
    left.set_yscale("symlog", linthresh=1e-8)
    left.set_ylim(0, 4)
    left.yaxis.set_major_formatter(lambda value, i: log_axis.power_of_ten(value, i) if value else "0")
    left.axhline(ROUNDING, color=theme.GREY, linestyle=":", linewidth=1.5)
    left.annotate("symmetric below", (0, ROUNDING), (4, -16), textcoords="offset points", color=theme.GREY, fontsize=12)
    if len(measurements) > 1:
        left.legend(loc="center right", bbox_to_anchor=(1, 0.42))
    ends = max(0.01, *(float(abs(values["loop_integral"]).max()) for values in measurements.values()))
    right.plot([-ends, ends], [-ends, ends], color=theme.GREY, linewidth=1, zorder=0)
    right.set(xlabel="from J by Stokes' theorem", ylabel="loop integral")
    right.locator_params(nbins=5)
    rows = [(key, *row) for key, values in measurements.items() for row in zip(*values.values(), strict=True)]
    columns = ("field", *measurements["r"])
    return Picture("integrability", figure, dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True)))


def _curve(axes: Axes, values: np.ndarray, colour: str, label: str) -> None:
    """The empirical cumulative distribution of the values."""
    axes.plot((np.arange(len(values)) + 0.5) / len(values), np.sort(values), "o", color=colour, label=label)
