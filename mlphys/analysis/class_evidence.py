"""Integrated gradients (Sundararajan et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult, PerClassAnalysis, needs_classes_of_images, scores
from mlphys.figures.example_experiments import classifier_of_images
from mlphys.figures.picture import Picture
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.networks.point_function import PointFunction
from mlphys.numerics import chunked
from mlphys.numerics.uncertainty import mean_stderr, rounded
from mlphys.schema.fields import Count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_CLASSES = 12


class ClassEvidence(PerClassAnalysis):
    """Contribution of each pixel to the score of each class: integrated gradients (Sundararajan et al. 2017).

    A_ki = (x_i - b_i) int_0^1 dS_k/dx_i (b + t (x - b)) dt, S_k the score of class k before softmax or sigmoid.

    The mean over the classes is subtracted from each S_k, because a prediction is a comparison. Complete:
    sum_i A_ki = S_k(x) - S_k(b); for a linear net A_ki = w_ki (x_i - b_i), w_k minus its mean over the classes. The
    `baseline` b is the mean training sample, for which missing ink contributes too, or zeros. The integral is the mean
    over `steps` midpoints; the error of its completeness is measured. Also the fraction of the evidence between the
    sample's class and the strongest other one, sum |A_ci - A_ki|, that favours the class.
    """

    per_class: Count = 2
    baseline: Literal["mean", "zeros"] = "mean"
    """The input with which a sample is compared: the mean training sample, or zeros."""
    steps: Count = 50
    """Points of the integral along the way from the baseline."""

    def check(self, resolved: ResolvedView) -> None:
        needs_classes_of_images(resolved)

    def measure(self, run: RunView) -> AnalysisResult:
        split, some = self.of_each_class(run)
        net, class_scores = run.trained, scores(run)
        z = net.to_points(some.x)
        train = run.dataset().train.x
        base = chunked.mean(train)[None].astype(np.float32) if self.baseline == "mean" else np.zeros_like(some.x[:1])
        b = net.to_points(base)
        at_z, at_b = (_compared(class_scores(points).astype(np.float64)) for points in (z, b))
        other = np.where(np.eye(at_z.shape[1], dtype=bool)[some.y], -np.inf, at_z).argmax(axis=1)
        left, shares, maps = [], [], {}
        for i, (point, k) in enumerate(zip(z, some.y, strict=True)):
            evidence = attributions(class_scores, point, b[0], self.steps)
            difference = at_z[i] - at_b[0]
            left.append(abs(evidence.sum(axis=1) - difference).max() / max(abs(difference).max(), 1e-30))
            between = evidence[k] - evidence[other[i]]
            shares.append(np.maximum(between, 0).sum() / max(abs(between).sum(), 1e-30))
            if k < MOST_CLASSES and (i == 0 or some.y[i - 1] != k):
                maps[i] = evidence[:MOST_CLASSES].reshape(-1, *run.loaded.net_input.shape).sum(axis=3)
        share, every = np.array(shares), np.arange(len(z))
        margin = at_z[every, some.y] - at_z[every, other]
        numbers = {
            "split": split,
            "samples": len(z),
            "baseline": self.baseline,
            "largest_incompleteness": float(max(left)),
            "score_above_strongest_other": float(margin.mean()),
            "score_above_strongest_other_stderr": mean_stderr(margin),
            "share_for_the_class": float(share.mean()),
            "share_for_the_class_stderr": mean_stderr(share),
        }
        summary = (
            f"the own class's score is {rounded(margin.mean(), mean_stderr(margin))} above the strongest other's; "
            f"{rounded(share.mean(), mean_stderr(share))} of the evidence between them is for it; sums over the pixels "
            f"are the scores' differences to {max(left):.1g}; {len(z)} {split} samples"
        )
        return AnalysisResult(numbers, summary, [_picture(run, self, z, some.y, maps, at_z, at_z - at_b, summary)])

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_images()


def attributions(class_scores: PointFunction, z: np.ndarray, b: np.ndarray, steps: int) -> np.ndarray:
    """Integrated gradients from b to z (d,) of each output minus the mean over the outputs: float64 (m, d)."""
    t = (np.arange(steps, dtype=np.float32)[:, None] + 0.5) / steps
    sums = class_scores.jacobians(b + t * (z - b), lambda j: j.sum(axis=0, keepdims=True, dtype=np.float64))
    return (z - b).astype(np.float64) * _compared(sums.sum(axis=0)[None])[0] / steps


def _compared(scores: np.ndarray) -> np.ndarray:
    """Values (n, classes, ...) minus their mean over the classes."""
    return scores - scores.mean(axis=1, keepdims=True)


def _picture(
    run: RunView,
    settings: ClassEvidence,
    z: np.ndarray,
    labels: np.ndarray,
    maps: dict[int, np.ndarray],
    scores: np.ndarray,
    grown: np.ndarray,
    summary: str,
) -> Picture:
    """One row for the first sample of each class: the sample, then the evidence for each class."""
    shape, classes = run.loaded.net_input.shape, run.description.classes
    count = min(len(classes), MOST_CLASSES)
    start = "the mean training sample" if settings.baseline == "mean" else "zeros"
    caption = (
        f"integrated gradients from {start} on, each row on one scale; the number is their sum, by which the score "
        "has grown (less all classes' mean); framed the sample's class, bold the answer; "
    ) + summary.replace("+-", "±")
    title = f"{run.name}: evidence for (red) and against (blue) each class"
    tile = min(2.0, max(1.0, 9 / (count + 1)))  # inches
    figure = theme.figure(max(tile * (count + 1) + 1.6, 7), tile * len(maps) + 2.0, title, caption)
    panels = figure.subplots(len(maps), count + 1, squeeze=False)
    low, high = float(z.min()), float(z.max())
    for line, (i, evidence) in zip(panels, maps.items(), strict=True):
        _image(line[0], z[i].reshape(shape), low, high)
        line[0].set_ylabel(theme.short(classes[labels[i]], 10), rotation=0, ha="right", va="center")
        _evidence(line[1:], evidence, int(scores[i].argmax()), grown[i])
        for panel in line:
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set(visible=True, color=theme.PALE)
        line[1 + labels[i]].spines[:].set(color=theme.INK, linewidth=1.5)
    for k, panel in enumerate(panels[0, 1:]):
        panel.set_title(theme.short(classes[k], 10))
    return Picture("class_evidence", figure, _pixels(maps, [classes[label] for label in labels], classes))


def _image(panel: Axes, image: np.ndarray, low: float, high: float) -> None:
    """A sample; `low` and `high` are the range of all."""
    if image.shape[-1] == 1:
        panel.imshow(image[..., 0], cmap="gray_r", vmin=low, vmax=high)
    else:
        panel.imshow((image - low) / ((high - low) or 1.0))


def _evidence(panels: Sequence[Axes], evidence: np.ndarray, answer: int, grown: np.ndarray) -> None:
    """The maps (classes, height, width) of a sample on one scale, each above its sum."""
    limit = float(np.quantile(abs(evidence), 0.995)) or 1.0
    for k, panel in enumerate(panels):
        panel.imshow(evidence[k], cmap=theme.SIGNED, vmin=-limit, vmax=limit)
        weight = "bold" if k == answer else "normal"
        panel.set_xlabel(f"{grown[k]:+.1f}".replace("-", "−"), fontsize=11, labelpad=2, weight=weight)


def _pixels(maps: dict[int, np.ndarray], labels: Sequence[str], classes: Sequence[str]) -> dict[str, list[Any]]:
    """The pixels of all maps; `labels` are the classes of the samples."""
    values, of_row = np.stack(list(maps.values())), list(maps)
    sample, of, row, column = np.indices(values.shape).reshape(4, -1)
    return {
        "class": [labels[of_row[i]] for i in sample],
        "evidence_for": [classes[k] for k in of],
        "row": list(row),
        "column": list(column),
        "evidence": list(values.ravel()),
    }
