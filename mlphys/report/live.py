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
from mlphys.networks.forward_pass import ForwardPass, Step
from mlphys.report import loss_plane, png
from mlphys.report.dataset import value_range
from mlphys.report.html import element, joined
from mlphys.report.page import Section, layer_scripts, own_scripts
from mlphys.runs.page_samples import MOST, PageSamples
from mlphys.runs.run import Run
from mlphys.runs.snapshots import Snapshots
from mlphys.schema.spec import snake_case

LARGEST = 4_000_000  # bytes of weights
LARGEST_SAMPLES = 700_000  # bytes of samples


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


def section(run: Run, samples: PageSamples | None, snapshots: Snapshots) -> Section:
    """The living net, or the reason why there is none. Raises UserError for damaged weights."""
    net = None
    try:
        net = network(run, snapshots)
        reason = None if samples is not None and len(samples.x) else "the run has no samples to begin with"
    except NotApplicable as why:
        reason = str(why)
    if reason is not None or samples is None:
        return Section("live", "The net, alive", element("p", f"Not in this page: {reason}.", class_="note"))
    noscript = element("noscript", element("p", "This part needs JavaScript."))
    words = "This is the trained net itself, computed here by your browser."
    body = joined(noscript, element("p", words), element("div", id="live-net"))
    return Section("live", "The net, alive", body, {"net": net, "samples": _samples(run, samples)})


@cache
def known_layers() -> frozenset[str]:
    """The layers that the scripts compute."""
    return frozenset(name for source in layer_scripts() for name in re.findall(r"\bpage\.layers\.(\w+) =", source))


@cache
def known_losses() -> frozenset[str]:
    """The losses that the scripts compute."""
    return frozenset(name for source in own_scripts() for name in re.findall(r"\bpage\.losses\.(\w+) =", source))


def network(run: Run, snapshots: Snapshots) -> dict[str, Any]:
    """Layers and preprocessing with numbers of tensors in place of arrays.

    Raises NotApplicable, with the reason, for a net that the page cannot compute.
    """
    tensors, kind, description = Tensors(), run.config.model, run.loaded.net_input
    whole = kind.forward_pass(description, run.weights)
    _check(whole)
    layers = as_data(whole.steps, tensors)
    branches = [
        {"name": each.name, "start": each.start, "layers": as_data(each.steps, tensors)} for each in whole.branches
    ]
    snapshots = _kept(run, snapshots)
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
        "branches": branches,
        "prototypes": None if whole.prototypes is None else tensors.add(whole.prototypes),
        "targets": scaling,
        "code": whole.code,
        "classes": list(run.description.classes) if "probabilities" in outputs else [],
        "features": list(run.config.data.feature_names()),
        "targetShape": list(description.target_shape) if "outputs" in outputs else [],
        "noise": noise["stddev"] if noise else None,
        "energy": _energy(run),
        "gibbs": kind.DRAWS_SAMPLES,
        "frames": _frames(run, snapshots, tensors),
        "plane": _plane(run, snapshots),
        "tensors": tensors.data(),
    }


def _frames(run: Run, snapshots: Snapshots, tensors: Tensors) -> list[dict[str, Any]]:
    """The weights of the layers after each epoch that has a snapshot."""
    kind, description = run.config.model, run.loaded.net_input
    passes = {epoch: kind.forward_pass(description, weights) for epoch, weights in snapshots.items()}
    return [
        {"epoch": epoch, "weights": [_added(step.weights, tensors) for step in each.steps]}
        for epoch, each in passes.items()
    ]


def _check(whole: ForwardPass) -> None:
    """Raise NotApplicable unless the page has each layer and room for the weights."""
    steps = [*whole.steps, *(step for branch in whole.branches for step in branch.steps)]
    if unknown := sorted({step.type for step in steps} - known_layers()):
        raise NotApplicable(f"the page does not compute {', '.join(unknown)}")
    size = sum({id(array): array.nbytes for step in steps for array in step.weights.values()}.values())
    if size > LARGEST:
        raise NotApplicable(f"its weights take {size / 1e6:.1f} MB, more than {LARGEST / 1e6:.0f} MB")


