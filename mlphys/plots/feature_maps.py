"""Feature maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import named_values, theme
from mlphys.figures.example_experiments import classifier_of_images
from mlphys.figures.layer_maps import MOST_BARS, MOST_CHANNELS, Block, page, written_in_numbers
from mlphys.figures.picture import Picture, Plot, predicted
from mlphys.figures.run_view import RunView
from mlphys.numerics import chunked
from mlphys.schema.layers import FixedConv2D, Flatten, Reshape, text
from mlphys.schema.shapes import Row


class FeatureMaps(Plot):
    """One sample through the network: the output of every layer."""

    def draw(self, run: RunView) -> Iterator[Picture]:
        if not run.rows:
            raise NotApplicable(f"kind: {run.config.model.kind} has no layers")
        split, predictions = predicted(run, "images", "no sample is kept with the predictions")
        shown = predictions["shown"]
        if not len(shown):
            raise NotApplicable(f"no sample is kept; `mlphys evaluate {run.path} --split {split}` keeps some")
        place = _place(predictions)
        sample = predictions["images"][place]
        if not run.preprocessing.invertible:  # then the saved images are not the samples of the data
            sample = chunked.read(getattr(run.dataset(), split).x[shown[place : place + 1]])[0]
        blocks = list(_blocks(run, sample, "probabilities" in predictions))
        caption = "; ".join(
            [f"{split} sample {shown[place]}{_named(run, predictions, shown[place])}", *_notes(run, blocks)]
        )
        title = f"{run.name}: one sample through every layer"
        yield Picture("feature_maps", page(blocks, title, caption), _table(blocks))

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_images()


def _place(predictions: Mapping[str, np.ndarray]) -> int:
    """Which of the saved samples: the first correctly classified one, else the first."""
    if "probabilities" not in predictions:
        return 0
    shown = predictions["shown"]
    guesses = predictions["probabilities"][shown].argmax(axis=1)
    return int((guesses == predictions["labels"][shown]).argmax())


def _named(run: RunView, predictions: Mapping[str, np.ndarray], index: int) -> str:
    classes, label = run.data["classes"], predictions["labels"][index]
    if not classes:
        return ""
    known = f", class {theme.short(classes[label])}"
    if "probabilities" not in predictions:
        return known
    probabilities = predictions["probabilities"][index]
    guess = probabilities.argmax()
    return f"{known}, taken for {theme.short(classes[guess])} with p = {probabilities[guess]:.3g}"


def _blocks(run: RunView, sample: np.ndarray, classifies: bool) -> Iterator[Block]:
    """Blocks for the sample, the preprocessed sample, and the outputs of all layers that change values."""
    shape, photo = sample.shape, sample.ndim == 3 and sample.shape[-1] == 3
    features = tuple(theme.short(name) for name in named_values.names(run))
    yield Block("input", "input", (text(shape),), sample, photo, features=features)
    if run.preprocessing.steps:
        preprocessed = chunked.read(run.preprocessing.apply(sample[None]))[0]
        yield Block("preprocessed", "preprocessed", (text(preprocessed.shape),), preprocessed)
    outputs = run.trained.layers(sample[None])
    rows = [row for row in run.rows if row.name in outputs]  # a head is beside the decoder
    for row in rows:
        if _changes_nothing(row):
            continue
        values, last = outputs[row.name][0], row is rows[-1]
        notes, photographed = (_which(row), text(values.shape)), False
        classes: tuple[str, ...] = ()
        if last and not classifies and values.size == sample.size and values.ndim == 1:
            values = values.reshape(shape)  # a reconstruction
        if last:
            photographed = photo and values.shape == shape
            names = [theme.short(name) for name in run.data["classes"]]
            classes = tuple(names) if classifies and values.shape == (len(names),) else ()
        yield Block(
            row.name,
            type(row.layer).__name__,
            notes,
            values,
            photographed,
            classes,
            apart=isinstance(row.layer, FixedConv2D),
        )


def _changes_nothing(row: Row) -> bool:
    """Whether a layer only reshapes, or acts only in training."""
    if isinstance(row.layer, Flatten | Reshape):
        return len(row.output_shape) == 1
    return row.layer.only_in_training


def _which(row: Row) -> str:
    *place, number, _ = row.name.split(".")
    part = " ".join(place)
    return f"{'layer' if part == 'layers' else part} {number}"


def _notes(run: RunView, blocks: Sequence[Block]) -> Iterator[str]:
    apart = any(block.apart and len(block.tiles) > 1 for block in blocks)
    scaled = "each layer on its own scale" + (", of FixedConv2D each map" if apart else "")
    bars = all(block.values.ndim == 1 and len(block.values) <= MOST_BARS for block in blocks)
    if bars and not written_in_numbers(blocks):
        yield "bars from 0, each layer on its own scale"
    elif any((block.values < 0).any() for block in blocks):
        yield f"blue is negative, red positive, white 0, {scaled}"
    else:
        yield f"white is 0, {scaled}"
    if any(block.values.ndim == 3 and block.values.shape[-1] > MOST_CHANNELS for block in blocks):
        yield f"of more channels the first {MOST_CHANNELS}"
    if left_out := dict.fromkeys(type(row.layer).__name__ for row in run.rows if _changes_nothing(row)):
        yield f"without {' and '.join(left_out)}, where the numbers stay as they are"


def _table(blocks: Sequence[Block]) -> dict[str, list]:
    """One row per drawn number; an output (n,) is n channels of one pixel, a sequence an image of one row."""
    columns: dict[str, list] = {"layer": [], "channel": [], "row": [], "column": [], "value": []}
    for block in blocks:
        match block.values.ndim:
            case 3:
                values = block.values.transpose(2, 0, 1)[:MOST_CHANNELS]
            case 2:
                values = block.values.T[:, None, :]
            case _:
                values = block.values[:, None, None]
        places = np.indices(values.shape).reshape(3, -1).tolist()
        columns["layer"] += [block.key] * values.size
        for name, place in zip(("channel", "row", "column"), places, strict=True):
            columns[name] += place
        columns["value"] += list(values.ravel())
    return columns
