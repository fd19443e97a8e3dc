"""samples.npz: the samples that a run's page shows, so that it needs no data set."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mlphys.config.experiment import ResolvedExperiment
from mlphys.errors import UserError
from mlphys.io import npz
from mlphys.io.run_files import SAMPLES
from mlphys.runs.run import Run
from mlphys.schema.fields import Shape

SPLITS = ("train", "validation", "test")
MOST = 200  # samples of all classes, and as many of those that are misclassified
QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.99)  # of each number of the code
LARGEST = 1_300_000  # bytes of the samples
LARGEST_PCA = 600_000  # bytes of principal components
MEMORY = 40_000_000  # bytes of all arrays


@dataclass(frozen=True)
class PageSamples:
    """Samples of a split in the data's units (n, *shape), their indices in it, and their labels or targets.

    `code_quantiles` (5, k) are those of the whole split; `pca_mean` (d,) and `pca_components` (k, d) are of the
    preprocessed training samples, as many components as the code has numbers.
    """

    split: str
    rows: np.ndarray
    x: np.ndarray
    labels: np.ndarray
    code_quantiles: np.ndarray | None = None
    pca_mean: np.ndarray | None = None
    pca_components: np.ndarray | None = None


def read(run: Run) -> PageSamples | None:
    """None for a run of an earlier version, which has none. Raises UserError for a damaged file."""
    if not run.folder.has(SAMPLES):
        return None
    path = run.path / SAMPLES
    with run.folder.opened(SAMPLES) as file:
        headers = npz.headers(path, file)
    shapes = {name: header.shape for name, header in headers.items()}
    n = shapes.get("rows", (0,))[0] if shapes.get("rows") else 0
    expected: dict[str, Shape] = {
        "split": (), "rows": (n,), "x": (n, *run.description.shape), "labels": (n, *run.description.target_shape),
        **_optional(run.loaded),
    }  # fmt: skip
    needed = ("split", "rows", "x", "labels")
    wrong = any(expected.get(name) != shape for name, shape in shapes.items()) or not {*needed} <= {*shapes}
    if wrong or n > 2 * MOST:
        raise _damaged(run)
    with run.folder.opened(SAMPLES) as file:
        arrays = npz.read(path, headers, MEMORY, file)
    if not _sensible(arrays, len(run.description.classes)):
        raise _damaged(run)
    split = SPLITS[int(arrays.pop("split"))]
    return PageSamples(split, **arrays)


def _damaged(run: Run) -> UserError:
    return UserError(f"{run.path / SAMPLES}: does not fit the run; `mlphys evaluate {run.path}` writes it again")


def code_size(loaded: ResolvedExperiment) -> int | None:
    """Numbers of the code; None for a model without one."""
    shape = loaded.experiment.model.prediction_shapes(loaded.net_input).get("codes")
    return None if shape is None else math.prod(shape)


def _optional(loaded: ResolvedExperiment) -> dict[str, Shape]:
    size = code_size(loaded)
    if size is None:
        return {}
    features = math.prod(loaded.net_input.shape)
    return {"code_quantiles": (len(QUANTILES), size), "pca_mean": (features,), "pca_components": (size, features)}


def _sensible(arrays: dict[str, np.ndarray], classes: int) -> bool:
    """Whether indices and labels are in range and all numbers finite."""
    whole = {"split", "rows"} | ({"labels"} if classes else set())
    if any(array.dtype.kind != ("i" if name in whole else "f") for name, array in arrays.items()):
        return False
    if not all(bool(np.isfinite(array).all()) for array in arrays.values()):
        return False
    in_range = 0 <= int(arrays["split"]) < len(SPLITS) and bool((arrays["rows"] >= 0).all())
    labels = arrays["labels"]
    return in_range and (not classes or bool(((labels >= 0) & (labels < classes)).all()))