def _kept(run: Run, known: Snapshots) -> Snapshots:
    """The weights after some epochs, as many as there is room for."""
    each = 4 * sum(math.prod(shape) for shape in run.loaded.weight_shapes().values())
    room = max(1, LARGEST // max(each, 1) - 1)
    epochs = sorted(known)
    shown = epochs if len(epochs) <= room else [epochs[i] for i in np.linspace(0, len(epochs) - 1, room).astype(int)]
    return {epoch: known[epoch] for epoch in shown}


def _plane(run: Run, snapshots: Snapshots) -> dict[str, Any] | None:
    """The plane of the loss surface, and the loss; None without snapshots, and for a loss that the page lacks."""
    training, kind = run.config.training, run.config.model
    loss = training.loss or kind.DEFAULT_LOSS
    if type(loss).__name__ not in known_losses() or not kind.ONE_CHAIN_TO_COST:
        return None
    plane = loss_plane.through([*snapshots.values(), {name: run.weights[name] for name in run.loaded.weight_shapes()}])
    if plane is None:
        return None
    return {
        "places": plane.places.tolist(),
        "factors": plane.factors.tolist(),
        "shares": plane.shares.tolist(),
        "loss": type(loss).__name__,
        "arguments": loss.model_dump(),
        "summed": loss.over_outputs() and training.loss_per == "sample",
    }


def _energy_form(run: Run) -> EnergyForm | None:
    try:
        return run.config.model.energy_form()
    except NotApplicable:
        return None


def _energy(run: Run) -> dict[str, str] | None:
    """The energy of r(x), where it has one."""
    form = _energy_form(run)
    return None if form is None else {"activation": form.activation, "output": form.output}


def _added(arrays: Mapping[str, np.ndarray], tensors: Tensors) -> dict[str, int]:
    return {name: tensors.add(array) for name, array in arrays.items()}


def as_data(steps: Sequence[Step], tensors: Tensors) -> list[dict[str, Any]]:
    """The layers by name, with their arguments and the numbers of their weights."""
    return [
        {
            "name": step.name, "type": step.type, "input": list(step.input_shape),
            "arguments": dict(step.arguments), "weights": _added(step.weights, tensors),
        }
        for step in steps
    ]  # fmt: skip


def _samples(run: Run, samples: PageSamples) -> dict[str, Any]:
    """Some samples in the data's units, as many as there is room for, with labels and misclassified ones marked."""
    low, high = value_range(run, samples)
    levels = png.grey_levels(samples.x, low, high)
    # most images have no more than 256 levels: a byte for each value is enough
    rounded = not np.allclose(low + levels / 255 * (high - low), samples.x, rtol=0, atol=1e-6 * max(high - low, 1e-30))
    room = max(1, LARGEST_SAMPLES // ((4 if rounded else 1) * math.prod(run.description.shape)))
    indices = _mixed(len(samples.x), room)
    labels, frame, tensors = samples.labels[indices], run.config.data.FRAME, Tensors()
    samples_json: dict[str, Any] = {
        "split": samples.split,
        "count": len(indices),
        "even": int((indices < MOST).sum()),  # those before the misclassified ones, which are too many of their kind
        "x": tensors.add(samples.x[indices]) if rounded else None,
        "levels": None if rounded else base64.b64encode(levels[indices].tobytes()).decode(),
        "labels": labels.tolist() if labels.ndim == 1 else [],
        "range": [low, high],
        "frame": {"size": frame.size, "box": frame.box} if frame else None,
        "targets": tensors.add(labels) if labels.ndim > 1 and labels.size and labels.nbytes < LARGEST_SAMPLES else None,
    }
    if samples.code_quantiles is not None:
        samples_json["quantiles"] = tensors.add(samples.code_quantiles)
    if samples.pca_mean is not None and samples.pca_components is not None:
        samples_json["pca"] = {"mean": tensors.add(samples.pca_mean), "components": tensors.add(samples.pca_components)}
    return {**samples_json, "tensors": tensors.data()}


def _mixed(n: int, room: int) -> np.ndarray:
    """The first samples, which are of all classes, and some of the last, which are misclassified."""
    if n <= room:
        return np.arange(n)
    last = min(n - 200, room // 3) if n > 200 else 0
    return np.concatenate([np.arange(room - last), np.arange(n - last, n)])
