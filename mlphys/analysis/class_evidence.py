"""What in an image speaks for and against each class: integrated gradients (Sundararajan et al. 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mlphys import looks, stored
from mlphys.finding import Finding, needs_classes_of_images, of_each_class, scores
from mlphys.picture import Picture
from mlphys.schema.analysis import PerClassSpec
from mlphys.schema.fields import Count
from mlphys.uncertainty import mean_stderr, rounded

if TYPE_CHECKING:
    from mlphys.config import Loaded
    from mlphys.run import Run
    from mlphys.trained import TrainedNetwork

MOST_CLASSES = 12


class Spec(PerClassSpec):
    """A_ki = (x_i - b_i) int_0^1 dS_k/dx_i (b + t (x - b)) dt, S_k the score of class k before softmax or sigmoid.

    From each S_k the mean of all classes' is taken, because an answer is a comparison. Complete: sum_i A_ki =
    S_k(x) - S_k(b); for a linear net A_ki = w_ki (x_i - b_i), w_k less the mean of all. The `baseline` b is the mean
    training sample, against which ink that is missing speaks too, or zeros. The integral is the mean over `steps`
    midpoints; how complete its sums are is measured. Also: how much of the evidence between the sample's class and
    the strongest other one, sum |A_ci - A_ki|, is for the class.
    """

    per_class: Count = 2
    baseline: Literal["mean", "zeros"] = "mean"
    steps: Count = 50


def check(spec: Spec, loaded: Loaded) -> None:
    needs_classes_of_images(loaded)


def measure(spec: Spec, run: Run) -> Finding:
    split, some = of_each_class(run, spec)
    net, name = scores(run)
    z = net.seen(some.x)
    train = run.dataset().train.x
    base = stored.mean(train)[None].astype(np.float32) if spec.baseline == "mean" else np.zeros_like(some.x[:1])
    b = net.seen(base)
    evidence = np.stack([attributions(net, name, point, b[0], spec.steps) for point in z])
    at_z, at_b = (_compared(net.at(name, points).astype(np.float64)) for points in (z, b))
    left = abs(evidence.sum(axis=2) - (at_z - at_b)).max(axis=1) / abs(at_z - at_b).max(axis=1)
    every = np.arange(len(z))
    others = np.where(np.eye(at_z.shape[1], dtype=bool)[some.y], -np.inf, at_z)
    rival = others.argmax(axis=1)
    between = evidence[every, some.y] - evidence[every, rival]
    share = np.maximum(between, 0).sum(axis=1) / np.maximum(abs(between).sum(axis=1), 1e-300)
    margin = at_z[every, some.y] - at_z[every, rival]
    numbers = {
        "split": split,
        "samples": len(z),
        "baseline": spec.baseline,
        "largest_incompleteness": float(left.max()),
        "score_above_strongest_other": float(margin.mean()),
        "score_above_strongest_other_stderr": mean_stderr(margin),
        "share_for_the_class": float(share.mean()),
        "share_for_the_class_stderr": mean_stderr(share),
    }
    said = (
        f"the own class's score is {rounded(margin.mean(), mean_stderr(margin))} above the strongest other's; "
        f"{rounded(share.mean(), mean_stderr(share))} of the evidence between them is for it; sums over the pixels "
        f"are the scores' differences to {left.max():.1g}; {len(z)} {split} samples"
    )
    return Finding(numbers, said, [_picture(run, spec, z, some.y, evidence, at_z, at_b, said)])


def attributions(net: TrainedNetwork, name: str, z: np.ndarray, b: np.ndarray, steps: int) -> np.ndarray:
    """Integrated gradients from b to z (d,) of each output less the mean of all: float64 (m, d)."""
    t = (np.arange(steps, dtype=np.float32)[:, None] + 0.5) / steps
    sums = net.jacobians(name, b + t * (z - b), lambda j: j.sum(axis=0, keepdims=True, dtype=np.float64))
    return (z - b).astype(np.float64) * _compared(sums.sum(axis=0)[None])[0] / steps


def _compared(scores: np.ndarray) -> np.ndarray:
    """(n, classes, ...) less their mean over the classes."""
    return scores - scores.mean(axis=1, keepdims=True)


def _picture(
    run: Run, spec: Spec, z: np.ndarray, labels: np.ndarray, evidence: np.ndarray, at_z: Any, at_b: Any, said: str
) -> Picture:
    """A row for the first sample of each class: the sample, then the evidence for each class."""
    shape, classes = run.loaded.net_input.shape, run.description.classes
    count = min(len(classes), MOST_CLASSES)
    first = [int(np.flatnonzero(labels == k)[0]) for k in range(count) if (labels == k).any()]
    figure = looks.figure(
        count + 2.6, len(first) + 2.0, f"{run.name}: evidence for (red) and against (blue) each class",
        f"integrated gradients from {'the mean training sample' if spec.baseline == 'mean' else 'zeros'} on, each row "
        "on one scale; the number is their sum, by which the score has grown (less all classes' mean); framed the "
        f"sample's class, bold the answer; {said.replace('+-', '±')}",
    )  # fmt: skip
    panels = figure.subplots(len(first), count + 1, squeeze=False)
    maps = evidence.reshape(len(z), -1, *shape).sum(axis=4)
    low, high = float(z.min()), float(z.max())
    for line, i in zip(panels, first, strict=True):
        photo = shape[-1] == 3
        scale = {} if photo else {"cmap": "gray", "vmin": low, "vmax": high}
        image = z[i].reshape(shape)
        line[0].imshow((image - low) / ((high - low) or 1.0) if photo else image[..., 0], **scale)
        line[0].set_ylabel(looks.short(classes[labels[i]], 10), rotation=0, ha="right", va="center")
        limit = float(np.quantile(abs(maps[i]), 0.995)) or 1.0
        for k, panel in enumerate(line[1:]):
            panel.imshow(maps[i, k], cmap=looks.SIGNED, vmin=-limit, vmax=limit)
            answer = k == at_z[i].argmax()
            grown = f"{at_z[i, k] - at_b[0, k]:+.1f}"
            panel.set_xlabel(grown, fontsize=11, labelpad=2, weight="bold" if answer else "normal")
        for panel in line:
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set(visible=True, color=looks.PALE)
        line[1 + labels[i]].spines[:].set(color=looks.INK, linewidth=1.5)
    for k, panel in enumerate(panels[0, 1:]):
        panel.set_title(looks.short(classes[k], 10))
    sample, of, row, column = np.indices(maps[first].shape).reshape(4, -1)
    table: dict[str, list[Any]] = {
        "class": [classes[labels[first[i]]] for i in sample],
        "evidence_for": [classes[k] for k in of],
        "row": list(row),
        "column": list(column),
        "evidence": list(maps[first].ravel()),
    }
    return Picture("class_evidence", figure, table)
