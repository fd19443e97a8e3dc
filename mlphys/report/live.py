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

from mlphys.errors import NotApplicable
from mlphys.networks.energies import EnergyForm
from mlphys.report import png
from mlphys.report.dataset import value_range
from mlphys.report.html import element, joined
from mlphys.report.page import Section, layer_scripts
from mlphys.runs.page_samples import PageSamples
from mlphys.runs.run import Run
from mlphys.schema.shapes import Row
from mlphys.schema.spec import snake_case

LARGEST = 4_000_000  # bytes of weights
LARGEST_SAMPLES = 700_000  # bytes of samples
NO_ARGUMENT = ("_initializer", "_regularizer")


@dataclass
class Tensors:
    """Arrays in one block of float32; each is known by its number, and is there once."""

    shapes: list[list[int]] = field(default_factory=list)
    _arrays: list[np.ndarray] = field(default_factory=list)

    def add(self, array: np.ndarray) -> int:
        for number, known in enumerate(self._arrays):
            if known is array:
                return number
        self.shapes.append(list(array.shape))
        self._arrays.append(array)
        return len(self.shapes) - 1

    def data(self) -> dict[str, Any]:
        block = np.concatenate([np.zeros(0), *(array.ravel() for array in self._arrays)]).astype("<f4")
        return {"shapes": self.shapes, "block": base64.b64encode(block.tobytes()).decode()}


def section(run: Run, samples: PageSamples | None) -> Section:
    """The living net, or the reason why there is none. Raises UserError for damaged weights."""
    reason = why_not(run)
    if reason is None and (samples is None or not len(samples.x)):
        reason = "the run has no samples to begin with"
    if reason is not None or samples is None:
        return Section("live", "The net, alive", element("p", f"Not in this page: {reason}.", class_="note"))
    noscript = element("noscript", element("p", "This part needs JavaScript."))
    words = "This is the trained net itself, computed here by your browser."
    body = joined(noscript, element("p", words), element("div", id="live-net"))
    return Section("live", "The net, alive", body, {"net": network(run), "samples": _samples(run, samples)})


def why_not(run: Run) -> str | None:
    """Why the page cannot compute this net; None if it can."""
    kind = run.config.model
    if not kind.ONE_CHAIN_TO_COST and _energy_form(run) is None and not kind.PROJECTS_LINEARLY:
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
    return frozenset(name for source in layer_scripts() for name in re.findall(r"\bpage\.layers\.(\w+) =", source))


def network(run: Run) -> dict[str, Any]:
    """Layers and preprocessing with numbers of tensors in place of arrays."""
    tensors, kind, description = Tensors(), run.config.model, run.loaded.net_input
    layers, codes = _chain(run, tensors)
    frames = _frames(run, tensors)
    targets = run.preprocessing.targets
    scaling = {"mean": tensors.add(targets.mean), "spread": tensors.add(targets.spread)} if targets else None
    outputs = kind.prediction_shapes(description)
    corruption = kind.input_corruption()
    noise = corruption.model_dump()["GaussianNoise"] if corruption else None
    return {
        "shape": list(run.description.shape),
        "input": list(description.shape),
        "steps": [
            step.model_dump() | {"name": snake_case(type(step).__name__), "arrays": _added(arrays, tensors)}
            for step, arrays in zip(run.preprocessing.steps, run.preprocessing.arrays, strict=True)
        ],
        "layers": layers,
        "targets": scaling,
        "code": codes,
        "classes": list(run.description.classes) if "probabilities" in outputs else [],
        "features": list(run.config.data.feature_names()),
        "targetShape": list(description.target_shape) if "outputs" in outputs else [],
        "noise": noise["stddev"] if noise else None,
        "energy": _energy(run, tensors),
        "gibbs": kind.DRAWS_SAMPLES,
        "frames": frames,
        "tensors": tensors.data(),
    }


