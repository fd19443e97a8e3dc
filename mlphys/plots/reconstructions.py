"""Reconstructions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import named_values, theme
from mlphys.figures.example_experiments import autoencoder_of_images
from mlphys.figures.picture import Picture, Plot, predicted
from mlphys.figures.run_view import RunView
from mlphys.schema.fields import Shape
from mlphys.schema.layers import text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 10  # samples
ACROSS = 5  # panels of curves
MOST_LINES = 6  # channels of a sequence that colors can distinguish
TABLED = 6  # samples of a table
DOTTED = 30  # features up to which each has a dot


class Reconstructions(Plot):
    """Samples, their reconstructions (or outputs of a net from images to images), and the difference."""

    def draw(self, run: RunView) -> Iterator[Picture]:
        kind = run.config.model.kind
        if run.config.model.PREDICTS_TARGETS and len(run.data["target_shape"]) == 3:
            yield from _to_images(run, tuple(run.data["target_shape"]))
            return
        otherwise = f"kind: {kind} reconstructs nothing; train a model of kind: autoencoder for this picture"
        split, predictions = predicted(run, "reconstructions", otherwise)
        shape = tuple(run.data["shape"])
        _need_drawable(shape)
        indices = predictions["shown"][:MOST]
        inputs, outputs = predictions["images"][:MOST], predictions["reconstructions"][:MOST]
        metrics = _metrics_of_reconstructions(run, split)
        of, baselines = (
            len(predictions["labels"]),
            _baselines(metrics, math.prod(predictions["codes"].shape[1:]), inputs.ndim == 4),
        )
        title = f"{run.name}: reconstructions, mse {theme.measured(metrics['mse'], metrics['mse_stderr'])}"
        caption = f"mean over {of:,} {split} samples, here the first {len(indices)}; mse of {baselines}"
        rows = {"input": inputs, "output": outputs}
        if "corrupted" in predictions:
            rows = {
                "corrupted": predictions["corrupted"][:MOST],
                "clean": inputs,
                "output": predictions["denoised"][:MOST],
            }
            title = (
                f"{run.name}: what is made of corrupted samples, mse "
                f"{theme.measured(metrics['corrupted_mse'], metrics['corrupted_mse_stderr'])}"
            )
            caption = (
                f"mean over {of:,} {split} samples, here the first {len(indices)}; mse of the corrupted samples "
                f"{theme.measured(metrics['corruption_mse'])}, of clean ones given back "
                f"{theme.measured(metrics['mse'])}"
            )
        if features := named_values.names(run):
            caption = caption.replace(f"the first {len(indices)};", f"the first {min(TABLED, len(indices))};")
            drawn = _of_table(run, rows, features, title, caption)
        else:
            drawn = _images(rows, title, caption) if inputs.ndim == 4 else _curves(rows, title, caption)
        yield Picture("reconstructions", drawn, _table(indices, rows))

    @classmethod
    def example(cls) -> dict[str, Any]:
        return autoencoder_of_images()


def _metrics_of_reconstructions(run: RunView, split: str) -> Mapping[str, Any]:
    metrics = run.metrics.get(split, {})
    if "mse" not in metrics:
        raise NotApplicable(
            run.config.model.why_no_decoder()
            or "a head is trained to tell classes apart, and nothing to reconstruct; leave model.head out"
        )
    return metrics


def _to_images(run: RunView, shape: Shape) -> Iterator[Picture]:
    """For a net from images to images: input, target, output, and the difference of the last two."""
    split, predictions = predicted(run, "outputs", "")
    indices, inputs = predictions["shown"][:MOST], predictions["images"][:MOST]
    if inputs.ndim != 4 or inputs.shape[-1] not in (1, 3) or shape[-1] not in (1, 3):
        raise NotApplicable(f"{text(inputs.shape[1:])} and {text(shape)} are not both images of 1 or 3 channels")
    targets, outputs = predictions["labels"][indices], predictions["outputs"][indices]
    metrics = run.metrics.get(split, {})
    copied = metrics.get("copy_input_mse")
    baselines = f"the mean target {theme.measured(metrics['mean_target_mse'])}"
    baselines += "" if copied is None else f", of the input itself {theme.measured(copied)}"
    title = f"{run.name}: images to images, mse {theme.measured(metrics['mse'], metrics['mse_stderr'])}"
    of = len(predictions["labels"])
    caption = f"mean over {of:,} {split} samples, here the first {len(indices)}; mse of {baselines}"
    figure = _images({"input": inputs, "target": targets, "output": outputs}, title, caption)
    yield Picture("reconstructions", figure, _table(indices, {"target": targets, "output": outputs}))


def _need_drawable(shape: Shape) -> None:
    image = len(shape) == 3 and shape[-1] in (1, 3)
    sequence = len(shape) == 1 or (len(shape) == 2 and shape[-1] <= MOST_LINES)
    if not image and not sequence:
        raise NotApplicable(
            f"a sample of {text(shape)} is neither an image of 1 or 3 channels nor a sequence of at most {MOST_LINES}"
        )


def _baselines(metrics: Mapping[str, Any], code_size: int, images: bool) -> str:
    """The baselines; PCA only if the code is smaller than the samples."""
    pca = metrics.get("pca_mse")
    components = "" if pca is None else f"PCA with {code_size} components {theme.measured(pca)}, of "
    return f"{components}the mean {'image' if images else 'sample'} {theme.measured(metrics['mean_image_mse'])}"


def _images(rows: Mapping[str, np.ndarray], title: str, caption: str) -> Figure:
    """One row of images per name, and the difference of the last two; the mse of a sample is below it."""
    from matplotlib.ticker import MaxNLocator

    (target_name, targets), (_, outputs) = list(rows.items())[-2:]
    count, height, width = targets.shape[:3]
    differences = (outputs - targets).mean(axis=-1)
    limit = float(abs(differences).max()) or 1.0
    down, tile = len(rows) + 1, 1.1 * min(max(height / width, 0.3), 2)
    figure = theme.figure(max(1.1 * count + 1.8, 9), down * (tile + 0.05) + 1.35, title, caption)
    grid = figure.add_gridspec(down, count + 1, width_ratios=[*[1] * count, 0.14])
    axes = [[figure.add_subplot(grid[row, column]) for column in range(count)] for row in range(down)]
    low, high = min(0.0, float(targets.min())), max(1.0, float(targets.max()))
    for panels, images in zip(axes, rows.values(), strict=False):
        for panel, image in zip(panels, images, strict=True):
            _grey(panel, image, low, high)
    for i, panel in enumerate(axes[-1]):
        drawn = panel.imshow(differences[i], cmap=theme.SIGNED, vmin=-limit, vmax=limit)
        panel.set_xlabel(f"{((outputs[i] - targets[i]) ** 2).mean():#.2g}", fontsize=12, color=theme.GREY)
    for panel in [panel for row in axes for panel in row]:
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set(visible=True, color=theme.PALE)
    for row, name in zip(axes, (*rows, f"output\n− {target_name}"), strict=True):
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    axes[-1][0].text(-0.1, -0.06, "mse", transform=axes[-1][0].transAxes, ha="right", va="top", color=theme.GREY)
    bar = figure.colorbar(drawn, cax=figure.add_subplot(grid[down - 1, count]))
    bar.locator = MaxNLocator(nbins=3, symmetric=True)
    if targets.shape[-1] > 1:
        bar.set_label("mean of\nchannels", fontsize=11)
    return figure


def _grey(axes: Axes, sample: np.ndarray, low: float, high: float) -> None:
    if sample.shape[-1] == 3:
        axes.imshow(((sample - low) / (high - low)).clip(0, 1))
    else:
        axes.imshow(sample[..., 0], cmap="gray_r", vmin=low, vmax=high)


def _of_table(
    run: RunView, rows: Mapping[str, np.ndarray], features: Sequence[str], title: str, caption: str
) -> Figure:
    """Named features, each with its unit: each sample's lines below each other."""
    count = min(TABLED, len(next(iter(rows.values()))))
    values = np.stack([some[:count] for some in rows.values()], axis=1).reshape(-1, len(features))
    labels = [f"{name} {i}" for i in range(count) for name in rows]
    scaled = named_values.standardized(run, values)
    return named_values.figure(values, scaled, labels, features, title, f"{caption}; {named_values.STANDARDIZED}")


