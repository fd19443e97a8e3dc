"""How the answer, and that of each layer, changes when samples are shifted, turned, scaled, or get noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field

from mlphys import looks
from mlphys.distortions import four_ways, scaled, shifted, turned
from mlphys.finding import Finding, samples
from mlphys.layer_curves import PALEST, RAMP, short
from mlphys.metrics import of_samples, stderr
from mlphys.picture import NotApplicable, Picture
from mlphys.randomness import rng
from mlphys.schema.analysis import SampledSpec
from mlphys.schema.fields import Count, NotNegative, as_tuple
from mlphys.schema.layers import Dropout, Flatten, GaussianNoise, Reshape
from mlphys.uncertainty import mean_stderr, rounded

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mlphys.config import Loaded
    from mlphys.run import Run
    from mlphys.schema.data import Shape, Split
    from mlphys.schema.shapes import Row

SAME = (Flatten, Reshape, Dropout, GaussianNoise)  # layers that leave the numbers as they are
LABELS = {
    "shift": "shift (pixels)",
    "rotation": "rotation (degrees)",
    "scale": "size (as a factor)",
    "noise": "standard deviation of the noise",
}
Whole = Annotated[int, Field(ge=0, le=1000)]
Degrees = Annotated[float, Field(ge=0, le=180)]
Factor = Annotated[float, Field(ge=0.1, le=10)]
Tuple = BeforeValidator(as_tuple)


class Spec(SampledSpec):
    """For each change x -> T x of the samples, before data.preprocess: the accuracy (of a regressor the mse), and of
    each layer h

        |h(T x) - h(x)|_2 / E |h(x') - h(x)|_2,

    with x' another sample: 0 for what is invariant, 1 where T x is as strange to the layer as another sample. Shifts
    are the mean over left, right, up and down, rotations over both senses, about the middle; zeros come in. Noise is
    Gaussian, on every value. For maps also the `equivariance_error` of each shift by whole pixels of the map,
    the same fraction with |h(T x) - T h(x)| over what both show, and 0 for a convolution of images with a wide
    enough empty border. Where targets are images only the layers are compared. An empty list leaves a change out.
    """

    samples: Count = 500
    shift: Annotated[tuple[Whole, ...], Tuple] = (0, 1, 2, 3, 4, 6, 8)
    rotation: Annotated[tuple[Degrees, ...], Tuple] = (0, 10, 20, 30, 45, 60, 90)
    scale: Annotated[tuple[Factor, ...], Tuple] = (0.5, 0.7, 0.85, 1, 1.2, 1.5, 2)
    noise: Annotated[tuple[NotNegative, ...], Tuple] = (0, 0.1, 0.2, 0.4, 0.7, 1)


def check(spec: Spec, loaded: Loaded) -> None:
    if not loaded.rows():
        raise NotApplicable(f"a {loaded.experiment.model.kind} has no layers")
    if not _changes(spec, loaded.description.shape):
        raise NotApplicable("its samples are no images, and there is no noise to add")
    shape = loaded.description.shape
    if len(shape) == 3 and max(spec.shift, default=0) >= min(shape[:2]):
        raise NotApplicable(f"images of {shape[0]} x {shape[1]} cannot be shifted by {max(spec.shift)}")


def _changes(spec: Spec, shape: Shape) -> dict[str, list[float]]:
    """The amounts of each change that samples of this shape can undergo."""
    wanted = ("shift", "rotation", "scale", "noise") if len(shape) == 3 else ("noise",)
    return {name: sorted(set(getattr(spec, name))) for name in wanted if getattr(spec, name)}


def changed(name: str, x: np.ndarray, amount: float, noise: np.ndarray) -> Iterator[tuple[np.ndarray, tuple[int, int]]]:
    """The samples in each of the ways that count for this amount, and by how many pixels they were shifted."""
    if name == "shift":
        for way in four_ways(int(amount)):
            yield shifted(x, *way), way
    elif name == "rotation":
        for degrees in dict.fromkeys([amount, -amount]):
            yield turned(x, degrees), (0, 0)
    else:
        yield scaled(x, amount) if name == "scale" else x + np.float32(amount) * noise, (0, 0)


def measure(spec: Spec, run: Run) -> Finding:
    split, some = samples(run, spec)
    if len(some) < 2:
        raise NotApplicable("it takes two samples at least: one is compared with another")
    measuring = Measuring(run, some)
    numbers: dict[str, Any] = {"split": split, "samples": len(some), "metric": measuring.metric}
    for name, amounts in _changes(spec, run.description.shape).items():
        numbers[name] = [{"amount": amount, **measuring.at(name, amount)} for amount in amounts]
    return Finding(numbers, _said(numbers), [_picture(run, numbers)])


class Measuring:
    """What the net makes of the unchanged samples, to compare with."""

    def __init__(self, run: Run, some: Split):
        self._trained, self._some = run.trained, some
        kind, config = run.config.kind(), run.config
        said = kind.prediction_shapes(config.model, run.loaded.net_input)
        answers = {"probabilities", "outputs"} & said.keys() and len(run.description.target_shape) < 3
        self.metric = kind.MEASURED[0] if answers else None
        self._clean = run.trained.layers(some.x)
        self._strides = strides(run.rows)
        self._layers = [row.name for row in run.rows if row.name in self._clean and not isinstance(row.layer, SAME)]
        generator = rng(config.seed, "analysis/invariance")
        self._noise = generator.standard_normal(some.x.shape, dtype=np.float32)
        self._others = (np.arange(len(some)) + generator.integers(1, len(some), len(some))) % len(some)
        self._wide = {name: _distance(self._clean[name][self._others], self._clean[name]) for name in self._layers}

    def at(self, name: str, amount: float) -> dict[str, Any]:
        """The metric, and how far each layer's answer is from that for the unchanged samples."""
        scores, away = [], dict[str, list[np.ndarray]]()
        moved = dict[str, list[np.ndarray]]()
        for x, way in changed(name, self._some.x, amount, self._noise):
            if self.metric:
                scores.append(of_samples(self._trained.predictions(x), self._some.y))
            found = self._trained.layers(x)
            for layer in self._layers:
                away.setdefault(layer, []).append(_distance(found[layer], self._clean[layer]))
                if name == "shift" and (pair := self._aligned(layer, found[layer], way)):
                    wide = _distance(pair[1], pair[1][self._others]).mean()
                    moved.setdefault(layer, []).append(_distance(*pair) / (wide or 1.0))
        numbers: dict[str, Any] = {}
        if self.metric:
            values = np.mean(scores, axis=0)
            numbers |= {self.metric: float(values.mean()), f"{self.metric}_stderr": stderr(values, self.metric)}
        numbers["layers"] = {layer: self._of_layer(np.mean(values, axis=0), layer) for layer, values in away.items()}
        for layer, errors in moved.items():
            error = np.mean(errors, axis=0)
            numbers["layers"][layer] |= {"equivariance_error": float(error.mean())}
            numbers["layers"][layer] |= {"equivariance_error_stderr": mean_stderr(error)}
        return numbers

    def _of_layer(self, values: np.ndarray, layer: str) -> dict[str, Any]:
        wide = self._wide[layer].mean() or 1.0  # a layer that says the same of all samples has not changed
        return {"change": float(values.mean() / wide), "change_stderr": mean_stderr(values / wide)}

    def _aligned(self, layer: str, found: np.ndarray, way: tuple[int, int]) -> tuple[np.ndarray, np.ndarray] | None:
        """The parts of the maps of changed and unchanged samples that show the same; None where there is none."""
        if layer not in self._strides:
            return None
        down, right = (n / stride for n, stride in zip(way, self._strides[layer], strict=True))
        clean, (height, width) = self._clean[layer], found.shape[1:3]
        if down % 1 or right % 1 or abs(down) >= height or abs(right) >= width:
            return None
        d, r = int(down), int(right)
        new = found[:, max(d, 0) : height + min(d, 0), max(r, 0) : width + min(r, 0)]
        return new, clean[:, max(-d, 0) : height + min(-d, 0), max(-r, 0) : width + min(-r, 0)]


def strides(rows: list[Row]) -> dict[str, tuple[float, float]]:
    """By layer whose outputs are maps of the samples: pixels of the sample from one place of the map to the next."""
    found: dict[str, tuple[float, float]] = {}
    down = right = 1.0
    for row in rows:
        window = row.layer.window()
        if window is None or len(row.input_shape) != 3 or len(row.output_shape) != 3:
            break
        if len(window) == 2:
            down, right = down * window[0][1], right * window[1][1]
        found[row.name] = (down, right)
    return found


def _distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """|a - b|_2 of each sample, float64 (n,)."""
    return np.sqrt(np.square(a - b, dtype=np.float64).reshape(len(a), -1).sum(axis=1))


def _said(numbers: Mapping[str, Any]) -> str:
    metric, parts = numbers["metric"], []
    for name, unit in (("shift", " pixels"), ("rotation", " degrees"), ("scale", " of the size"), ("noise", "")):
        if name in numbers:
            row = max(numbers[name], key=lambda row: abs(np.log(row["amount"])) if name == "scale" else row["amount"])
            if metric:
                parts.append(f"{rounded(row[metric], row[f'{metric}_stderr'])} at {name} {row['amount']:g}{unit}")
            else:
                found = list(row["layers"].values())[-1]
                change = rounded(found["change"], found["change_stderr"])
                parts.append(f"{change} at {name} {row['amount']:g}{unit}")
    what = metric or "relative change of the last layer"
    return f"{what} {', '.join(parts)}; {numbers['samples']} {numbers['split']} samples"


def _picture(run: Run, numbers: Mapping[str, Any]) -> Picture:
    names = [name for name in LABELS if name in numbers]
    metric, rows = numbers["metric"], 2 if numbers["metric"] else 1
    caption = (
        f"{numbers['samples']:,} {numbers['split']} samples; a layer's change is relative to how far another "
        "sample's answer is: at 1 the changed sample is as strange as that"
    )
    if any("equivariance_error" in found for row in numbers.get("shift", ()) for found in row["layers"].values()):
        caption += "; dashed: of a map that is shifted back"
    figure = looks.figure(
        max(4.2 * len(names) + 1.5, 7), 4.0 * rows + 1.4, f"{run.name}: what changes how much", caption
    )
    panels = figure.subplots(rows, len(names), squeeze=False, sharey="row", sharex="col")
    for column, name in enumerate(names):
        if metric:
            _metric(panels[0, column], numbers[name], metric, run.metrics.get(numbers["split"], {}))
        _layers(panels[-1, column], numbers[name])
        panels[-1, column].set_xlabel(LABELS[name])
    panels[-1, 0].set_ylabel("change of the layer")
    panels[-1, 0].set_ylim(0, None)  # of all, when all is drawn
    panels[-1, -1].legend(fontsize=12, loc="upper left", bbox_to_anchor=(1, 1))
    if metric:
        panels[0, 0].set_ylabel(metric)
    return Picture("invariance", figure, _table(numbers, names, metric))


def _metric(axes: Axes, rows: list[dict[str, Any]], metric: str, measured: Mapping[str, Any]) -> None:
    amounts, values = ([row[key] for row in rows] for key in ("amount", metric))
    errors = [row[f"{metric}_stderr"] or 0.0 for row in rows]
    axes.errorbar(amounts, values, errors, color=looks.BLUE, marker="o", markersize=5)
    if metric == "accuracy":
        axes.set_ylim(0, 1.02)
        if "majority_accuracy" in measured:
            majority = measured["majority_accuracy"]
            axes.axhline(majority, color=looks.GREY, linestyle=":", linewidth=2, zorder=1)
            left = axes.get_yaxis_transform()
            style: dict[str, Any] = {"textcoords": "offset points", "color": looks.GREY, "fontsize": 11}
            axes.annotate("most frequent class", (0.01, majority), (0, -14), xycoords=left, **style)
    axes.grid(axis="y", color=looks.PALE, linewidth=0.8)


def _layers(axes: Axes, rows: list[dict[str, Any]]) -> None:
    from matplotlib import colormaps

    layers = list(rows[0]["layers"])
    for i, layer in enumerate(layers):
        colour = colormaps[RAMP](PALEST * i / max(len(layers) - 1, 1))
        found = [row["layers"][layer] for row in rows]
        values, errors = [one["change"] for one in found], [one["change_stderr"] or 0.0 for one in found]
        label = short(layer)
        axes.errorbar([row["amount"] for row in rows], values, errors, color=colour, marker="o", ms=5, label=label)
        back = [(row["amount"], row["layers"][layer].get("equivariance_error")) for row in rows]
        if any(amount and error is not None for amount, error in back):
            places, errors = zip(*[pair for pair in back if pair[1] is not None], strict=True)
            axes.plot(places, errors, color=colour, linestyle="--", marker="o", markerfacecolor="white", ms=5)
    axes.axhline(1, color=looks.GREY, linestyle=":", linewidth=2, zorder=1)
    axes.grid(axis="y", color=looks.PALE, linewidth=0.8)


def _table(numbers: Mapping[str, Any], names: list[str], metric: str | None) -> dict[str, list[Any]]:
    """The metric stands as the change of no layer."""
    rows: list[tuple[Any, ...]] = []
    for name in names:
        for row in numbers[name]:
            if metric:
                rows.append((name, row["amount"], "", metric, row[metric], row[f"{metric}_stderr"]))
            for layer, found in row["layers"].items():
                for what in ("change", "equivariance_error"):
                    if what in found:
                        rows.append((name, row["amount"], layer, what, found[what], found[f"{what}_stderr"]))
    columns = ("changed_by", "amount", "layer", "what", "value", "stderr")
    return dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True))