def _chain(run: Run, tensors: Tensors) -> tuple[list[dict[str, Any]], int]:
    """The layers, and how many of them lead to the code; 0 without a code that can be decoded.

    Models of one matrix without layers, r(x) = g(f(x W + c) W^T + b), are given as two layers.
    """
    kind, weights, description = run.config.model, run.weights, run.loaded.net_input
    if run.rows and kind.ONE_CHAIN_TO_COST:
        codes = len(kind.encoder_rows(description)) if kind.why_no_decoder() is None else 0
        return as_data(run.rows, weights, tensors), codes
    if form := _energy_form(run):
        kernel, hidden, visible = (weights[name] for name in (form.kernel, form.hidden_bias, form.visible_bias))
        pair = [("hidden units", form.activation, hidden), ("visible units", form.output, visible)]
    else:
        components, mean = weights["components"], weights["mean"]
        kernel = components.T
        pair = [("components", "linear", -components @ mean), ("reconstruction", "linear", mean)]
    number = tensors.add(kernel)
    layers: list[dict[str, Any]] = [
        {
            "name": name, "type": "Dense", "input": [kernel.shape[i]],
            "arguments": {"units": kernel.shape[1 - i], "activation": activation, "tied": i == 1},
            "weights": {"kernel": number, "bias": tensors.add(bias)},
        }
        for i, (name, activation, bias) in enumerate(pair)
    ]  # fmt: skip
    return layers, 1


def _frames(run: Run, tensors: Tensors) -> list[dict[str, Any]]:
    """Weights of the layers after some epochs, as many as there is room for; none where the run has no snapshots."""
    known = run.snapshots
    if not known or not (run.rows and run.config.model.ONE_CHAIN_TO_COST):
        return []
    each = 4 * sum(math.prod(shape) for shape in run.loaded.weight_shapes().values())
    room = max(1, LARGEST // each - 1)
    epochs = sorted(known)
    kept = epochs if len(epochs) <= room else [epochs[i] for i in np.linspace(0, len(epochs) - 1, room).astype(int)]
    return [
        {"epoch": epoch, "weights": [layer["weights"] for layer in as_data(run.rows, known[epoch], tensors)]}
        for epoch in kept
    ]


def _energy_form(run: Run) -> EnergyForm | None:
    try:
        return run.config.model.energy_form()
    except NotApplicable:
        return None


def _energy(run: Run, tensors: Tensors) -> dict[str, Any] | None:
    """The energy of r(x), where it has one: numbers of its weights; a bias that is no weight is zero."""
    form = _energy_form(run)
    if form is None:
        return None
    found: dict[str, Any] = {"activation": form.activation, "output": form.output}
    for key, name in (("kernel", form.kernel), ("hidden", form.hidden_bias), ("visible", form.visible_bias)):
        found[key] = tensors.add(run.weights[name]) if name in run.weights else None
    return found


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
        arguments: dict[str, Any] = {name: given[name] for name in given if not name.endswith(NO_ARGUMENT)}
        found.append(
            {
                "name": row.name, "type": type(row.layer).__name__, "input": list(row.input_shape),
                "arguments": arguments | {"tied": row.tied_to is not None}, "weights": own,
            }
        )  # fmt: skip
    return found


def _samples(run: Run, samples: PageSamples) -> dict[str, Any]:
    """Some samples in the data's units, as many as there is room for, with labels and misclassified ones marked."""
    low, high = value_range(run, samples)
    levels = png.grey_levels(samples.x, low, high)
    # most images have no more than 256 levels: a byte for each value is enough
    rounded = not np.allclose(low + levels / 255 * (high - low), samples.x, rtol=0, atol=1e-6 * max(high - low, 1e-30))
    room = max(1, LARGEST_SAMPLES // ((4 if rounded else 1) * math.prod(run.description.shape)))
    kept = _mixed(len(samples.x), room)
    labels, frame, tensors = samples.labels[kept], run.config.data.FRAME, Tensors()
    found: dict[str, Any] = {
        "split": samples.split,
        "count": len(kept),
        "x": tensors.add(samples.x[kept]) if rounded else None,
        "levels": None if rounded else base64.b64encode(levels[kept].tobytes()).decode(),
        "labels": labels.tolist() if labels.ndim == 1 else [],
        "range": [low, high],
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