def _curves(rows: Mapping[str, np.ndarray], title: str, caption: str) -> Figure:
    """One panel per sample: its curve broad and pale, the reconstruction thin; one color per channel.

    A corrupted sample, which is what the net receives, is thin and grey behind both.
    """
    from matplotlib.lines import Line2D

    (target_name, inputs), (_, outputs) = list(rows.items())[-2:]
    count, across = len(inputs), min(len(inputs), ACROSS)
    down = math.ceil(count / across)
    figure = theme.figure(max(2.5 * across + 1.8, 9), 2.1 * down + 1.7, title, caption)
    axes = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).ravel()
    marker = "o" if inputs.shape[1] <= DOTTED else ""
    styles: dict[str, dict[str, Any]] = {
        target_name: {"linewidth": 5, "alpha": 0.35},
        "output": {"linewidth": 1.8, "marker": marker},
    }
    if "corrupted" in rows:
        styles = {"corrupted": {"linewidth": 1, "color": theme.GREY, "zorder": 1}} | styles
    for i, panel in enumerate(axes[:count]):
        for name, style in styles.items():
            panel.set_prop_cycle(color=theme.LINES)
            panel.plot(rows[name][i], **style, markersize=5)
        panel.set_title(f"mse {((outputs[i] - inputs[i]) ** 2).mean():#.2g}", fontsize=12, color=theme.GREY)
    for unused in axes[count:]:
        unused.remove()
    colour = theme.LINES[0] if inputs[0].ndim == 1 or inputs.shape[-1] == 1 else theme.INK
    handles = [Line2D([], [], **{"color": colour} | style) for style in styles.values()]
    figure.legend(handles, list(styles), loc="outside right upper")
    figure.axes[across * (down - 1)].set_xlabel("feature")
    return figure


def _table(indices: np.ndarray, rows: Mapping[str, np.ndarray]) -> dict[str, list]:
    """One row per value of each sample."""
    shape = next(iter(rows.values())).shape
    names = ("row", "column", "channel") if len(shape) == 4 else ("feature", "channel")[: len(shape) - 1]
    samples, *places = np.indices(shape).reshape(len(shape), -1)
    return {
        "sample": indices[samples].tolist(),
        **{name: place.tolist() for name, place in zip(names, places, strict=True)},
        **{name: list(values.ravel()) for name, values in rows.items()},
    }
