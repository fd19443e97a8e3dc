"""Invariance under shift, rotation, scaling and noise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult, SampledAnalysis
from mlphys.figures.example_experiments import classifier_of_images
from mlphys.figures.layer_curves import PALEST, RAMP, short
from mlphys.figures.picture import Picture
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.numerics.image_transforms import four_ways, scaled, shifted, turned
from mlphys.numerics.metrics import of_samples, stderr
from mlphys.numerics.randomness import rng
from mlphys.numerics.uncertainty import mean_stderr, rounded
from mlphys.schema.fields import Count, NotNegative, Shape, as_tuple
from mlphys.schema.layers import Flatten, Reshape
from mlphys.schema.shapes import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LARGEST = 20_000_000  # numbers of all layers' outputs at once: 80 MB
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


class Invariance(SampledAnalysis):
    """Change of the prediction and of each layer's output under shift, rotation, scaling and noise.

    For each change x -> T x of the samples, before data.preprocess: the accuracy (of a regressor the mse), and of
    each layer h

        |h(T x) - h(x)|_2 / E |h(x') - h(x)|_2,

    with x' another sample: 0 for invariance, 1 if T x is as different for the layer as another sample. Shifts are the
    mean over left, right, up and down, rotations over both senses, about the center; zero-padded. Noise is
    Gaussian, on every value. For maps also the `equivariance_error` of each shift by whole pixels of the map,
    the same fraction with |h(T x) - T h(x)| over what both show, and 0 for a convolution of images with a wide
    enough empty border. Where targets are images only the layers are compared. An empty list leaves
    a change out; shifts by the whole image and more are left out.
    """

    samples: Count = 500
    shift: Annotated[tuple[Whole, ...], Tuple] = (0, 1, 2, 3, 4, 6, 8)
    """The shifts that are tried, in pixels."""
    rotation: Annotated[tuple[Degrees, ...], Tuple] = (0.0, 10.0, 20.0, 30.0, 45.0, 60.0, 90.0)
    """The rotations that are tried, in degrees."""
    scale: Annotated[tuple[Factor, ...], Tuple] = (0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0)
    """The factors of magnification that are tried."""
    noise: Annotated[tuple[NotNegative, ...], Tuple] = (0.0, 0.1, 0.2, 0.4, 0.7, 1.0)
    """The standard deviations of the noise that are tried."""

    def check(self, resolved: ResolvedView) -> None:
        if not resolved.rows():
            raise NotApplicable(f"kind: {resolved.experiment.model.kind} has no layers")
        if not self._changes(resolved.description.shape):
            raise NotApplicable("its samples are no images, and there is no noise to add")

    def _changes(self, shape: Shape) -> dict[str, list[float]]:
        """The amounts of each change that apply to samples of this shape."""
        amounts = {name: sorted(set(getattr(self, name))) for name in LABELS}
        if len(shape) == 3:
            amounts["shift"] = [pixels for pixels in amounts["shift"] if pixels < min(shape[:2])]
        else:
            amounts = {"noise": amounts["noise"]}
        return {name: of_change for name, of_change in amounts.items() if of_change}

    def measure(self, run: RunView) -> AnalysisResult:
        split, some = self.samples_of(run)
        if len(some) < 2:
            raise NotApplicable("it takes two samples at least: one is compared with another")
        changes = [
            (name, amount) for name, amounts in self._changes(run.description.shape).items() for amount in amounts
        ]
        kind = run.config.model
        outputs = kind.prediction_shapes(run.loaded.net_input)
        answers = {"probabilities", "outputs"} & outputs.keys() and len(run.description.target_shape) < 3
        metric = kind.MEASURED[0] if answers else None
        generator = rng(run.config.seed, "analysis/invariance")
        by_layer: dict[Any, list[np.ndarray]] = {}
        for rows in np.array_split(np.arange(len(some)), _pieces(run.rows, len(some))):
            noise = generator.standard_normal(some.x[rows].shape, dtype=np.float32)
            others = (np.arange(len(rows)) + generator.integers(1, len(rows), len(rows))) % len(rows)
            piece = Piece(run, some.x[rows], some.y[rows] if metric else None, noise, others)
            for change in changes:
                for key, values in piece.measured(*change).items():
                    by_layer.setdefault((change, *key), []).append(values)
        joined = {key: np.concatenate(parts) for key, parts in by_layer.items()}
        numbers: dict[str, Any] = {"split": split, "samples": len(some), "metric": metric}
        for name, amount in changes:
            of_change = {key[1:]: values for key, values in joined.items() if key[0] == (name, amount)}
            numbers.setdefault(name, []).append({"amount": amount, **_means(of_change, metric)})
        return AnalysisResult(numbers, _summary(numbers), [_picture(run, numbers)])

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_images()


def changed(name: str, x: np.ndarray, amount: float, noise: np.ndarray) -> Iterator[tuple[np.ndarray, tuple[int, int]]]:
    """The samples changed in each way that is averaged for this amount, with the shift in pixels."""
    if name == "shift":
        for way in four_ways(int(amount)):
            yield shifted(x, *way), way
    elif name == "rotation":
        for degrees in dict.fromkeys([amount, -amount]):
            yield turned(x, degrees), (0, 0)
    else:
        yield scaled(x, amount) if name == "scale" else x + np.float32(amount) * noise, (0, 0)


def _pieces(rows: Sequence[Row], count: int) -> int:
    """Number of chunks such that the outputs of all layers fit into memory, with at least two samples each."""
    at_once = max(2, LARGEST // sum(math.prod(row.output_shape) for row in rows))
    return max(1, min(count // 2, math.ceil(count / at_once)))


class Piece:
    """A chunk of samples x and targets y: the layers' outputs, unit noise, and the index of another sample for each."""

    def __init__(self, run: RunView, x: np.ndarray, y: np.ndarray | None, noise: np.ndarray, others: np.ndarray):
        self._trained, self._x, self._y, self._noise, self._others = run.trained, x, y, noise, others
        outputs = run.trained.layers(x)
        rows = [row for row in run.rows if not (isinstance(row.layer, Flatten | Reshape) or row.layer.only_in_training)]
        self._clean = {row.name: outputs[row.name] for row in rows if row.name in outputs}
        self._strides = strides(run.rows)

    def measured(self, name: str, amount: float) -> dict[tuple[str, ...], np.ndarray]:
        """Per sample: the score, and for each layer the distance to the unchanged output and to another sample's."""
        ways: list[dict[tuple[str, ...], np.ndarray]] = []
        for x, way in changed(name, self._x, amount, self._noise):
            values: dict[tuple[str, ...], np.ndarray] = {}
            if self._y is not None:
                values["score",] = of_samples(self._trained.predictions(x), self._y)
            layers = self._trained.layers(x)
            for layer, clean in self._clean.items():
                values["change", layer], values["change", layer, "wide"] = self._compared(layers[layer], clean)
                if name == "shift" and (pair := self._aligned(layer, layers[layer], way)):
                    error, wide = self._compared(*pair)
                    values["equivariance_error", layer], values["equivariance_error", layer, "wide"] = error, wide
            ways.append(values)
        return {key: np.mean([values[key] for values in ways], axis=0) for key in ways[0]}

    def _compared(self, outputs: np.ndarray, clean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _distance(outputs, clean), _distance(clean[self._others], clean)

    def _aligned(self, layer: str, outputs: np.ndarray, way: tuple[int, int]) -> tuple[np.ndarray, np.ndarray] | None:
        """The overlapping parts of the maps of changed and unchanged samples; None if there is no overlap."""
        if layer not in self._strides:
            return None
        down, right = (n / stride for n, stride in zip(way, self._strides[layer], strict=True))
        clean, (height, width) = self._clean[layer], outputs.shape[1:3]
        if down % 1 or right % 1 or abs(down) >= height or abs(right) >= width:
            return None
        d, r = int(down), int(right)
        new = outputs[:, max(d, 0) : height + min(d, 0), max(r, 0) : width + min(r, 0)]
        return new, clean[:, max(-d, 0) : height + min(-d, 0), max(-r, 0) : width + min(-r, 0)]


def _means(per_sample: Mapping[tuple[str, ...], np.ndarray], metric: str | None) -> dict[str, Any]:
    """The metric, and the relative change of each layer, with standard errors."""
    numbers: dict[str, Any] = {}
    if metric:
        score = per_sample["score",]
        numbers |= {metric: float(score.mean()), f"{metric}_stderr": stderr(score, metric)}
    numbers["layers"] = {}
    for key, values in per_sample.items():
        if len(key) == 2:
            what, layer = key
            wide = per_sample[what, layer, "wide"].mean() or 1.0  # constant outputs
            of_layer = numbers["layers"].setdefault(layer, {})
            of_layer |= {what: float(values.mean() / wide), f"{what}_stderr": mean_stderr(values / wide)}
    return numbers


def strides(rows: Sequence[Row]) -> dict[str, tuple[float, float]]:
    """For each layer with feature maps: its stride in pixels of the sample."""
    by_layer: dict[str, tuple[float, float]] = {}
    down = right = 1.0
    for row in rows:
        window = row.layer.window()
        if window is None or len(row.input_shape) != 3 or len(row.output_shape) != 3:
            break
        if len(window) == 2:
            down, right = down * window[0][1], right * window[1][1]
        by_layer[row.name] = (down, right)
    return by_layer


def _distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """|a - b|_2 of each sample, float64 (n,)."""
    return np.sqrt(np.square(a - b, dtype=np.float64).reshape(len(a), -1).sum(axis=1))


def _summary(numbers: Mapping[str, Any]) -> str:
    metric, parts = numbers["metric"], []
    for name, unit in (("shift", " pixels"), ("rotation", " degrees"), ("scale", " of the size"), ("noise", "")):
        if name in numbers:
            row = max(numbers[name], key=lambda row: abs(np.log(row["amount"])) if name == "scale" else row["amount"])
            if metric:
                parts.append(f"{rounded(row[metric], row[f'{metric}_stderr'])} at {name} {row['amount']:g}{unit}")
            else:
                last_layer = list(row["layers"].values())[-1]
                change = rounded(last_layer["change"], last_layer["change_stderr"])
                parts.append(f"{change} at {name} {row['amount']:g}{unit}")
    what = metric or "relative change of the last layer"
    return f"{what} {', '.join(parts)}; {numbers['samples']} {numbers['split']} samples"


def _picture(run: RunView, numbers: Mapping[str, Any]) -> Picture:
    names = [name for name in LABELS if name in numbers]
    metric, rows = numbers["metric"], 2 if numbers["metric"] else 1
    caption = (
        f"{numbers['samples']:,} {numbers['split']} samples; a layer's change is relative to how far another "
        "sample's answer is: at 1 the changed sample is as strange as that"
    )
    if any("equivariance_error" in layer for row in numbers.get("shift", ()) for layer in row["layers"].values()):
        caption += "; dashed: of a map that is shifted back"
    figure = theme.figure(
        max(4.2 * len(names) + 1.5, 7), 4.0 * rows + 1.4, f"{run.name}: what changes how much", caption
    )
    panels = figure.subplots(rows, len(names), squeeze=False, sharey="row", sharex="col")
    for column, name in enumerate(names):
        if metric:
            _metric(panels[0, column], numbers[name], metric, run.metrics.get(numbers["split"], {}), column == 0)
        _layers(panels[-1, column], numbers[name])
        panels[-1, column].set_xlabel(LABELS[name])
    panels[-1, 0].set_ylabel("change of the layer")
    panels[-1, 0].set_ylim(0, None)  # of all, when all is drawn
    panels[-1, -1].legend(fontsize=12, loc="upper left", bbox_to_anchor=(1, 1))
    if metric:
        panels[0, 0].set_ylabel(metric)
    return Picture("invariance", figure, _table(numbers, names, metric))


def _metric(axes: Axes, rows: list[dict[str, Any]], metric: str, measured: Mapping[str, Any], named: bool) -> None:
    amounts, values = ([row[key] for row in rows] for key in ("amount", metric))
    errors = [row[f"{metric}_stderr"] or 0.0 for row in rows]
    axes.errorbar(amounts, values, errors, color=theme.BLUE, marker="o", markersize=5)
    if metric == "accuracy":
        axes.set_ylim(0, 1.02)
        if "majority_accuracy" in measured:
            majority = measured["majority_accuracy"]
            axes.axhline(majority, color=theme.GREY, linestyle=":", linewidth=2, zorder=1)
            if named:
                place: dict[str, Any] = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points"}
                axes.annotate("most frequent class", (0.01, majority), (0, -14), color=theme.GREY, fontsize=11, **place)
    axes.grid(axis="y", color=theme.PALE, linewidth=0.8)


def _layers(axes: Axes, rows: list[dict[str, Any]]) -> None:
    from matplotlib import colormaps

    layers = list(rows[0]["layers"])
    for i, layer in enumerate(layers):
        colour = colormaps[RAMP](PALEST * i / max(len(layers) - 1, 1))
        measurements = [row["layers"][layer] for row in rows]
        values, errors = [one["change"] for one in measurements], [one["change_stderr"] or 0.0 for one in measurements]
        label = short(layer)
        axes.errorbar([row["amount"] for row in rows], values, errors, color=colour, marker="o", ms=5, label=label)
        back = [(row["amount"], row["layers"][layer].get("equivariance_error")) for row in rows]
        if any(amount and error is not None for amount, error in back):
            places, apart = zip(*[pair for pair in back if pair[1] is not None], strict=True)
            axes.plot(places, apart, color=colour, linestyle="--", marker="o", markerfacecolor="white", ms=5)
    axes.axhline(1, color=theme.GREY, linestyle=":", linewidth=2, zorder=1)
    axes.grid(axis="y", color=theme.PALE, linewidth=0.8)


def _table(numbers: Mapping[str, Any], names: list[str], metric: str | None) -> dict[str, list[Any]]:
    """The table; the metric has an empty layer name."""
    rows: list[tuple[Any, ...]] = []
    for name in names:
        for row in numbers[name]:
            if metric:
                rows.append((name, row["amount"], "", metric, row[metric], row[f"{metric}_stderr"]))
            for layer, measurements in row["layers"].items():
                for what in ("change", "equivariance_error"):
                    if what in measurements:
                        rows.append(
                            (name, row["amount"], layer, what, measurements[what], measurements[f"{what}_stderr"])
                        )
    columns = ("changed_by", "amount", "layer", "what", "value", "stderr")
    return dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True))
