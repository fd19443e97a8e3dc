"""Comparison of autoencoders with PCA (Baldi & Hornik 1989)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import log_axis, theme
from mlphys.figures.analysis_result import AnalysisResult, SampledAnalysis, needs_reconstructions
from mlphys.figures.example_experiments import autoencoder_of_points
from mlphys.figures.picture import Picture
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.numerics import chunked, pca
from mlphys.numerics.chunked import Array
from mlphys.numerics.pca import Components
from mlphys.numerics.uncertainty import mean_stderr, rounded
from mlphys.schema.fields import Count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AT_ONCE = 1000  # samples
ROUNDING = 1e-9  # errors below this fraction of the first component's are zero
DOTTED = 30  # components up to which each has a dot


class PCAComparison(SampledAnalysis):
    """Reconstruction error compared with PCA of all code sizes; subspace of a linear net (Baldi & Hornik 1989).

    Mean squared errors per value of the network's input: of the run, and of PCA with 1 ... `components` components.

    PCA is fitted to the training samples; `components: null` is twice the size of the code, if there are
    that many. Of an autoencoder of linear Dense layers also the principal angles (Jordan 1875; Bjorck & Golub 1973)
    between the plane of PCA with as many components and that of r(x), which the decoder's weights span, and that
    of C E, the covariance of samples and codes: the encoder's weights E themselves are free where samples do not
    vary. Zero for one that has converged: PCA's plane is the only minimum.
    """

    samples: Count = 10_000
    components: Count | None = None
    """The largest number of principal components to compare with; null is twice the code size. Example: 20"""

    def check(self, resolved: ResolvedView) -> None:
        needs_reconstructions(resolved)
        _code_size(resolved)

    def measure(self, run: RunView) -> AnalysisResult:
        split, some = self.samples_of(run)
        z = run.trained.to_points(some.x)
        train = run.preprocessing.apply(run.dataset().train.x)
        size, most = _code_size(run.loaded), min(len(train) - 1, z.shape[1])
        known = pca.fit(train, min(self.components or 2 * size, most))
        curve = _errors(known, z)
        errors = ((run.trained.output("reconstructions")(z).astype(np.float64) - z) ** 2).mean(axis=1)
        error, stderr = float(errors.mean()), mean_stderr(errors)
        mean_only = float((z - known.mean).astype(np.float64).var(axis=0).sum() / z.shape[1])
        mean_only += float(np.square((z - known.mean).mean(axis=0, dtype=np.float64)).mean())
        reached = np.flatnonzero(np.array([mean_only, *curve]) <= error + ROUNDING * curve[0])
        needed = int(reached[0]) if len(reached) else None
        numbers: dict[str, Any] = {
            "split": split, "samples": len(z), "code_size": size, "mse": error, "mse_stderr": stderr,
            "pca_mse": [float(value) for value in curve], "components_to_match": needed,
        }  # fmt: skip
        beside = (
            f"PCA's with {size} components {curve[size - 1]:.4g}"
            if size <= len(curve)
            else "more numbers than there are components"
        )
        counted = _counted(needed, len(curve))
        summary = f"mse {rounded(error, stderr)} with a code of {size}, {beside}; {counted}"
        planes = _planes(run, train)
        if planes and size <= len(known.vectors):
            angles = {name: _angles(plane, known.vectors[:size]) for name, plane in planes.items()}
            numbers["angles"] = {name: values for name, values in angles.items() if values}  # zero weights span nothing
            largest = {name: f"{max(angles):.2g}" for name, angles in numbers["angles"].items()}
            if largest:
                summary += "; largest angle with PCA's plane: "
                summary += ", ".join(f"{name} {a} rad" for name, a in largest.items())
        return AnalysisResult(numbers, f"{summary}; {len(z)} {split} samples", [_picture(run.name, numbers)])

    @classmethod
    def example(cls) -> dict[str, Any]:
        return autoencoder_of_points()


def _counted(needed: int | None, most: int) -> str:
    """How many components PCA needs for the same error."""
    if needed is None:
        return f"PCA needs more than {most} for it"
    if not needed:
        return "no better than the mean of the training samples"
    return f"PCA needs {needed} component{'s' * (needed != 1)} for it"


def _code_size(loaded: ResolvedView) -> int:
    outputs = loaded.experiment.model.prediction_shapes(loaded.net_input)
    if "codes" not in outputs:
        raise NotApplicable(f"kind: {loaded.experiment.model.kind} has no code whose size could be compared with PCA's")
    return math.prod(outputs["codes"])


def _errors(known: Components, z: np.ndarray) -> np.ndarray:
    """Mean squared error per value of points (n, d), projected on the first 1, 2, ... components."""
    lost, explained = 0.0, np.zeros(len(known.vectors))
    for start in range(0, len(z), AT_ONCE):
        centred = z[start : start + AT_ONCE] - known.mean
        lost += float((centred**2).sum())
        explained += ((centred @ known.vectors.T) ** 2).sum(axis=0)
    return (lost - np.cumsum(explained)).clip(0) / z.size


def _planes(run: RunView, train: Array) -> dict[str, np.ndarray]:
    """Vectors (k, d) that span the range of r(x), and the covariance with the code; empty if r is not linear."""
    planes = run.config.model.linear_planes(run.weights)
    if "encoder" in planes:
        encoder = planes["encoder"].T
        mean, covariance = chunked.mean(train).ravel(), np.zeros_like(encoder)
        for piece in chunked.pieces(train):
            centred = piece.reshape(len(piece), -1) - mean
            covariance += centred.T @ (centred @ encoder)
        planes["encoder"] = covariance.T
    return planes


def _angles(plane: np.ndarray, vectors: np.ndarray) -> list[float]:
    """The principal angles in radians, the largest first."""
    from scipy.linalg import subspace_angles

    return [float(angle) for angle in subspace_angles(plane.T, vectors.T)]


def _picture(name: str, numbers: dict[str, Any]) -> Picture:
    curve, size, angles = np.array(numbers["pca_mse"]), numbers["code_size"], numbers.get("angles", {})
    caption = (
        f"mean squared error per value of {numbers['samples']:,} {numbers['split']} samples; PCA is fitted to those of "
        "training"
    )
    panels, width = (2, 13) if angles else (1, 9)
    figure, (left, *right) = theme.row(panels, width, 5.6, f"{name}: beside principal components", caption)
    _curve(left, curve, size, numbers)
    if right:
        for (plane, values), colour in zip(angles.items(), theme.LINES, strict=False):
            right[0].plot(range(1, len(values) + 1), values[::-1], "o-", color=colour, label=plane)
        right[0].set(xlabel="principal angle, the smallest first", ylabel="radian", yscale="log")
        log_axis.label(right[0].yaxis)
        right[0].locator_params(axis="x", integer=True)
        right[0].legend(title="between PCA's plane and that of the", alignment="left")
    columns: dict[str, list[Any]] = {
        "what": ["pca"] * len(curve),
        "components": list(range(1, len(curve) + 1)),
        "value": list(curve),
    }
    extra = [("run", size, numbers["mse"])]
    extra += [(f"angle {plane}", i + 1, a) for plane, values in angles.items() for i, a in enumerate(values[::-1])]
    table = {key: [*columns[key], *values] for key, values in zip(columns, zip(*extra, strict=True), strict=True)}
    return Picture("pca_comparison", figure, table)


def _curve(axes: Axes, curve: np.ndarray, size: int, numbers: dict[str, Any]) -> None:
    drawn = np.where(curve > ROUNDING * curve[0], curve, np.nan)
    counts, needed = np.arange(1, len(curve) + 1), numbers["components_to_match"]
    axes.plot(counts, drawn, color=theme.GREY, marker="o" if len(curve) <= DOTTED else "", label="PCA")
    mse, error = numbers["mse"], numbers["mse_stderr"] or 0.0
    axes.errorbar(size, mse, error, fmt="o", color=theme.BLUE, markersize=11, zorder=4, label="this run")
    if needed and needed != size:
        axes.plot([size, needed], [mse, mse], ":", color=theme.BLUE, linewidth=2)
        axes.annotate(f"{needed} components", (needed, mse), (6, 6), textcoords="offset points", color=theme.BLUE)
    axes.set(xlabel="size of the code, or components", ylabel="mean squared error")
    if np.isfinite(drawn).any() and not drawn[-1] >= 0.2 * drawn[0]:
        axes.set_yscale("log")
        log_axis.label(axes.yaxis)
        axes.minorticks_off()
    else:
        axes.set_ylim(0, None)
    axes.locator_params(axis="x", integer=True)
    axes.legend()
