"""Saliency maps (Simonyan et al. 2013)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult, PerClassAnalysis, needs_classes_of_images, scores
from mlphys.figures.example_experiments import classifier_of_images
from mlphys.figures.picture import Picture
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.numerics.uncertainty import mean_stderr, rounded

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 2  # samples of each class
MOST_CLASSES = 12


class Saliency(PerClassAnalysis):
    """Saliency maps: gradient of a class's score with respect to the pixels (Simonyan et al. 2013).

    M = max over channels of |dS_c/dx|, S_c the score of the sample's class c before softmax or sigmoid.

    Measured: |dS_c/dx|_2; the number of pixels with half of its square; and the first-order distance to another
    predicted class, (S_c - S_k) / |d(S_c - S_k)/dx|_2 with k the strongest other class, below 0 for a wrong prediction:
    its quartiles, null if infinite. Samples without a gradient count in the last only. The gradient is with respect
    to the network's input, after data.preprocess.
    """

    def check(self, resolved: ResolvedView) -> None:
        needs_classes_of_images(resolved)

    def measure(self, run: RunView) -> AnalysisResult:
        split, some = self.of_each_class(run)
        class_scores = scores(run)
        z, shape = run.trained.to_points(some.x), run.loaded.net_input.shape
        own = np.eye(len(run.description.classes), dtype=np.float32)[some.y]
        score = class_scores(z)
        other = np.eye(len(own[0]), dtype=np.float32)[np.where(own == 1, -np.inf, score).argmax(axis=1)]
        gradients = class_scores.gradients(z, own)
        squares = np.square(gradients.reshape(-1, *shape), dtype=np.float64).sum(axis=3).reshape(len(z), -1)
        norms = np.sqrt(squares.sum(axis=1))
        has = norms > 0
        if not has.any():
            raise NotApplicable("no sample's score has a gradient: all units are dead or saturated")
        values = {"gradient_norm": norms[has], "pixels_with_half": half(squares[has]).astype(np.float64)}
        slopes = np.linalg.norm(class_scores.gradients(z, own - other).astype(np.float64), axis=1)
        margins = ((own - other) * score).sum(axis=1, dtype=np.float64)
        distances = np.where(slopes > 0, margins / np.where(slopes > 0, slopes, 1), np.sign(margins) * np.inf)
        quartiles = [float(q) for q in np.quantile(distances, [0.25, 0.5, 0.75], method="nearest")]
        numbers: dict[str, Any] = {
            "split": split,
            "samples": len(z),
            "without_gradient": int((~has).sum()),
            "pixels": squares.shape[1],
            "distance_to_another_answer": [q if np.isfinite(q) else None for q in quartiles],
            "sample_norm": float(np.linalg.norm(z.astype(np.float64), axis=1).mean()),
        }
        for key, of_samples in values.items():
            numbers |= {key: float(of_samples.mean()), f"{key}_stderr": mean_stderr(of_samples)}
        pixels = rounded(numbers["pixels_with_half"], numbers["pixels_with_half_stderr"])
        summary = (
            f"half of the squared gradient is on {pixels} of {squares.shape[1]} pixels; to first order a change of "
            f"norm {quartiles[1]:.2g} gives half of the samples another answer, their own norm is "
            f"{numbers['sample_norm']:.2g}; {len(z)} {split} samples"
        )
        maps = abs(gradients.reshape(-1, *shape)).max(axis=3)
        return AnalysisResult(numbers, summary, [_picture(run, z.reshape(-1, *shape), maps, some.y, summary)])

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_images()


def half(squares: np.ndarray) -> np.ndarray:
    """The number of values (n, d), the largest first, that make up half of their sum."""
    most = np.cumsum(np.sort(squares, axis=1)[:, ::-1], axis=1)
    return (most < 0.5 * most[:, -1:]).sum(axis=1) + 1


def _picture(run: RunView, images: np.ndarray, maps: np.ndarray, labels: np.ndarray, summary: str) -> Picture:
    """One column per class; samples with their maps below."""
    classes = run.description.classes[:MOST_CLASSES]
    rows = [np.flatnonzero(labels == k)[:SHOWN] for k in range(len(classes))]
    caption = f"dark: the score changes much with this pixel, each map on its own scale; {summary.replace('+-', '±')}"
    title = f"{run.name}: saliency of the own class"
    tile = min(1.6, max(1.15, 8 / len(classes)))  # inches
    figure = theme.figure(max(tile * len(classes), 7), 2.2 * tile * SHOWN + 1.3, title, caption)
    _tiles(figure, images, maps, rows, classes)
    shown = np.concatenate(rows)
    sample, row, column = np.indices(maps[shown].shape).reshape(3, -1)
    return Picture(
        "saliency",
        figure,
        {
            "sample": list(sample),
            "class": [run.description.classes[k] for k in labels[shown][sample]],
            "row": list(row),
            "column": list(column),
            "saliency": list(maps[shown].ravel()),
        },
    )


def _tiles(figure: Figure, images: np.ndarray, maps: np.ndarray, rows: list[np.ndarray], classes: Any) -> None:
    panels = figure.subplots(2 * SHOWN, len(classes), squeeze=False)
    low, high = float(images.min()), float(images.max()) or 1.0
    for k, name in enumerate(classes):
        panels[0, k].set_title(theme.short(name, 10))
        for line in range(SHOWN):
            upper, lower = panels[2 * line : 2 * line + 2, k]
            for panel in (upper, lower):
                panel.set(xticks=[], yticks=[])
                panel.spines[:].set(visible=True, color=theme.PALE)
            if line < len(rows[k]):
                image = images[rows[k][line]]
                colour = {"cmap": "gray_r", "vmin": low, "vmax": high} if image.shape[-1] == 1 else {}
                upper.imshow(image[..., 0] if colour else (image - low) / ((high - low) or 1.0), **colour)
                lower.imshow(maps[rows[k][line]], cmap="gray_r", vmin=0)
