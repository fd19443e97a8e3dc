"""The net itself in the page: weights, layers, preprocessing and samples, as the script reads them."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from mlphys.report.html import element, joined
from mlphys.report.page import ASSETS, Section
from mlphys.runs.page_samples import PageSamples
from mlphys.runs.run import Run
from mlphys.schema.shapes import Row
from mlphys.schema.spec import snake_case

LARGEST = 4_000_000  # bytes of weights
LARGEST_SAMPLES = 700_000  # bytes of samples
NO_ARGUMENT = ("_initializer", "_regularizer")


@dataclass
class Tensors:
    """Arrays in one block of float32; each is known by its number."""

    shapes: list[list[int]] = field(default_factory=list)
    _arrays: list[np.ndarray] = field(default_factory=list)

    def add(self, array: np.ndarray) -> int:
        self.shapes.append(list(array.shape))
        self._arrays.append(array.astype("<f4").ravel())
        return len(self.shapes) - 1

    def data(self) -> dict[str, Any]:
        block = np.concatenate(self._arrays) if self._arrays else np.zeros(0, "<f4")
        return {"shapes": self.shapes, "block": base64.b64encode(block.tobytes()).decode()}


def section(run: Run, samples: PageSamples | None) -> Section:
    """The living net, or the reason why there is none. Raises UserError for damaged weights."""
    reason = why_not(run)
    if reason is None and (samples is None or not len(samples.x)):
        reason = "the run has no samples to begin with"
    if reason is not None or samples is None:
        return Section("live", "The net, alive", element("p", f"Not in this page: {reason}.", class_="note"))
    noscript = element("noscript", element("p", "This part needs JavaScript."))
    words = "This is the trained net, computed here by your browser: pick a sample, change it, and watch every layer."
    body = joined(noscript, element("p", words), element("div", id="live-net"))
    return Section("live", "The net, alive", body, {"net": network(run), "samples": _samples(run, samples)})


def why_not(run: Run) -> str | None:
    """Why the page cannot compute this net; None if it can."""
    kind = run.config.model
    if not kind.ONE_CHAIN_TO_COST or not run.rows:
        return f"kind {kind.kind} is no chain of layers"
    if unknown := sorted({type(row.layer).__name__ for row in run.rows} - known_layers()):
        return f"the page does not compute {', '.join(unknown)}"
    size = 4 * sum(math.prod(shape) for shape in run.loaded.saved_shapes().values())
    if size > LARGEST:
        return f"its weights take {size / 1e6:.1f} MB, more than {LARGEST / 1e6:.0f} MB"
    return None


@cache
def known_layers() -> frozenset[str]:
    """The layers that the scripts compute."""
    sources = (path.read_text(encoding="utf-8") for path in (ASSETS / "layers").glob("*.js"))
    return frozenset(name for source in sources for name in re.findall(r"\bpage\.layers\.(\w+) =", source))


def network(run: Run) -> dict[str, Any]:
    """Layers and preprocessing with numbers of tensors in place of arrays."""
    tensors, weights, kind, description = Tensors(), run.weights, run.config.model, run.loaded.net_input
    layers = as_data(run.rows, weights, tensors)
    targets = run.preprocessing.targets
    scaling = {"mean": tensors.add(targets.mean), "spread": tensors.add(targets.spread)} if targets else None
    codes = len(kind.encoder_rows(description)) if kind.why_no_decoder() is None else 0
    outputs = kind.prediction_shapes(description)
    corruption = kind.input_corruption()
    noise = corruption.model_dump()["GaussianNoise"] if corruption else None
    return {
        "shape": list(run.description.shape),
        "input": list(description.shape),
        "steps": [
            {"name": snake_case(type(step).__name__), **step.model_dump(), "arrays": _added(arrays, tensors)}
            for step, arrays in zip(run.preprocessing.steps, run.preprocessing.arrays, strict=True)
        ],
        "layers": layers,
        "targets": scaling,
        "code": codes,
        "classes": list(run.description.classes) if "probabilities" in outputs else [],
        "targetShape": list(description.target_shape) if "outputs" in outputs else [],
        "noise": noise["stddev"] if noise else None,
        "tensors": tensors.data(),
    }


def _added(arrays: Mapping[str, np.ndarray], tensors: Tensors) -> dict[str, int]:
    return {name: tensors.add(array) for name, array in arrays.items()}


def as_data(rows: Sequence[Row], weights: Mapping[str, np.ndarray], tensors: Tensors) -> list[dict[str, Any]]:
    """The layers by name, with their arguments and the numbers of their weights."""
    numbers: dict[str, int] = {}
    found = []
    for row in rows:
        numbers |= {name: tensors.add(weights[name]) for name in row.weight_shapes()}
        own = {name.rpartition(".")[2]: numbers[name] for name in row.weight_shapes()}
        if row.tied_to:
            own["kernel"] = numbers[f"{row.tied_to}.kernel"]
        given = row.layer.model_dump(exclude={"kernel"})
        arguments = {name: value for name, value in given.items() if not name.endswith(NO_ARGUMENT)}
        found.append(
            {
                "name": row.name, "type": type(row.layer).__name__, "input": list(row.input_shape),
                "arguments": {**arguments, "tied": row.tied_to is not None}, "weights": own,
            }
        )  # fmt: skip
    return found


def _samples(run: Run, samples: PageSamples) -> dict[str, Any]:
    """Some samples in the data's units, as many as there is room for, with labels and misclassified ones marked."""
    room = max(1, LARGEST_SAMPLES // (4 * math.prod(run.description.shape)))
    kept = _mixed(len(samples.x), room)
    x, labels = samples.x[kept], samples.labels[kept]
    known = run.data["splits"]["train"].get("range") or [float(samples.x.min()), float(samples.x.max())]
    frame = run.config.data.FRAME
    tensors = Tensors()
    found: dict[str, Any] = {
        "split": samples.split,
        "x": tensors.add(x),
        "labels": labels.tolist() if labels.ndim == 1 else [],
        "range": [float(known[0]), float(known[1])],
        "frame": {"size": frame.size, "box": frame.box} if frame else None,
        "targets": tensors.add(labels) if labels.ndim > 1 and labels.size and labels.nbytes < LARGEST_SAMPLES else None,
    }
    if samples.code_quantiles is not None:
        found["quantiles"] = tensors.add(samples.code_quantiles)
    if samples.pca_mean is not None and samples.pca_components is not None:
        found["pca"] = {"mean": tensors.add(samples.pca_mean), "components": tensors.add(samples.pca_components)}
    return {**found, "tensors": tensors.data()}


def _mixed(n: int, room: int) -> np.ndarray:
    """The first samples, which are of all classes, and some of the last, which are misclassified."""
    if n <= room:
        return np.arange(n)
    last = min(n - 200, room // 3) if n > 200 else 0
    return np.concatenate([np.arange(room - last), np.arange(n - last, n)])
