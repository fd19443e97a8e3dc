"""Gradients through the layers (Hochreiter 1991; Glorot & Bengio 2010)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult, SampledAnalysis
from mlphys.figures.example_experiments import classifier_of_images
from mlphys.figures.layer_curves import limits, logarithmic, short
from mlphys.figures.picture import Picture
from mlphys.figures.run_view import ResolvedView, RunView, TrainedView
from mlphys.numerics.uncertainty import mean_stderr
from mlphys.schema.layers import Flatten, Reshape
from mlphys.schema.samples import Split

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class GradientFlow(SampledAnalysis):
    """Vanishing or exploding gradients through the layers (Hochreiter 1991; Glorot & Bengio 2010).

    For each layer with outputs h and weights w, with the initial and with the trained weights: |dC/dh|_2 of one
    sample, mean over `samples`, and |dC/dw|_2 of a batch of training's size, mean over batches.

    Back through one layer dC/dh_(l-1) = W^T (f'(a) * dC/dh_l): a sigmoid, f' <= 1/4, leaves at most |W|_2 / 4 of it,
    a linear layer with W = 1 all. `factor_per_layer` is the geometric mean of |dC/dh_(l-1)| / |dC/dh_l|. Outputs
    of a softmax or sigmoid whose cost is computed from its logits are left out. Layers are in inference mode:
    Dropout is the identity, and BatchNormalization uses its moving averages.
    """

    def check(self, resolved: ResolvedView) -> None:
        model = resolved.experiment.model
        if not model.ONE_CHAIN_TO_COST:
            raise NotApplicable(
                f"kind: {model.kind} has no chain of layers from samples to a cost; "
                "it takes classifier, regressor, autoencoder"
            )

    def measure(self, run: RunView) -> AnalysisResult:
        split, some = self.samples_of(run)
        if not run.trained.trained_weights:
            raise NotApplicable("none of its weights is trained")
        nets = {"initial": run.trained.with_weights(run.trained.initial), "trained": run.trained}
        size = run.config.training.batch_size
        batch = len(some) if size == "all" else min(int(size), len(some))
        moving = {
            row.name for row in run.rows if not (isinstance(row.layer, Flatten | Reshape) or row.layer.only_in_training)
        }
        numbers: dict[str, Any] = {"split": split, "samples": len(some), "batch_size": batch}
        for name, net in nets.items():
            outputs, weights = norms(net, some, batch)
            moved = {layer: values for layer, values in outputs.items() if layer in moving}
            means = np.array([values.mean() for values in moved.values()])
            falls = bool(len(means) > 1 and (means > 0).all())
            numbers[name] = {
                "outputs": {layer: _mean(values) for layer, values in moved.items()},
                "weights": {layer: _mean(values) for layer, values in weights.items()},
                "factor_per_layer": float((means[0] / means[-1]) ** (1 / (len(means) - 1))) if falls else None,
            }
        return AnalysisResult(numbers, _summary(numbers), [_picture(run.name, numbers)])

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_images()


def norms(net: TrainedView, some: Split, batch: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """By layer: |dC/dh|_2 of each sample and |dC/dw|_2 of each complete batch, w all trained weights of a layer."""
    outputs: dict[str, list[np.ndarray]] = {}
    weights: dict[str, list[float]] = {}
    names = net.trained_weights
    for start in range(0, max(1, len(some) - batch + 1), batch):
        rows = slice(start, start + batch)
        passed = net.traversed(some.at(rows))
        for layer, slope in passed.slopes.items():  # of the mean over the batch
            of_sample = len(slope) * slope.reshape(len(slope), -1).astype(np.float64)
            outputs.setdefault(layer, []).append(np.linalg.norm(of_sample, axis=1))
        squares: dict[str, float] = {}
        for weight, gradient in zip(names, passed.gradients, strict=True):
            layer = weight.rpartition(".")[0]
            squares[layer] = squares.get(layer, 0.0) + float(np.square(gradient, dtype=np.float64).sum())
        for layer, square in squares.items():
            weights.setdefault(layer, []).append(square**0.5)
    return {name: np.concatenate(parts) for name, parts in outputs.items()}, {
        name: np.array(values) for name, values in weights.items()
    }


def _mean(values: np.ndarray) -> dict[str, float | None]:
    return {"mean": float(values.mean()), "stderr": mean_stderr(values)}


def _summary(numbers: dict[str, Any]) -> str:
    parts = []
    for name, when in (("initial", "before training"), ("trained", "after it")):
        outputs, factor = list(numbers[name]["outputs"].values()), numbers[name]["factor_per_layer"]
        if len(outputs) < 2:
            first = next(iter(numbers[name]["weights"].values()))
            parts.append(f"{when} |dC/dw| is {first['mean']:.2g} at the first layer")
        elif factor is None:
            parts.append(f"{when} one of its layers has no gradient")
        else:
            ends = f"{outputs[-1]['mean']:.2g} at the last layer, {outputs[0]['mean']:.2g} at the first"
            parts.append(f"{when} a layer passes on {factor:.3g} of the gradient ({ends})")
    return f"{'; '.join(parts)}; {numbers['samples']} {numbers['split']} samples"


def _picture(name: str, numbers: dict[str, Any]) -> Picture:
    caption = (
        f"{numbers['samples']:,} {numbers['split']} samples; left the mean over single samples, right over batches "
        f"of {numbers['batch_size']:,}; layers in their order, the gradient comes from the right"
    )
    figure, (left, right) = theme.row(2, 13, 6.2, f"{name}: the gradient on its way back", caption)
    _panel(left, {key: numbers[key]["outputs"] for key in ("initial", "trained")}, "|dC/dh|, outputs h")
    _panel(right, {key: numbers[key]["weights"] for key in ("initial", "trained")}, "|dC/dw|, weights w")
    left.legend()
    rows = [
        (weights, what, layer, values["mean"], values["stderr"])
        for weights in ("initial", "trained")
        for what in ("outputs", "weights")
        for layer, values in numbers[weights][what].items()
    ]
    columns = ("at", "of", "layer", "norm", "norm_stderr")
    return Picture("gradient_flow", figure, dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True)))


def _panel(axes: Axes, curves: dict[str, dict[str, Any]], label: str) -> None:
    layers = list(curves["trained"])
    for (name, curve), colour, marker in zip(curves.items(), (theme.GREY, theme.BLUE), ("s", "o"), strict=True):
        values = np.array([curve[layer]["mean"] for layer in layers])
        errors = np.array([curve[layer]["stderr"] or 0.0 for layer in layers])
        shown = np.where(values > 0, values, np.nan)
        axes.errorbar(range(len(layers)), shown, errors, color=colour, marker=marker, markersize=7, label=name)
    logarithmic(axes, *limits([[values["mean"] for values in curve.values()] for curve in curves.values()]))
    axes.set_xticks(range(len(layers)), [short(layer) for layer in layers], rotation=90, fontsize=12)
    axes.set_ylabel(label)
    axes.grid(axis="y", color=theme.PALE, linewidth=0.8)
