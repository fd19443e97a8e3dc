"""A linear sparse autoencoder compared with independent component analysis (Le et al. 2011)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult, SampledAnalysis
from mlphys.figures.picture import Picture
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.schema.fields import Count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NUMBERS = 400  # of the code; FastICA inverts a matrix of their square at every step
GAUSSIAN = float(np.sqrt(2 / np.pi))  # E|y| of a Gaussian y of variance 1


class ICAComparison(SampledAnalysis):
    """Filters of a linear sparse autoencoder compared with those of FastICA (Le et al. 2011; Hyvarinen 1999).

    |W W^T z - z|^2 + lambda sum |w^T z| on whitened z is reconstruction ICA. The rows of W, and the unmixing
    vectors that scikit-learn's FastICA finds for the same training samples, are compared three ways, none of which
    depends on their order, sign or length: the Amari distance (Amari et al. 1996) of the two matrices, 0 for the same
    and at most 1; the |cosine| of each filter with its partner, pairs chosen so that the sum is largest; and E|y| of
    their outputs at variance 1, the smaller the sparser, .798 for a Gaussian. Beside them stand FastICA with another
    start, the principal axes and a random rotation: what agrees no better than a rotation is not the same.
    """

    samples: Count = 10_000
    iterations: Count = 200
    """The largest number of iterations of FastICA."""

    def check(self, resolved: ResolvedView) -> None:
        weights = {name: np.zeros(shape, np.float32) for name, shape in resolved.weight_shapes().items()}
        filters = resolved.experiment.model.linear_planes(weights).get("encoder")
        if filters is None:
            raise NotApplicable("only an autoencoder of linear Dense layers has filters that ICA could have found")
        if not 2 <= len(filters) <= MOST_NUMBERS:
            raise NotApplicable(f"a code of {len(filters)} numbers; FastICA takes 2 to {MOST_NUMBERS} here")

    def measure(self, run: RunView) -> AnalysisResult:
        split, some = self.samples_of(run)
        z = run.trained.to_points(some.x).astype(np.float64)
        filters = run.config.model.linear_planes(run.weights)["encoder"]
        count = len(filters)
        if len(z) < 2 * count:
            raise NotApplicable(f"{len(z)} {split} samples are too few for {count} components; it takes {2 * count}")
        z -= z.mean(axis=0)
        axes = np.linalg.svd(z, full_matrices=False)[2][:count]
        known, others = (_fast_ica(z, count, run.config.seed + i, self.iterations) for i in range(2))
        turned = np.linalg.qr(np.random.default_rng(0).normal(size=(count, count)))[0] @ known.filters
        compared = {
            "autoencoder": filters,
            "FastICA, other start": others.filters,
            "principal axes": axes,
            "random rotation": turned,
        }
        comparisons = {name: _compared(values, known.filters, z) for name, values in compared.items()}
        numbers: dict[str, Any] = {
            "split": split, "samples": len(z), "components": count, "fast_ica_iterations": known.iterations,
            "fast_ica_converged": known.iterations < self.iterations,
            "fast_ica_mean_absolute_output": _sparseness(known.filters, z), "gaussian_mean_absolute_output": GAUSSIAN,
            "compared_with_fast_ica": {name: one.numbers() for name, one in comparisons.items()},
        }  # fmt: skip
        ours, turned_one = comparisons["autoencoder"], comparisons["random rotation"]
        summary = (
            f"Amari distance from FastICA {ours.amari:.3g} (a random rotation {turned_one.amari:.3g}, FastICA "
            f"with another start {comparisons['FastICA, other start'].amari:.3g}); median |cosine| of matches "
            f"{np.median(ours.cosines):.3g} (rotation {np.median(turned_one.cosines):.3g}); E|y| "
            f"{ours.sparseness:.3g}, FastICA {numbers['fast_ica_mean_absolute_output']:.3g}; {len(z)} {split} samples"
        )
        return AnalysisResult(numbers, summary, [_picture(run.name, comparisons, numbers)])

    @classmethod
    def example(cls) -> dict[str, Any]:
        whiten = [{"whiten": {"kind": "pca", "components": 4}}]
        dense = [{"Dense": {"units": 4, "use_bias": False}}]
        patches = {"name": "photo_patches", "size": 4, "samples": 340, "validation": 20, "test": 20}
        return {
            "data": {**patches, "preprocess": whiten},
            "model": {"kind": "autoencoder", "encoder": dense, "decoder": dense, "tied": True, "sparsity": {"l1": 0.1}},
            "training": {"epochs": 2},
        }

    def samples_of(self, run: RunView) -> tuple[str, Any]:
        """Training samples, unless `split` is set: FastICA is fitted to what the autoencoder was."""
        return super(ICAComparison, self.model_copy(update={"split": self.split or "train"})).samples_of(run)


@dataclass(frozen=True)
class Fitted:
    filters: np.ndarray  # (components, d), unmixing vectors
    iterations: int


@dataclass(frozen=True)
class Compared:
    amari: float
    cosines: np.ndarray  # (components,), of the matched filters, in descending order
    sparseness: float

    def numbers(self) -> dict[str, float]:
        return {
            "amari_distance": self.amari, "mean_cosine": float(self.cosines.mean()),
            "median_cosine": float(np.median(self.cosines)), "cosine_above_0.9": float((self.cosines > 0.9).mean()),
            "mean_absolute_output": self.sparseness,
        }  # fmt: skip


def _fast_ica(z: np.ndarray, count: int, seed: int, iterations: int) -> Fitted:
    from sklearn.decomposition import FastICA
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    ica = FastICA(count, whiten="unit-variance", random_state=seed, max_iter=iterations, tol=1e-4)
    with warnings.catch_warnings(), threadpool_limits(1):  # the order of sums over threads would change the filters
        warnings.simplefilter("ignore", ConvergenceWarning)
        ica.fit(z)
    return Fitted(ica.components_, int(ica.n_iter_))


def _compared(filters: np.ndarray, known: np.ndarray, z: np.ndarray) -> Compared:
    from scipy.optimize import linear_sum_assignment

    units = [rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30) for rows in (filters, known)]
    cosines = np.abs(units[0] @ units[1].T)
    matched = cosines[linear_sum_assignment(cosines, maximize=True)]
    # lengths would be a part of the distance: all outputs have variance 1, as FastICA's have
    own, theirs = (rows / np.maximum((z @ rows.T).std(axis=0), 1e-30)[:, None] for rows in (filters, known))
    amari = amari_distance(own @ np.linalg.pinv(theirs))
    return Compared(amari, np.sort(matched)[::-1], _sparseness(filters, z))


def amari_distance(product: np.ndarray) -> float:
    """Of an unmixing and a mixing matrix' product (k, k): 0 for a scaled permutation, at most 1 (Amari et al. 1996).

    A row or column of zeros, as of a filter that died, counts as one of equal numbers.
    """
    absolute, count = np.abs(product), len(product)
    total = 0.0
    for axis in (0, 1):
        largest = absolute.max(axis=axis)
        relative = np.divide(absolute.sum(axis=axis), largest, out=np.full(count, float(count)), where=largest > 0)
        total += float((relative - 1).sum())
    return total / (2 * count * (count - 1))


def _sparseness(filters: np.ndarray, z: np.ndarray) -> float:
    """E|y| of the outputs at variance 1, mean over the filters."""
    y = z @ filters.T
    return float((np.abs(y).mean(axis=0) / np.maximum(y.std(axis=0), 1e-30)).mean())


def _picture(name: str, comparisons: dict[str, Compared], numbers: dict[str, Any]) -> Picture:
    """The cosines of matched filters in descending order, and E|y|."""
    caption = (
        f"{numbers['components']} filters compared with those of FastICA, {numbers['samples']:,} {numbers['split']} "
        "samples; E|y|: mean absolute output at variance 1, the smaller the sparser"
    )
    figure, (left, right) = theme.row(2, 13.5, 5.8, f"{name}: beside independent components", caption)
    for (label, one), colour in zip(comparisons.items(), theme.LINES, strict=False):
        left.plot(range(1, len(one.cosines) + 1), one.cosines, color=colour, label=f"{label}, Amari {one.amari:.2g}")
    left.set(xlabel="filter, best match first", ylabel="|cosine| with its partner", ylim=(0, 1.02))
    left.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=12, ncols=1, borderaxespad=0.2)
    _bars(right, comparisons, numbers)
    table: dict[str, list[Any]] = {"compared": [], "filter": [], "cosine": []}
    for label, one in comparisons.items():
        table["compared"] += [label] * len(one.cosines)
        table["filter"] += list(range(1, len(one.cosines) + 1))
        table["cosine"] += one.cosines.tolist()
    return Picture("ica_comparison", figure, table)


def _bars(axes: Axes, comparisons: dict[str, Compared], numbers: dict[str, Any]) -> None:
    names = ["FastICA", *comparisons]
    values = [numbers["fast_ica_mean_absolute_output"], *(one.sparseness for one in comparisons.values())]
    axes.barh(range(len(names)), values, color=[theme.GREY, *theme.LINES[: len(comparisons)]])
    axes.axvline(GAUSSIAN, color=theme.INK, linestyle=":", linewidth=2)
    axes.annotate("Gaussian", (GAUSSIAN, -0.7), (-4, 0), textcoords="offset points", ha="right", va="center")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="E|y|", ylim=(len(names) - 0.4, -1.1))
