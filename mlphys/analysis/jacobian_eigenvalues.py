"""Eigenvalues of the Jacobian of the reconstruction (Alain & Bengio 2014)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult, SampledAnalysis, needs_matrices, needs_reconstructions
from mlphys.figures.example_experiments import autoencoder_of_points
from mlphys.figures.picture import Picture
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.numerics.uncertainty import mean_stderr, rounded

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SYMMETRIC = 1e-4  # a smaller antisymmetric part, relative to the Jacobian, is rounding in float32
DOTTED = 40  # eigenvalues up to which each has a dot


class JacobianEigenvalues(SampledAnalysis):
    """Eigenvalues of dr/dx at samples: in which directions r(x) attracts, below 1, and repels (Alain & Bengio 2014).

    Along an eigenvector with eigenvalue l a step x <- x + eta (r(x) - x) takes a small distance from a fixed point
    to 1 - eta (1 - l) times it. Near 1 the reconstruction follows the sample, as along the manifold of the data; near 0
    it stays, which removes noise in this direction. Tied weights and a linear output make dr/dx symmetric, and its
    eigenvalues real; `antisymmetric_part` is |J - J^T| / |2 J|. Coordinates are those of the network's input.
    """

    samples: Annotated[int, Field(ge=1, le=1000)] = 10

    def check(self, resolved: ResolvedView) -> None:
        needs_reconstructions(resolved)
        needs_matrices(resolved.net_input.shape)

    def measure(self, run: RunView) -> AnalysisResult:
        from threadpoolctl import threadpool_limits

        split, some = self.samples_of(run)
        jacobians = run.trained.output("reconstructions").jacobians(run.trained.to_points(some.x)).astype(np.float64)
        back = jacobians.transpose(0, 2, 1)
        uneven = float(np.linalg.norm(jacobians - back) / (2 * np.linalg.norm(jacobians) or 1.0))
        with threadpool_limits(1):  # the order of sums over threads would change the last digits
            values = np.linalg.eigvalsh((jacobians + back) / 2) if uneven < SYMMETRIC else np.linalg.eigvals(jacobians)
        values = np.take_along_axis(values, np.argsort(-values.real, axis=1, kind="stable"), axis=1).astype(complex)
        largest, above = values.real[:, 0], (values.real > 1).sum(axis=1)
        numbers: dict[str, Any] = {
            "split": split, "samples": len(values), "antisymmetric_part": uneven,
            "largest": float(largest.mean()), "largest_stderr": mean_stderr(largest),
            "above_1": float(above.mean()), "above_1_stderr": mean_stderr(above.astype(float)),
            "above_half": float((values.real > 0.5).sum(axis=1).mean()),
            "samples_below_1": float((above == 0).mean()), "trace": float(values.real.sum(axis=1).mean()),
            "largest_imaginary_part": float(abs(values.imag).max()),
        }  # fmt: skip
        size = values.shape[1]
        summary = (
            f"of {size} eigenvalues of dr/dx the largest is {rounded(numbers['largest'], numbers['largest_stderr'])}, "
            f"{numbers['above_half']:.3g} are above 1/2 and {numbers['above_1']:.3g} above 1; all below 1 at "
            f"{100 * numbers['samples_below_1']:.3g} % of {len(values)} {split} samples"
        )
        return AnalysisResult(numbers, summary, [_picture(run, values, summary)])

    @classmethod
    def example(cls) -> dict[str, Any]:
        return autoencoder_of_points()


def _picture(run: RunView, values: np.ndarray, summary: str) -> Picture:
    """The eigenvalues in descending order of their real parts; where they are complex also in their plane."""
    turning = bool(abs(values.imag).max() > 0)
    caption = f"{summary.replace('+-', '±')}; shaded: between the quartiles of the samples"
    if run.preprocessing.steps:
        caption += "; behind data.preprocess"
    title = f"{run.name}: eigenvalues of dr/dx"
    figure, (left, *right) = theme.row(1 + turning, 13 if turning else 9.5, 6, title, caption)
    low, middle, high = np.quantile(values.real, [0.25, 0.5, 0.75], axis=0)
    number = np.arange(1, values.shape[1] + 1)
    left.fill_between(number, low, high, color=theme.BLUE, alpha=0.25, linewidth=0)
    left.plot(number, values.real.mean(axis=0), color=theme.BLUE, marker="o" if len(number) <= DOTTED else "")
    left.axhline(1, color=theme.GREY, linestyle=":", linewidth=2, zorder=1)
    left.set(xlabel="number, largest first", ylabel="real part" if turning else "eigenvalue")
    left.locator_params(axis="x", integer=True)
    if right:
        _in_their_plane(right[0], values)
    mean, imaginary = values.real.mean(axis=0), abs(values.imag).mean(axis=0)
    columns = {"mean": mean, "first_quartile": low, "median": middle, "third_quartile": high}
    table = {"number": number.tolist(), **{name: column.tolist() for name, column in columns.items()}}
    return Picture("jacobian_eigenvalues", figure, table | {"mean_absolute_imaginary_part": imaginary.tolist()})


def _in_their_plane(axes: Axes, values: np.ndarray) -> None:
    """Eigenvalues of all samples, and the line of real part 1, left of which a fixed point attracts."""
    axes.plot(values.real.ravel(), values.imag.ravel(), ".", color=theme.BLUE, markersize=5, alpha=0.5)
    axes.axvline(1, color=theme.GREY, linestyle=":", linewidth=2, zorder=1)
    axes.set(xlabel="real part", ylabel="imaginary part")
