"""The samples that a run's page shows: some of every class, those misclassified, and what codes are compared with."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from mlphys.config.experiment import ResolvedExperiment
from mlphys.data.preprocessing import Preprocessing
from mlphys.numerics import chunked, pca
from mlphys.numerics.chunked import Array
from mlphys.runs.page_samples import LARGEST, LARGEST_PCA, MOST, QUANTILES, SPLITS, PageSamples, code_size
from mlphys.schema.samples import Split, Splits


def chosen(
    loaded: ResolvedExperiment,
    fitted: Preprocessing,
    dataset: Splits,
    name: str,
    predictions: Mapping[str, np.ndarray],
    known: PageSamples | None = None,
) -> dict[str, np.ndarray]:
    """The arrays of samples.npz for the split `name`; components of the same run are those `known`."""
    split: Split = getattr(dataset, name)
    at_most = max(1, LARGEST // (4 * math.prod(loaded.description.shape)))
    rows = _rows(split, predictions, len(loaded.description.classes))[:at_most].astype(np.int32)
    arrays = {
        "split": np.int8(SPLITS.index(name)),
        "rows": rows,
        "x": chunked.read(split.x[rows]).astype(np.float32),
        "labels": split.y[rows],
    }
    size = code_size(loaded)
    if size is None:
        return arrays  # type: ignore[return-value]
    codes = predictions["codes"].reshape(len(split), size)
    arrays["code_quantiles"] = np.quantile(codes, QUANTILES, axis=0).astype(np.float32)
    if known is not None and known.pca_mean is not None and known.pca_components is not None:
        return {**arrays, "pca_mean": known.pca_mean, "pca_components": known.pca_components}  # type: ignore[dict-item]
    return {**arrays, **_components(loaded, fitted.inputs(dataset.train).x, size)}  # type: ignore[dict-item]


def _rows(split: Split, predictions: Mapping[str, np.ndarray], classes: int) -> np.ndarray:
    """Indices of up to MOST samples, the classes in turn, and then of up to MOST misclassified ones."""
    if not classes:
        return np.arange(min(MOST, len(split)))
    turn = np.empty(len(split), np.int64)  # how many of its class come before
    for label in range(classes):
        of_class = np.flatnonzero(split.y == label)
        turn[of_class] = np.arange(len(of_class))
    shown = np.lexsort((split.y, turn))[:MOST]
    if "probabilities" not in predictions:
        return shown
    wrong = np.flatnonzero(predicted_classes(predictions["probabilities"]) != split.y)[:MOST]
    return np.concatenate([shown, wrong[~np.isin(wrong, shown)]])


def predicted_classes(probabilities: np.ndarray) -> np.ndarray:
    return probabilities.argmax(axis=1)


def _components(loaded: ResolvedExperiment, train: Array, size: int) -> dict[str, np.ndarray]:
    """The principal components of the preprocessed training samples, as many as the code has numbers.

    Empty for a model that computes them itself, has no reconstructions, or whose code is as large as the samples.
    """
    kind = loaded.experiment.model
    compared = "reconstructions" in kind.image_output_shapes(loaded.net_input) and not kind.PROJECTS_LINEARLY
    if not compared or size > pca.most(train) or 2 * size * math.prod(train.shape[1:]) > LARGEST_PCA:
        return {}
    components = pca.fit(train, size)
    if np.abs(components.mean).max(initial=0) > np.finfo(np.float16).max:
        return {}
    return {"pca_mean": components.mean.astype(np.float16), "pca_components": components.vectors.astype(np.float16)}
